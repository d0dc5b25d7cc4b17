"""All codes in blocks of words, scanned from end to end by every core: exact, and as fast as memory is read.

`binary.py` calls it. Few comparisons are made in numpy; the compiled scans (`_hamming.py`) are loaded beside
that once as much has been compared as loading costs, so that a single search never waits for a compiler.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.index._compiling import Compiled
from ambience.index._ranking import Answer, Distances, nearest, within
from ambience.index._slots import Rows, Slots
from ambience.settings import count_or_cores

BLOCK = 128
"""Codes of one block: 9 kB at 576 bits, so that it and the next one fit into a first-level cache."""

PIECE = 512
"""Blocks whose differing bits numpy holds at a time."""

ROOM = 65_536
"""Codes that a compiled scan finds before they are taken from it: 0.8 MB for each thread."""

Part = TypeVar("Part")

Words = NDArray[np.uint64]


class FlatCodes:
    """Codes by slot.

    Args:
        code_bytes: of one code.
        threads: that a search is spread over; 0: as many as cores.
        compile_from: comparisons made in this process before the compiled scans are loaded.
        blocks: what an earlier `blocks` held.
        count: of the codes in them.
    """

    def __init__(
        self,
        code_bytes: int,
        *,
        threads: int,
        compile_from: int,
        blocks: Words | None = None,
        count: int = 0,
    ) -> None:
        self._word_count = word_count(code_bytes)
        start = np.empty((0, self._word_count, BLOCK), np.uint64) if blocks is None else blocks
        self._blocks, self._count = Rows(start), count
        self._threads = count_or_cores(threads)
        self._compile_from = compile_from

    @property
    def blocks(self) -> Words:
        """(blocks, W, BLOCK) uint64; what lies behind the last code is of no meaning."""
        return self._blocks.view

    def append(self, codes: NDArray[np.uint8]) -> None:
        """Adds (N, bytes) codes at the end."""
        self.append_words(as_words(codes))

    def append_words(self, words: Words) -> None:
        """Adds (N, W) codes at the end."""
        needed = -(-(self._count + len(words)) // BLOCK)
        self._blocks.extend(needed - len(self._blocks.view))
        blocks = self._blocks.view
        done = 0
        while done < len(words):
            block, at = divmod(self._count, BLOCK)
            part = words[done : done + BLOCK - at]
            blocks[block, :, at : at + len(part)] = part.T
            done += len(part)
            self._count += len(part)

    def take(self, slots: Slots) -> Words:
        """(N, W) words of the codes in some slots."""
        taken: Words = self.blocks[slots // BLOCK, :, slots % BLOCK]
        return taken

    def nearest(self, queries: Words, k: int, ids: Ids, mask: NDArray[np.bool_] | None) -> list[Answer]:
        """The k nearest codes to each query among those that the mask lets through."""
        kernels = _compiled.after(len(queries) * self._count, self._compile_from)
        if kernels is None:
            return [nearest(*_chosen(self._plain(query), ids, mask), k) for query in queries]
        k = min(k, self._count)

        def scan(first: int, stop: int) -> tuple[NDArray[Any], Ids]:
            best = np.full((len(queries), k), _FAR, np.uint64)
            best_ids = np.full((len(queries), k), np.iinfo(np.int64).max)
            own = slice(first * BLOCK, min(stop * BLOCK, self._count))
            own_mask = np.empty(0, np.bool_) if mask is None else mask[own]
            kernels.nearest(self.blocks[first:stop], ids[own], own_mask, queries, best, best_ids)
            return best, best_ids

        parts = self._spread(scan)
        best = np.concatenate([part[0] for part in parts], axis=1)
        best_ids = np.concatenate([part[1] for part in parts], axis=1)
        return [
            nearest(row[row != _FAR].astype(np.float32), row_ids[row != _FAR], k)
            for row, row_ids in zip(best, best_ids, strict=True)
        ]

    def within(self, queries: Words, radius: float, ids: Ids, mask: NDArray[np.bool_] | None) -> list[Answer]:
        """Every code at `radius` or nearer among those that the mask lets through."""
        kernels = _compiled.after(len(queries) * self._count, self._compile_from)
        if kernels is None:
            return [within(*_chosen(self._plain(query), ids, mask), radius) for query in queries]

        def scan(first: int, stop: int) -> list[NDArray[np.int32]]:
            own = slice(first * BLOCK, min(stop * BLOCK, self._count))
            own_mask = np.empty(0, np.bool_) if mask is None else mask[own]
            near = list(
                self._near(kernels, queries, self.blocks[first:stop], own_mask, own.stop - own.start, radius)
            )
            for rows in near:
                rows[:, 2] += own.start
            return near

        parts = itertools.chain.from_iterable(self._spread(scan))
        found = np.concatenate([np.empty((0, 3), np.int32), *parts])
        which, distances, near = found[:, 0], found[:, 1].astype(np.float32), ids[found[:, 2]]
        order = np.lexsort((near, distances, which))
        edges = np.searchsorted(which[order], np.arange(len(queries) + 1))
        runs = [order[start:stop] for start, stop in itertools.pairwise(edges)]
        return [(distances[run], near[run]) for run in runs]

    def _near(
        self,
        kernels: ModuleType,
        queries: Words,
        blocks: Words,
        mask: NDArray[np.bool_],
        count: int,
        radius: float,
    ) -> Iterator[NDArray[np.int32]]:
        """Codes of a run of blocks at `radius` or nearer: (N, 3) of query, distance and place, unsorted."""
        bits = np.uint64(min(radius, self._word_count * 64))
        head = telling_words(radius, self._word_count)
        found = np.empty((ROOM, 3), np.int32)
        step = 0
        while step < len(blocks) * len(queries):
            rows, step = kernels.within(blocks, count, mask, queries, bits, head, step, found)
            yield found[:rows].copy()

    def _plain(self, query: Words) -> Distances:
        """Distances of all codes, in numpy."""
        measured = np.empty((len(self.blocks), BLOCK), np.float32)
        for first in range(0, len(measured), PIECE):
            differing = self.blocks[first : first + PIECE] ^ query[:, None]
            measured[first : first + PIECE] = np.bitwise_count(differing).sum(axis=1, dtype=np.uint16)
        return measured.reshape(-1)[: self._count]

    def _spread(self, scan: Callable[[int, int], Part]) -> list[Part]:
        """What `scan(first, stop)` answers for even shares of the blocks; the last share in this thread."""
        shares = max(1, min(self._threads, len(self.blocks) // _LEAST_SHARE))
        edges = [len(self.blocks) * share // shares for share in range(shares + 1)]
        if shares == 1:
            return [scan(0, len(self.blocks))]
        pool = _pool(self._threads)
        waiting = [pool.submit(scan, edges[share], edges[share + 1]) for share in range(shares - 1)]
        last = scan(edges[-2], edges[-1])
        return [*(future.result() for future in waiting), last]


_FAR = np.uint64(1 << 62)
_LEAST_SHARE = 256
"""Blocks below which handing a share to another thread costs more than scanning it."""


def word_count(code_bytes: int) -> int:
    """64-bit words that hold a code."""
    return -(-code_bytes // 8)


def telling_words(radius: float, words: int) -> int:
    """First words of two codes that differ in more than `radius` bits where the codes are unrelated.

    By chance half of b bits differ, with a standard deviation of √b / 2; at 3.5 of these, hardly any code of
    a block differs in less.

    Returns:
        1 … words; all of them where fewer would not do.
    """
    return next((n for n in range(1, words) if 32 * n - 3.5 * (64 * n) ** 0.5 / 2 > radius), words)


def as_words(codes: NDArray[np.uint8]) -> Words:
    """(N, bytes) codes as (N, W) words; zeros fill the last one, which changes no distance."""
    spare = word_count(codes.shape[1]) * 8 - codes.shape[1]
    padded = np.pad(codes, ((0, 0), (0, spare))) if spare else codes
    return np.ascontiguousarray(padded).view(np.uint64)


def measured(query: Words, codes: Words) -> Distances:
    """Bits that differ between a query (W,) and codes (N, W), in numpy."""
    bits: Distances = np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.uint16).astype(np.float32)
    return bits


def _chosen(distances: Distances, ids: Ids, mask: NDArray[np.bool_] | None) -> Answer:
    return (distances, ids) if mask is None else (distances[mask], ids[mask])


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that scan, shared by every index of the process; the scans hold no interpreter lock."""
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="hamming")


def _warmed(module: ModuleType) -> None:
    blocks, query = np.zeros((1, 1, BLOCK), np.uint64), np.zeros(1, np.uint64)
    ids, best = np.zeros(BLOCK, np.int64), np.full((1, 1), _FAR, np.uint64)
    module.nearest(blocks, ids, np.empty(0, np.bool_), query[None], best, ids[None, :1].copy())
    found = np.empty((BLOCK, 3), np.int32)
    module.within(blocks, 1, np.empty(0, np.bool_), query[None], np.uint64(0), 1, 0, found)


_compiled = Compiled("ambience.index._hamming", _warmed)
