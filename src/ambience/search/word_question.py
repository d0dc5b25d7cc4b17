"""A question in words, as it was typed: loose words and phrases in quotes.

Every character is just a character: nothing is an operator but the double quotes around a phrase, and those
only in pairs.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ambience import phonetics
from ambience.phonetics import WordKeys
from ambience.words import TextLine

MAX_WORDS: Final = 32
"""Words of a question that count; further ones are named in a note."""

EXACT_LETTERS: Final = 2
"""Words of so many letters or fewer are found as they are written alone: all short words are alike."""

EXACT_FIRST_LETTERS: Final = 3
"""Words of so many letters or fewer are found as they are written where they stand anywhere."""

_QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]+)[\"“”„«»]")


@dataclass(frozen=True, slots=True)
class Unit:
    """A word, or a phrase whose words must stand one after another as they are written.

    Attributes:
        text: as it was asked.
        keys: of its words, at least one.
        is_phrase: whether it stood in quotes; a picture without it is no hit.
    """

    text: str
    keys: tuple[WordKeys, ...]
    is_phrase: bool = False

    @property
    def letters(self) -> int:
        """Of its first word."""
        return len(self.keys[0].normalized)


@dataclass(frozen=True, slots=True)
class WordQuestion:
    """What is looked for.

    Attributes:
        units: in the order asked, each once.
        notes: what of the question was left out, in sentences.
    """

    units: tuple[Unit, ...]
    notes: tuple[str, ...] = ()


NO_WORD: Final = 'no word to look for: ask with letters or digits, such as "harbor"'
"""What is said of a question that asks for no word."""


def asked_words(text: str) -> WordQuestion:
    """What a typed question asks for.

    Args:
        text: anything; characters that belong to no word part words.

    Returns:
        At most `MAX_WORDS` words, those of phrases counted; no unit where there is none.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    units: dict[tuple[bool, tuple[str, ...]], Unit] = {}
    count = left_out = 0
    for piece, is_phrase in _pieces(text):
        words = [(token, phonetics.normalized(token)) for token in phonetics.tokens(piece)]
        words = [(token, form) for token, form in words if form]
        for group in [words] if is_phrase and words else [[each] for each in words]:
            key = (is_phrase and len(group) > 1, tuple(form for _, form in group))
            if key in units:
                continue
            if count + len(group) > MAX_WORDS:
                left_out += len(group)
                continue
            count += len(group)
            asked = piece.strip() if is_phrase else group[0][0]
            units[key] = Unit(asked, tuple(phonetics.keys(form) for form in key[1]), is_phrase)
    notes: tuple[str, ...] = ()
    if left_out:
        notes = (f"of the question the first {count} words were looked for; {left_out} more were left out",)
    return WordQuestion(tuple(units.values()), notes)


def words_of_lines(lines: Sequence[TextLine]) -> dict[str, str]:
    """All words of some lines, in their order.

    Returns:
        Normalized form → word as it is written first.
    """
    words: dict[str, str] = {}
    for line in lines:
        for token in phonetics.tokens(line.text):
            words.setdefault(phonetics.normalized(token), token)
    words.pop("", None)
    return words


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Stretches of a question, and whether each one stood in quotes."""
    pieces = []
    at = 0
    for match in _QUOTED.finditer(text):
        pieces += [(text[at : match.start()], False), (match[1], True)]
        at = match.end()
    return [*pieces, (text[at:], False)]
