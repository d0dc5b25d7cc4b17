"""The oracle of point indexes: whole numbers, one query at a time, nothing clever."""

from typing import Any

import numpy as np

from ambience.datatypes import Neighbors
from ambience.keypoints import Keypoints, pack, unpack


class PointsOracle:
    """Descriptors of features, compared one by one."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}

    def add(self, ids: Any, blobs: Any) -> None:
        """Takes up (N,) blobs."""
        for feature_id, blob in zip(ids, blobs, strict=True):
            self._held[int(feature_id)] = unpack(blob).descriptors.astype(np.int64)

    def remove(self, ids: Any) -> int:
        """Forgets features."""
        return sum(self._held.pop(int(each), None) is not None for each in np.unique(ids))

    def search(self, queries: Any, k: int, *, allowed: Any = None) -> Neighbors:
        """The k nearest points of each query."""
        distances = np.full((len(queries), k), np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        for row, (measured, points) in enumerate(self._sorted(queries, allowed)):
            count = min(k, len(points))
            distances[row, :count], ids[row, :count] = measured[:k], points[:k]
        return Neighbors(distances, ids)

    def range_search(self, queries: Any, radius: float, *, allowed: Any = None) -> list[Any]:
        """Every point within a radius."""
        answers = self._sorted(queries, allowed)
        return [
            (measured[measured <= radius].astype(np.float32), points[measured <= radius])
            for measured, points in answers
        ]

    def ids(self) -> Any:
        """Features held, ascending."""
        return np.array(sorted(self._held), np.int64)

    def __len__(self) -> int:
        return len(self._held)

    def _sorted(self, queries: Any, allowed: Any) -> list[Any]:
        permitted = self.ids() if allowed is None else np.intersect1d(self.ids(), allowed)
        held = [self._held[int(each)] for each in permitted]
        descriptors = np.concatenate([np.empty((0, 128), np.int64), *held])
        points = [each * 512 + np.arange(len(rows)) for each, rows in zip(permitted, held, strict=True)]
        points = np.concatenate([np.empty(0, np.int64), *points])
        answers = []
        for query in queries:
            measured = np.square(descriptors - query.astype(np.int64)).sum(axis=1)
            order = np.lexsort((points, measured))
            answers.append((measured[order], points[order]))
        return answers


def blobs_of(descriptors: Any, counts: Any) -> Any:
    """(N,) object array of blobs that share (M, 128) descriptors out by (N,) counts that sum to M."""
    stops = np.cumsum(counts)
    blobs = np.empty(len(counts), object)
    for row, (stop, count) in enumerate(zip(stops, counts, strict=True)):
        zeros = np.zeros(count, np.float32)
        places = np.zeros((count, 2), np.float32)
        blobs[row] = pack(Keypoints(places, zeros, zeros, descriptors[stop - count : stop], 64, 48))
    return blobs
