"""What one term of a filter means: a tag, a comparison of a figure, a pattern; and how faults are shown."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Final, NamedTuple, cast, get_args

from ambience.errors import FilterError
from ambience.expression import (
    Compared,
    Expression,
    Figure,
    Having,
    Matching,
    Not,
    Operator,
    Part,
    Pattern,
    Period,
    Saying,
    Tagged,
    Wildcard,
    Wording,
    pattern_of,
)

FIELDS: Final[tuple[str, ...]] = (*get_args(Figure), *get_args(Wording), "tag", "has", "text")
"""Names that a comparison may begin with."""

UNITS: Final[Mapping[str, int]] = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
}
"""Units of a size, in lower case, in bytes."""

FORMATS: Final[Mapping[str, str]] = {"jpg": "jpeg", "tif": "tiff"}
"""Other names of formats."""

_SIGN = re.compile(r"==|!=|>=|<=|=|>|<|:")
_COMPARISON = re.compile(r"==|!=|>=|<=|=|>|<")
_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{1,6})?")
_SIZE = re.compile(r"([0-9]{1,16}(?:\.[0-9]{1,6})?)\s*([a-z]*)", re.IGNORECASE)
_DATE = re.compile(
    r"([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?)?)?)?"
)
_NEVER = "9999-99"
"""Sorts after every time that ISO 8601 can write with four digits of a year."""

_SHOWN = 60


class Letter(NamedTuple):
    """A character of a filter.

    Attributes:
        sign: itself.
        place: in the filter, from 0.
        is_quoted: whether it stands in quotes, where no character has a meaning of its own.
    """

    sign: str
    place: int
    is_quoted: bool


def fault(text: str, place: int, message: str) -> FilterError:
    """The error of a place of a filter, with that place shown.

    Args:
        text: the filter.
        place: from 0; beyond its end for its end.
        message: what is wrong there.

    Returns:
        For raising.
    """
    place = min(place, len(text))
    start = max(0, place - _SHOWN // 2)
    line = "".join(sign if sign.isprintable() else " " for sign in text[start : start + _SHOWN])
    before, after = "…" * (start > 0), "…" * (start + _SHOWN < len(text))
    indent = " " * (len(before) + sum(map(_width, line[: place - start])))
    error = FilterError(f"column {place + 1} of the filter: {message}\n  {before}{line}{after}\n  {indent}^")
    error.column = place + 1
    return error


def term(text: str, letters: Sequence[Letter]) -> Expression:
    """What a term says.

    Args:
        text: the whole filter.
        letters: of the term; one or more.

    Returns:
        A condition; only `!=` of a pattern is more than one.

    Raises:
        FilterError: no such field, or its value is malformed.
    """
    letters = _trimmed(letters)
    sign = _SIGN.search(_bare(letters))
    if sign is not None:
        name, value = letters[: sign.start()], letters[sign.end() :]
        field = "".join(letter.sign for letter in name if not letter.is_quoted).strip().casefold()
        is_field = field in FIELDS and not any(letter.is_quoted for letter in name)
        if is_field:
            at = letters[sign.end() - 1].place
            return _Field(text, field, at).condition(_operator_of(sign.group()), _trimmed(value))
        comparison = _COMPARISON.search(_bare(letters))
        if comparison is not None:
            raise _unknown(text, letters, comparison)
    _check_whole(text, letters)
    return _tagged(letters)


def _unknown(text: str, letters: Sequence[Letter], comparison: "re.Match[str]") -> FilterError:
    name = "".join(letter.sign for letter in letters[: comparison.start()]).strip()
    said = f"{_short(name)} is no field" if name else f"no field stands before {comparison.group()}"
    return fault(
        text,
        letters[0].place,
        f"{said}; have {', '.join(FIELDS)}. A tag that has {comparison.group()} is written in quotes",
    )


class _Field:
    """Reads the value of one field."""

    def __init__(self, text: str, field: str, place: int) -> None:
        self._text, self._field, self._place = text, field, place

    def condition(self, operator: Operator, letters: list[Letter]) -> Expression:
        if not letters:
            raise self._fault(self._place + 1, f"{self._field} has no value")
        if self._field == "tag" and operator in ("==", "!="):
            return self._signed(operator, self._tag(letters))
        if self._field in get_args(Figure):
            return Compared(cast(Figure, self._field), operator, self._value(letters))
        if operator not in ("==", "!="):
            raise self._fault(self._place, f"{self._field} is compared by : or != only")
        _check_whole(self._text, letters)
        if self._field == "has":
            return self._signed(operator, Having(self._part(letters)))
        if self._field == "text":
            return self._signed(operator, Saying("".join(letter.sign for letter in letters)))
        return self._signed(operator, Matching(cast(Wording, self._field), self._pattern(letters)))

    @staticmethod
    def _signed(operator: Operator, condition: Expression) -> Expression:
        return Not(condition) if operator == "!=" else condition

    def _part(self, letters: Sequence[Letter]) -> Part:
        said = "".join(letter.sign for letter in letters).casefold()
        if said not in get_args(Part):
            raise self._fault(
                letters[0].place, f"{_short(said)} is nothing to have; have {', '.join(get_args(Part))}"
            )
        return cast(Part, said)

    def _pattern(self, letters: Sequence[Letter]) -> Pattern:
        pattern = _pattern(letters)
        if self._field != "format":
            return pattern
        lower = pattern_of(each if isinstance(each, Wildcard) else each.lower() for each in pattern)
        return tuple(FORMATS.get(each, each) for each in lower) if len(lower) == 1 else lower

    def _tag(self, letters: list[Letter]) -> Tagged:
        sign = _COMPARISON.search(_bare(letters))
        if sign is None:
            _check_whole(self._text, letters)
            return _tagged(letters)
        named, figure = _trimmed(letters[: sign.start()]), _trimmed(letters[sign.end() :])
        if not named or not figure:
            raise self._fault(letters[sign.start()].place, "write it as tag:dog>0.5")
        _check_whole(self._text, named)
        plain = _tagged(named)
        return Tagged(plain.pattern, plain.is_exact, _operator_of(sign.group()), self._number(figure))

    def _value(self, letters: Sequence[Letter]) -> Fraction | Period:
        readers: Mapping[str, Callable[[Sequence[Letter]], Fraction | Period]] = {
            "aspect": self._aspect,
            "size": self._size,
            "date": self._period,
            "added": self._period,
        }
        return readers.get(self._field, self._number)(letters)

    def _number(self, letters: Sequence[Letter]) -> Fraction:
        return Fraction(self._fitting(_NUMBER, letters, "a number, such as 1920").group())

    def _size(self, letters: Sequence[Letter]) -> Fraction:
        wanted = "a size, such as 500 kB, 2.5 MB or 10 MiB"
        number, unit = self._fitting(_SIZE, letters, wanted).groups()
        if unit.lower() not in UNITS:
            raise self._fault(
                letters[0].place, f"{_short(unit)} is no unit; have B, kB, MB, GB, KiB, MiB, GiB"
            )
        return Fraction(number) * UNITS[unit.lower()]

    def _aspect(self, letters: Sequence[Letter]) -> Fraction:
        wanted = "an aspect, such as 16:9 or 1.5"
        form = re.compile(rf"({_NUMBER.pattern})(?:\s*[:/]\s*({_NUMBER.pattern}))?")
        found = self._fitting(form, letters, wanted)
        width, height = Fraction(found.group(1)), Fraction(found.group(3) or 1)
        if not width or not height:
            raise self._fault(letters[0].place, f"{_short(found.group())} is not {wanted}")
        return width / height

    def _period(self, letters: Sequence[Letter]) -> Period:
        wanted = "a date, such as 2020, 2020-05, 2020-05-31 or 2020-05-31T18:30"
        found = self._fitting(_DATE, letters, wanted)
        try:
            return _period(found.groups())
        except ValueError as exc:
            raise self._fault(letters[0].place, f"{found.group()} is not {wanted}: {exc}") from exc

    def _fitting(self, form: "re.Pattern[str]", letters: Sequence[Letter], wanted: str) -> "re.Match[str]":
        said = "".join(letter.sign for letter in letters)
        found = form.fullmatch(said)
        if found is None:
            raise self._fault(letters[0].place, f"{_short(said)} is not {wanted} ({self._field})")
        return found

    def _fault(self, place: int, message: str) -> FilterError:
        return fault(self._text, place, message)


def _operator_of(sign: str) -> Operator:
    return "==" if sign in ("=", ":") else cast(Operator, sign)


def _period(groups: Sequence[str | None]) -> Period:
    """The stretch of time that some of year, month, day, hour, minute and second name.

    Raises:
        ValueError: there is no such time.
    """
    given = [int(each) for each in groups if each is not None]
    start = datetime(*[*given, 1, 1][: max(3, len(given))] if len(given) < 3 else given)  # type: ignore[arg-type]
    text = start.isoformat()[: (0, 4, 7, 10, 0, 16, 19)[len(given)]]
    try:
        match len(given):
            case 1:
                end = start.replace(year=start.year + 1)
            case 2:
                end = (start + timedelta(days=31)).replace(day=1)
            case _:
                end = start + timedelta(**{{3: "days", 5: "minutes", 6: "seconds"}[len(given)]: 1})
    except (OverflowError, ValueError):
        return Period(text, start.isoformat(), _NEVER)
    return Period(text, start.isoformat(), end.isoformat())


def _tagged(letters: Sequence[Letter]) -> Tagged:
    """A tag; case counts where all of it is quoted, unless nothing in it has case."""
    is_quoted = all(letter.is_quoted for letter in letters)
    return Tagged(_pattern(letters), is_quoted and any(letter.sign.isalpha() for letter in letters))


def _pattern(letters: Sequence[Letter]) -> Pattern:
    wildcards = {wildcard.value: wildcard for wildcard in Wildcard}
    return pattern_of(
        letter.sign if letter.is_quoted else wildcards.get(letter.sign, letter.sign) for letter in letters
    )


def _trimmed(letters: Sequence[Letter]) -> list[Letter]:
    """Without the spaces around it."""
    kept = [i for i, letter in enumerate(letters) if letter.is_quoted or not letter.sign.isspace()]
    return list(letters[kept[0] : kept[-1] + 1]) if kept else []


def _bare(letters: Sequence[Letter]) -> str:
    """The letters, those in quotes as something that no form knows."""
    return "".join("\0" if letter.is_quoted else letter.sign for letter in letters)


def _check_whole(text: str, letters: Sequence[Letter]) -> None:
    """Refuses quotes with a space beside them: two things, and nothing says what they have to do together."""
    for one, other in pairwise(letters):
        if one.is_quoted != other.is_quoted and (one if other.is_quoted else other).sign.isspace():
            raise fault(
                text,
                other.place,
                "an operator is missing between a quote and what stands beside it: && or ||",
            )


def _short(said: str) -> str:
    return repr(said if len(said) <= _SHOWN else said[:_SHOWN] + "…")


def _width(sign: str) -> int:
    """Columns of a terminal that a character takes."""
    return 0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
