"""How a word sounds, in signs of the IPA: one character for each sound, without length, stress and tone."""

from ambience.phonetics.letter_to_sound import read_english
from ambience.phonetics.plain_letters import read_plainly
from ambience.phonetics.romanization import MOST_READINGS, readings


def ipa(word: str, script: str) -> str:
    """The most likely pronunciation of a word.

    Args:
        word: any string.
        script: ISO 15924 code that it is to be read in, as `script_of` tells.

    Returns:
        IPA, one character a sound; "" where it cannot be read.
    """
    found = sounds(word, script)
    return found[0] if found else ""


def sounds(word: str, script: str) -> tuple[str, ...]:
    """All pronunciations of a word, the most likely first.

    Words in Latin letters are of a language that nobody tells: they are read as English, and letter by
    letter, as most other languages and all romanizations mean them. Words of other scripts are read letter by
    letter from each of their romanizations.

    Args:
        word: any string.
        script: ISO 15924 code that it is to be read in.

    Returns:
        at most 4; empty where the word cannot be read.
    """
    read = readings(word)
    heard = [read_plainly(reading) for reading in read]
    if script == "Latn":
        heard = [read_english(read[0]), *heard] if read else []
    return tuple(dict.fromkeys(sound for sound in heard if sound))[:MOST_READINGS]
