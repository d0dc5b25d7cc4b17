"""The middles of groups of points, by k-means: what inverted lists are made around."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.index._faiss_threads import MANY_ROWS

ROUNDS = 8
"""Of k-means: each moves every centroid to the middle of what is nearest to it."""

PIECE = 2048
"""Points that are compared with all centroids at a time: 16 MB of products at 2,000 of them."""

Points = NDArray[np.float32]


def centroids(points: Points, count: int) -> Points:
    """(count, D) centers of (N, D) points by k-means; some points where a center would be nearest to none.

    In numpy because of its matrix products: those inside of faiss's wheel took three times as long where its
    older library did not know the processor.
    """
    generator = np.random.default_rng(0)
    middles = points[np.sort(generator.choice(len(points), count, replace=False))]
    for _ in range(ROUNDS):
        nearest = nearest_centroids(points, middles)
        order = np.argsort(nearest, kind="stable")
        present, starts, sizes = np.unique(nearest[order], return_index=True, return_counts=True)
        middles = points[generator.choice(len(points), count, replace=False)]
        middles[present] = np.add.reduceat(points[order], starts, axis=0) / sizes[:, None]
    return middles


def nearest_centroids(points: Points, middles: Points) -> Ids:
    """(N,) which centroid is nearest to each point by L2; on all cores where there are many points."""
    offsets = np.square(middles).sum(axis=1) / 2

    def chosen(start: int) -> NDArray[np.intp]:
        closeness = points[start : start + PIECE] @ middles.T
        closeness -= offsets
        best: NDArray[np.intp] = closeness.argmax(axis=1)
        return best

    starts = range(0, len(points), PIECE)
    if len(points) < MANY_ROWS:
        parts = [chosen(start) for start in starts]
    else:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            parts = list(pool.map(chosen, starts))
    return np.concatenate([np.empty(0, np.int64), *parts])
