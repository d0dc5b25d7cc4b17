"""Scripts of letters, by their Unicode names: what engines are chosen by."""

import unicodedata
from collections import Counter
from functools import lru_cache

UNKNOWN = "Zyyy"
"""ISO 15924 code of what has no letters."""

_BY_NAME = {
    "LATIN": "Latn",
    "CYRILLIC": "Cyrl",
    "GREEK": "Grek",
    "HEBREW": "Hebr",
    "ARABIC": "Arab",
    "DEVANAGARI": "Deva",
    "BENGALI": "Beng",
    "GURMUKHI": "Guru",
    "GUJARATI": "Gujr",
    "TAMIL": "Taml",
    "TELUGU": "Telu",
    "KANNADA": "Knda",
    "MALAYALAM": "Mlym",
    "SINHALA": "Sinh",
    "THAI": "Thai",
    "LAO": "Laoo",
    "KHMER": "Khmr",
    "MYANMAR": "Mymr",
    "GEORGIAN": "Geor",
    "ARMENIAN": "Armn",
    "ETHIOPIC": "Ethi",
    "HANGUL": "Hang",
    "HIRAGANA": "Hira",
    "KATAKANA": "Kana",
    "HALFWIDTH": "Kana",
    "KATAKANA-HIRAGANA": "Kana",
    "CJK": "Hani",
}

RIGHT_TO_LEFT = frozenset({"Arab", "Hebr"})
"""Scripts whose lines begin at the right."""


@lru_cache(maxsize=20_000)
def script_of_letter(letter: str) -> str:
    """ISO 15924 code of one character; "" for digits, signs and spaces."""
    if not letter.isalpha():
        return ""
    return _BY_NAME.get(unicodedata.name(letter, "").split(" ")[0], "Zzzz")


def script_of(text: str) -> str:
    """ISO 15924 code of most letters of a text; of two alike that of the first; "Zyyy" where it has none."""
    counts = Counter(filter(None, map(script_of_letter, text)))
    return counts.most_common(1)[0][0] if counts else UNKNOWN
