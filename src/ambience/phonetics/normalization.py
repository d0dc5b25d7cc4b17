"""One written form for words that a searcher would call the same."""

import unicodedata

LONGEST_WORD = 64
"""Characters of a word that are compared; no word of a language is longer, and hostile ones stay bounded."""

_LONGEST_INPUT = 4 * LONGEST_WORD
"""Characters of a word that are read at all: a word of 64 letters with three marks on each."""

_OWN_MARKS = frozenset("\u3099\u309a")
"""Marks that make another letter, and stay: the voicing marks of kana."""

_STRIPPED_SCRIPTS = (
    (0x0300, 0x036F), (0x0591, 0x05C7), (0x0610, 0x061A), (0x064B, 0x065F), (0x0670, 0x0670),
    (0x06D6, 0x06ED), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
)  # fmt: skip
"""Ranges of marks that come off: accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic."""

_SHORT_I = "и\u0306"
_KEPT_APART = "\ue000"
"""Stands for й while the accents come off: it is a letter of its own, not an и with an accent."""

_SAME_LETTERS = str.maketrans(
    {
        "ς": "σ", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ѐ": "е", "ѝ": "и",
        "ـ": None, "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه",
        "ך": "כ", "ם": "מ", "ן": "נ", "ף": "פ", "ץ": "צ", "’": None, "'": None, "ʼ": None, "‘": None,
        "`": None,
    }
)  # fmt: skip
"""Letters that differ in form alone, or that readers and writers confuse; apostrophes come off."""


def _is_mark_to_strip(character: str) -> bool:
    point = ord(character)
    return any(first <= point <= last for first, last in _STRIPPED_SCRIPTS)


def folded(text: str) -> str:
    """A word in NFKC, case folded, without invisible characters; accents stay.

    Returns:
        at most 256 characters. Controls, format characters (joiners, direction marks, soft hyphens), lone
        surrogates and unassigned characters are left out.
    """
    text = unicodedata.normalize("NFKC", text[:_LONGEST_INPUT]).casefold()
    kept = (c for c in text[:_LONGEST_INPUT] if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn", "Co"))
    return unicodedata.normalize("NFKC", "".join(kept))


def normalized(text: str) -> str:
    """The form of a word in which it is looked up: without case, width, accents and invisible characters.

    NFKC, case folding, and then everything comes off that people leave out when they type: accents of Latin,
    Greek and Cyrillic letters (é → e, ё → е; but й stays, a letter of its own), points of Hebrew and Arabic,
    apostrophes. Vowel signs of Indic scripts and the voicing marks of kana stay, because they make other
    words. Letters that differ in form alone become one: final sigma, final Hebrew letters, the forms of alef.

    Args:
        text: any string; of longer ones the first 256 characters are read.

    Returns:
        at most 64 characters; empty where nothing readable is left. `normalized(normalized(x))` is
        `normalized(x)`.
    """
    text = folded(text)
    if text.isascii():
        return text.replace("'", "").replace("`", "")[:LONGEST_WORD]
    apart = unicodedata.normalize("NFD", text).replace(_SHORT_I, _KEPT_APART)
    kept = "".join(c for c in apart if c in _OWN_MARKS or not _is_mark_to_strip(c))
    kept = unicodedata.normalize("NFC", kept.replace(_KEPT_APART, "й"))
    return unicodedata.normalize("NFC", kept.translate(_SAME_LETTERS)[:LONGEST_WORD])
