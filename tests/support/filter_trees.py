"""Random expressions, of the form in which the parser makes them."""

from fractions import Fraction

from hypothesis import strategies as st

from ambience.expression import (
    And,
    Compared,
    Expression,
    Having,
    Matching,
    Or,
    Saying,
    Tagged,
    Wildcard,
    negated,
    pattern_of,
)
from ambience.search.filters import parsed

SIGNS = st.sampled_from(["==", "!=", ">=", "<=", ">", "<"])
LETTERS = st.sampled_from([*'abBé Éßx1_-!&|(),"\\*?[]^:=<>/.日ſ', "e\u0301", "width", "tag:"])
TEXTS = st.lists(LETTERS, min_size=1, max_size=6).map("".join).filter(str.strip)
WORDS = st.sampled_from(
    ["winter", "Winter", "forest", "Forest (dark)", "a&b", "été", "E\u0301te\u0301", "5", "-x"]
)
PERIODS = [
    "2019",
    "2020",
    "2020-05",
    "2020-05-31",
    "2020-05-31T18:30",
    "2020-05-31T18:30:15",
    "9999",
    "0001-01",
]


def _patterns(texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str | Wildcard, ...]]:
    pieces = st.lists(st.one_of(texts, st.sampled_from(Wildcard)), min_size=1, max_size=4)
    return pieces.map(pattern_of)


def _numbers(places: int = 2) -> st.SearchStrategy[Fraction]:
    most = 5_000 * 10**places
    return st.integers(0, most).map(lambda number: Fraction(number, 10**places))


def _tag(pattern: tuple[str | Wildcard, ...], is_exact: bool, score: tuple[str, Fraction] | None) -> Tagged:
    only = pattern[0] if len(pattern) == 1 and not isinstance(pattern[0], Wildcard) else ""
    exact = is_exact and any(letter.isalpha() for letter in only)
    return Tagged(pattern, exact, *(score or ()))  # type: ignore[arg-type]


def terms(texts: st.SearchStrategy[str] = TEXTS) -> st.SearchStrategy[Expression]:
    """Single conditions; their texts drawn from `texts`."""
    scores = st.one_of(st.none(), st.tuples(st.sampled_from([">", ">=", "<", "<="]), _numbers(6).map(_share)))
    figures = st.sampled_from(["width", "height", "pixels", "megapixels", "size", "id"])
    aspects = st.tuples(st.integers(1, 40), st.integers(1, 40)).map(lambda pair: Fraction(*pair))
    periods = st.sampled_from(PERIODS).map(lambda text: parsed(f"date=={text}").value)  # type: ignore[union-attr]
    wordings = st.sampled_from(["name", "path", "caption"])
    return st.one_of(
        st.builds(_tag, _patterns(texts), st.booleans(), scores),
        st.builds(_tag, texts.map(lambda text: (text,)), st.booleans(), scores),
        st.builds(Compared, figures, SIGNS, _numbers()),
        st.builds(Compared, st.just("aspect"), SIGNS, aspects),
        st.builds(Compared, st.sampled_from(["date", "added"]), SIGNS, periods),
        st.builds(Matching, wordings, _patterns(texts)),
        st.builds(Matching, st.just("format"), st.sampled_from([("jpeg",), ("png",), (Wildcard.MANY, "g")])),
        st.builds(Having, st.sampled_from(["caption", "text", "tags", "date"])),
        st.builds(Saying, texts),
    )


def _share(number: Fraction) -> Fraction:
    return Fraction(round(number * 1_000) % 1_001, 1_000)


def expressions(texts: st.SearchStrategy[str] = TEXTS) -> st.SearchStrategy[Expression]:
    """Conditions within each other."""

    def grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(inner.map(negated), several.map(And), several.map(Or))

    return st.recursive(terms(texts), grown, max_leaves=6)
