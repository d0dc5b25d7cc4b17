"""Words of any script in Latin letters, as people who ask for them type them."""

from functools import lru_cache

from ambience.phonetics.normalization import LONGEST_WORD, folded
from ambience.phonetics.scripts import script_of


def romanized(word: str) -> str:
    """The most likely reading of a word in the letters a–z and digits; "" where nothing of it can be read."""
    found = readings(word)
    return found[0] if found else ""


@lru_cache(maxsize=4096)
def readings(word: str) -> tuple[str, ...]:
    """All readings of a word in the letters a–z and digits, the most likely first.

    Returns:
        at most 4, each at most 64 letters; empty where nothing of it can be read.
    """
    return _distinct([_by_signs(folded(word))])


def _by_signs(word: str) -> str:
    from anyascii import anyascii

    return anyascii(word)


def _distinct(found: list[str]) -> tuple[str, ...]:
    plain = ("".join(c for c in reading.lower() if c.isalnum() and c.isascii()) for reading in found)
    return tuple(dict.fromkeys(reading[:LONGEST_WORD] for reading in plain if reading))[:4]
