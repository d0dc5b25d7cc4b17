"""How a word sounds, in signs of the IPA: one character for each sound."""

from ambience.phonetics.plain_letters import read_plainly
from ambience.phonetics.romanization import readings


def ipa(word: str, script: str) -> str:
    """The most likely pronunciation of a word, one IPA character a sound; "" where it cannot be read."""
    found = sounds(word, script)
    return found[0] if found else ""


def sounds(word: str, script: str) -> tuple[str, ...]:
    """All pronunciations of a word, the most likely first; at most 4."""
    heard = [read_plainly(reading) for reading in readings(word)]
    return tuple(dict.fromkeys(sound for sound in heard if sound))[:4]
