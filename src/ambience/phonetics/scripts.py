"""Which script a letter and a text are written in."""

import unicodedata
from functools import lru_cache

COMMON = "Zyyy"
"""Code of what belongs to no one script: digits, punctuation, signs."""

RIGHT_TO_LEFT = frozenset({"Arab", "Hebr"})
"""Scripts whose lines begin at the right."""

_LOOKED_AT = 2000
"""Characters of a text that are looked at, so that floods stay bounded."""

_BY_NAME = {
    "ARABIC": "Arab", "ARMENIAN": "Armn", "BENGALI": "Beng", "BOPOMOFO": "Bopo", "CHEROKEE": "Cher",
    "CJK": "Hani", "COPTIC": "Copt", "CYRILLIC": "Cyrl", "DEVANAGARI": "Deva", "ETHIOPIC": "Ethi",
    "GEORGIAN": "Geor", "GREEK": "Grek", "GUJARATI": "Gujr", "GURMUKHI": "Guru", "HANGUL": "Hang",
    "HEBREW": "Hebr", "HIRAGANA": "Hira", "IDEOGRAPHIC": "Hani", "KANNADA": "Knda", "KATAKANA": "Kana",
    "KATAKANA-HIRAGANA": "Kana",
    "KHMER": "Khmr", "LAO": "Laoo", "LATIN": "Latn", "MALAYALAM": "Mlym", "MONGOLIAN": "Mong",
    "MYANMAR": "Mymr", "ORIYA": "Orya", "SINHALA": "Sinh", "SYRIAC": "Syrc", "TAMIL": "Taml",
    "TELUGU": "Telu", "THAANA": "Thaa", "THAI": "Thai", "TIBETAN": "Tibt",
}  # fmt: skip
_WIDTHS = ("FULLWIDTH ", "HALFWIDTH ")


@lru_cache(maxsize=16384)
def script_of_letter(letter: str) -> str:
    """Script of one character: the first word of its Unicode name, which spares a table of ranges.

    Returns:
        ISO 15924 code; `COMMON` for all that is not a letter.
    """
    if unicodedata.category(letter)[0] != "L":
        return COMMON
    name = unicodedata.name(letter, "")
    for width in _WIDTHS:
        name = name.removeprefix(width)
    return _BY_NAME.get(name.split(" ", 1)[0], COMMON)


def script_of(text: str) -> str:
    """ISO 15924 code of the script of most letters of a text.

    Args:
        text: any string; its first 2,000 characters are looked at.

    Returns:
        "Latn", "Cyrl", "Grek", "Hani", "Hira", "Kana", "Hang", …; of equally many letters the script that
        stands first; "Zyyy" where there is no letter of a known script.
    """
    counts: dict[str, int] = {}
    for letter in text[:_LOOKED_AT]:
        script = script_of_letter(letter)
        if script != COMMON:
            counts[script] = counts.get(script, 0) + 1
    return max(counts, key=counts.__getitem__) if counts else COMMON
