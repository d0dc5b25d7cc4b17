"""Filters as people type them: `winter && !forest && width>=1920` becomes an expression.

    or         = and { "||" and }
    and        = not { ("&&" | ",") not }
    not        = { "!" | "-" } primary
    primary    = "(" or ")" | term

A term goes on until an operator or an unopened parenthesis; `filter_terms.py` says what it means, and
`filter_printing.py` writes expressions back. The language is described in `docs/filters.md`.
"""

from typing import Final

from ambience.expression import And, Expression, Or, negated
from ambience.search.filter_terms import Letter, fault, term

LONGEST_FILTER: Final = 10_000
"""Bytes of a filter."""

MOST_TERMS: Final = 500
"""Terms of a filter: databases take some thousand parts of one condition."""

DEEPEST: Final = 100
"""Parentheses within each other."""

_OPERATORS = {"&&": "&&", "||": "||", ",": ","}


def parsed(text: str) -> Expression:
    """The expression that a filter says.

    Args:
        text: as typed.

    Returns:
        What an image must be like.

    Raises:
        FilterError: it is empty, malformed, or too long; with the column.
    """
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_FILTER:
        raise fault(text, LONGEST_FILTER, f"the filter is longer than {LONGEST_FILTER:,} bytes")
    for place, letter in enumerate(text):
        if letter == "\0" or "\ud800" <= letter <= "\udfff":
            raise fault(text, place, f"{letter!a} is no character of a text; leave it out, or type ? for it")
    if not text.strip():
        raise fault(text, 0, "the filter is empty; say what pictures must be like, such as: beach && !people")
    return _Parser(text).whole()


class _Parser:
    """Reads one filter from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._place, self._terms, self._depth = text, 0, 0, 0

    def whole(self) -> Expression:
        expression = self._or()
        if self._place < len(self._text):  # only an unopened ")" ends an expression early
            raise fault(self._text, self._place, "this parenthesis was never opened; quote a tag that has it")
        return expression

    def _or(self) -> Expression:
        conditions = [self._and()]
        while self._take("||"):
            conditions.append(self._and())
        return conditions[0] if len(conditions) == 1 else Or(tuple(conditions))

    def _and(self) -> Expression:
        conditions = [self._not()]
        while self._take("&&") or self._take(","):
            conditions.append(self._not())
        return conditions[0] if len(conditions) == 1 else And(tuple(conditions))

    def _not(self) -> Expression:
        is_negated = False
        while (sign := self._next())[:1] in ("!", "-") and sign:
            is_negated = not is_negated
            self._place += 1
        condition = self._primary()
        return negated(condition) if is_negated else condition

    def _primary(self) -> Expression:
        found = self._next()
        if not found or found == ")" or found in _OPERATORS:
            what = {"": "the filter ends", ")": "the parentheses end"}.get(found, f"there is {found}")
            raise fault(self._text, self._place, f"{what} where a tag or a comparison should stand")
        return self._group() if found == "(" else self._term()

    def _group(self) -> Expression:
        opened = self._place
        self._depth += 1
        if self._depth > DEEPEST:
            raise fault(self._text, opened, f"more than {DEEPEST} parentheses within each other")
        self._place += 1
        expression = self._or()
        if not self._take(")"):
            raise fault(self._text, opened, "this parenthesis is never closed")
        self._depth -= 1
        if (found := self._next()) and found != ")" and found not in _OPERATORS:
            raise fault(self._text, self._place, _MISSING)
        return expression

    def _term(self) -> Expression:
        start = self._place
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise fault(self._text, start, f"more than {MOST_TERMS} terms")
        return term(self._text, self._letters())

    def _letters(self) -> list[Letter]:
        """The letters of a term; those in quotes are marked, whatever they are."""
        letters: list[Letter] = []
        opened: list[int] = []
        while self._place < len(self._text):
            letter, place = self._text[self._place], self._place
            if letter == '"':
                letters += self._quoted()
                continue
            operator = self._operator()
            if operator and opened:
                raise fault(self._text, opened[0], _MISSING)
            if operator or (letter == ")" and not opened):
                break
            if letter == "(":
                opened.append(place)
            elif letter == ")":
                opened.pop()
            letters.append(Letter(letter, place, is_quoted=False))
            self._place += 1
        if opened:
            raise fault(self._text, opened[-1], "this parenthesis is never closed")
        return letters

    def _quoted(self) -> list[Letter]:
        opened = self._place
        letters: list[Letter] = []
        self._place += 1
        while self._place < len(self._text):
            letter = self._text[self._place]
            if letter == '"':
                self._place += 1
                if not letters:
                    raise fault(self._text, opened, "there is nothing between these quotes")
                return letters
            if letter == "\\" and self._text[self._place + 1 : self._place + 2] in ('"', "\\"):
                self._place += 1
                letter = self._text[self._place : self._place + 1]
            letters.append(Letter(letter, self._place, is_quoted=True))
            self._place += 1
        raise fault(self._text, opened, 'this quote is never closed; a " within quotes is written \\"')

    def _operator(self) -> str:
        """The operator that begins here, if one does."""
        two = self._text[self._place : self._place + 2]
        return two if two in _OPERATORS else two[:1] if two[:1] in _OPERATORS else ""

    def _next(self) -> str:
        """Passes over spaces; the operator or letter that follows, "" at the end."""
        while self._place < len(self._text) and self._text[self._place].isspace():
            self._place += 1
        return self._operator() or self._text[self._place : self._place + 1]

    def _take(self, wanted: str) -> bool:
        is_there = self._next() == wanted
        self._place += len(wanted) if is_there else 0
        return is_there


_MISSING = "an operator is missing before this: && (and), || (or); a tag that has it is written in quotes"
