"""Hiragana and katakana in Latin letters, after Hepburn."""

import re

_SYLLABLES = (
    "あa いi うu えe おo かka がga きki ぎgi くku ぐgu けke げge こko ごgo "
    "さsa ざza しshi じji すsu ずzu せse ぜze そso ぞzo たta だda ちchi ぢji つtsu "
    "づzu てte でde とto どdo なna にni ぬnu ねne のno はha ばba ぱpa ひhi びbi "
    "ぴpi ふfu ぶbu ぷpu へhe べbe ぺpe ほho ぼbo ぽpo まma みmi むmu めme もmo "
    "やya ゆyu よyo らra りri るru れre ろro わwa ゐi ゑe をo んn ゔvu ゎwa "
    "ゕka ゖke "
)
_SYLLABLE = {entry[0]: entry[1:] for entry in _SYLLABLES.split()}
_SMALL = {"ゃ": "ya", "ゅ": "yu", "ょ": "yo", "ぁ": "a", "ぃ": "i", "ぅ": "u", "ぇ": "e", "ぉ": "o"}
_DOUBLING, _LENGTHENING, _REPEATING = "っ", "ー", "ゝ"
_VOWELS = "aiueo"
_LONG_VOWELS = (("ou", "o"), ("oo", "o"), ("uu", "u"), ("aa", "a"), ("ii", "i"), ("ee", "e"))
_HELPING_VOWEL = re.compile(r"(?<=[bfgkmprsz])u|(?<=[td])o$")
_TO_HIRAGANA = {point: point - 0x60 for point in range(0x30A1, 0x30F7)} | {0x30FD: 0x309D, 0x30FE: 0x309D}


def read_kana(word: str) -> list[str]:
    """Readings of a word in kana: with long vowels as most people write them (tokyo), then in full (toukyou).

    The third leaves out the vowels that help foreign consonants along (hoteru → hoter, takushi → takshi).

    Args:
        word: kana in NFKC; other characters are passed over.

    Returns:
        three readings, which may be the same, or empty.
    """
    read = ""
    doubled = False
    last = ""
    for sign in word.translate(_TO_HIRAGANA):
        if sign == _DOUBLING:
            doubled = True
            continue
        if sign == _REPEATING:
            sign = last
        if sign == _LENGTHENING and read[-1:] in _VOWELS:
            read += read[-1:]
        elif sign in _SMALL:
            read = _with_small(read, _SMALL[sign])
        elif sign in _SYLLABLE:
            syllable = _SYLLABLE[sign]
            if doubled and syllable[0] not in _VOWELS:
                read += "t" if syllable.startswith("ch") else syllable[0]
            read += syllable
        doubled = False
        last = sign
    short = read
    for long_vowel, vowel in _LONG_VOWELS:
        short = short.replace(long_vowel, vowel)
    return [short, read, _HELPING_VOWEL.sub("", short)]


def _with_small(read: str, small: str) -> str:
    """The reading so far, its last syllable joined with a small vowel (ki + ya → kya, shi + ya → sha)."""
    if not read or read[-1] not in _VOWELS:
        return read + small
    stem = read[:-1]
    if not stem or stem[-1] in _VOWELS:
        return stem + "w" + small if read[-1] == "u" else read + small
    if len(small) == 2 and stem.endswith(("sh", "ch", "j")):
        return stem + small[1:]
    return stem + small
