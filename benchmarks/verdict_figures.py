"""How right verdicts are, and how well their scores say so: pure functions of what was said and is true."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10
"""Bins of as many pairs each."""

NOTHING = "nothing"
"""Of a picture that is not answered, or only for its colors or words."""

CLASSES = ("same_picture", "edited", "part", "same_scene", "look_alike", NOTHING)
"""What the mean is taken over; equal bytes are known without any of this."""


@dataclass(frozen=True)
class Said:
    """What was said of one pair of pictures.

    Attributes:
        truth: row of the confusion matrix.
        verdict: column.
        is_right: None where nobody knows.
    """

    truth: str
    verdict: str
    is_right: bool | None


@dataclass(frozen=True)
class Scored:
    """One answered pair.

    Attributes:
        verdict: what it was called.
        score: how sure of it, 0–1.
        is_right: whether that is so.
    """

    verdict: str
    score: float
    is_right: bool


def recalls(said: Sequence[Said]) -> dict[str, tuple[float, int]]:
    """By truth: share of its pairs that were called right, and how many pairs that is of."""
    known = [each for each in said if each.is_right is not None]
    counts = Counter(each.truth for each in known)
    right = Counter(each.truth for each in known if each.is_right)
    return {truth: (right[truth] / count, count) for truth, count in counts.items()}


def macro_recall(said: Sequence[Said]) -> float:
    """Mean over the classes, each of the same weight however many pairs it has; of those that have any."""
    found = recalls(said)
    shares = [found[truth][0] for truth in CLASSES if truth in found]
    return float(np.mean(shares)) if shares else float("nan")


def confusion(said: Sequence[Said], columns: Sequence[str]) -> dict[str, list[int]]:
    """By truth: how many pairs were called each of the columns."""
    counts = Counter((each.truth, each.verdict) for each in said)
    truths = dict.fromkeys(each.truth for each in said)
    return {truth: [counts[truth, column] for column in columns] for truth in truths}


def calibration_bins(scored: Sequence[Scored], bins: int = BINS) -> list[tuple[float, float, int]]:
    """Mean score, share that is right and count of each bin, by rising score; bins hold as many pairs each.

    Equal scores stand in an order drawn by seed: in any order that knows what is right, the bound of a bin
    that falls among them would part right from wrong.
    """
    order = np.random.default_rng(0).permutation(len(scored))
    drawn = sorted((scored[place] for place in order), key=lambda each: each.score)
    parts = np.array_split(np.arange(len(drawn)), bins)
    return [
        (
            float(np.mean([drawn[place].score for place in part])),
            float(np.mean([drawn[place].is_right for place in part])),
            len(part),
        )
        for part in parts
        if len(part)
    ]


def calibration_error(scored: Sequence[Scored], bins: int = BINS) -> float:
    """Expected calibration error: mean over pairs of |score − share right| of their bin.

    Source: Naeini, Cooper & Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning",
        AAAI 2015; bins of equal mass and not of equal width.
    """
    if not scored:
        return float("nan")
    gaps = [abs(score - right) * count for score, right, count in calibration_bins(scored, bins)]
    return sum(gaps) / len(scored)


def brier(scored: Sequence[Scored]) -> float:
    """Mean squared difference of scores from 1 where right, from 0 where wrong: Brier, 1950."""
    if not scored:
        return float("nan")
    return float(np.mean([(each.score - each.is_right) ** 2 for each in scored]))
