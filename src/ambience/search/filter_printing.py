"""Expressions as people would type them; reading what is written here gives the same expression again."""

import re
from fractions import Fraction

from ambience.errors import FilterError
from ambience.expression import (
    And,
    Compared,
    Expression,
    Having,
    Matching,
    Not,
    Or,
    Pattern,
    Period,
    Saying,
    Tagged,
    Wildcard,
)
from ambience.search.filters import parsed

_HAZARDS = re.compile(r"""([^\w])""")


def printed(expression: Expression) -> str:
    """A filter that says this.

    Args:
        expression: as `parsed` makes them.

    Returns:
        One line.
    """
    match expression:
        case And(conditions):
            return " && ".join(_within(each, (And, Or)) for each in conditions)
        case Or(conditions):
            return " || ".join(_within(each, (Or,)) for each in conditions)
        case Not(condition):
            return f"!{_within(condition, (And, Or))}"
        case Compared(figure, operator, value):
            return f"{figure}{operator}{value.text if isinstance(value, Period) else _number(value)}"
        case Matching(wording, pattern):
            return _shortest(expression, f"{wording}:", pattern)
        case Having(part):
            return f"has:{part}"
        case Saying(text):
            return f"text:{_quoted(text)}"
        case Tagged():
            return _tag(expression)


def _within(condition: Expression, groups: tuple[type[Expression], ...]) -> str:
    return f"({printed(condition)})" if isinstance(condition, groups) else printed(condition)


def _tag(tagged: Tagged) -> str:
    if tagged.operator is not None:
        end = f"{tagged.operator}{_number(tagged.score)}"
        if tagged.is_exact:
            return f"tag:{_quoted(''.join(tagged.pattern))}{end}"
        return _shortest(tagged, "tag:", tagged.pattern, end)
    return _quoted("".join(tagged.pattern)) if tagged.is_exact else _shortest(tagged, "", tagged.pattern)


def _shortest(condition: Expression, start: str, pattern: Pattern, end: str = "") -> str:
    """Without quotes where that says the same; else with every character quoted that could mean something."""
    plain = f"{start}{''.join(pattern)}{end}"
    try:
        if parsed(plain) == condition:
            return plain
    except FilterError:
        pass
    pieces = [each.value if isinstance(each, Wildcard) else _with_quotes(each) for each in pattern]
    return f"{start}{''.join(pieces)}{end}"


def _with_quotes(text: str) -> str:
    return "".join(_quoted(part) if _HAZARDS.match(part) else part for part in _HAZARDS.split(text) if part)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _number(value: Fraction) -> str:
    """A whole number, a decimal fraction, or, where that has no end, a ratio."""
    if value.denominator == 1:
        return str(value.numerator)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    digits = len(str(value.denominator)) * 4
    if rest != 1 or value.denominator > 10**6:
        return f"{value.numerator}:{value.denominator}"
    return f"{float(value.numerator) / value.denominator:.{digits}f}".rstrip("0")
