"""How tags are counted, by figures that can be checked by hand."""

from pathlib import Path

import numpy as np
import pytest

from photos import Photo
from quality_inputs import Collection
from tags import Way, chosen_threshold, counted, halves, named_by

NAMES = [("African elephant", "Loxodonta africana"), ("beach", "seashore"), ("red panda", "panda"), ("ant",)]


def test_a_class_names_a_label_by_its_last_words() -> None:
    assert named_by("elephants", NAMES) == [0]
    assert named_by("beach", NAMES) == [1]
    assert named_by("panda", NAMES) == [2]
    assert named_by("pant", NAMES) == []
    assert named_by("buses", [("school bus",), ("busy street",)]) == [0]


@pytest.fixture
def way() -> Way:
    scores = np.array([[0.9, 0.6], [0.9, 0.1], [0.2, 0.7], [0.4, 0.3]], np.float32)
    return Way("x", scores, {"a": [0], "b": [1], "c": []}, 0.5)


def test_tags_are_counted_where_the_label_can_be_named(way: Way) -> None:
    labels = ["a", "b", "b", "c"]
    found = counted(way, labels, range(4), 0.5)
    assert (found.photos, found.tags) == (3, 4)
    assert found.precision == pytest.approx(2 / 4)  # 0.9 of the first, 0.7 of the third
    assert found.recall == pytest.approx(2 / 3)
    assert counted(way, labels, [3], 0.1).photos == 0


def test_the_threshold_is_the_lowest_that_is_right_often_enough(way: Way) -> None:
    assert chosen_threshold(way, ["a", "b", "b", "c"], [0, 2]) == pytest.approx(0.6)
    assert chosen_threshold(way, ["b", "a", "a", "c"], [0, 2]) == 1.0


def test_halves_part_photographs_by_their_sha256() -> None:
    photos = [Photo(Path("x"), key * 8, "", 1, 1) for key in ("0", "1", "e", "f")]
    found = Collection(photos, ["s"] * 4, [()] * 4)
    assert halves(found) == ([1, 3], [0, 2])
