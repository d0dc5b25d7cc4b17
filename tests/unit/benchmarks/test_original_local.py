"""The original's recipe for local features: its selection rule and its matches, checked by hand."""

import numpy as np
import pytest
import skimage.data

from original_local import POINTS, _selection, descriptors_of, mutual_matches

FAR = 10_000
"""A middle that leaves every place of these tests in the upper left quadrant."""


def selected(places: list[tuple[float, float]], middle: int = FAR) -> list[int]:
    return _selection()(np.array(places, np.float32), middle, middle).tolist()


def test_a_point_near_another_with_three_neighbors_is_passed_over():
    crowd = [(100, 100), (110, 100), (120, 100), (130, 100), (140, 100)]
    assert selected(crowd) == [0, 1, 2, 3], "the first has three neighbors then"
    assert selected([*crowd, (189, 100)]) == [0, 1, 2, 3, 5], (
        "59 pixels from the second: those near it have two"
    )


def test_fifty_pixels_apart_is_no_neighbor():
    apart = [(x * 50.0 + 10, 10.0) for x in range(6)]
    assert selected(apart) == list(range(6))


def test_a_point_at_the_very_same_place_is_no_neighbor_and_resets_the_count():
    crowd = [(100, 100), (110, 100), (120, 100), (130, 100)]
    beside_the_first = (55, 100)
    assert selected([*crowd, beside_the_first]) == [0, 1, 2, 3], "the first has three neighbors"
    assert selected([*crowd, (100, 100), beside_the_first]) == [0, 1, 2, 3, 4, 5]


def test_a_quadrant_takes_fifty_and_midlines_none():
    grid = [(x * 60.0 + 5, y * 60.0 + 5) for y in range(8) for x in range(8)]
    assert len(selected(grid)) == 50
    assert selected([(10, 10), (100, 10), (10, 100), (99, 99), (101, 101)], middle=100) == [0, 3, 4]


def test_descriptors_have_unit_length_and_there_are_at_most_two_hundred():
    places, descriptors = descriptors_of(skimage.data.coffee())
    assert len(places) == len(descriptors) <= POINTS
    assert len(places) > 100
    assert np.linalg.norm(descriptors, axis=1) == pytest.approx(np.ones(len(descriptors)), abs=1e-5)
    middle_x, middle_y = 600 // 2, 400 // 2
    quadrants = 2 * (places[:, 1] > middle_y) + (places[:, 0] > middle_x)
    assert np.bincount(quadrants).max() <= 50
    assert np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)).max() > 500, "spread"


def test_a_blank_picture_has_none():
    places, descriptors = descriptors_of(np.full((200, 300, 3), 128, np.uint8))
    assert places.shape == (0, 2)
    assert descriptors.shape == (0, 128)


def unit(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_matches_are_mutual_and_clear_in_both_directions():
    mine, theirs = mutual_matches(unit(0, 45, 90), unit(90, 1))
    assert (mine.tolist(), theirs.tolist()) == ([0, 2], [1, 0]), "45° lies between both"
    mine, theirs = mutual_matches(unit(0, 90), unit(1, 3, 90))
    assert (mine.tolist(), theirs.tolist()) == ([0, 1], [0, 2]), "1° is a third as far as 3°"
    mine, theirs = mutual_matches(unit(0, 90), unit(5, 6, 90))
    assert mine.tolist() == [1], "5° is not clearly nearer than 6°"
    mine, theirs = mutual_matches(unit(0, 1.1, 90), unit(0.5, 90))
    assert mine.tolist() == [2], "two of the query are as near to the same one"


def test_fewer_than_two_descriptors_match_nothing():
    assert len(mutual_matches(unit(0), unit(0, 90))[0]) == 0
    assert len(mutual_matches(unit(0, 90), unit(0))[0]) == 0
