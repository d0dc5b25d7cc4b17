"""The points of a few hundred pictures, all of them compared: what `descriptors.py` starts with."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids, Neighbors
from ambience.errors import IndexFileError
from ambience.index._exact_points import Descriptors, nearest_points, points_within
from ambience.index._ranking import Answer
from ambience.index._slots import IdSlots, Rows, read_array
from ambience.keypoints import DESCRIPTOR, owners


class FewPoints:
    """Descriptors as they are, under their point ids.

    Attributes:
        slots: of the features.
    """

    def __init__(self, ids: Ids, points: Ids, descriptors: Descriptors) -> None:
        self.slots = IdSlots(ids)
        self._points, self._descriptors = Rows(points), Rows(descriptors)

    @classmethod
    def empty(cls) -> "FewPoints":
        """Nothing yet."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, DESCRIPTOR), np.uint8))

    @classmethod
    def read(cls, folder: Path) -> "FewPoints":
        """Opens what `write` wrote, memory-mapped.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        points = read_array(folder, "points", dtype=np.int64, shape=(None,))
        descriptors = read_array(folder, "descriptors", dtype=np.uint8, shape=(len(points), DESCRIPTOR))
        made = cls(ids, points, descriptors)
        if (made.slots.find(owners(points)) < 0).any():
            raise IndexFileError(
                f"{folder} holds points of features that it does not name; `ambience rebuild` makes it again"
            )
        return made

    def add(self, ids: Ids, points: Ids, descriptors: Descriptors) -> None:
        """Adds M points of (N,) features."""
        self.slots.append(ids, count=len(ids))
        self._points.append(points)
        self._descriptors.append(descriptors)

    def remove(self, ids: Ids) -> int:
        """Forgets features; how many were held."""
        dropped = self.slots.ids[self.slots.drop(ids)]
        if len(dropped):
            # Squeezed out at once: they are few, and an id that comes again brings points of its own.
            kept = ~np.isin(owners(self._points.view), dropped)
            self._points = Rows(self._points.view[kept])
            self._descriptors = Rows(self._descriptors.view[kept])
        return len(dropped)

    def nearest(self, queries: Descriptors, k: int, held: Ids | None) -> Neighbors:
        """The k nearest points of each query, of features that are held (None: of all)."""
        return nearest_points(queries, *self._chosen(held), k)

    def within(self, queries: Descriptors, radius: float, held: Ids | None) -> list[Answer]:
        """All points within a radius of each query, of features that are held (None: of all)."""
        return points_within(queries, *self._chosen(held), radius)

    def write(self, folder: Path, previous: Path | None) -> "FewPoints":
        """Writes feature ids, point ids and descriptors, all of them; itself."""
        np.save(folder / "ids.npy", self.slots.ids[self.slots.chosen(None)])
        np.save(folder / "points.npy", self._points.view)
        np.save(folder / "descriptors.npy", self._descriptors.view)
        return self

    def __len__(self) -> int:
        return len(self._points.view)

    def _chosen(self, held: Ids | None) -> tuple[NDArray[Any], Descriptors]:
        points, descriptors = self._points.view, self._descriptors.view
        if held is None:
            return points, descriptors
        kept = np.isin(owners(points), held)
        return points[kept], descriptors[kept]
