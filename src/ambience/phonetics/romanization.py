"""Words of any script in Latin letters, as people who ask for them type them."""

import re
from functools import lru_cache

from ambience.phonetics import brahmic, semitic
from ambience.phonetics.hangul import read_hangul
from ambience.phonetics.japanese_names import read_japanese
from ambience.phonetics.kana import read_kana
from ambience.phonetics.normalization import LONGEST_WORD, folded
from ambience.phonetics.scripts import script_of

MOST_READINGS = 4
"""Readings of a word that are kept."""

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_GREEK_PAIRS = (
    ("γγ", "ng"), ("γκ", "g"), ("γχ", "nch"), ("μπ", "b"), ("ντ", "d"), ("ου", "ou"), ("ευ", "ev"),
    ("αυ", "av"), ("αι", "e"), ("ει", "i"), ("οι", "i"), ("υ", "i"), ("χ", "ch"),
)  # fmt: skip
_GREEK_ACCENTS = str.maketrans("άέήίόύώΐΰϊϋς", "αεηιουωιυιυσ")
_CYRILLIC_OTHERWISE = str.maketrans({"ё": "yo", "х": "h", "й": "i", "ж": "j", "щ": "sch", "ц": "c"})
_CYRILLIC_VOWELS = frozenset("аеёиоуыэюяіїє")
_THAI_BEFORE = re.compile("([เแโใไ])(.)")
_ASPIRATED_END = re.compile("([kpt])h$")
_ASPIRATED = (("kh", "k"), ("ph", "p"), ("th", "t"))


def romanized(word: str) -> str:
    """The most likely reading of a word in the letters a–z and digits; "" where nothing of it can be read.

    Args:
        word: any string, of any script; of longer ones the first 64 letters count.
    """
    found = readings(word)
    return found[0] if found else ""


def readings(word: str) -> tuple[str, ...]:
    """All readings of a word in the letters a–z and digits, the most likely first.

    Latin loses its accents (Müller → muller, then mueller). Greek and Cyrillic are read as their authorities
    write them and as they are spoken; kana after Hepburn, with and without length; Hangul by Revised
    Romanization and as older names have it; the scripts of India without their silent vowels and with them;
    Arabic and Hebrew are consonants and long vowels (محمد → mhmd). Han has a Chinese reading (pinyin without
    tones) and, of places, names and words of signs, a Japanese one. All other scripts are read sign by sign.

    Returns:
        at most 4, each at most 64 letters; empty where nothing of it can be read.
    """
    return _readings(folded(word))


@lru_cache(maxsize=4096)
def _readings(text: str) -> tuple[str, ...]:
    if text.isascii():
        return _distinct([text])
    return _distinct(_read(text, script_of(text)))


def _read(text: str, script: str) -> list[str]:
    if script in ("Hira", "Kana"):
        return read_kana(text)
    if script == "Hang":
        return read_hangul(text)
    if script in brahmic.SCRIPTS:
        return brahmic.read_brahmic(text, script)
    if script in semitic.SCRIPTS:
        return semitic.read_semitic(text, script)
    by_signs = _by_signs(text)
    if script == "Hani":
        return [by_signs, *read_japanese(text)]
    if script == "Grek":
        return [by_signs, *_spoken_greek(text)]
    if script == "Cyrl":
        return [by_signs, *_other_cyrillic(text)]
    if script == "Thai":
        return _spoken_thai(text)
    return [by_signs, _by_signs(text.translate(_UMLAUTS))]


def _by_signs(text: str) -> str:
    from anyascii import anyascii

    return anyascii(text)


def _spoken_greek(text: str) -> list[str]:
    plain = text.translate(_GREEK_ACCENTS)
    for pair, letters in _GREEK_PAIRS:
        plain = plain.replace(pair, letters)
    spoken = _by_signs(plain)
    return [spoken, spoken.replace("ou", "u").replace("ch", "h")]


def _other_cyrillic(text: str) -> list[str]:
    """With the letters that are romanized in two ways in the other way; and е as ye where it is said so."""
    with_ye = "".join(
        "ye" if letter == "е" and (not i or text[i - 1] in _CYRILLIC_VOWELS) else letter
        for i, letter in enumerate(text)
    )
    return [_by_signs(with_ye.replace("ё", "yo")), _by_signs(text.translate(_CYRILLIC_OTHERWISE))]


def _spoken_thai(text: str) -> list[str]:
    """Vowels that are written before their consonant, behind it; with and without aspiration.

    A word ends without any, as the Royal Institute's system has it (krungthep).
    """
    aspirated = _ASPIRATED_END.sub(r"\1", _by_signs(_THAI_BEFORE.sub(r"\2\1", text)))
    plain = aspirated
    for pair, letter in _ASPIRATED:
        plain = plain.replace(pair, letter)
    return [aspirated, plain]


def _distinct(found: list[str]) -> tuple[str, ...]:
    plain = ("".join(c for c in reading.lower() if c.isalnum() and c.isascii()) for reading in found)
    return tuple(dict.fromkeys(reading[:LONGEST_WORD] for reading in plain if reading))[:MOST_READINGS]
