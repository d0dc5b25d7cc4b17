"""Few vectors by cosine distance: compared with a query one and all, in one matrix product, exactly.

Products of float32 choose who can be among the nearest, with room for their rounding; those few are ranked by
the formula of the oracle. `embedding.py` calls it.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ambience.index._ranking import Answer, nearest, within
from ambience.index._slots import IdSlots, Rows, Slots, read_array
from ambience.index.exact import measure

QUERIES = 64
"""Queries that are compared at a time: 5 MB of products at 20,000 vectors."""

PIECE = 4096
"""Vectors that are measured at a time: they are float64 then."""

Units = NDArray[np.float32]
"""(N, D) of length one; rows of zeros stay zeros."""


def units(vectors: NDArray[Any]) -> Units:
    """Vectors at length one, calculated in float64; zeros stay zeros."""
    wide = vectors.astype(np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    lengths[lengths == 0] = 1
    unit: Units = (wide / lengths).astype(np.float32)
    return unit


class FewVectors:
    """Vectors in memory, or mapped from a file, as float32: four times as fast to compare as float16.

    Attributes:
        slots: where each id lies.

    Args:
        slots: of the vectors.
        wide: (slots, D) float32, as they are stored.
    """

    name = "exact"

    def __init__(self, slots: IdSlots, wide: NDArray[np.float32]) -> None:
        self.slots, self._wide = slots, Rows(wide)
        self._inverse_lengths = Rows(_inverse_lengths(wide))
        # The sum of D products is off by D roundings at most; a few more are made on the way to a distance.
        self._rounding = np.float32((wide.shape[1] + 16) * 2.0**-24)

    @classmethod
    def empty(cls, dim: int) -> Self:
        """Holds nothing yet."""
        return cls(IdSlots(), np.empty((0, dim), np.float32))

    @classmethod
    def read(cls, folder: Path, *, dim: int) -> Self:
        """Opens what `write` wrote, memory-mapped.

        Raises:
            IndexFileError: files are missing or malformed.
        """
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        return cls(IdSlots(ids), read_array(folder, "vectors", dtype=np.float32, shape=(len(ids), dim)))

    def write(self, folder: Path, previous: Path | None) -> Self:
        """Writes ids and vectors by ascending id; itself."""
        slots = self.slots.chosen(None)
        np.save(folder / "ids.npy", self.slots.ids[slots])
        np.save(folder / "vectors.npy", self._wide.view[slots])
        return self

    def add(self, ids: NDArray[np.int64], vectors: NDArray[Any]) -> None:
        """Adds (N, D) vectors under (N,) ids not yet held."""
        self.slots.append(ids, count=len(vectors))
        wide = vectors.astype(np.float32)
        self._wide.append(wide)
        self._inverse_lengths.append(_inverse_lengths(wide))

    def remove(self, ids: NDArray[np.int64]) -> int:
        """Forgets ids at once; how many were held."""
        return len(self.slots.drop(ids))

    def nearest(self, queries: NDArray[Any], k: int, chosen: Slots | None) -> list[Answer]:
        """The k nearest to each query of some slots (None: of all)."""
        slots = self.slots.chosen(None) if chosen is None else chosen
        rows: list[Answer] = []
        for start in range(0, len(queries), QUERIES):
            some = queries[start : start + QUERIES]
            for query, distances in zip(some, self._roughly(some, slots), strict=True):
                kept = slots
                if k < len(slots):
                    reach = np.partition(distances, k - 1)[k - 1] + 2 * self._rounding
                    kept = slots[distances <= reach]
                rows.append(nearest(*self._measured(query, kept), k))
        return rows

    def within(self, query: NDArray[Any], radius: float, chosen: Slots | None) -> Answer:
        """Everything within a radius of a query (D,), of some slots (None: of all)."""
        slots = self.slots.chosen(None) if chosen is None else chosen
        (distances,) = self._roughly(query[None], slots)
        return within(*self._measured(query, slots[distances <= radius + self._rounding]), radius)

    def __len__(self) -> int:
        return self.slots.count

    def _roughly(self, queries: NDArray[Any], slots: Slots) -> NDArray[np.float32]:
        """(Q, slots) cosine distances, up to rounding."""
        unit, held = units(queries), self._wide.view
        is_few = 4 * len(slots) < len(held)
        products: NDArray[np.float32] = unit @ held[slots].T if is_few else (unit @ held.T)[:, slots]
        products *= -self._inverse_lengths.view[slots]
        products += 1
        return products

    def _measured(self, query: NDArray[Any], slots: Slots) -> Answer:
        """The true distances of some slots, and their ids."""
        parts = [
            measure("cosine", query, self._wide.view[slots[start : start + PIECE]])
            for start in range(0, len(slots), PIECE)
        ]
        return np.concatenate([np.empty(0, np.float32), *parts]), self.slots.ids[slots]


def _inverse_lengths(wide: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) 1 / length; 0 for zeros."""
    parts = [np.empty(0, np.float32)]
    for start in range(0, len(wide), PIECE):
        lengths = np.sqrt(np.square(wide[start : start + PIECE], dtype=np.float64).sum(axis=1))
        parts.append(np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0).astype(np.float32))
    return np.concatenate(parts)
