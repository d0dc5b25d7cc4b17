"""The rule that robustness is measured by, on scores that a reader can check by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from photos import Split
from rule import evaluate, outcome_of, related_masks, wilson
from transforms import TRANSFORMS

ROWS = len(TRANSFORMS)


class Given:
    """A method whose query "features" are its scores."""

    key = "given"
    title = "given"
    accepts_from: float | None = 5.0

    def extract(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.zeros((1, 4), np.float32)

    def score(self, queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> NDArray[np.float32]:
        return queries[:, 0]


SPLIT = Split(
    gallery=np.array([0, 1, 2, 3]),
    queries=np.array([0, 1]),
    outsiders=np.array([4, 5]),
    is_half_a=np.array([True, False, True, False]),
)


def measured(scores: list[list[float]], related: NDArray[np.bool_] | None = None):
    """The outcome for four photos (two queries, two outsiders) that score alike under every transform."""
    asked = np.repeat(np.array(scores, np.float32)[:, None, None], ROWS, axis=1)
    if related is None:
        related = np.zeros((4, ROWS, 4), bool)
        related[[0, 1], :, [0, 1]] = True
    return evaluate(Given(), np.zeros((4, 4), np.float32), asked, SPLIT, related)


def test_threshold_is_highest_negative_of_half_a_and_half_b_gives_the_false_accepts():
    outcome = measured([[9, 1, 2, 0], [1, 3, 2, 2], [0, 4, 0, 0], [0, 0, 6, 0]])
    assert outcome.threshold == 4
    assert outcome.rows[0].recall_at_1 == 1
    assert outcome.rows[0].recall == 0.5, "the second query is first with 3, below the threshold of 4"
    assert (outcome.rows[0].false_accepts, outcome.rows[0].negatives) == (1, 2)
    assert outcome.documented == (0.5, ROWS), "from 5 on: the first query, and the outsider that scores 6"


def test_a_tie_with_another_picture_is_not_first():
    outcome = measured([[9, 9, 0, 0], [0, 9, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert outcome.rows[0].recall_at_1 == 0.5


def test_pictures_of_the_same_thing_do_not_raise_the_threshold_and_are_counted_apart():
    related = np.zeros((4, ROWS, 4), bool)
    related[[0, 1], :, [0, 1]] = True
    related[2, :, 3] = True
    outcome = measured([[9, 0, 0, 0], [0, 9, 0, 0], [1, 0, 0, 8], [0, 0, 0, 0]], related)
    assert outcome.threshold == 1
    assert (outcome.related_above, outcome.related) == (ROWS, ROWS)


def test_what_lies_behind_an_inset_is_no_rival_of_it_and_the_strict_share_is_told():
    behind = np.zeros((4, ROWS, 4), bool)
    behind[0, :, 2] = True
    related = np.zeros((4, ROWS, 4), bool)
    related[[0, 1], :, [0, 1]] = True
    scores = np.zeros((4, ROWS, 4), np.float32)
    scores[0, :], scores[1, :] = [5, 0, 9, 0], [0, 5, 9, 0]
    row = outcome_of(Given(), scores, SPLIT, related | behind, behind).rows[0]
    assert (row.recall_at_1, row.strict) == (0.5, 0), "the second query shows nothing of picture 2"


def test_a_search_that_was_asked_again_without_the_true_picture_gives_the_negatives():
    scores = np.zeros((4, ROWS, 4), np.float32)
    scores[[0, 1], :, [0, 1]] = 30
    related = np.zeros((4, ROWS, 4), bool)
    related[[0, 1], :, [0, 1]] = True
    masked = np.zeros_like(scores)
    masked[0, :, 3], masked[1, :, 2] = 20, 40
    passed_over = outcome_of(Given(), scores, SPLIT, related)
    assert (passed_over.threshold, passed_over.rows[0].recall, passed_over.false_accepts) == (0, 1, 0)
    asked_again = outcome_of(Given(), scores, SPLIT, related, masked=masked)
    assert (asked_again.threshold, asked_again.rows[0].recall, asked_again.false_accepts) == (20, 1, ROWS)


def test_a_picture_that_is_not_answered_is_not_found():
    scores = np.zeros((4, ROWS, 4), np.float32)
    scores[0, :, 0] = 30
    related = np.zeros((4, ROWS, 4), bool)
    outcome = outcome_of(Given(), scores, SPLIT, related | (np.arange(4)[:, None, None] == np.arange(4)))
    assert (outcome.rows[0].recall_at_1, outcome.rows[0].recall) == (0.5, 0.5)


def test_masks_hold_what_the_photo_behind_an_inset_shows_for_insets_alone():
    related = np.eye(6, dtype=bool)
    related[5, 2] = related[2, 5] = True
    masks = related_masks([0, 1, 4, 5], [5, 4, 5, 4], SPLIT, related)
    inset = [each.name for each in TRANSFORMS].index("inset 12 %")
    mirror = [each.name for each in TRANSFORMS].index("mirror")
    assert masks[0, inset].tolist() == [True, False, True, False]
    assert masks[0, mirror].tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilson_interval(successes: int, trials: int, low: float, high: float):
    """Values of Newcombe (1998), and of statsmodels' `proportion_confint(method="wilson")`."""
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)
