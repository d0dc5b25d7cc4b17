"""Nearest histograms by L1 distance: a shortlist from inverted lists, ranked by the exact distance.

Untrained, every histogram is compared, exactly. Trained (from `train_from` histograms on), searches visit
the nearest lists of `_root_lists.py` for a shortlist and rank that exactly, with recall@10 above 0.99 at a
million histograms of real pictures (`benchmarks/search.py`); `range_search` stays exact, by a bound that is
valid for all. Histograms must not be negative and sum to 1.

Source: Arandjelović & Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012,
for square roots in place of histograms; inverted lists of 8-bit scalars as in faiss.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.errors import IndexFileError
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
from ambience.index._recall import recall_by_radius
from ambience.index._root_lists import RootLists
from ambience.index._slots import IdSlots, Rows, State, read_array, read_state, write_state
from ambience.index.base import Fetch
from ambience.settings import setting

__all__ = ["HistogramIndex"]

PIECE = 512
"""Histograms compared at a time: 1 MB of float32 at 512 cells, which stays in a second-level cache."""

SAMPLE_ROWS = 65_536
"""Most histograms that centroids are made of."""

GROWTH = 4
"""Times the number that lists were trained for, beyond which new lists would serve better."""


@dataclass(frozen=True, slots=True)
class HistogramOptions:
    """Settings of the histogram index."""

    train_from: int = setting(
        20_000, "histograms", "Below this, every histogram is compared exactly.", minimum=1
    )
    lists: int = setting(0, "lists", "Inverted lists; 0: twice the square root of the histograms.", minimum=0)
    probes: int = setting(128, "lists", "Inverted lists that a search visits.", minimum=1)
    shortlist: int = setting(600, "histograms", "Candidates that are ranked by exact distance.", minimum=1)


class HistogramIndex:
    """L1 distance over histograms that sum to 1."""

    options_class: ClassVar[type[HistogramOptions]] = HistogramOptions
    metrics: ClassVar[frozenset[Metric]] = frozenset({"l1"})
    default_for: ClassVar[frozenset[Metric]] = frozenset({"l1"})

    def __init__(self, spec: FeatureSpec, options: HistogramOptions, *, fetch: Fetch | None = None) -> None:
        check_metric("histogram", spec, self.metrics)
        self._spec, self._options, self._fetch = spec, options, fetch
        self._slots = IdSlots()
        self._copies: Rows | None = self._no_copies("float32")
        self._lists: RootLists | None = None
        self._expected = 0

    def add(self, ids: Ids, features: NDArray[Any]) -> None:
        """Adds (N, D) histograms under (N,) ids not yet held.

        Raises:
            QueryError: ids or histograms are not as the contract says.
        """
        histograms = checked_vectors(features, self._spec)
        self._slots.append(ids, count=len(histograms))
        if self._copies is not None:
            self._copies.append(_wide(histograms) if self._lists is None else histograms)
        if self._lists is not None:
            self._lists.append(np.ascontiguousarray(ids, dtype=np.int64), histograms)

    def remove(self, ids: Ids) -> int:
        """Forgets ids at once; unknown ones are passed over.

        Returns:
            How many were held.
        """
        dropped = self._slots.drop(ids)
        if self._lists is not None and len(dropped):
            self._lists.drop(self._slots.ids[dropped])
        return len(dropped)

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query, nearest first, ties by id.

        Returns:
            distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).

        Raises:
            QueryError: queries or k are not as the contract says.
        """
        histograms = checked_queries(queries, self._spec, k=k)
        held = None if allowed is None else self._slots.ids[self._slots.chosen(allowed)]
        count = len(self) if held is None else len(held)
        if self._lists is None or count <= self._options.train_from:
            return padded([self._nearest_of(query, held, k) for query in histograms], k)
        shortlist = max(self._options.shortlist, 2 * k)
        found = self._lists.candidates(histograms, shortlist, probes=self._options.probes, allowed=held)
        rows = []
        for query, candidates in zip(histograms, found, strict=True):
            is_short = len(candidates) < min(k, count)  # the lists visited hold too few: compare with all
            rows.append(self._nearest_of(query, held if is_short else np.sort(candidates), k))
        return padded(rows, k)

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[Answer]:
        """Everything at `radius` or nearer (inclusive), nearest first, ties by id.

        Returns:
            One (distances, ids) pair per query.

        Raises:
            QueryError: queries or radius are not as the contract says.
        """
        histograms = checked_queries(queries, self._spec, radius=radius)
        held = None if allowed is None else self._slots.ids[self._slots.chosen(allowed)]
        return [self._within(query, radius, held) for query in histograms]

    def ids(self) -> Ids:
        """The ids held, ascending."""
        return self._slots.ids[self._slots.chosen(None)]

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        """Writes ids, and lists or copies of the histograms, or both; by ascending id."""
        slots = self._slots.chosen(None)
        np.save(folder / "ids.npy", self._slots.ids[slots])
        if self._copies is not None:
            np.save(folder / "histograms.npy", self._copies.view[slots])
        if self._lists is not None:
            self._lists.write(folder)
        write_state(folder, State(is_trained=self._lists is not None, expected=self._expected))

    @classmethod
    def load(
        cls, folder: Path, spec: FeatureSpec, options: HistogramOptions, *, fetch: Fetch | None = None
    ) -> Self:
        """Opens what `save` wrote; copies memory-mapped.

        Returns:
            An index that answers as the saved one did; copies are read from the files as they are needed.

        Raises:
            IndexFileError: files are missing or malformed, or made with `fetch` and opened without.
        """
        index = cls(spec, options, fetch=fetch)
        ids = read_array(folder, "ids", dtype=np.int64, shape=(None,))
        state = read_state(folder)
        index._slots, index._expected = IdSlots(ids), state.expected
        if state.is_trained:
            index._lists = RootLists.read(folder, dim=spec.dim)
            if len(index._lists) != len(ids):
                raise IndexFileError(f"{folder} lists {len(index._lists)} of {len(ids)} histograms")
        if state.is_trained and fetch is not None:
            index._copies = None
        else:
            dtype = spec.dtype if state.is_trained else "float32"
            shape = (len(ids), spec.entries)
            index._copies = Rows(read_array(folder, "histograms", dtype=dtype, shape=shape))
        return index

    def is_outgrown(self) -> bool:
        """Whether there are so many histograms that (new) lists should be made of them."""
        limit = self._options.train_from if self._lists is None else GROWTH * self._expected
        return len(self) >= limit

    def sample_size(self, expected: int) -> int:
        """As many as centroids are made of, where `expected` vectors call for inverted lists."""
        return SAMPLE_ROWS if expected >= self._options.train_from else 0

    def train(self, sample: NDArray[Any], *, expected: int) -> None:
        """Makes empty inverted lists where `expected` histograms call for them.

        Raises:
            QueryError: the sample is not as the contract says.
        """
        histograms = checked_vectors(sample, self._spec)
        if expected < self._options.train_from or not len(histograms):
            return
        self._expected = expected
        self._lists = RootLists.trained(histograms, lists=self._options.lists or int(2 * expected**0.5))
        self._copies = self._no_copies(self._spec.dtype) if self._fetch is None else None

    def recall(self, queries: NDArray[Any]) -> float:
        """Share of the ten nearest that a search finds; 1 where every vector is compared.

        Returns:
            0 to 1.
        """
        return 1.0 if self._lists is None else recall_by_radius(self, queries)

    def note(self) -> str:
        """Nothing: it searches as the options ask."""
        return ""

    def __len__(self) -> int:
        return self._slots.count

    def _no_copies(self, dtype: str) -> Rows:
        """Untrained, copies are float32, four times as fast to compare; trained, they are as stored."""
        return Rows(np.empty((0, self._spec.entries), dtype))

    def _stored(self, ids: Ids) -> Iterator[tuple[Ids, NDArray[Any]]]:
        """Stored histograms of ids that are held, a piece at a time."""
        for start in range(0, len(ids), PIECE):
            piece = ids[start : start + PIECE]
            if self._copies is not None:
                yield piece, self._copies.view[self._slots.find(piece)]
            elif self._fetch is not None:
                yield piece, self._fetch(piece)

    def _nearest_of(self, query: NDArray[Any], ids: Ids | None, k: int) -> Answer:
        """The k nearest of some ids (None: of all that are held), compared one by one."""
        kept: Answer = (np.empty(0, np.float32), np.empty(0, np.int64))
        for piece, histograms in self._stored(self.ids() if ids is None else ids):
            distances = l1_distances(query, histograms)
            kept = nearest(np.concatenate([kept[0], distances]), np.concatenate([kept[1], piece]), k)
        return kept

    def _within(self, query: NDArray[Any], radius: float, held: Ids | None) -> Answer:
        """Everything within the radius, of some ids (None: of all that are held)."""
        if self._lists is not None and (held is None or len(held) > self._options.train_from):
            reachable = np.sort(self._lists.reachable(query, radius))
            held = reachable if held is None else np.intersect1d(reachable, held, assume_unique=True)
        parts: list[Answer] = [(np.empty(0, np.float32), np.empty(0, np.int64))]
        for piece, histograms in self._stored(self.ids() if held is None else held):
            parts.append(within(l1_distances(query, histograms), piece, radius))
        found = np.concatenate([part[1] for part in parts])
        return nearest(np.concatenate([part[0] for part in parts]), found, max(1, len(found)))


def l1_distances(query: NDArray[Any], histograms: NDArray[Any]) -> Distances:
    """Σ|q − x| of a query (D,) and histograms (N, D) of float16 or float32.

    Differences of float16 cells in 0–1 are exact in float32, and sums of those in float64: the answer is the
    oracle's to the last bit.

    Returns:
        (N,) float32.
    """
    differences = _wide(histograms) - _wide(query)
    np.abs(differences, out=differences)
    summed: Distances = differences.sum(axis=1, dtype=np.float64).astype(np.float32)
    return summed


def _wide(histograms: NDArray[Any]) -> NDArray[np.float32]:
    """Histograms as float32; from float16 by table, since numpy converts its smallest values slowly."""
    if histograms.dtype != np.float16:
        return histograms.astype(np.float32, copy=False)
    return _float16_table().take(histograms.view(np.uint16))


@cache
def _float16_table() -> NDArray[np.float32]:
    return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
