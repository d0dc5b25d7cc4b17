"""Reciprocal rank fusion: expected values by hand from the paper's formula."""

import pytest

from ambience.fuse.reciprocal_rank import K, merge


def test_the_paper_s_formula() -> None:
    """1: 1/61 + 1/62; 2: 1/62 + 1/61; 3: 1/63; ties by id."""
    assert K == 60
    merged = merge({"phash": [2, 1, 3], "color": [1, 2]})
    assert [image_id for image_id, _ in merged] == [1, 2, 3]
    assert [score for _, score in merged] == pytest.approx([1 / 61 + 1 / 62, 1 / 61 + 1 / 62, 1 / 63])


def test_two_middling_places_beat_one_first_place() -> None:
    merged = merge({"a": [1, 5], "b": [2, 5], "c": [3, 5]})
    assert merged[0] == (5, pytest.approx(3 / 62))


def test_another_constant_lets_first_places_stand_out() -> None:
    """k = 0: 1/1 = 1 for the first of one list, 3 · 1/3 = 1 for the third of three; then 1/2 twice."""
    merged = merge({"a": [1, 2, 5], "b": [2, 1, 5], "c": [7, 8, 5]}, k=0)
    assert merged == [
        (1, pytest.approx(1.5)),
        (2, pytest.approx(1.5)),
        (5, pytest.approx(1.0)),
        (7, pytest.approx(1.0)),
        (8, pytest.approx(0.5)),
    ]


def test_the_best_rank_of_a_repeated_image_counts() -> None:
    assert merge({"a": [7, 7, 8]}) == [(7, pytest.approx(1 / 61)), (8, pytest.approx(1 / 62))]


def test_nothing_becomes_nothing() -> None:
    assert merge({}) == []
    assert merge({"a": []}) == []
