"""Scores of pictures, against sums that a reader can check by hand and a slow oracle."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambience.search.word_scores import APART_COSTS, BACKWARD, UnitPlaces, phrase, rarity, scores

PICTURES = 5
PLACES = st.lists(
    st.tuples(st.integers(0, PICTURES - 1), st.integers(0, 30), st.sampled_from([0.7, 0.8, 1.0])), max_size=20
)


def _unit(places: list[tuple[int, int, float]], words: int = 1) -> UnitPlaces:
    pictures, starts, likeness = zip(*places, strict=True) if places else ((), (), ())
    return UnitPlaces(
        np.array(pictures, np.intp),
        np.arange(len(places), dtype=np.int64),
        np.array(starts, np.int64),
        words,
        np.array(likeness, np.float32),
        np.zeros(len(places), np.intp),
    )


def test_rarity_falls_with_the_share_of_pictures() -> None:
    weights = [rarity(1000, count) for count in (0, 1, 10, 500, 1000, 2000)]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0
    assert rarity(10, 4) == pytest.approx(np.log(1 + 10 / 4.5))


def test_one_word_scores_by_its_best_place() -> None:
    found = scores([_unit([(0, 1, 0.8), (0, 9, 1.0), (3, 2, 0.7)])], [2.0], PICTURES, required=[False])
    np.testing.assert_allclose(found, [1, 0, 0, 0.7, 0], rtol=1e-6)


def test_near_words_in_the_right_order_score_higher() -> None:
    left = _unit([(0, 4, 1.0), (1, 5, 1.0), (2, 4, 1.0), (3, 4, 1.0)])
    right = _unit([(0, 5, 1.0), (1, 4, 1.0), (2, 14, 1.0)])
    found = scores([left, right], [3.0, 1.0], PICTURES, required=[False, False])
    apart = 1 - APART_COSTS
    expected = [1, 1 - APART_COSTS * (1 - BACKWARD), 1 - APART_COSTS * 0.9, 0.75 * apart, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_what_is_required_must_be_there() -> None:
    units = [_unit([(0, 0, 1.0), (1, 0, 1.0)]), _unit([(1, 1, 1.0), (2, 0, 1.0)])]
    found = scores(units, [1.0, 1.0], PICTURES, required=[True, False])
    assert found.argmax() == 1
    assert found[2] == 0


def test_a_phrase_stands_where_its_words_follow_each_other() -> None:
    words = [
        _unit([(0, 3, 1.0), (1, 3, 1.0), (2, 0, 1.0)]),
        _unit([(0, 4, 1.0), (1, 5, 1.0), (2, 1, 1.0)]),
        _unit([(0, 5, 1.0), (1, 6, 1.0), (3, 2, 1.0)]),
    ]
    found = phrase(words)
    assert (found.pictures.tolist(), found.starts.tolist(), found.words) == ([0], [3], 3)
    assert phrase([words[0], _unit([])]).pictures.tolist() == []


def _slow_scores(units: list[list[tuple[int, int, float]]], weights: list[float]) -> list[float]:
    results = []
    for picture in range(PICTURES):
        here = [[(at, likeness) for where, at, likeness in unit if where == picture] for unit in units]
        total = sum(
            weight * max((likeness for _, likeness in unit), default=0.0)
            for unit, weight in zip(here, weights, strict=True)
        ) / sum(weights)
        near = []
        for left, right in pairwise(here):
            gaps = [b - a for a, _ in left for b, _ in right]
            near.append(max([(1.0 if gap > 0 else BACKWARD) / abs(gap) for gap in gaps if gap], default=0.0))
        if near:
            total *= 1 - APART_COSTS * (1 - sum(near) / len(near))
        results.append(total)
    return results


@settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(PLACES, st.sampled_from([0.5, 1.0, 3.0])), min_size=1, max_size=4))
def test_scores_agree_with_the_slow_way(asked: list[tuple[list[tuple[int, int, float]], float]]) -> None:
    units, weights = [places for places, _ in asked], [weight for _, weight in asked]
    found = scores([_unit(each) for each in units], weights, PICTURES, required=[False] * len(units))
    np.testing.assert_allclose(found, _slow_scores(units, weights), rtol=1e-4, atol=1e-6)
    assert (found <= 1).all()
