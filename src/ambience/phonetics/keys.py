"""All that is known of one word when it is compared: computed once for each distinct word, and kept."""

from dataclasses import dataclass

from ambience.phonetics.ipa import sounds
from ambience.phonetics.normalization import normalized
from ambience.phonetics.romanization import readings
from ambience.phonetics.scripts import script_of
from ambience.phonetics.skeleton import skeleton

VERSION = 1
"""Changes whenever `keys` says something else of a word: kept keys of another version are to be made anew."""


@dataclass(frozen=True, slots=True)
class WordKeys:
    """What a word is compared by. A word may be read in several ways, so that most keys are alternatives.

    Attributes:
        normalized: as it is looked up; see `normalized`.
        script: ISO 15924 code.
        romanized: readings in a–z and digits, the most likely first; at most 4.
        ipa: pronunciations, one character a sound, the most likely first; at most 4.
        skeleton: codes by which heard-alike words meet, at most 4; an index looks each of them up.
    """

    normalized: str
    script: str
    romanized: tuple[str, ...]
    ipa: tuple[str, ...]
    skeleton: tuple[str, ...]

    def as_row(self) -> tuple[str, str, str, str, str]:
        """Five strings to keep in a table, ordered as the attributes; spaces part alternatives."""
        return (
            self.normalized,
            self.script,
            " ".join(self.romanized),
            " ".join(self.ipa),
            " ".join(self.skeleton),
        )

    @classmethod
    def from_row(cls, normalized: str, script: str, romanized: str, ipa: str, skeleton: str) -> "WordKeys":
        """The keys that `as_row` made these strings of."""
        return cls(normalized, script, tuple(romanized.split()), tuple(ipa.split()), tuple(skeleton.split()))


def keys(word: str) -> WordKeys:
    """Keys of one word.

    Args:
        word: one of `tokens`; any other string gives keys too, of its first 64 characters.

    Returns:
        its keys; alternatives are empty where nothing of it can be read.
    """
    script = script_of(word)
    read = readings(word)
    heard = sounds(word, script)
    codes = tuple(dict.fromkeys(code for code in map(skeleton, heard) if code))
    return WordKeys(normalized(word), script, read, heard, codes)
