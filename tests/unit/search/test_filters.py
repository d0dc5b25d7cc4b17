"""Filters are read as people mean them, and written back so that they read the same."""

import re
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ambience.errors import FilterError, QueryError
from ambience.expression import And, Compared, Expression, Having, Matching, Not, Or, Saying, Tagged, Wildcard
from ambience.search.filter_printing import printed
from ambience.search.filters import DEEPEST, LONGEST_FILTER, MOST_TERMS, parsed
from support.filter_trees import expressions


def tag(text: str) -> Tagged:
    return Tagged((text,))


A, B, C = tag("a"), tag("b"), tag("c")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a&&(b||c)", And((A, Or((B, C))))),
        ("a||b&&c", Or((A, And((B, C))))),
        ("!a&&b", And((Not(A), B))),
        ("-(a||b)", Not(Or((A, B)))),
        ("a,-b,-c", And((A, Not(B), Not(C)))),
        (
            "winter&&!(forest||tree)",
            And((tag("winter"), Not(Or((tag("forest"), tag("tree")))))),
        ),
        ("autumn, -forest", And((tag("autumn"), Not(tag("forest"))))),
        ("a && -b", And((A, Not(B)))),
        ("!!a", A),
        ("((a))", A),
        ("width>=1.5", Compared("width", ">=", Fraction(3, 2))),
        ("width", tag("width")),
        ("widths", tag("widths")),
        ("width=1920", Compared("width", "==", Fraction(1920))),
    ],
)
def test_the_table_of_the_original_is_read_right(text: str, expected: Expression) -> None:
    assert parsed(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("(a", 1, "never closed"),
        ("a)", 2, "never opened"),
        ("heights>5", 1, "have width, height"),
        ("width>abc", 7, "'abc' is not a number"),
        ("a&&", 4, "the filter ends"),
        ("&&a", 1, "there is &&"),
        ("", 1, "the filter is empty"),
        ("-", 2, "the filter ends"),
        ("()", 2, "the parentheses end"),
    ],
)
def test_what_the_original_refused_without_a_word_is_explained(text: str, column: int, says: str) -> None:
    check_refused(text, column, says)


def check_refused(text: str, column: int, says: str) -> None:
    with pytest.raises(FilterError, match=re.escape(says)) as caught:
        parsed(text)
    assert caught.value.column == column
    assert str(caught.value).startswith(f"column {column} of the filter: ")
    assert isinstance(caught.value, QueryError)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("forest_(dark)", tag("forest_(dark)")),
        ("forest (dark (very))", tag("forest (dark (very))")),
        ("artist:x", tag("artist:x")),
        ("R&B", tag("R&B")),
        ("a|b", tag("a|b")),
        ("black-white", tag("black-white")),
        ("  two  words  ", tag("two  words")),
        ("- a", Not(A)),
        ("--a", A),
        ("-!-a", Not(A)),
        ("wow!", tag("wow!")),
        ("日本語", tag("日本語")),
        ('"a,b && (c"', Tagged(("a,b && (c",), is_exact=True)),
        (r'"say \"hi\" \\ \n"', Tagged((r'say "hi" \ \n',), is_exact=True)),
        ('"Winter"', Tagged(("Winter",), is_exact=True)),
        ('"2020"', tag("2020")),  # nothing in it has case
        ('tag:"Winter"', Tagged(("Winter",), is_exact=True)),
        ("tag:width", tag("width")),
        ("tag!=a", Not(A)),
        ("tag:dog>0.5", Tagged(("dog",), False, ">", Fraction(1, 2))),
        ("blue_*", Tagged(("blue_", Wildcard.MANY))),
        ('"*"*', Tagged(("*", Wildcard.MANY))),
        ("Width >= 1920", Compared("width", ">=", Fraction(1920))),
        ("id:17", Compared("id", "==", Fraction(17))),
        ("aspect>16:9", Compared("aspect", ">", Fraction(16, 9))),
        ("megapixels<2.5", Compared("megapixels", "<", Fraction(5, 2))),
        ("size>=2.5 MB", Compared("size", ">=", Fraction(2_500_000))),
        ("size<1KiB", Compared("size", "<", Fraction(1024))),
        ("size==3", Compared("size", "==", Fraction(3))),
        ("format:JPG", Matching("format", ("jpeg",))),
        ("format!=png", Not(Matching("format", ("png",)))),
        ("name:*beach*", Matching("name", (Wildcard.MANY, "beach", Wildcard.MANY))),
        ('name:*"a, b"?.jpg', Matching("name", (Wildcard.MANY, "a, b", Wildcard.ONE, ".jpg"))),
        ('caption: "a dog"', Matching("caption", ("a dog",))),
        ("has:caption", Having("caption")),
        ("-has:text", Not(Having("text"))),
        ('text:"grand hotel"', Saying("grand hotel")),
        ('text:"50% *"', Saying("50% *")),
    ],
)
def test_terms(text: str, expected: Expression) -> None:
    assert parsed(text) == expected
    assert parsed(printed(expected)) == expected


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2020", "2020-01-01T00:00:00", "2021-01-01T00:00:00"),
        ("2020-12", "2020-12-01T00:00:00", "2021-01-01T00:00:00"),
        ("2020-02-29", "2020-02-29T00:00:00", "2020-03-01T00:00:00"),
        ("2020-05-31 23:59", "2020-05-31T23:59:00", "2020-06-01T00:00:00"),
        ("2020-05-31T18:30:59", "2020-05-31T18:30:59", "2020-05-31T18:31:00"),
        ("9999", "9999-01-01T00:00:00", "9999-99"),
        ("9999-12-31", "9999-12-31T00:00:00", "9999-99"),
    ],
)
def test_a_date_is_the_stretch_of_time_that_it_names(text: str, start: str, end: str) -> None:
    expression = parsed(f"date>={text}")
    assert isinstance(expression, Compared)
    assert (expression.value.start, expression.value.end) == (start, end)  # type: ignore[union-attr]
    assert start < end


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("   ", 1, "empty"),
        ("a || || b", 6, "there is ||"),
        ("a && (b || c", 6, "never closed"),
        ("forest_(dark", 8, "never closed"),
        ("a(b,c)", 2, "an operator is missing"),
        ("(a)(b)", 4, "an operator is missing"),
        ("(a) b", 5, "an operator is missing"),
        ('"winter" forest', 9, "an operator is missing"),
        ('forest "winter"', 9, "an operator is missing"),
        ('a && "b', 6, "never closed"),
        ('a && ""', 6, "nothing between these quotes"),
        ("width>", 7, "width has no value"),
        ("a && width> || b", 12, "width has no value"),
        ("width>1e3", 7, "'1e3'"),
        ("width>-5", 7, "'-5'"),
        ("width>=>5", 8, "'>5'"),
        ("100<width", 1, "'100' is no field"),
        ("<3", 1, "no field stands before <"),
        ("a && x-y=z", 6, "'x-y' is no field"),
        ('"width">5', 2, "no field"),
        ("aspect:0", 8, "is not an aspect"),
        ("aspect:4:0", 8, "is not an aspect"),
        ("aspect:wide", 8, "16:9"),
        ("size>3 parsecs", 6, "'parsecs' is no unit"),
        ("date:yesterday", 6, "2020-05-31"),
        ("date:2020-13", 6, "month"),
        ("date:2021-02-29", 6, "day"),
        ("date:0000", 6, "year"),
        ("has:feathers", 5, "have caption, text, tags, date"),
        ("name>b", 5, "name is compared by : or != only"),
        ("tag:dog>lots", 9, "'lots'"),
        ("tag:>0.5", 5, "tag:dog>0.5"),
        ("a\0b", 2, "no character of a text"),
        ("a\ud800", 2, "no character of a text"),
        ("x" * (LONGEST_FILTER + 1), LONGEST_FILTER + 1, "longer than 10,000 bytes"),
        ("a," * MOST_TERMS + "a", 2 * MOST_TERMS + 1, "more than 500 terms"),
        ("(" * (DEEPEST + 1) + "a" + ")" * (DEEPEST + 1), DEEPEST + 1, "more than 100 parentheses"),
    ],
)
def test_faults_name_their_column(text: str, column: int, says: str) -> None:
    check_refused(text, column, says)


def test_the_place_of_a_fault_is_shown() -> None:
    with pytest.raises(FilterError) as caught:
        parsed("winter &&\twidth>abc || forest")
    _, shown, caret = str(caught.value).split("\n")
    assert shown.strip() == "winter && width>abc || forest"
    assert caret.index("^") == shown.index("abc")
    with pytest.raises(FilterError) as caught:
        parsed("tag, " * 100 + "日本 && width>abc" + " && tag" * 100)
    _, shown, caret = str(caught.value).split("\n")
    assert len(shown) < 80
    assert shown.strip()[0] == shown[-1] == "…"
    assert caret.index("^") == shown.index("abc") + 2  # two of the letters before it are two columns wide


def test_limits_are_reached() -> None:
    assert parsed("(" * DEEPEST + "a" + ")" * DEEPEST) == A
    assert parsed("!" * 9_000 + "a") == A
    expression = parsed("||".join(["a"] * MOST_TERMS))
    assert isinstance(expression, Or)
    assert len(expression.conditions) == MOST_TERMS


@given(expressions())
@example(And((And((A, B)), C)))
@example(Or((A, Or((B, Not(C))))))
def test_what_is_written_reads_the_same(expression: Expression) -> None:
    assert parsed(printed(expression)) == expression


@given(st.text(st.sampled_from(list('ab-!&|,()"\\ :<>=.*?5tagwidth')), max_size=30))
def test_any_text_is_read_or_refused_with_its_column(text: str) -> None:
    try:
        expression = parsed(text)
    except FilterError as exc:
        assert 1 <= exc.column <= len(text) + 1
    else:
        assert parsed(printed(expression)) == expression
