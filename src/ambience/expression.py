"""What a filter says of an image, as a tree: nouns, without behavior beyond their own form.

`search/filters.py` reads them from what people type and writes them back; `store/conditions.py` makes SQL of
them. A condition that needs what an image lacks (a date, known pixels) does not hold of it.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Literal

Operator = Literal["==", "!=", ">=", "<=", ">", "<"]
"""How a figure is compared."""

Figure = Literal["width", "height", "pixels", "megapixels", "aspect", "size", "date", "added", "id"]
"""What can be compared: pixels, bytes, the time at which a picture was taken or added (UTC), its id."""

Wording = Literal["format", "name", "path", "caption"]
"""What can be compared with a pattern."""

Part = Literal["caption", "text", "tags", "date"]
"""What an image may have or lack."""

ASPECT_TOLERANCE = Fraction(1, 100)
"""By so much two aspects may differ and be equal: whole pixels seldom meet 16:9 exactly."""


class Wildcard(StrEnum):
    """A place of a pattern at which other letters may stand."""

    MANY = "*"
    ONE = "?"


Pattern = tuple[str | Wildcard, ...]
"""Texts that stand as they are, and wildcards between them; made by `pattern_of`."""


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time as it was written: a year, month, day, minute or second.

    Attributes:
        text: as written, "2020-05".
        start: its first moment, ISO 8601.
        end: the first moment after it, ISO 8601; sorts after `start` and after every moment within.
    """

    text: str
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """The image has a tag.

    Attributes:
        pattern: of the tag.
        is_exact: whether case counts; the pattern has no wildcard then.
        operator: how the tag's score is compared; None: any score.
        score: with what.
    """

    pattern: Pattern
    is_exact: bool = False
    operator: Operator | None = None
    score: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the image, compared with a value: a `Period` for times, else a number."""

    figure: Figure
    operator: Operator
    value: Fraction | Period


@dataclass(frozen=True, slots=True)
class Matching:
    """The whole of a wording of the image fits a pattern, whatever the case of letters."""

    wording: Wording
    pattern: Pattern


@dataclass(frozen=True, slots=True)
class Having:
    """The image has this at all."""

    part: Part


@dataclass(frozen=True, slots=True)
class Saying:
    """These words stand in the picture."""

    text: str


@dataclass(frozen=True, slots=True)
class Not:
    """What a condition does not hold of; `negated` makes it."""

    condition: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more conditions hold."""

    conditions: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Or:
    """One of two or more conditions holds."""

    conditions: "tuple[Expression, ...]"


Expression = Tagged | Compared | Matching | Having | Saying | Not | And | Or


def negated(condition: Expression) -> Expression:
    """The opposite of a condition; that of an opposite is the condition itself."""
    return condition.condition if isinstance(condition, Not) else Not(condition)


def pattern_of(pieces: Iterable[str | Wildcard]) -> Pattern:
    """A pattern in its simplest form: texts that touch are one, and so are wildcards "*" that touch.

    Returns:
        Empty texts left out.
    """
    made: list[str | Wildcard] = []
    for piece in pieces:
        last = made[-1] if made else None
        if isinstance(piece, Wildcard):
            if not (piece is Wildcard.MANY and last is Wildcard.MANY):
                made.append(piece)
        elif piece and last is not None and not isinstance(last, Wildcard):
            made[-1] = last + piece
        elif piece:
            made.append(piece)
    return tuple(made)


def folded(text: str) -> str:
    """Text by which tags are told apart where case does not count: NFC and without case.

    Source: The Unicode Standard, section 3.13, "Default Case Folding"; composed before and after.
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def cases(letter: str) -> frozenset[str]:
    """The letter in every case that is one letter: {"é", "É"}; itself alone where it has no case."""
    changed = (letter.lower(), letter.upper(), letter.title(), letter.casefold())
    return frozenset({letter, *(each for each in changed if len(each) == 1)})
