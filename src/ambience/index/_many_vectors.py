"""Many vectors by cosine distance: candidates by compact codes, ranked by the exact distance.

The vectors themselves are fetched from the store, or kept as they were given where there is none.
`embedding.py` calls it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import IndexFileError
from ambience.index._code_lists import CodeLists
from ambience.index._few_vectors import units
from ambience.index._ranking import Answer, nearest, within
from ambience.index._sketches import Sketches
from ambience.index._slots import IdSlots, Rows, Slots, read_array
from ambience.index.exact import measure

PIECE = 4096
"""Vectors that are measured at a time."""

SPARE = 3
"""Times k that are kept while all is read."""

Fetched = Callable[[Ids], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Thoroughness:
    """How much a search looks at.

    Attributes:
        probes: lists visited.
        rerank: candidates ranked by exact distance, beside the k that are asked for.
        exact_below: where fewer are allowed, all of them are ranked by exact distance.
    """

    probes: int
    rerank: int
    exact_below: int


class ManyVectors:
    """Vectors by slot; zeros lie in no list, since they have no direction.

    Attributes:
        slots: where each id lies.
        lists: of codes.

    Args:
        slots: of the vectors.
        zeros: slots of vectors of zeros.
        lists: of all others.
        sketches: of all.
        kept: (slots, D) vectors, where they cannot be fetched.
        fetched: reads vectors by id, ready to be measured.
        thoroughness: of searches.
    """

    def __init__(
        self,
        slots: IdSlots,
        zeros: Slots,
        lists: CodeLists,
        sketches: Sketches,
        kept: NDArray[Any] | None,
        fetched: Fetched,
        thoroughness: Thoroughness,
    ) -> None:
        self.slots, self.lists, self._sketches = slots, lists, sketches
        self._zeros = Rows(zeros)
        self._kept = None if kept is None else Rows(kept)
        self._fetched, self._thoroughness = fetched, thoroughness

    @property
    def name(self) -> str:
        """Form of the codes."""
        return self.lists.form

    @classmethod
    def read(cls, folder: Path, *, dim: int, kept: str, fetched: Fetched, thoroughness: Thoroughness) -> Self:
        """Opens what `write` wrote, memory-mapped.

        Args:
            folder: of the snapshot.
            dim: of a vector.
            kept: dtype of the vectors kept; "" where they are fetched.
            fetched: reads vectors by id.
            thoroughness: of searches.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        live = read_array(folder, "live", dtype=np.bool_, shape=(len(ids),))
        zeros = read_array(folder, "zeros", dtype=np.int64, shape=(None,))
        lists = CodeLists.read(folder, dim=dim)
        if len(lists) + len(zeros) != len(ids):
            raise IndexFileError(f"{folder} lists {len(lists)} + {len(zeros)} of {len(ids)} vectors")
        sketches = Sketches.read(folder, dim=dim, count=len(ids))
        vectors = read_array(folder, "vectors", dtype=kept, shape=(len(ids), dim)) if kept else None
        return cls(IdSlots(ids, live), zeros, lists, sketches, vectors, fetched, thoroughness)

    def write(self, folder: Path, previous: Path | None) -> Self:
        """Writes everything; slots that were dropped are squeezed out once they are a quarter.

        Returns:
            What goes on instead: itself, or what was written, memory-mapped.
        """
        live, zeros = self.slots.live.copy(), self._zeros.view
        written = self.lists.write(folder, live, previous)
        if written is None:
            kept, numbers = np.ones_like(live), np.arange(len(live))
        else:
            kept, numbers = live, np.cumsum(live) - 1
        ids, moved = self.slots.ids[kept], numbers[zeros[kept[zeros]]]
        np.save(folder / "ids.npy", ids)
        np.save(folder / "live.npy", live[kept])
        np.save(folder / "zeros.npy", moved)
        self._sketches.write(folder, kept)
        vectors = None if self._kept is None else self._kept.view[kept]
        if vectors is not None:
            np.save(folder / "vectors.npy", vectors)
        if written is None:
            return self
        slots = IdSlots(np.array(ids), live[kept])
        sketches = Sketches.read(folder, dim=self._sketches.dim, count=len(ids))
        return type(self)(slots, moved, written, sketches, vectors, self._fetched, self._thoroughness)

    def add(self, ids: Ids, vectors: NDArray[Any]) -> None:
        """Adds (N, D) vectors under (N,) ids not yet held."""
        first = len(self.slots.ids)
        self.slots.append(ids, count=len(vectors))
        if self._kept is not None:
            self._kept.append(vectors)
        is_some = vectors.any(axis=1)
        slots = np.arange(first, first + len(vectors))
        self._zeros.append(slots[~is_some])
        unit = units(vectors)
        self._sketches.append(unit)
        self.lists.append(slots[is_some], unit[is_some])

    def remove(self, ids: Ids) -> int:
        """Forgets ids at once; how many were held."""
        return len(self.slots.drop(ids))

    def nearest(self, queries: NDArray[Any], k: int, chosen: Slots | None) -> list[Answer]:
        """The k nearest to each query of the lists visited, of some slots (None: of all)."""
        if chosen is not None and len(chosen) <= self._thoroughness.exact_below:
            return [nearest(*self._measured(query, chosen), k) for query in queries]
        count = self.slots.count if chosen is None else len(chosen)
        mask, probes = self._mask(chosen), self._thoroughness.probes
        if chosen is not None:
            probes = int(probes * len(self) / count) + 1
        wanted = min(k + self._thoroughness.rerank, count)
        rotated = self.lists.rotated(units(queries))
        found = self.lists.nearest(rotated, wanted, mask, probes=probes)
        rows: list[Answer] = []
        for query, turned, slots in zip(queries, rotated, found, strict=True):
            if not turned.any():
                # Zeros are as far from everything: the smallest ids are the nearest.
                slots = (self.slots.chosen(None) if chosen is None else chosen)[:k]
            elif len(slots) < min(k, count):
                every = self.lists.list_count
                (slots,) = self.lists.nearest(turned[None], wanted, mask, probes=every)
            rows.append(self._ranked(query, slots, k, chosen, mask))
        return rows

    def _ranked(
        self, query: NDArray[Any], slots: Slots, k: int, chosen: Slots | None, mask: NDArray[np.bool_] | None
    ) -> Answer:
        distances, ids = self._measured(query, np.union1d(slots, self._live_zeros(mask)[:k]))
        ranked = nearest(distances, ids, k)
        is_cut = len(ids) > k and query.any() and ranked[0][-1] == distances.max()
        if is_cut:
            # All candidates are as near as the last that is answered: some of their like may be left out.
            every = self.within(query, float(ranked[0][-1]), chosen)
            ranked = (every[0][:k], every[1][:k])
        return ranked

    def within(self, query: NDArray[Any], radius: float, chosen: Slots | None) -> Answer:
        """Everything within a radius of a query (D,), of some slots (None: of all): exact."""
        slots = self.slots.chosen(None) if chosen is None else chosen
        if len(slots) > self._thoroughness.exact_below:
            chord = max(0.0, 2 * radius) ** 0.5  # |q − x|² = 2 − 2cos of unit vectors
            is_near = self._sketches.reachable(units(query[None])[0], chord)
            is_near[self._zeros.view] = radius >= 1
            slots = slots[is_near[slots]]
        parts: list[Answer] = [(np.empty(0, np.float32), np.empty(0, np.int64))]
        for ids, vectors in self._stored(slots):
            parts.append(within(measure("cosine", query, vectors), ids, radius))
        distances, ids = (np.concatenate(each) for each in zip(*parts, strict=True))
        return nearest(distances, ids, max(1, len(ids)))

    def nearest_of_all(self, queries: NDArray[Any], k: int) -> list[Answer]:
        """The k nearest to each query of all that is held, which is read once for all of them.

        Exact but for vectors that differ by less than products of float32 tell, `SPARE` · k deep.
        """
        turned = units(queries)
        best = np.full((len(queries), SPARE * k), -np.inf, np.float32)
        ids = np.full(best.shape, -1, np.int64)
        for piece, vectors in self._stored(self.slots.chosen(None)):
            near = np.concatenate([best, turned @ units(vectors).T], axis=1)
            names = np.concatenate([ids, np.broadcast_to(piece, (len(queries), len(piece)))], axis=1)
            order = np.argpartition(-near, SPARE * k, axis=1)[:, : SPARE * k]
            best, ids = np.take_along_axis(near, order, axis=1), np.take_along_axis(names, order, axis=1)
        slots = [np.sort(self.slots.find(row[row >= 0])) for row in ids]
        return [nearest(*self._measured(query, own), k) for query, own in zip(queries, slots, strict=True)]

    def __len__(self) -> int:
        return self.slots.count

    def _mask(self, chosen: Slots | None) -> NDArray[np.bool_] | None:
        if chosen is None:
            return None if self.slots.count == len(self.slots.ids) else self.slots.live
        mask = np.zeros(len(self.slots.ids), np.bool_)
        mask[chosen] = True
        return mask

    def _live_zeros(self, mask: NDArray[np.bool_] | None) -> Slots:
        """Slots of vectors of zeros, by ascending id."""
        zeros: Slots = self._zeros.view
        zeros = zeros if mask is None else zeros[mask[zeros]]
        return zeros[np.argsort(self.slots.ids[zeros])]

    def _measured(self, query: NDArray[Any], slots: Slots) -> Answer:
        """Exact distances of some slots, and their ids."""
        parts: list[Answer] = [(np.empty(0, np.float32), np.empty(0, np.int64))]
        for ids, vectors in self._stored(slots):
            parts.append((measure("cosine", query, vectors), ids))
        distances, ids = (np.concatenate(each) for each in zip(*parts, strict=True))
        return distances, ids

    def _stored(self, slots: Slots) -> Iterator[tuple[Ids, NDArray[Any]]]:
        """Vectors of slots that are live, a piece at a time."""
        for start in range(0, len(slots), PIECE):
            piece = slots[start : start + PIECE]
            ids = self.slots.ids[piece]
            yield ids, self._fetched(ids) if self._kept is None else self._kept.view[piece]
