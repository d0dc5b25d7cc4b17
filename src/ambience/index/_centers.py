"""The middles of inverted lists, in two levels: few products find the nearest of many thousands.

A point is compared with the middles of cells, and then with the lists of the nearest cells only. Everything
is done batch by batch and cell by cell, in matrix products. Points are rotated at random first, as the codes
of `_point_codes.py` want them; distances do not change by that.

Source: Nistér & Stewénius, "Scalable recognition with a vocabulary tree", CVPR 2006, with two levels.
"""

from pathlib import Path
from types import ModuleType

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
        """Middles of a sample of (M, 128) descriptors: about as many as lists are asked for, never more."""
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
        best = _Best(len(points), min(count, len(self.leaves)), kernels)
        if len(self._cells) == 1:
            best.take(np.arange(len(points)), self._leaf_squares - 2 * (points @ self.leaves.T), first=0)
            return best.columns
        measured = self._cell_squares - 2 * (points @ self._cells.T)
        near = _Best(len(points), min(cells, len(self._cells)), kernels)
        near.take(np.arange(len(points)), measured, first=0)
        visited = near.columns.ravel()
        order = np.argsort(visited, kind="stable")
        edges = np.searchsorted(visited[order], np.arange(len(self._cells) + 1))
        for cell in np.flatnonzero((np.diff(edges) > 0) & (np.diff(self._starts) > 0)):
            rows = order[edges[cell] : edges[cell + 1]] // near.columns.shape[1]
            leaves = slice(self._starts[cell], self._starts[cell + 1])
            products = points[rows] @ self.leaves[leaves].T
            best.take(rows, self._leaf_squares[leaves] - 2 * products, first=leaves.start)
        return best.columns

    def __len__(self) -> int:
        return len(self.leaves)


def _shares(population: Ids, lists: int) -> Ids:
    """How many lists each cell gets: in proportion to its points, one at least where it has any."""
    shares = np.maximum(population * lists // max(1, population.sum()), population > 0)
    capped: Ids = np.minimum(shares, population)
    return capped


class _Best:
    """The smallest of the values that pass by, and the columns that they come from, for each of some rows.

    Attributes:
        columns: (N, count) of the smallest, ascending by value; -1 pads.
    """

    def __init__(self, rows: int, count: int, kernels: ModuleType | None) -> None:
        self.columns: Ids = np.full((rows, count), -1, np.int64)
        self._values = np.full((rows, count), np.inf, np.float32)
        self._kernels = kernels

    def take(self, rows: Ids, values: Points, *, first: int) -> None:
        """Looks through the next columns, of which there is one at the least.

        Args:
            rows: (M,) of the values; each once.
            values: (M, T).
            first: number of the first column.
        """
        if self.columns.shape[1] == 1:
            chosen = values.argmin(axis=1)
            least = values[np.arange(len(values)), chosen]
            is_less = least < self._values[rows, 0]
            self._values[rows[is_less], 0] = least[is_less]
            self.columns[rows[is_less], 0] = chosen[is_less] + first
        elif self._kernels is not None:
            self._kernels.keep_smallest(rows, values, first, self._values, self.columns)
        else:
            numbers = np.broadcast_to(np.arange(first, first + values.shape[1]), values.shape)
            values = np.concatenate([self._values[rows], values], axis=1)
            numbers = np.concatenate([self.columns[rows], numbers], axis=1)
            order = np.argsort(values, axis=1, kind="stable")[:, : self.columns.shape[1]]
            self._values[rows] = np.take_along_axis(values, order, axis=1)
            self.columns[rows] = np.take_along_axis(numbers, order, axis=1)
