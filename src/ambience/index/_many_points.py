"""The points of any number of pictures, as 1-bit codes in inverted lists: what `descriptors.py` grows into.

Distances are estimates. A feature has a slot, and its points are numbered by it; one that is removed leaves
its points in the lists, where searches pass over them until everything is written anew.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids, Neighbors
from ambience.errors import IndexFileError, QueryError
from ambience.index._exact_points import Descriptors
from ambience.index._point_lists import NO_POINT, PointLists
from ambience.index._ranking import Answer
from ambience.index._slots import IdSlots, Rows, read_array
from ambience.keypoints import MAX_POINTS, owners

MOST_SLOTS = 2**32 // MAX_POINTS
"""Pictures that points of 32 bits can name."""

FIRST_K = 64
"""Points that are asked for first where all within a radius are wanted."""


class ManyPoints:
    """Points in inverted lists.

    Attributes:
        slots: of the features.

    Args:
        slots: of the features.
        counts: (slots,) uint16 points of each.
        lists: of the points.
        probed: lists that a query visits.
        threads: that a batch of queries is shared among.
    """

    def __init__(
        self, slots: IdSlots, counts: NDArray[np.uint16], lists: PointLists, *, probed: int, threads: int
    ) -> None:
        self.slots, self._counts, self._lists = slots, Rows(counts), lists
        self._probed, self._threads = probed, threads
        self._live_points = int(counts[slots.live].sum())

    @classmethod
    def of(cls, lists: PointLists, *, probed: int, threads: int) -> "ManyPoints":
        """Nothing yet, in empty lists."""
        return cls(IdSlots(), np.empty(0, np.uint16), lists, probed=probed, threads=threads)

    @classmethod
    def read(cls, folder: Path, *, probed: int, threads: int, compile_from: int) -> "ManyPoints":
        """Opens what `write` wrote, memory-mapped.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        live = read_array(folder, "live", dtype=np.bool_, shape=(len(ids),))
        counts = read_array(folder, "counts", dtype=np.uint16, shape=(len(ids),))
        lists = PointLists.read(folder, compile_from=compile_from)
        if len(lists) > int(counts.sum(dtype=np.int64)):
            raise IndexFileError(f"{folder} lists {len(lists)} of {counts.sum()} points; `ambience rebuild`")
        return cls(IdSlots(ids, live), counts, lists, probed=probed, threads=threads)

    def add(self, ids: Ids, points: Ids, descriptors: Descriptors) -> None:
        """Adds M points of (N,) features.

        Raises:
            QueryError: ids are not as the contract says, or there are too many features.
        """
        first = len(self.slots.ids)
        if first + len(ids) > MOST_SLOTS:
            raise QueryError(f"{first + len(ids)} pictures; an index of descriptors holds {MOST_SLOTS}")
        self.slots.append(ids, count=len(ids))
        slots = self.slots.find(owners(points))
        self._counts.append(np.bincount(slots - first, minlength=len(ids)).astype(np.uint16))
        self._live_points += len(points)
        self._lists.append(slots * MAX_POINTS + points % MAX_POINTS, descriptors)

    def remove(self, ids: Ids) -> int:
        """Forgets features at once; how many were held."""
        dropped = self.slots.drop(ids)
        self._live_points -= int(self._counts.view[dropped].sum())
        return len(dropped)

    def nearest(self, queries: Descriptors, k: int, held: Ids | None) -> Neighbors:
        """The k nearest points of each query, of features that are held (None: of all), by estimates.

        Where the lists visited hold fewer than k, and there are more, more lists are visited.
        """
        mask = self._mask(held)
        wanted = min(k, int(self._counts.view[mask].sum()))
        probed, most = self._probed, self._lists.count
        found = self._lists.nearest(queries, k, mask, probed=probed, threads=self._threads)
        while wanted and probed < most:
            short = np.flatnonzero(found.ids[:, wanted - 1] < 0)
            if not len(short):
                break
            probed = min(4 * probed, most)
            more = self._lists.nearest(queries[short], k, mask, probed=probed, threads=self._threads)
            found.distances[short], found.ids[short] = more
        return self._named(found)

    def within(self, queries: Descriptors, radius: float, held: Ids | None) -> list[Answer]:
        """Points within a radius of each query in the lists that it visits, by estimates."""
        mask, most, k = self._mask(held), self._lists.most_visited(self._probed), FIRST_K
        answers: list[Answer] = [(np.empty(0, np.float32), np.empty(0, np.int64))] * len(queries)
        left = np.arange(len(queries))
        while len(left):
            k = max(1, min(k, most))
            visited = self._lists.nearest(queries[left], k, mask, probed=self._probed, threads=self._threads)
            found = self._named(visited)
            for row, distances, ids in zip(left, found.distances, found.ids, strict=True):
                count = np.searchsorted(distances, np.float32(radius), side="right")
                answers[row] = distances[:count][ids[:count] >= 0], ids[:count][ids[:count] >= 0]
            left = left[(found.ids[:, -1] >= 0) & (found.distances[:, -1] <= radius) & (k < most)]
            k *= 8
        return answers

    def write(self, folder: Path, previous: Path | None) -> "ManyPoints":
        """Writes everything, what has not changed only as links; the same points, mapped from the files."""
        live = self.slots.live
        lists = self._lists.write(folder, live, previous)
        ids, counts = self.slots.ids, self._counts.view
        if lists is not None:
            ids, counts, live = ids[live], counts[live], live[live]
        np.save(folder / "ids.npy", ids)
        np.save(folder / "live.npy", live)
        np.save(folder / "counts.npy", counts)
        if lists is None:
            return self
        return ManyPoints(IdSlots(ids), counts, lists, probed=self._probed, threads=self._threads)

    def __len__(self) -> int:
        return self._live_points

    def _mask(self, held: Ids | None) -> NDArray[np.bool_]:
        if held is None:
            return self.slots.live
        mask = np.zeros(len(self.slots.ids), np.bool_)
        mask[self.slots.chosen(held)] = True
        return mask

    def _named(self, found: Neighbors) -> Neighbors:
        """The answer with point ids in place of slots, ties by them."""
        slots, ordinals = np.divmod(found.ids, MAX_POINTS)
        named = self.slots.ids[np.maximum(slots, 0)] if len(self.slots.ids) else slots
        ids = np.where(found.ids >= 0, named * MAX_POINTS + ordinals, NO_POINT)
        order = np.lexsort((ids, found.distances), axis=1)
        ids = np.take_along_axis(ids, order, axis=1)
        return Neighbors(
            np.take_along_axis(found.distances, order, axis=1), np.where(ids == NO_POINT, -1, ids)
        )
