"""Fits a calibration to labelled pairs, which `tools/fit_calibration.py` makes. Pure functions of numbers.

A scale is fitted in both of two ways, and the one with the smaller log loss on pairs apart is kept: isotonic
regression, which follows any rising or falling line, and logistic regression, which is steadier where pairs
are few. Weights are fitted on log-likelihood ratios that come from pairs apart as well, or they would trust
the scales that learned most by heart.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.fuse.calibration import CLAMP, Scale, Witness
from ambience.fuse.evidence import Reading

FOLDS = 5
"""Parts of the pairs, each fitted by the others; all pairs of one photograph are in one part."""

MOST_KNOTS = 12
"""Knots of an isotonic scale."""

LEAST_EACH = 5
"""Pairs of either truth below which a level has one log-likelihood ratio for all its figures."""

ROUNDS = 100
"""Newton steps at most."""

LEAST_STEP = 1e-6
"""Share of a Newton step below which nothing is won any more."""

RIDGE = 1e-3
"""Weight a pair of the squared difference of weights from 1: they stay finite where truths part clearly."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelledReading:
    """What kinds gave of one pair, and whether the claim holds.

    Attributes:
        group: pairs of one group are never parted between folds.
        given: by kind.
        holds: the truth.
    """

    group: int
    given: Mapping[str, Reading]
    holds: bool


def fit_claim(rows: Sequence[LabelledReading]) -> tuple[dict[str, Witness], float, Vector]:
    """Witnesses and offset of one claim.

    Args:
        rows: pairs with the readings for this claim.

    Returns:
        Witnesses by kind, the offset, and (N,) log-odds of the rows, each by a fit to the other folds.

    Raises:
        ValueError: the claim holds for all pairs, or for none.
    """
    holds = np.array([row.holds for row in rows])
    if holds.all() or not holds.any():
        raise ValueError("the claim holds for all pairs, or for none; both sorts are needed")
    folds = np.array([row.group % FOLDS for row in rows])
    kinds = sorted({kind for row in rows for kind in row.given})
    apart = np.zeros((len(rows), len(kinds)))
    for fold in np.unique(folds):
        if not 0 < holds[folds != fold].sum() < (folds != fold).sum():
            continue
        learned = _scales([row for row, other in zip(rows, folds, strict=True) if other != fold], kinds)
        for place in np.flatnonzero(folds == fold).tolist():
            apart[place] = _told(rows[place], kinds, learned)
    weights, offset = fit_weights(apart, holds)
    odds = np.zeros(len(rows))
    for fold in np.unique(folds):
        own = folds == fold
        others = (
            fit_weights(apart[~own], holds[~own])
            if 0 < holds[~own].sum() < (~own).sum()
            else (weights, offset)
        )
        odds[own] = apart[own] @ others[0] + others[1]
    scales = _scales(rows, kinds)
    witnesses = {
        kind: Witness(scales[kind][0], scales[kind][1], float(weight))
        for kind, weight in zip(kinds, weights, strict=True)
    }
    return witnesses, offset, odds


def fit_weights(llrs: Vector, holds: NDArray[np.bool_]) -> tuple[Vector, float]:
    """Weights of log-likelihood ratios, from 0 to 1, and an offset, by logistic regression.

    A kind beside others is never surer than it is alone, and never speaks against itself.

    Args:
        llrs: (N, K).
        holds: (N,) the truth.

    Returns:
        (K,) weights, drawn gently towards 1, and the offset.

    Source: iteratively reweighted least squares; Bishop, "Pattern recognition and machine learning", 2006,
        section 4.3.3. A weight that would leave 0 to 1 is held at the bound.
    """
    count, kinds = llrs.shape
    design = np.c_[llrs, np.ones(count)]
    pull = np.r_[np.full(kinds, RIDGE * count), 0.0]
    target = np.r_[np.ones(kinds), 0.0]
    is_weight = np.r_[np.ones(kinds, bool), False]

    def loss(beta: Vector) -> float:
        return float(log_loss(design @ beta, holds) * count + np.sum(pull * (beta - target) ** 2) / 2)

    beta = np.r_[np.ones(kinds), _ratio(int(holds.sum()), count)]
    for _ in range(ROUNDS):
        p = _logistic(design @ beta)
        gradient = design.T @ (p - holds) + pull * (beta - target)
        free = ~is_weight | ((beta > 0) | (gradient < 0)) & ((beta < 1) | (gradient > 0))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag(pull + 1e-9)
        step = np.zeros(kinds + 1)
        step[free] = np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
        before, share = loss(beta), 1.0
        while share > LEAST_STEP:
            moved = np.where(is_weight, np.clip(beta - share * step, 0, 1), beta - share * step)
            if loss(moved) < before:
                break
            share /= 2
        else:
            break
        beta = moved
    return beta[:-1], float(beta[-1])


def fit_last(log_odds: Vector, is_right: NDArray[np.bool_], groups: NDArray[np.int64]) -> Scale:
    """From log-odds that a verdict is right to those that were observed: isotonic or logistic regression.

    Args:
        log_odds: (N,).
        is_right: (N,) what was observed.
        groups: (N,) pairs of one group are never parted between the folds that choose.

    Returns:
        A scale that never falls.
    """
    if min(is_right.sum(), (~is_right).sum()) < LEAST_EACH:
        return _logistic_scale(log_odds, is_right, 0.0, rises=True)
    return _scale(log_odds, is_right, groups % FOLDS, 0.0, rises=True)


def fit_slope(log_odds: Vector, is_right: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset that take log-odds to those that were observed.

    Args:
        log_odds: (N,).
        is_right: (N,) what was observed.

    Returns:
        Slope, 0.05 or more so that order stays, and offset.

    Source: Platt, "Probabilistic outputs for support vector machines", 1999, with its smoothed targets: a
        verdict that was never wrong among n gets 1 − 1 / (n + 2) and not 1.
    """
    right, wrong = int(is_right.sum()), int((~is_right).sum())
    targets = np.where(is_right, (right + 1) / (right + 2), 1 / (wrong + 2))
    design = np.c_[log_odds, np.ones(len(log_odds))]
    beta = np.array([1.0, 0.0])
    for _ in range(ROUNDS):
        p = _logistic(design @ beta)
        gradient = design.T @ (p - targets) + np.array([RIDGE * len(targets) * (beta[0] - 1), 0])
        hessian = (design * (p * (1 - p))[:, None]).T @ design + np.diag([RIDGE * len(targets), 1e-6])
        step = np.clip(np.linalg.solve(hessian, gradient), -1, 1)
        beta = beta - step
        if np.abs(step).max() < 1e-9:
            break
    return max(float(beta[0]), 0.05), float(beta[1])


def isotonic(figures: Vector, values: Vector) -> tuple[Vector, Vector, Vector]:
    """Least-squares rising steps through values: pool adjacent violators.

    Args:
        figures: (N,).
        values: (N,).

    Returns:
        Of each step, rising: mean figure, mean value, and how many values it pools.

    Source: Ayer et al., "An empirical distribution function for sampling with incomplete information", 1955.
    """
    order = np.argsort(figures, kind="stable")
    blocks: list[list[float]] = []
    for figure, value in zip(figures[order], values[order], strict=True):
        blocks.append([figure, value, 1.0])
        while len(blocks) > 1 and blocks[-2][1] >= blocks[-1][1]:
            (f, v, n), (g, w, m) = blocks[-2:]
            blocks[-2:] = [[(f * n + g * m) / (n + m), (v * n + w * m) / (n + m), n + m]]
    found = np.array(blocks)
    return found[:, 0], found[:, 1], found[:, 2]


def log_loss(log_odds: Vector, holds: NDArray[np.bool_]) -> float:
    """Mean of −ln of the probability that log-odds gave to what holds."""
    return float(np.logaddexp(0, np.where(holds, -log_odds, log_odds)).mean())


# --- scales -----------------------------------------------------------------------------------------------

Scales = tuple[dict[str, Scale], dict[str, float]]


def _scales(rows: Sequence[LabelledReading], kinds: Sequence[str]) -> dict[str, Scales]:
    return {kind: _scales_of([(row, row.given[kind]) for row in rows if kind in row.given]) for kind in kinds}


def _scales_of(rows: Sequence[tuple[LabelledReading, Reading]]) -> Scales:
    """Scales and levels of one kind.

    A level that is parted from others by what another kind said (behind a space) is compared with its own
    part alone: the other kind has already told how likely the claim is there.
    """
    by_level: dict[str, list[tuple[LabelledReading, Reading]]] = defaultdict(list)
    by_part: dict[str, list[bool]] = defaultdict(list)
    for row, reading in rows:
        by_level[reading.level].append((row, reading))
        by_part[_part(reading.level)].append(row.holds)
    scales, levels = {}, {}
    for level, members in by_level.items():
        part = by_part[_part(level)]
        prior = _ratio(sum(part), len(part))
        holds = np.array([row.holds for row, _ in members])
        levels[level] = _clamped(_ratio(int(holds.sum()), len(holds)) - prior)
        is_figured = members[0][1].figure is not None
        if is_figured and min(holds.sum(), (~holds).sum()) >= LEAST_EACH:
            figures = np.array([reading.figure for _, reading in members], float)
            folds = np.array([row.group % FOLDS for row, _ in members])
            scales[level] = _scale(figures, holds, folds, prior)
    return scales, levels


def _part(level: str) -> str:
    return level.partition(" ")[2]


def _scale(
    figures: Vector,
    holds: NDArray[np.bool_],
    folds: NDArray[Any],
    prior: float,
    *,
    rises: bool | None = None,
) -> Scale:
    """The better of both ways on folds apart; where `rises` is not given, as the figures do."""
    if rises is None:
        rises = bool(figures[holds].mean() >= figures[~holds].mean())
    losses = []
    for way in (_isotonic_scale, _logistic_scale):
        loss = 0.0
        for fold in np.unique(folds):
            own = folds == fold
            if 0 < holds[~own].sum() < (~own).sum():
                made = way(figures[~own], holds[~own], prior, rises=rises)
                odds = np.array([made.at(figure) for figure in figures[own]]) + prior
                loss += log_loss(odds, holds[own]) * own.sum()
        losses.append(loss)
    way = (_isotonic_scale, _logistic_scale)[int(np.argmin(losses))]
    return way(figures, holds, prior, rises=rises)


def _isotonic_scale(figures: Vector, holds: NDArray[np.bool_], prior: float, *, rises: bool) -> Scale:
    sign = 1.0 if rises else -1.0
    at, value, count = isotonic(sign * figures, holds.astype(float))
    while len(at) > MOST_KNOTS:  # the two neighbours whose joining loses least become one
        cost = (value[1:] - value[:-1]) ** 2 * count[1:] * count[:-1] / (count[1:] + count[:-1])
        place = int(np.argmin(cost))
        both = count[place : place + 2]
        at[place] = np.average(at[place : place + 2], weights=both)
        value[place] = np.average(value[place : place + 2], weights=both)
        count[place] = both.sum()
        at, value, count = (np.delete(each, place + 1) for each in (at, value, count))
    odds = np.log((value * count + 0.5) / ((1 - value) * count + 0.5)) - prior
    odds = np.clip(np.maximum.accumulate(odds), -CLAMP, CLAMP)
    return _in_order(sign * at, odds)


def _logistic_scale(figures: Vector, holds: NDArray[np.bool_], prior: float, *, rises: bool) -> Scale:
    spread = float(figures.std()) or 1.0
    scaled = (figures - figures.mean()) / spread * (1.0 if rises else -1.0)
    slope, offset = fit_slope(scaled, holds)
    ends = np.linspace(figures.min(), figures.max(), MOST_KNOTS)
    scaled = (ends - figures.mean()) / spread * (1.0 if rises else -1.0)
    return _in_order(ends, np.clip(slope * scaled + offset - prior, -CLAMP, CLAMP))


def _in_order(figures: Vector, odds: Vector) -> Scale:
    order = np.argsort(figures, kind="stable")
    figures, odds = np.round(figures[order], 6), odds[order]
    kept = np.r_[True, np.diff(figures) > 0]
    return Scale(tuple(map(float, figures[kept])), tuple(map(float, odds[kept])))


def _told(row: LabelledReading, kinds: Sequence[str], scales: Mapping[str, Scales]) -> list[float]:
    return [Witness(*scales[kind], 1.0).llr(*row.given[kind]) if kind in row.given else 0.0 for kind in kinds]


def _ratio(held: int, count: int) -> float:
    """Log-odds of a share, half a pair added to either side."""
    return math.log((held + 0.5) / (count - held + 0.5))


def _clamped(llr: float) -> float:
    return min(max(llr, -CLAMP), CLAMP)


def _logistic(odds: Vector) -> Vector:
    p: Vector = 0.5 * (1 + np.tanh(0.5 * odds))
    return p
