"""Hangul in Latin letters: Revised Romanization (2000), with the changes of sounds where syllables meet."""

_FIRST_NAMES = "g kk n d tt r m b pp s ss - j jj ch k t p h"
_MIDDLE_NAMES = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i"
_LAST_NAMES = "- g kk gs n nj nh d l lg lm lb ls lt lp lh m b bs s ss ng j ch k t p h"
_FIRST = _FIRST_NAMES.split()
_MIDDLE = _MIDDLE_NAMES.split()
_LAST = _LAST_NAMES.split()
_SYLLABLES, _FIRST_SYLLABLE = 11172, 0xAC00

_AT_END = {
    "g": "k", "kk": "k", "gs": "k", "nj": "n", "nh": "n", "d": "t", "lg": "k", "lm": "m", "lb": "l",
    "ls": "l", "lt": "l", "lp": "p", "lh": "l", "b": "p", "bs": "p", "s": "t", "ss": "t", "j": "t",
    "ch": "t", "h": "t",
}  # fmt: skip
"""How a final consonant is said at the end of a word or before another consonant."""
_LINKED = {
    "l": ("", "r"), "lh": ("", "r"), "h": ("", ""), "ng": ("ng", ""), "nh": ("", "n"), "gs": ("k", "s"),
    "nj": ("n", "j"), "lg": ("l", "g"), "lm": ("l", "m"), "lb": ("l", "b"), "ls": ("l", "s"),
    "lt": ("l", "t"), "lp": ("l", "p"), "bs": ("p", "s"),
}  # fmt: skip
"""Finals that another than themselves moves on to a following vowel: what stays, what goes."""
_NASAL = {"k": "ng", "t": "n", "p": "m"}
_BEFORE_R = {"n": ("l", "l"), "l": ("l", "l"), "m": ("m", "n"), "ng": ("ng", "n"), "k": ("ng", "n"),
             "p": ("m", "n"), "t": ("n", "n")}  # fmt: skip
_OLDER = (("eo", "o"), ("eu", "u"))
_VOICELESS = {"g": "k", "d": "t", "b": "p", "j": "ch", "r": "l"}


def read_hangul(word: str) -> list[str]:
    """Readings of a Korean word: Revised Romanization, then as older spellings of names have it (Pusan, Kim).

    Args:
        word: composed syllables (NFC); other characters are passed over.

    Returns:
        two readings, which may be the same; none where there is no syllable.
    """
    syllables = [_taken_apart(ord(sign) - _FIRST_SYLLABLE) for sign in word if _is_syllable(sign)]
    if not syllables:
        return []
    parts: list[str] = []
    first = syllables[0][0]
    for i, (_, middle, last) in enumerate(syllables):
        following = syllables[i + 1][0] if i + 1 < len(syllables) else None
        stays, goes = _meeting(last, following)
        parts += [first, middle, stays]
        first = goes
    revised = "".join(parts)
    older = _VOICELESS.get(parts[0], parts[0]) + "".join(parts[1:])
    for now, then in _OLDER:
        older = older.replace(now, then)
    return [revised, older]


def _is_syllable(sign: str) -> bool:
    return 0 <= ord(sign) - _FIRST_SYLLABLE < _SYLLABLES


def _taken_apart(index: int) -> tuple[str, str, str]:
    first, rest = divmod(index, len(_MIDDLE) * len(_LAST))
    middle, last = divmod(rest, len(_LAST))
    return _FIRST[first].strip("-"), _MIDDLE[middle], _LAST[last].strip("-")


def _meeting(last: str, following: str | None) -> tuple[str, str]:
    """How a final consonant and the next syllable's first one are said: what stays, and what comes next."""
    if following is None:
        return _AT_END.get(last, last), ""
    if not following:
        return _LINKED.get(last, ("", last))
    if last in ("h", "nh", "lh") and following in ("g", "d", "j"):
        return last[:-1], {"g": "k", "d": "t", "j": "ch"}[following]
    said = _AT_END.get(last, last)
    if following in ("n", "m"):
        return (_NASAL.get(said, said), following) if said != "l" or following == "m" else ("l", "l")
    if following == "r" and said:
        return _BEFORE_R[said]
    return said, following
