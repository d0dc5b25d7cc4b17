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
        for row, query in enumerate(queries):
            measured = self._measured(query, allowed)[:k]
            distances[row, : len(measured)] = [each[0] for each in measured]
            ids[row, : len(measured)] = [each[1] for each in measured]
        return Neighbors(distances, ids)

    def range_search(self, queries: Any, radius: float, *, allowed: Any = None) -> list[Any]:
        """Every point within a radius."""
        answers = []
        for query in queries:
            near = [each for each in self._measured(query, allowed) if each[0] <= radius]
            distances = np.array([each[0] for each in near], np.float32)
            answers.append((distances, np.array([each[1] for each in near], np.int64)))
        return answers

    def ids(self) -> Any:
        """Features held, ascending."""
        return np.array(sorted(self._held), np.int64)

    def __len__(self) -> int:
        return len(self._held)

    def _measured(self, query: Any, allowed: Any) -> list[tuple[int, int]]:
        permitted = self._held.keys() if allowed is None else self._held.keys() & set(allowed.tolist())
        found = []
        for feature_id in permitted:
            differences = np.square(self._held[feature_id] - query.astype(np.int64)).sum(axis=1)
            found += [(int(each), feature_id * 512 + n) for n, each in enumerate(differences)]
        return sorted(found)


def blobs_of(descriptors: Any, counts: Any) -> Any:
    """(N,) object array of blobs that share (M, 128) descriptors out by (N,) counts that sum to M."""
    stops = np.cumsum(counts)
    blobs = np.empty(len(counts), object)
    for row, (stop, count) in enumerate(zip(stops, counts, strict=True)):
        zeros = np.zeros(count, np.float32)
        places = np.zeros((count, 2), np.float32)
        blobs[row] = pack(Keypoints(places, zeros, zeros, descriptors[stop - count : stop], 64, 48))
    return blobs
