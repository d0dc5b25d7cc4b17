"""The middles of inverted lists, in two levels: few products find the nearest of many thousands.

A point is compared with the middles of cells, and then with the lists of the nearest cells only. Everything
is done batch by batch and cell by cell, in matrix products. Points are rotated at random first, as the codes
of `_point_codes.py` want them; distances do not change by that.

Source: Nistér & Stewénius, "Scalable recognition with a vocabulary tree", CVPR 2006, with two levels.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import IndexFileError
from ambience.index._kmeans import Points, centroids, nearest_centroids
from ambience.index._slots import read_array
from ambience.keypoints import DESCRIPTOR

FLAT = 1024
"""Lists up to which one level is faster."""

SAMPLE_A_LIST = 40
"""Points of the sample that a list is made from, at most."""

SAMPLE_A_CELL = 512
"""Points of the sample that the middle of a cell is made from, at most."""


class Centers:
    """Middles of lists.

    Args:
        rotation: (128, 128) orthogonal.
        cells: (T, 128) middles of cells, rotated.
        leaves: (L, 128) middles of lists, rotated, cell by cell.
        starts: (T + 1,) where the lists of each cell begin.
    """

    def __init__(self, rotation: Points, cells: Points, leaves: Points, starts: Ids) -> None:
        self._rotation, self._cells, self.leaves, self._starts = rotation, cells, leaves, starts
        self._cell_squares = np.square(cells).sum(axis=1)
        self._leaf_squares = np.square(leaves).sum(axis=1)

    @classmethod
    def trained(cls, sample: NDArray[np.uint8], *, lists: int) -> "Centers":
        """Middles of a sample of (M, 128) descriptors."""
        generator = np.random.default_rng(0)
        rotation = np.linalg.qr(generator.normal(size=(DESCRIPTOR, DESCRIPTOR)))[0].astype(np.float32)
        lists = max(1, min(lists, len(sample)))
        kept = min(len(sample), lists * SAMPLE_A_LIST)
        points = sample[generator.permutation(len(sample))[:kept]].astype(np.float32) @ rotation
        if lists <= FLAT:
            return cls(rotation, points[:1], centroids(points, lists), np.array([0, lists]))
        count = int(lists**0.5)
        cells = centroids(points[: count * SAMPLE_A_CELL], count)
        owners = nearest_centroids(points, cells)
        shares = _shares(np.bincount(owners, minlength=count), lists)
        parts = [centroids(points[owners == cell], shares[cell]) for cell in range(count) if shares[cell]]
        starts = np.concatenate([[0], np.cumsum(shares)])
        return cls(rotation, cells, np.concatenate(parts), starts)

    @classmethod
    def read(cls, folder: Path) -> "Centers":
        """Opens what `write` wrote.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        rotation = read_array(folder, "rotation", dtype=np.float32, shape=(DESCRIPTOR, DESCRIPTOR))
        cells = read_array(folder, "cells", dtype=np.float32, shape=(None, DESCRIPTOR))
        leaves = read_array(folder, "leaves", dtype=np.float32, shape=(None, DESCRIPTOR))
        starts = read_array(folder, "starts", dtype=np.int64, shape=(len(cells) + 1,))
        if (np.diff(starts) < 0).any() or starts[0] != 0 or starts[-1] != len(leaves):
            raise IndexFileError(f"{folder} has {len(leaves)} lists in cells of {starts}; `ambience rebuild`")
        return cls(rotation, cells, leaves, starts)

    def write(self, folder: Path) -> None:
        """Writes four files."""
        np.save(folder / "rotation.npy", self._rotation)
        np.save(folder / "cells.npy", self._cells)
        np.save(folder / "leaves.npy", self.leaves)
        np.save(folder / "starts.npy", self._starts)

    def rotated(self, descriptors: NDArray[np.uint8]) -> Points:
        """(M, 128) descriptors in the space of the leaves."""
        points: Points = descriptors.astype(np.float32) @ self._rotation
        return points

    def nearest(self, points: Points, count: int, *, cells: int, kernels: ModuleType | None) -> Ids:
        """The nearest lists of rotated points, nearest first.

        Args:
            points: (N, 128).
            count: lists a point.
            cells: that are looked into.
            kernels: compiled functions, where they are ready.

        Returns:
            (N, min(count, L)) lists; -1 pads where the cells that are looked into hold fewer.
        """
        count = min(count, len(self.leaves))
        if len(self._cells) == 1:
            return _smallest(self._leaf_squares - 2 * (points @ self.leaves.T), count, kernels)[0]
        measured = self._cell_squares - 2 * (points @ self._cells.T)
        visited = _smallest(measured, min(cells, len(self._cells)), kernels)[0]
        lists = np.full((*visited.shape, count), -1, np.int64)
        least = np.full((*visited.shape, count), np.inf, np.float32)
        order = np.argsort(visited.ravel(), kind="stable")
        rows, ranks = np.divmod(order, visited.shape[1])
        edges = np.searchsorted(visited.ravel()[order], np.arange(len(self._cells) + 1))
        for cell in np.flatnonzero(np.diff(edges)):
            own = slice(edges[cell], edges[cell + 1])
            leaves = slice(self._starts[cell], self._starts[cell + 1])
            measured = self._leaf_squares[leaves] - 2 * (points[rows[own]] @ self.leaves[leaves].T)
            found, values = _smallest(measured, min(count, measured.shape[1]), kernels)
            lists[rows[own], ranks[own], : found.shape[1]] = found + leaves.start
            least[rows[own], ranks[own], : found.shape[1]] = values
        best = _smallest(least.reshape(len(points), -1), count, kernels)[0]
        nearest: Ids = np.take_along_axis(lists.reshape(len(points), -1), best, axis=1)
        return nearest

    def __len__(self) -> int:
        return len(self.leaves)


def _shares(population: Ids, lists: int) -> Ids:
    """How many lists each cell gets: in proportion to its points, one at least where it has any."""
    shares = np.maximum(population * lists // max(1, population.sum()), population > 0)
    return np.minimum(shares, population)


def _smallest(values: Points, count: int, kernels: ModuleType | None) -> tuple[Ids, Points]:
    """Columns and values of the smallest entries of each row, ascending."""
    if count == 1:
        columns = values.argmin(axis=1)[:, None]
    elif kernels is not None:
        chosen = np.empty((len(values), count), np.int64)
        least = np.empty((len(values), count), np.float32)
        kernels.smallest(values, chosen, least)
        return chosen, least
    else:
        columns = (
            np.argpartition(values, count - 1, axis=1)[:, :count] if count < values.shape[1] else _all(values)
        )
        order = np.argsort(np.take_along_axis(values, columns, axis=1), axis=1, kind="stable")
        columns = np.take_along_axis(columns, order, axis=1)
    return columns, np.take_along_axis(values, columns, axis=1)


def _all(values: NDArray[Any]) -> Ids:
    columns: Ids = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return columns
