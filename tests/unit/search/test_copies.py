import numpy as np

from ambience.search.copies import LEAST_ROWS, ROWS, full_rows


def test_lists_full_of_proven_images_are_asked_again() -> None:
    features = np.array([[1, 2, 3, 4]] * 6 + [[7, 8, 9, 1]] * 6)

    assert full_rows(features, np.array([1, 2])).tolist() == [0, 1, 2, 3, 4, 5]


def test_a_list_that_ended_by_itself_holds_all() -> None:
    assert full_rows(np.array([[1, 2, -1]] * 20), np.array([1, 2])).tolist() == []


def test_a_few_full_lists_are_a_pattern_and_no_picture() -> None:
    features = np.array([[1, 1]] * (LEAST_ROWS - 1) + [[5, 6]] * 50)

    assert full_rows(features, np.array([1])).tolist() == []


def test_so_many_rows_at_most_and_from_everywhere() -> None:
    rows = full_rows(np.ones((1000, 4), np.int64), np.array([1]))

    assert len(rows) == ROWS
    assert rows[0] == 0
    assert rows[-1] == 999
