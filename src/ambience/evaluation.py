"""How good a ranking is, by what it should have found: pure functions, called by benchmarks and tests.

A ranking is the relevance of its places, best place first, whatever the things ranked are.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["average_precision", "mean_average_precision", "ranked_relevance", "recall_at_k"]


def ranked_relevance(scores: ArrayLike, is_relevant: ArrayLike) -> NDArray[np.bool_]:
    """The relevance of things in the order of their scores.

    Ties are ordered against us, the irrelevant first, so that a search that scores everything alike earns
    nothing by the order in which things happened to be stored.

    Args:
        scores: (N,), greater is better; no NaN.
        is_relevant: (N,) of truth values.

    Returns:
        (N,), best first.

    Raises:
        ValueError: the lengths differ, there is more than one axis, or a score is no number.
    """
    values, truth = np.asarray(scores), _truth(is_relevant)
    if values.shape != truth.shape:
        raise ValueError(f"{values.shape} scores and {truth.shape} truth values; they must be as many")
    if np.isnan(values.astype(np.float64)).any():
        raise ValueError("a score is no number (NaN); it has no place in an order")
    best_first = np.lexsort((truth, -values.astype(np.float64)))
    return truth[best_first]


def recall_at_k(ranked: ArrayLike, k: int, *, relevant: int | None = None) -> float:
    """Share of the relevant things that are among the first k.

    Where one thing alone is relevant this is 1 or 0, and its mean over queries is the "R@k" of caption
    retrieval.

    Args:
        ranked: (N,) relevance of the ranking, best first; it may be cut short.
        k: places that count, at least 1; places beyond the end of the ranking hold nothing.
        relevant: how many relevant things there are; by default as many as the ranking holds.

    Returns:
        0 to 1.

    Raises:
        ValueError: k is below 1, or nothing is relevant, or less than the ranking holds.
    """
    if k < 1:
        raise ValueError(f"k = {k}; it must be at least 1")
    truth = _truth(ranked)
    return float(truth[:k].sum() / _total(truth, relevant))


def average_precision(ranked: ArrayLike, *, relevant: int | None = None) -> float:
    """Mean, over all relevant things, of the precision at the place of each: AP = Σ P(r)·rel(r) / R.

    P(r) is the share of relevant things among the first r; not interpolated. What a ranking that was cut
    short does not hold counts as never found.

    Args:
        ranked: (N,) relevance of the ranking, best first.
        relevant: R, how many relevant things there are; by default as many as the ranking holds.

    Returns:
        0 to 1.

    Raises:
        ValueError: nothing is relevant, or less than the ranking holds.

    Source: Buckley & Voorhees, "Evaluating evaluation measure stability", SIGIR 2000.
    """
    truth = _truth(ranked)
    total = _total(truth, relevant)
    places = np.flatnonzero(truth) + 1
    return float((np.arange(1, len(places) + 1) / places).sum() / total)


def mean_average_precision(rankings: Iterable[ArrayLike]) -> float:
    """Mean of the average precisions of whole rankings, each query counting alike.

    Args:
        rankings: relevance of each, best first; everything relevant is in it.

    Returns:
        0 to 1.

    Raises:
        ValueError: there is no ranking, or one in which nothing is relevant.
    """
    values = [average_precision(ranked) for ranked in rankings]
    if not values:
        raise ValueError("no ranking was given, and a mean of nothing is no number")
    return float(np.mean(values))


def _truth(values: ArrayLike) -> NDArray[np.bool_]:
    truth: NDArray[Any] = np.asarray(values)
    if truth.ndim != 1:
        raise ValueError(f"an array of shape {truth.shape}; a ranking has one axis")
    return truth.astype(np.bool_)


def _total(truth: NDArray[np.bool_], relevant: int | None) -> int:
    held = int(truth.sum())
    total = held if relevant is None else relevant
    if total < max(held, 1):
        raise ValueError(
            f"{total} relevant things, of which the ranking holds {held}; there must be at least one, and no "
            "fewer than are found"
        )
    return total
