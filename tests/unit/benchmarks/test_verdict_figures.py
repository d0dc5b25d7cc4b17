"""Figures of verdicts and scores, by hand."""

import math

import pytest

from verdict_figures import (
    NOTHING,
    Said,
    Scored,
    brier,
    calibration_bins,
    calibration_error,
    confusion,
    macro_recall,
    recalls,
)

SAID = [
    Said("part", "part", True),
    Said("part", "part", True),
    Said("part", "part", True),
    Said("part", "same_scene", False),
    Said(NOTHING, NOTHING, True),
    Said(NOTHING, "look_alike", None),
    Said("same_file", "same_file", True),
]


def test_a_class_counts_the_same_however_many_pairs_it_has() -> None:
    """Parts 3 of 4, nothing 1 of 1 (of the other nobody knows); equal bytes are not in the mean."""
    assert recalls(SAID) == {"part": (0.75, 4), NOTHING: (1.0, 1), "same_file": (1.0, 1)}
    assert macro_recall(SAID) == pytest.approx(0.875)
    assert math.isnan(macro_recall([]))


def test_a_confusion_matrix_counts_what_nobody_knows_as_well() -> None:
    assert confusion(SAID, ("part", "same_scene", "look_alike", NOTHING)) == {
        "part": [3, 1, 0, 0],
        NOTHING: [0, 0, 1, 1],
        "same_file": [0, 0, 0, 0],
    }


def test_calibration_is_the_mean_gap_of_bins_of_as_many_pairs() -> None:
    """Ten pairs say .2 and one is right, ten say .9 and seven are: gaps .1 and .2, mean .15."""
    scored = [Scored("part", 0.2, number == 0) for number in range(10)]
    scored += [Scored("part", 0.9, number < 7) for number in range(10)]
    bins = calibration_bins(scored, 2)
    assert [(round(score, 6), right, count) for score, right, count in bins] == [
        (0.2, 0.1, 10),
        (0.9, 0.7, 10),
    ]
    assert calibration_error(scored, 2) == pytest.approx(0.15)
    assert math.isnan(calibration_error([]))


def test_equal_scores_are_not_parted_by_what_is_right() -> None:
    """Half of a thousand are right: as many in every bin, but for chance, though they came in order."""
    scored = [Scored("part", 0.5, number < 500) for number in range(1000)]
    assert calibration_error(scored) < 0.08


def test_the_brier_score_is_the_mean_squared_error() -> None:
    """(.2² + .5²) / 2."""
    assert brier([Scored("part", 0.8, True), Scored("part", 0.5, False)]) == pytest.approx(0.145)
    assert math.isnan(brier([]))
