"""Fits to pairs that were drawn from known distributions find these."""

import numpy as np
import pytest

from ambience.fuse.evidence import Reading
from ambience.fuse.fitting import (
    LabelledReading,
    fit_claim,
    fit_last,
    fit_slope,
    fit_weights,
    isotonic,
    log_loss,
)


def test_isotonic_pools_what_does_not_rise() -> None:
    """By hand: 1, (3 + 2) / 2, 4; in the order of figures, not of the rows."""
    at, value, count = isotonic(np.array([4.0, 1.0, 2.0, 3.0]), np.array([4.0, 1.0, 3.0, 2.0]))
    assert at.tolist() == [1.0, 2.5, 4.0]
    assert value.tolist() == [1.0, 2.5, 4.0]
    assert count.tolist() == [1.0, 2.0, 1.0]


def test_weights_of_two_witnesses_that_say_the_same_share_one() -> None:
    """Counting both fully would square the odds."""
    rng = np.random.default_rng(1)
    holds = rng.random(4000) < 0.5
    llr = 2 * np.where(holds, 1, -1) + 2 * rng.standard_normal(
        4000
    )  # ln N(2, 2) / N(-2, 2) is the value itself
    weights, offset = fit_weights(np.c_[llr, llr], holds)
    assert weights.sum() == pytest.approx(1.0, abs=0.08)
    assert offset == pytest.approx(0.0, abs=0.12)


def test_a_weight_stays_from_0_to_1() -> None:
    rng = np.random.default_rng(2)
    holds = rng.random(2000) < 0.3
    true = np.where(holds, 1.0, -1.0) + rng.standard_normal(2000)
    weights, _ = fit_weights(np.c_[true, -0.2 * np.where(holds, 1.0, -1.0)], holds)
    assert weights[1] == 0.0
    assert 0 <= weights[0] <= 1


def test_a_slope_below_one_tames_what_is_too_sure() -> None:
    """Log-odds of ± 4 that are right in 3 of 4 cases should have been ± ln 3."""
    odds = np.tile([4.0, -4.0], 400)
    right = np.array([number % 8 not in (0, 1) for number in range(800)]) == (odds > 0)
    slope, offset = fit_slope(odds, right)
    assert slope * 4 == pytest.approx(np.log(3), abs=0.05)
    assert offset == pytest.approx(0.0, abs=0.02)


def test_a_verdict_that_was_never_wrong_is_not_certain() -> None:
    slope, offset = fit_slope(np.full(20, 5.0), np.ones(20, bool))
    assert 0.9 < 1 / (1 + np.exp(-(slope * 5 + offset))) < 0.99


def _drawn(count: int, seed: int) -> list[LabelledReading]:
    rng = np.random.default_rng(seed)
    rows = []
    for group in range(count):
        holds = bool(rng.random() < 0.3)
        near = rng.normal(50 if holds else 150, 40)
        is_named = rng.random() < (0.8 if holds else 0.2)
        given = {
            "hash": Reading("distance", float(near)) if is_named else Reading("absent"),
            "noise": Reading("distance", float(rng.random())),
        }
        rows.append(LabelledReading(group, given, holds))
    return rows


def test_a_fit_tells_truths_apart_and_knows_how_well() -> None:
    rows = _drawn(3000, 3)
    witnesses, offset, odds = fit_claim(rows)
    holds = np.array([row.holds for row in rows])
    assert witnesses["hash"].llr("distance", 20.0) > 2 > -1 > witnesses["hash"].llr("distance", 180.0)
    assert witnesses["hash"].levels["absent"] == pytest.approx(np.log(0.2 / 0.8), abs=0.25)
    assert abs(witnesses["noise"].llr("distance", 0.9)) < 0.5
    assert offset == pytest.approx(np.log(0.3 / 0.7), abs=0.4)
    assert log_loss(odds, holds) < 0.8 * log_loss(np.full(3000, np.log(0.3 / 0.7)), holds)
    p = 1 / (1 + np.exp(-odds))
    for part in np.array_split(np.argsort(p), 5):
        assert p[part].mean() == pytest.approx(holds[part].mean(), abs=0.05)


def test_a_level_is_compared_with_its_own_part_alone() -> None:
    """Half of what another kind doubts holds, and nearly all of the rest: "near" says the same of both."""
    rows = []
    for group in range(2000):
        is_doubtful, number = group % 2 == 0, group // 2
        holds = number % 2 == 0 if is_doubtful else number % 20 != 0
        near = "near" if (number // 20) % 3 != 0 or holds else "far"
        level = f"{near} doubtful" if is_doubtful else near
        other = Reading("doubtful" if is_doubtful else "sure")
        rows.append(LabelledReading(group, {"hash": Reading(level), "other": other}, holds))
    levels = fit_claim(rows)[0]["hash"].levels
    assert levels["near doubtful"] == pytest.approx(np.log(3 / 2), abs=0.05)
    assert levels["near"] == pytest.approx(np.log(3 / 2), abs=0.05)
    assert levels["far doubtful"] < -4


def test_the_last_step_never_falls_whatever_was_observed() -> None:
    """The surer half is right less often: both halves are then as sure as all together."""
    odds = np.repeat([0.0, 4.0], 300)
    right = np.r_[np.arange(300) % 10 != 0, np.arange(300) % 10 < 7]
    scale = fit_last(odds, right, np.arange(600))
    assert list(scale.llrs) == sorted(scale.llrs)
    assert scale.at(4.0) - scale.at(0.0) < 0.3
    assert scale.at(2.0) == pytest.approx(np.log(0.8 / 0.2), abs=0.2)


def test_the_last_step_follows_what_was_observed_where_no_line_does() -> None:
    """Right in half of all up to 2, and in nearly all beyond: a step that a logistic curve cannot follow."""
    odds = np.repeat([0.0, 1.0, 2.0, 3.0, 4.0], 400)
    shares = np.repeat([0.5, 0.5, 0.5, 0.97, 0.97], 400)
    right = (np.arange(2000) * 7 % 100) < 100 * shares
    scale = fit_last(odds, right, np.arange(2000))
    assert scale.at(0.5) == pytest.approx(0.0, abs=0.2)
    assert scale.at(3.5) == pytest.approx(np.log(0.97 / 0.03), abs=0.3)


def test_a_last_step_of_a_verdict_that_was_never_wrong_is_not_certain() -> None:
    scale = fit_last(np.linspace(3, 6, 20), np.ones(20, bool), np.arange(20))
    assert 0.9 < 1 / (1 + np.exp(-scale.at(5.0))) < 0.999


def test_one_truth_alone_is_refused() -> None:
    rows = [LabelledReading(number, {"hash": Reading("absent")}, holds=True) for number in range(20)]
    with pytest.raises(ValueError, match="both sorts"):
        fit_claim(rows)
