"""Expressions as SQL: conditions on the table of images, which the database answers by its indexes.

Every condition is true or false, never unknown, so that its opposite holds of exactly the other images.
"""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final

import sqlalchemy as sa

from ambience.expression import (
    ASPECT_TOLERANCE,
    And,
    Compared,
    Expression,
    Having,
    Matching,
    Not,
    Operator,
    Or,
    Pattern,
    Period,
    Saying,
    Tagged,
    Wildcard,
    folded,
)
from ambience.store import schema
from ambience.store.database import among, fits
from ambience.store.schema import encoded

Condition = sa.ColumnElement[bool]

WithWords = Callable[[str], Sequence[int]]
"""Ids of the images in which words stand."""

_OPERATORS: Final[dict[Operator, Callable[[Any, Any], Any]]] = {
    "==": eq,
    "!=": ne,
    ">=": ge,
    "<=": le,
    ">": gt,
    "<": lt,
}
_MEGA: Final = 10**6


def condition_of(expression: Expression, with_words: WithWords, *, is_of_few: bool = False) -> Condition:
    """What an image's row must be like.

    Args:
        expression: of a filter.
        with_words: looks up words that stand in pictures.
        is_of_few: whether few images are looked at: their own tags are read then. Else the images of a tag
            are listed first, which serves a million images in a tenth of the time.

    Returns:
        A condition on `schema.images`.
    """

    def made(inner: Expression) -> Condition:
        return condition_of(inner, with_words, is_of_few=is_of_few)

    match expression:
        case And(conditions):
            return sa.and_(*map(made, conditions))
        case Or(conditions):
            return sa.or_(*map(made, conditions))
        case Not(condition):
            return sa.not_(made(condition))
        case Compared():
            return _compared(expression)
        case Matching("caption", pattern):
            return _owned(schema.captions, fits(schema.captions.c.text, pattern), is_of_few)
        case Matching(wording, pattern):
            return _matching(wording, pattern)
        case Having("date"):
            return schema.images.c.taken_at.is_not(None)
        case Having(part):
            table = {"caption": schema.captions, "text": schema.text_lines, "tags": schema.tags}[part]
            return _owned(table, sa.true(), is_of_few)
        case Saying(text):
            return among(schema.images.c.image_id, with_words(text))
        case Tagged():
            return _owned(schema.tags, _is_tag(expression, is_of_few), is_of_few)


def _owned(table: sa.FromClause, is_so: Condition, is_of_few: bool) -> Condition:
    """Whether an image owns such a row."""
    column = schema.images.c.image_id
    if is_of_few:
        return sa.exists(sa.select(sa.literal(1)).where(table.c.image_id == column, is_so))
    return column.in_(sa.select(table.c.image_id).where(is_so))


def _compared(compared: Compared) -> Condition:
    images, operator, value = schema.images.c, compared.operator, compared.value
    if isinstance(value, Period):
        column = images.taken_at if compared.figure == "date" else images.added_at
        return sa.and_(column.is_not(None), _during(column, operator, value))
    has_pixels = sa.and_(images.width > 0, images.height > 0)
    match compared.figure:
        case "width":
            return sa.and_(images.width > 0, _whole(images.width, operator, value))
        case "height":
            return sa.and_(images.height > 0, _whole(images.height, operator, value))
        case "pixels":
            return sa.and_(has_pixels, _whole(images.width * images.height, operator, value))
        case "megapixels":
            return sa.and_(has_pixels, _whole(images.width * images.height, operator, value * _MEGA))
        case "aspect":
            return sa.and_(has_pixels, _aspect(operator, value))
        case "size":
            return _whole(images.size, operator, value)
        case _:
            return _whole(images.image_id, operator, value)


def _during(column: sa.Column[Any], operator: Operator, period: Period) -> Condition:
    """ISO 8601 of one form sorts as time does."""
    is_within = sa.and_(column >= period.start, column < period.end)
    match operator:
        case "==":
            return is_within
        case "!=":
            return sa.or_(column < period.start, column >= period.end)
        case ">=":
            return column >= period.start
        case "<=":
            return column < period.end
        case ">":
            return column >= period.end
        case "<":
            return column < period.start


def _whole(column: sa.ColumnElement[int], operator: Operator, value: Fraction) -> Condition:
    """A column of whole numbers, compared exactly, also with a fraction."""
    if value.denominator == 1:
        made: Condition = _OPERATORS[operator](column, value.numerator)
        return made
    match operator:
        case "==":
            return sa.false()
        case "!=":
            return sa.true()
        case ">=" | ">":
            return column >= math.ceil(value)
        case "<=" | "<":
            return column <= math.floor(value)


def _aspect(operator: Operator, value: Fraction) -> Condition:
    """Width : height, in whole numbers; equal where they differ by little enough."""
    images = schema.images.c

    def bounded(sign: Operator, bound: Fraction) -> Condition:
        made: Condition = _OPERATORS[sign](images.width * bound.denominator, images.height * bound.numerator)
        return made

    if operator not in ("==", "!="):
        return bounded(operator, value)
    low, high = value * (1 - ASPECT_TOLERANCE), value * (1 + ASPECT_TOLERANCE)
    if operator == "==":
        return sa.and_(bounded(">=", low), bounded("<=", high))
    return sa.or_(bounded("<", low), bounded(">", high))


def _matching(wording: str, pattern: Pattern) -> Condition:
    column = {"format": schema.images.c.format, "name": schema.images.c.name, "path": schema.images.c.path}[
        wording
    ]
    return sa.and_(column.is_not(None), fits(column, pattern))


def _is_tag(tagged: Tagged, is_of_few: bool) -> Condition:
    tags, forms = schema.tags.c, schema.tag_forms.c
    only = tagged.pattern[0] if len(tagged.pattern) == 1 else None
    if tagged.is_exact:
        is_tag: Condition = tags.tag == encoded("".join(tagged.pattern))
    elif only is not None and not isinstance(only, Wildcard):
        is_tag = tags.tag.in_(sa.select(forms.tag).where(forms.folded == encoded(folded(only))))
    else:
        plain = tuple(each if isinstance(each, Wildcard) else folded(each) for each in tagged.pattern)
        # A cast column is not looked up in its index: thousands of tags may fit, and an image has a few.
        tag = sa.cast(tags.tag, sa.LargeBinary) if is_of_few else tags.tag
        is_tag = tag.in_(sa.select(forms.tag).where(fits(forms.folded, plain)))
    if tagged.operator is not None:
        is_tag = sa.and_(is_tag, _OPERATORS[tagged.operator](tags.score, float(tagged.score)))
    return is_tag
