"""Arabic and Hebrew in Latin letters: consonants, and those vowels that are written."""

_ARABIC = {
    "ا": "a", "ب": "b", "ت": "t", "ث": "th", "ج": "j", "ح": "h", "خ": "kh", "د": "d", "ذ": "dh", "ر": "r",
    "ز": "z", "س": "s", "ش": "sh", "ص": "s", "ض": "d", "ط": "t", "ظ": "z", "غ": "gh", "ف": "f", "ق": "q",
    "ك": "k", "ک": "k", "ل": "l", "م": "m", "ن": "n", "ه": "h", "ة": "a", "ى": "a", "ی": "i", "أ": "a",
    "إ": "i", "آ": "a", "ٱ": "a", "ئ": "i", "ؤ": "u", "پ": "p", "چ": "ch", "ژ": "zh", "گ": "g", "ٹ": "t",
    "ڈ": "d", "ڑ": "r", "ں": "n", "ھ": "h", "ہ": "h", "ے": "e", "و": "u", "ي": "i",
}  # fmt: skip
_HEBREW = {
    "א": "", "ב": "b", "ג": "g", "ד": "d", "ה": "h", "ו": "o", "ז": "z", "ח": "h", "ט": "t", "י": "i",
    "כ": "k", "ך": "kh", "ל": "l", "מ": "m", "ם": "m", "נ": "n", "ן": "n", "ס": "s", "ע": "", "פ": "p",
    "ף": "f", "צ": "ts", "ץ": "ts", "ק": "k", "ר": "r", "ש": "sh", "ת": "t",
}  # fmt: skip
_AT_START = {"و": "w", "ي": "y", "ی": "y", "ع": "a", "ו": "v", "י": "y", "א": "a", "ע": "a"}
_AT_END = {"ه": "a", "ה": "a"}
_HALF_VOWELS = frozenset("ويیוי")
_LONG_VOWELS = frozenset("اآىוי")
_SOFT = {"ב": "v", "כ": "kh", "פ": "f"}
_VAV = {"ו": "v"}
_ARTICLE = "ال"
SCRIPTS = frozenset({"Arab", "Hebr"})
"""Scripts that leave most vowels out."""


def read_semitic(word: str, script: str) -> list[str]:
    """Readings of a word without the vowels that its script leaves out (mhmd, brlin), points ignored.

    Args:
        word: NFKC; characters of other scripts are passed over.
        script: one of `SCRIPTS`.

    Returns:
        Arabic with its article and without; Hebrew with its hard and soft letters, and vav as vowel and v.
    """
    if script == "Arab":
        found = [_letters(word, _ARABIC)]
        if word.startswith(_ARTICLE) and len(word) > len(_ARTICLE) + 1:
            found += [_letters(word[len(_ARTICLE) :], _ARABIC)]
        return found
    return [_letters(word, _HEBREW | letters) for letters in ({}, _SOFT, _VAV, _SOFT | _VAV)]


def _letters(word: str, letters: dict[str, str]) -> str:
    read = ""
    for i, letter in enumerate(word):
        if not i:
            read = _AT_START.get(letter, letters.get(letter, ""))
            read = {"v": "b", "kh": "k", "f": "p"}.get(read, read) if letter in _SOFT else read
        elif letter in _HALF_VOWELS and word[i + 1 : i + 2] in _LONG_VOWELS:
            read += _AT_START[letter]
        elif i == len(word) - 1:
            read += _AT_END.get(letter, letters.get(letter, ""))
        else:
            read += letters.get(letter, "")
    return read
