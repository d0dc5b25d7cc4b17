"""Terms become one vector: what it is by hand, and what cannot be asked."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ambience.answers import Query, QueryPart
from ambience.datatypes import FeatureSpec
from ambience.errors import QueryError
from ambience.search.combination import (
    LONGEST_TEXT,
    MOST_TERMS,
    answering,
    combined,
    described,
    has_words,
    settled,
    takes,
    terms,
)

WORDS = FeatureSpec("words", "", 3, "float16", "cosine", 1, 1, accepts_text=True)
LOOKS = FeatureSpec("looks", "", 3, "float16", "cosine", 1, 2)
HASH = FeatureSpec("hash", "", 576, "uint8", "hamming", 1, 3)
SPECS = {spec.kind: spec for spec in (HASH, LOOKS, WORDS)}


def of(*parts: QueryPart) -> Query:
    return Query(parts=parts)


def text(words: str, weight: float = 1.0) -> QueryPart:
    return QueryPart(text=words, weight=weight)


def picture(image_id: int, weight: float = 1.0) -> QueryPart:
    return QueryPart(image_id=image_id, weight=weight)


def test_the_sum_of_unit_vectors_by_weight_is_of_unit_length() -> None:
    vectors = np.array([[2, 0, 0], [0, 5, 0]], np.float16)  # lengths say nothing
    np.testing.assert_allclose(combined(vectors, [1, 1]), [0.5**0.5, 0.5**0.5, 0], atol=1e-6)
    np.testing.assert_allclose(combined(vectors, [4, -3]), [0.8, -0.6, 0], atol=1e-6)
    np.testing.assert_allclose(combined(vectors, [1e300, 1e-300]), [1, 0, 0], atol=1e-6)
    np.testing.assert_allclose(combined(vectors, [1e308, 1e308])[:2], [0.5**0.5] * 2, atol=1e-6)
    assert combined(vectors, [1, 1]).dtype == np.float32


def test_a_minus_takes_away_from_what_is_like_it() -> None:
    """Pictures are ranked by the weighted sum of their cosines to the terms."""
    beach, snow = np.array([1, 0.2, 0]), np.array([0.3, 1, 0])
    pictures = np.array([[1, 0, 0.2], [0.8, 0.7, 0], [0, 1, 0.1]])
    order = np.argsort(-(pictures @ combined(np.stack([beach, snow]), [1, -1])))
    assert order.tolist() == [0, 1, 2]


@given(
    arrays(np.float32, (3, 4), elements=st.floats(-10, 10, width=16)),
    st.lists(st.floats(-1e6, 1e6).filter(lambda w: abs(w) > 1e-3), min_size=3, max_size=3),
    st.floats(0.1, 1e6),
)
def test_only_the_ratio_of_weights_counts(vectors: np.ndarray, weights: list[float], factor: float) -> None:
    try:
        one = combined(vectors, weights)
    except QueryError:
        return
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(combined(vectors, [w * factor for w in weights]), one, atol=1e-4)


@pytest.mark.parametrize(
    ("vectors", "weights"),
    [
        ([[1, 0], [1, 0]], [1, -1]),
        ([[1, 0], [1, 1e-3]], [1, -1]),  # as near as float16 stores the same
        ([[0, 0], [0, 0]], [1, 1]),
    ],
)
def test_terms_that_cancel_out_are_refused(vectors: list[list[float]], weights: list[float]) -> None:
    with pytest.raises(QueryError, match="cancel out"):
        combined(np.array(vectors), weights)


def test_a_single_term_is_a_plain_question() -> None:
    assert settled(of(picture(3, 0.5))) == Query(image_id=3)
    assert settled(of(QueryPart(data=b"x"))) == Query(data=b"x")
    assert settled(of(text(" a dog\n"))) == Query(text="a dog")
    assert settled(Query(text="\ud83d dog ")) == Query(text="\ufffd dog")
    both = settled(of(text(" a"), picture(1, -2)))
    assert both.parts == (text("a"), picture(1, -2))
    assert settled(both) == both


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (Query(), "empty; give a picture"),
        (Query(text=" \n"), "text is empty"),
        (Query(text="x" * (LONGEST_TEXT + 1)), "10,001 characters; at most 10,000"),
        (Query(text="x", image_id=1), "image_id and text"),
        (Query(data=b"x", parts=(text("a"),)), "data and parts"),
        (of(QueryPart()), "part 1 of the query has none"),
        (of(text("a"), QueryPart(text="a", image_id=1)), "part 2 of the query has image_id and text"),
        (of(text("a"), text("b", 0)), "weight 0;"),
        (of(text("a"), text("b", 0.0)), "weight 0.0;"),
        (of(text("a", float("nan"))), "weight nan"),
        (of(text("a", float("inf"))), "weight inf"),
        (of(text("a"), text("", -1)), "text is empty"),
        (of(text("a", -1), picture(2, -1)), "say also what to look for"),
        (of(text("snow", -1)), "say also what to look for"),
        (of(*[text("a")] * (MOST_TERMS + 1)), "33 parts; at most 32"),
    ],
)
def test_what_cannot_be_asked_says_why(query: Query, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        settled(query)


def test_kinds_are_asked_what_they_take() -> None:
    one, many = Query(image_id=1), of(picture(1), picture(2))
    words, both = Query(text="a"), of(picture(1), text("a", -1))
    assert answering(SPECS, one) == ("hash", "looks", "words")
    assert answering(SPECS, many) == ("looks", "words")
    assert answering(SPECS, words) == answering(SPECS, both) == ("words",)
    assert [has_words(each) for each in (one, many, words, both)] == [False, False, True, True]
    assert not takes(HASH, many)
    with pytest.raises(QueryError, match=r"\(hash\) none takes words; image_text_features does"):
        answering({"hash": HASH}, words)
    with pytest.raises(QueryError, match=r"\(hash\) none takes several pictures together"):
        answering({"hash": HASH}, many)


def test_a_question_has_a_name_for_people() -> None:
    assert described(Query(text="a  dog\non a beach")) == "“a dog on a beach”"
    assert described(Query(data=b"", name="a.jpg")) == "a.jpg"
    asked = Query(parts=(QueryPart(data=b"x"), text("dog"), text("snow", -1), picture(7, -2)), name="a.jpg")
    assert described(asked) == "a.jpg and “dog”, without “snow” or picture 7"
    assert len(described(Query(text="x" * 500))) < 50


@pytest.mark.parametrize(
    "region",
    [(0, 0, 1, 1.0000001), (0.9, 0.9, 0.2, 0.1), (0, 0, 0.5, 0), (float("nan"), 0, 1, 1), (0, -0.1, 1, 1)],
)
def test_a_region_lies_within_its_picture(region: tuple[float, float, float, float]) -> None:
    if region[3] == 1.0000001:  # a sum of rounded shares
        assert settled(Query(image_id=1, region=region)) == Query(image_id=1)
        return
    for query in (Query(image_id=1, region=region), of(QueryPart(image_id=1, region=region), text("x"))):
        with pytest.raises(QueryError, match="is not within the picture"):
            settled(query)


def test_a_region_is_of_a_picture() -> None:
    half = (0.0, 0.0, 0.5, 1.0)
    for query in (Query(text="x", region=half), of(QueryPart(text="x", region=half))):
        with pytest.raises(QueryError, match="region"):
            settled(query)
    one = settled(of(QueryPart(image_id=1, weight=0.5, region=half)))
    assert one == Query(image_id=1, region=half)
    assert described(one) == "a region of picture 1"
    assert terms(one) == (QueryPart(image_id=1, region=half),)
