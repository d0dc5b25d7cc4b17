"""Nearest descriptors by L2 distance; exact."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.index._ranking import Answer
from ambience.index.base import Fetch
from ambience.keypoints import owners, stacked_descriptors

__all__ = ["DescriptorIndex"]


@dataclass(frozen=True, slots=True)
class DescriptorOptions:
    """Settings of the descriptor index."""


class DescriptorIndex:
    """Descriptors of many pictures."""

    options_class: ClassVar[type[DescriptorOptions]] = DescriptorOptions
    metrics: ClassVar[frozenset[Metric]] = frozenset({"points"})
    default_for: ClassVar[frozenset[Metric]] = frozenset({"points"})

    def __init__(self, spec: FeatureSpec, options: DescriptorOptions, *, fetch: Fetch | None = None) -> None:
        self._ids = np.empty(0, np.int64)
        self._points = np.empty(0, np.int64)
        self._descriptors = np.empty((0, 128), np.uint8)

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds blobs."""
        points, descriptors = stacked_descriptors(ids, list(features))
        self._ids = np.union1d(self._ids, ids)
        self._points = np.concatenate([self._points, points])
        self._descriptors = np.concatenate([self._descriptors, descriptors])

    def remove(self, ids: Ids) -> int:
        """Forgets features."""
        held = len(self._ids)
        self._ids = np.setdiff1d(self._ids, ids)
        kept = np.isin(owners(self._points), self._ids)
        self._points, self._descriptors = self._points[kept], self._descriptors[kept]
        return held - len(self._ids)

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest points of each query descriptor."""
        chosen = np.arange(len(self._points))
        if allowed is not None:
            chosen = np.flatnonzero(np.isin(owners(self._points), allowed))
        base, asked = self._descriptors[chosen].astype(np.float32), queries.astype(np.float32)
        squared = (asked**2).sum(1)[:, None] - 2 * asked @ base.T + (base**2).sum(1)[None]
        reach = min(k, len(chosen))
        order = np.argsort(squared, axis=1, kind="stable")[:, :reach]
        distances = np.full((len(queries), k), np.inf, np.float32)
        ids = np.full((len(queries), k), -1, np.int64)
        distances[:, :reach] = np.take_along_axis(squared, order, 1)
        ids[:, :reach] = self._points[chosen[order]]
        return Neighbors(distances, ids)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Everything within a radius."""
        found = self.search(queries, max(1, len(self._points)), allowed=allowed)
        return [
            (distances[distances <= radius], ids[distances <= radius])
            for distances, ids in zip(found.distances, found.ids, strict=True)
        ]

    def ids(self) -> Ids:
        """Features held."""
        return self._ids

    def save(self, folder: Path) -> None:
        """Writes three arrays."""
        np.savez(folder / "points.npz", ids=self._ids, points=self._points, descriptors=self._descriptors)

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: DescriptorOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Reads them."""
        made = cls(spec, options, fetch=fetch)
        with np.load(folder / "points.npz") as found:
            made._ids, made._points, made._descriptors = found["ids"], found["points"], found["descriptors"]
        return made

    def is_outgrown(self) -> bool:
        """Never."""
        return False

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Nothing to train."""

    def __len__(self) -> int:
        return len(self._ids)
