"""Exact nearest neighbours by comparing with everything, in numpy alone: the oracle of all other engines.

Simple on purpose: all vectors lie in one array, and every metric is its formula as it is written.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.index._ranking import (
    Answer,
    Distances,
    check_metric,
    checked_queries,
    checked_vectors,
    nearest,
    padded,
    within,
)
from ambience.index._slots import IdSlots, Rows, Slots, read_array
from ambience.index.base import Fetch

__all__ = ["ExactIndex"]

CHUNK_BYTES = 16 * 2**20
"""Float copies of stored vectors are made in pieces of about this size."""


@dataclass(frozen=True, slots=True)
class ExactOptions:
    """The oracle has no settings."""


class ExactIndex:
    """Every metric, exactly, at a cost that grows with what is held."""

    options_class: ClassVar[type[ExactOptions]] = ExactOptions
    metrics: ClassVar[frozenset[Metric]] = frozenset({"hamming", "l1", "l2", "cosine", "inner_product"})
    default_for: ClassVar[frozenset[Metric]] = frozenset({"l2", "inner_product"})

    def __init__(self, spec: FeatureSpec, options: ExactOptions, *, fetch: Fetch | None = None) -> None:
        check_metric("exact", spec, self.metrics)
        self._spec = spec
        self._slots = IdSlots()
        self._vectors = Rows(np.empty((0, spec.entries), spec.dtype))

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds (N, entries) vectors under (N,) ids not yet held.

        Raises:
            QueryError: ids or vectors are not as the contract says.
        """
        vectors = checked_vectors(features, self._spec)
        self._slots.append(ids, count=len(vectors))
        self._vectors.append(vectors)

    def remove(self, ids: Ids) -> int:
        """Forgets ids at once; unknown ones are passed over.

        Returns:
            How many were held.
        """
        return len(self._slots.drop(ids))

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query, nearest first, ties by id.

        Returns:
            distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).

        Raises:
            QueryError: queries or k are not as the contract says.
        """
        checked = checked_queries(queries, self._spec, k=k)
        return padded([nearest(*self._measured(query, allowed), k) for query in checked], k)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Everything at `radius` or nearer (inclusive), nearest first, ties by id.

        Returns:
            One (distances, ids) pair per query.

        Raises:
            QueryError: queries or radius are not as the contract says.
        """
        checked = checked_queries(queries, self._spec, radius=radius)
        return [within(*self._measured(query, allowed), radius) for query in checked]

    def ids(self) -> Ids:
        """The ids held, ascending."""
        return self._slots.ids[self._slots.chosen(None)]

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes `ids.npy` and `vectors.npy`, by ascending id."""
        slots = self._slots.chosen(None)
        np.save(folder / "ids.npy", self._slots.ids[slots])
        np.save(folder / "vectors.npy", self._vectors.view[slots])

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: ExactOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Opens what `save` wrote, memory-mapped.

        Returns:
            The index, ready to search and to be written to.

        Raises:
            IndexFileError: files are missing or malformed.
        """
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        index = cls(spec, options, fetch=fetch)
        index._slots = IdSlots(ids)
        index._vectors = Rows(read_array(folder, "vectors", dtype=spec.dtype, shape=(len(ids), spec.entries)))
        return index

    def is_outgrown(self) -> bool:
        """Never: there is nothing to train."""
        return False

    def sample_size(self, expected: int) -> int:
        """None."""
        return 0

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Does nothing: comparing with everything needs no training."""

    def recall(self, queries: NDArray[Any]) -> float:
        """1: every vector is compared."""
        return 1.0

    def note(self) -> str:
        """Nothing: it searches as the options ask."""
        return ""

    def __len__(self) -> int:
        return self._slots.count

    def _measured(self, query: NDArray[Any], allowed: Ids | None) -> Answer:
        slots = self._slots.chosen(allowed)
        parts = [measure(self._spec.metric, query, part) for part in self._pieces(slots)]
        return np.concatenate([np.empty(0, np.float32), *parts]), self._slots.ids[slots]

    def _pieces(self, slots: Slots) -> Iterator[NDArray[Any]]:
        rows = max(1, CHUNK_BYTES // (8 * self._spec.entries))
        for start in range(0, len(slots), rows):
            yield self._vectors.view[slots[start : start + rows]]


def measure(metric: Metric, query: NDArray[Any], vectors: NDArray[Any]) -> Distances:
    """Distances between one query and vectors, smaller being nearer.

    hamming: bits that differ · l1: Σ|q − x| · l2: √Σ(q − x)² · cosine: 1 − q·x / (|q||x|), and 1 where either
    is all zeros · inner_product: −q·x. Computed in float64.

    Args:
        metric: which.
        query: (entries,).
        vectors: (N, entries).

    Returns:
        (N,) float32.
    """
    if metric == "hamming":
        bits: Distances = np.bitwise_count(query ^ vectors).sum(axis=1).astype(np.float32)
        return bits
    wide, many = query.astype(np.float64), vectors.astype(np.float64)
    if metric == "l1":
        distances = np.abs(many - wide).sum(axis=1)
    elif metric == "l2":
        distances = np.sqrt(np.square(many - wide).sum(axis=1))
    elif metric == "inner_product":
        distances = -_products(many, wide)
    else:
        norms = np.sqrt(_products(many, many) * _products(wide, wide))
        products = _products(many, wide)
        distances = 1 - np.divide(products, norms, out=np.zeros_like(products), where=norms > 0)
    measured: Distances = distances.astype(np.float32)
    return measured


def _products(many: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """q·x of each vector, the same to the last bit whatever it is measured with.

    One sum a row: a matrix product promises no such thing, and a sum of `many * others` takes twice as long.
    """
    products: NDArray[np.float64] = np.vecdot(many, others)
    return products
