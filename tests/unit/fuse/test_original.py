"""The original's merge: expected values by hand from its formula."""

import pytest

from ambience.fuse.original import merge


def test_ranks_count_from_zero_and_reciprocals_are_added() -> None:
    """1: 1/1 + 1/2; 2: 1/2 + 1/1; 3: 1/3 + 1/3. Equal scores stay as they were first named."""
    merged = merge({"phash": [1, 2, 3], "color": [2, 1, 3]})
    assert [image_id for image_id, _ in merged] == [1, 2, 3]
    assert [score for _, score in merged] == pytest.approx([1.5, 1.5, 2 / 3])


def test_what_one_list_alone_holds_is_left_out() -> None:
    assert merge({"phash": [9], "color": [4, 5], "global_features": [5, 4]}) == [
        (4, pytest.approx(1.5)),
        (5, pytest.approx(1.5)),
    ]
    assert merge({"phash": [9]}) == []
    assert merge({}) == []


def test_the_last_rank_of_a_repeated_image_counts_and_makes_it_no_second_list() -> None:
    """7 in the first list: rank 2, not 0: 1/3 + 1/1. 8 stands twice in one list only."""
    merged = merge({"local_features": [7, 8, 7, 8], "phash": [7]})
    assert merged == [(7, pytest.approx(4 / 3))]


def test_ties_stay_in_the_order_in_which_they_were_first_named() -> None:
    merged = merge({"a": [30, 10, 20], "b": [20, 10, 30]})
    assert [image_id for image_id, _ in merged] == [30, 20, 10]
    assert merged[0][1] == merged[1][1] == pytest.approx(4 / 3)


def test_three_lists_add_up() -> None:
    merged = merge({"a": [1, 2], "b": [2, 1], "c": [3, 4, 1]})
    assert merged == [(1, pytest.approx(1 + 1 / 2 + 1 / 3)), (2, pytest.approx(1.5))]
