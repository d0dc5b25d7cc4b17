"""Nearest bit strings by Hamming distance: every code compared, at the pace at which memory is read.

Flat and exact up to `inverted_from` codes; `benchmarks/search.py` measures a query, and the eight of a batch,
against reading the codes once. Exact schemes that look up parts of the code (multi-index hashing) were passed
over by reasoning, not by measurement: to find all within 200 of 576 bits, where k-nearest searches among
unrelated photographs end, such a scheme visits nearly everything. Above `inverted_from`, `search` goes
through inverted lists and may miss a few of the k nearest (tested on copies that differ in up to 24 bits,
alone); `range_search` and filtered searches stay flat and exact.

Source: Sivic & Zisserman, "Video Google", ICCV 2003, for inverted lists; Johnson, Douze & Jégou,
"Billion-scale similarity search with GPUs", IEEE Trans. Big Data 7(3), 2021, for their form in faiss.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.errors import IndexFileError
from ambience.index._flat_codes import BLOCK, FlatCodes, as_words, measured, word_count
from ambience.index._inverted_codes import InvertedCodes
from ambience.index._ranking import (
    Answer,
    check_metric,
    checked_queries,
    checked_vectors,
    nearest,
    padded,
    within,
)
from ambience.index._recall import recall_by_radius
from ambience.index._slots import IdSlots, Slots, State, read_array, read_state, write_state
from ambience.index.base import Fetch
from ambience.settings import setting

__all__ = ["BinaryIndex"]

SAMPLE_ROWS = 65_536
"""Most codes that centroids are made of."""

GATHERED = 1 / 16
"""Share of the codes below which the allowed ones are picked out instead of scanning all."""


@dataclass(frozen=True, slots=True)
class BinaryOptions:
    """Settings of the binary index."""

    threads: int = setting(0, "threads", "Threads that one search is spread over; 0: all cores.", minimum=0)
    inverted_from: int = setting(
        10_000_000, "codes", "From here on, searches go through inverted lists.", minimum=1
    )
    lists: int = setting(0, "lists", "Inverted lists; 0: four times the square root of the codes.", minimum=0)
    probes: int = setting(64, "lists", "Inverted lists that a search visits.", minimum=1)
    compile_from: int = setting(
        20_000_000,
        "comparisons",
        "Comparisons made in numpy before the compiled scan is loaded beside them; 0: at once.",
        minimum=0,
    )


class BinaryIndex:
    """Hamming distance over packed bits."""

    options_class: ClassVar[type[BinaryOptions]] = BinaryOptions
    metrics: ClassVar[frozenset[Metric]] = frozenset({"hamming"})
    default_for: ClassVar[frozenset[Metric]] = frozenset({"hamming"})

    def __init__(self, spec: FeatureSpec, options: BinaryOptions, *, fetch: Fetch | None = None) -> None:
        check_metric("binary", spec, self.metrics)
        self._spec, self._options = spec, options
        self._slots = IdSlots()
        self._codes = self._flat()
        self._inverted: InvertedCodes | None = None

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds (N, bytes) codes under (N,) ids not yet held, at constant cost a code.

        Raises:
            QueryError: ids or codes are not as the contract says.
        """
        codes = checked_vectors(features, self._spec)
        self._slots.append(ids, count=len(codes))
        self._codes.append(codes)
        if self._inverted is not None:
            self._inverted.append(np.ascontiguousarray(ids, dtype=np.int64), codes)

    def remove(self, ids: Ids) -> int:
        """Forgets ids at once; unknown ones are passed over.

        Returns:
            How many were held.
        """
        dropped = self._slots.drop(ids)
        if self._inverted is not None and len(dropped):
            self._inverted.drop(self._slots.ids[dropped])
        return len(dropped)

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query, nearest first, ties by id.

        Returns:
            distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).

        Raises:
            QueryError: queries or k are not as the contract says.
        """
        codes = checked_queries(queries, self._spec, k=k)
        words = as_words(codes)
        if self._inverted is not None and allowed is None:
            rows = self._inverted.nearest(codes, k)
            if all(len(ids) == min(k, len(self)) for _, ids in rows):
                return padded(rows, k)
        slots, mask = self._allowed(allowed)
        if slots is None:
            return padded(self._codes.nearest(words, k, self._slots.ids, mask), k)
        return padded([nearest(*self._picked(query, slots), k) for query in words], k)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Everything at `radius` or nearer (inclusive), nearest first, ties by id.

        Returns:
            One (distances, ids) pair per query.

        Raises:
            QueryError: queries or radius are not as the contract says.
        """
        words = as_words(checked_queries(queries, self._spec, radius=radius))
        slots, mask = self._allowed(allowed)
        if slots is None:
            return self._codes.within(words, radius, self._slots.ids, mask)
        return [within(*self._picked(query, slots), radius) for query in words]

    def ids(self) -> Ids:
        """The ids held, ascending."""
        return self._slots.ids[self._slots.chosen(None)]

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes ids, blocks of codes and, where there are any, inverted lists; by ascending id."""
        slots = self._slots.chosen(None)
        codes = self._codes
        if len(slots) != len(self._slots.ids) or (np.diff(slots) < 0).any():
            codes = self._flat()
            for start in range(0, len(slots), 256 * BLOCK):
                codes.append_words(self._codes.take(slots[start : start + 256 * BLOCK]))
        np.save(folder / "ids.npy", self._slots.ids[slots])
        np.save(folder / "blocks.npy", codes.blocks)
        if self._inverted is not None:
            self._inverted.write(folder)
        write_state(folder, State(is_trained=self._inverted is not None))

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: BinaryOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Opens what `save` wrote, memory-mapped.

        Returns:
            An index that answers as the saved one did; codes are read from the files as they are needed.

        Raises:
            IndexFileError: files are missing or malformed.
        """
        index = cls(spec, options, fetch=fetch)
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        shape = (-(-len(ids) // BLOCK), word_count(spec.entries), BLOCK)
        index._slots = IdSlots(ids)
        index._codes = index._flat(read_array(folder, "blocks", dtype=np.uint64, shape=shape), len(ids))
        if read_state(folder).is_trained:
            index._inverted = InvertedCodes.read(folder, code_bytes=spec.entries, probes=options.probes)
            if len(index._inverted) != len(ids):
                raise IndexFileError(f"{folder} lists {len(index._inverted)} of {len(ids)} codes")
        return index

    def is_outgrown(self) -> bool:
        """Whether there are so many codes that inverted lists should be made of them."""
        return self._inverted is None and len(self) >= self._options.inverted_from

    def sample_size(self, expected: int) -> int:
        """As many as centroids are made of, where `expected` vectors call for inverted lists."""
        return SAMPLE_ROWS if expected >= self._options.inverted_from else 0

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Makes empty inverted lists where `expected` codes call for them.

        Raises:
            QueryError: the sample is not as the contract says.
        """
        codes = checked_vectors(sample, self._spec)
        if expected < self._options.inverted_from or not len(codes):
            return
        lists = self._options.lists or int(4 * expected**0.5)
        self._inverted = InvertedCodes.trained(codes, lists=lists, probes=self._options.probes)

    def recall(self, queries: NDArray[Any]) -> float:
        """Share of the ten nearest that a search finds; 1 where every vector is compared.

        Returns:
            0 to 1.
        """
        return 1.0 if self._inverted is None else recall_by_radius(self, queries)

    def note(self) -> str:
        """Nothing: it searches as the options ask."""
        return ""

    def __len__(self) -> int:
        return self._slots.count

    def _flat(self, blocks: NDArray[np.uint64] | None = None, count: int = 0) -> FlatCodes:
        return FlatCodes(
            self._spec.entries,
            threads=self._options.threads,
            compile_from=self._options.compile_from,
            blocks=blocks,
            count=count,
        )

    def _allowed(self, allowed: Ids | None) -> tuple[Slots | None, NDArray[np.bool_] | None]:
        """The slots to pick out, or (where they are many) a mask over all slots; no mask lets all through."""
        if allowed is None:
            is_whole = self._slots.count == len(self._slots.ids)
            return None, None if is_whole else self._slots.live
        slots = self._slots.chosen(allowed)
        if len(slots) <= len(self._slots.ids) * GATHERED:
            return slots, None
        mask = np.zeros(len(self._slots.ids), np.bool_)
        mask[slots] = True
        return None, mask

    def _picked(self, query: NDArray[np.uint64], slots: Slots) -> Answer:
        return measured(query, self._codes.take(slots)), self._slots.ids[slots]
