"""Latin letters read one by one, as romanizations and most languages mean them."""

import re

_SOUNDS = {
    "shch": "ʃʧ", "sch": "ʃ", "tch": "ʧ", "sh": "ʃ", "ch": "ʧ", "zh": "ʒ", "kh": "x", "gh": "ɣ",
    "ph": "f", "th": "t", "ts": "ʦ", "tz": "ʦ", "dz": "ʣ", "dh": "d", "bh": "b", "jh": "ʤ", "ck": "k",
    "ng": "ŋ", "qu": "kw", "ou": "u", "a": "a", "b": "b", "c": "k", "d": "d", "e": "e", "f": "f",
    "g": "g", "h": "h", "i": "i", "j": "ʤ", "k": "k", "l": "l", "m": "m", "n": "n", "o": "o", "p": "p",
    "q": "q", "r": "r", "s": "s", "t": "t", "u": "u", "v": "v", "w": "w", "x": "ks", "y": "j", "z": "z",
}  # fmt: skip
_READ = re.compile("n(?=g[aeiou])|" + "|".join(sorted(_SOUNDS, key=len, reverse=True)))
_DOUBLED = re.compile(r"([a-z])\1+")
_VOWEL_Y = re.compile(r"y(?![aeou])")
_SOFT_C = re.compile(r"c(?=[eiy])")


def read_plainly(reading: str) -> str:
    """Sounds of a word in the letters a–z, by the letters' values in romanizations; all else is silent.

    Doubled letters are one sound; c before e, i and y is s; y without a vowel behind it is i.

    Returns:
        IPA, one character a sound.
    """
    reading = _SOFT_C.sub("s", _VOWEL_Y.sub("i", reading))
    reading = _DOUBLED.sub(r"\1", reading)
    return "".join(_SOUNDS[match] for match in _READ.findall(reading))
