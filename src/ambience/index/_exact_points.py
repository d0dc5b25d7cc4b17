"""Exact nearest descriptors by comparing with all of them: what `descriptors.py` does while they are few.

Squared L2 distances of 8-bit descriptors of 128 values are whole numbers below 2^24, so that products in
float32 give them exactly, in whatever order they are summed up.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids, Neighbors
from ambience.index._ranking import Answer, Distances

TILE = 2048
"""Descriptors that are compared at a time: 4 MB of distances with as many queries as `QUERIES`."""

QUERIES = 512

Descriptors = NDArray[np.uint8]


def nearest_points(queries: Descriptors, points: Ids, descriptors: Descriptors, k: int) -> Neighbors:
    """The k nearest descriptors of each query by squared L2 distance, nearest first, ties by id.

    Args:
        queries: (Q, 128) uint8.
        points: (M,) ids of the descriptors.
        descriptors: (M, 128) uint8.
        k: 1 or more.

    Returns:
        distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).
    """
    distances = np.full((len(queries), k), np.inf, np.float32)
    ids = np.full((len(queries), k), -1, np.int64)
    for start in range(0, len(queries), QUERIES):
        near = _Near(queries[start : start + QUERIES], k=k, radius=np.inf)
        near.compare_all(points, descriptors)
        rows, ranks = near.ranked()
        distances[start + rows, ranks], ids[start + rows, ranks] = near.distances, near.points
    return Neighbors(distances, ids)


def points_within(queries: Descriptors, points: Ids, descriptors: Descriptors, radius: float) -> list[Answer]:
    """Every descriptor at a squared L2 distance of `radius` or less, nearest first, ties by id.

    Returns:
        One (distances, ids) pair per query.
    """
    answers: list[Answer] = []
    for start in range(0, len(queries), QUERIES):
        part = queries[start : start + QUERIES]
        near = _Near(part, k=None, radius=radius)
        near.compare_all(points, descriptors)
        rows, _ = near.ranked()
        edges = np.searchsorted(rows, np.arange(1, len(part)))
        answers += zip(np.split(near.distances, edges), np.split(near.points, edges), strict=True)
    return answers


class _Near:
    """The candidates of some queries, as flat arrays, while descriptors pass by."""

    def __init__(self, queries: Descriptors, *, k: int | None, radius: float) -> None:
        self._queries = queries.astype(np.float32)
        self._own = np.square(self._queries).sum(axis=1)
        self._k = k
        self._bound = np.full(len(queries), radius, np.float32)
        self.rows: Ids = np.empty(0, np.int64)
        self.points: Ids = np.empty(0, np.int64)
        self.distances: Distances = np.empty(0, np.float32)

    def compare_all(self, points: Ids, descriptors: Descriptors) -> None:
        """Takes up what is near enough of (M, 128) descriptors."""
        found: list[tuple[Any, ...]] = []
        waiting = 0
        for start in range(0, len(points), TILE):
            measured = self._measured(descriptors[start : start + TILE])
            if self._k is not None and start == 0 and self._k < measured.shape[1]:
                self._bound = np.partition(measured, self._k - 1, axis=1)[:, self._k - 1]
            rows, columns = np.nonzero(measured <= self._bound[:, None])
            found.append((rows, measured[rows, columns], points[start + columns]))
            waiting += len(rows)
            if self._k is not None and waiting > 4 * self._k * len(self._bound):
                self._take(found)
                found, waiting = [], 0
        self._take(found)

    def ranked(self) -> tuple[Ids, Ids]:
        """The query of each candidate, ascending, and its rank from 0."""
        ranks = np.arange(len(self.rows)) - np.searchsorted(self.rows, self.rows)
        return self.rows, ranks

    def _measured(self, descriptors: Descriptors) -> Distances:
        tile = descriptors.astype(np.float32)
        measured: Distances = self._queries @ tile.T
        measured *= -2
        measured += np.square(tile).sum(axis=1)
        measured += self._own[:, None]
        return measured

    def _take(self, found: list[tuple[Any, ...]]) -> None:
        """Sorts new candidates in; what the k-th of a query leaves behind is let go."""
        rows = np.concatenate([self.rows, *(part[0] for part in found)])
        distances = np.concatenate([self.distances, *(part[1] for part in found)])
        points = np.concatenate([self.points, *(part[2] for part in found)])
        order = np.lexsort((points, distances, rows))
        self.rows, self.distances, self.points = rows[order], distances[order], points[order]
        if self._k is None:
            return
        _, ranks = self.ranked()
        last = ranks == self._k - 1
        self._bound[self.rows[last]] = self.distances[last]
        kept = ranks < self._k
        self.rows, self.distances, self.points = self.rows[kept], self.distances[kept], self.points[kept]
