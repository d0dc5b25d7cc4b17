"""Inverted lists of 1-bit codes: estimated nearest points among millions, a batch of queries at a time.

`_many_points.py` calls it. All queries that visit a list pass over its codes together, and each core takes a
share of the queries. Few comparisons are made in numpy, more by the compiled scans of `_point_kernels.py`.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids, Neighbors
from ambience.index._centers import Centers
from ambience.index._compiling import Compiled
from ambience.index._point_blocks import BLOCK, PointBlocks, Portion, link_all
from ambience.index._point_codes import Codes, encoded, estimated, probes
from ambience.index._slots import read_array
from ambience.keypoints import DESCRIPTOR, MAX_POINTS
from ambience.settings import count_or_cores

PIECE = 8192
"""Points that are put into lists at a time."""

ADDED_CELLS = 4
"""Cells that are looked into for the list of a new point."""

PORTION = 4_000_000
"""Points that are moved at a time while lists are written in order."""

LENGTHS = 1.25
"""Largest length that codes can hold, over the largest one of the sample."""

TAIL_SHARE = 4
"""What came since is kept apart while it is less than this part of what was opened from files."""

FIRST_FILE = "opened-words.npy"
"""By which a folder is known again."""

WORTH_WAITING = 20_000_000
"""Comparisons that take numpy longer (8 s) than compiling takes for the first time."""

NO_POINT = np.iinfo(np.int64).max


class PointLists:
    """Points by list, a point being `slot * 512 + n`.

    Args:
        centers: of the lists.
        length_step: of the codes.
        opened: what was opened from files.
        recent: what came since.
        compile_from: comparisons made in this process before the compiled scans are loaded.
    """

    def __init__(
        self,
        centers: Centers,
        length_step: float,
        opened: PointBlocks,
        recent: PointBlocks,
        *,
        compile_from: int,
    ) -> None:
        self._centers, self._length_step = centers, length_step
        self._opened, self._recent, self._compile_from = opened, recent, compile_from
        self._file: os.stat_result | None = None

    @classmethod
    def trained(
        cls, sample: NDArray[np.uint8], *, lists: int, points: int, compile_from: int
    ) -> "PointLists":
        """Empty lists around the middles of a sample, with room for some points."""
        centers = Centers.trained(sample, lists=lists)
        some = centers.rotated(sample[:PIECE])
        differences = some - centers.leaves[centers.nearest(some, 1, cells=ADDED_CELLS, kernels=None)[:, 0]]
        longest = float(np.sqrt(np.square(differences).sum(axis=1).max()))
        recent = PointBlocks.empty(len(centers), blocks=points // BLOCK + len(centers))
        length_step = max(1.0, longest * LENGTHS) / 255
        return cls(centers, length_step, PointBlocks.empty(len(centers)), recent, compile_from=compile_from)

    @classmethod
    def read(cls, folder: Path, *, compile_from: int) -> "PointLists":
        """Opens what `write` wrote, memory-mapped.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        centers = Centers.read(folder)
        step = float(read_array(folder, "length-step", dtype=np.float64, shape=(1,))[0])
        opened, recent = (PointBlocks.read(folder, name, lists=len(centers)) for name in ("opened", "recent"))
        made = cls(centers, step, opened, recent, compile_from=compile_from)
        made._file = (folder / FIRST_FILE).stat()
        return made

    def append(self, points: Ids, descriptors: NDArray[np.uint8]) -> None:
        """Adds M points."""
        kernels = self._kernels(len(points) * len(self._centers))
        starts = range(0, len(points), PIECE)

        def coded(start: int) -> tuple[Ids, Codes]:
            some = self._centers.rotated(descriptors[start : start + PIECE])
            lists = self._centers.nearest(some, 1, cells=ADDED_CELLS, kernels=kernels)[:, 0]
            return lists, encoded(some - self._centers.leaves[lists], self._length_step)

        if len(starts) > 1:
            parts = list(_pool(count_or_cores(0)).map(coded, starts))
        else:
            parts = [coded(start) for start in starts]
        for start, (lists, codes) in zip(starts, parts, strict=True):
            self._recent.append(lists, points[start : start + PIECE], codes)

    def nearest(
        self, queries: NDArray[np.uint8], k: int, mask: NDArray[np.bool_], *, probed: int, threads: int
    ) -> Neighbors:
        """The k nearest points to each query in the lists that it visits, by estimated distance.

        Args:
            queries: (Q, 128).
            k: 1 or more.
            mask: (slots,) whose points may be answered.
            probed: lists that a query visits.
            threads: that queries are shared among.

        Returns:
            estimated squared distances (Q, k), +inf pads, and points (Q, k), -1 pads; nearest first.
        """
        kernels = self._kernels(len(queries) * probed * self._usual_size)
        shares = max(1, min(threads, len(queries) // LEAST_SHARE), -(-len(queries) // MOST_SHARE))
        parts = np.array_split(queries, shares)

        def scan(part: NDArray[np.uint8]) -> Neighbors:
            return self._scanned(part, k, mask, probed, kernels)

        if min(shares, threads) == 1:
            found = [scan(part) for part in parts]
        else:
            waiting = [_pool(threads).submit(scan, part) for part in parts[1:]]
            found = [scan(parts[0]), *(future.result() for future in waiting)]
        return Neighbors(*(np.concatenate(each) for each in zip(*found, strict=True)))

    @property
    def count(self) -> int:
        """Of the lists."""
        return len(self._centers)

    def most_visited(self, probed: int) -> int:
        """Points in so many lists, at most."""
        sizes = self._opened.sizes + self._recent.sizes
        return int(np.partition(sizes, max(0, len(sizes) - probed))[-probed:].sum())

    @property
    def _usual_size(self) -> int:
        return len(self) // len(self._centers) + 1

    def _kernels(self, comparisons: int) -> ModuleType | None:
        """The compiled functions, where they are ready, or so much is to be done that waiting is worth it."""
        is_long = comparisons >= WORTH_WAITING >= self._compile_from
        return _compiled.after(comparisons, 0 if is_long else self._compile_from)

    def _scanned(
        self,
        queries: NDArray[np.uint8],
        k: int,
        mask: NDArray[np.bool_],
        probed: int,
        kernels: ModuleType | None,
    ) -> Neighbors:
        rotated = self._centers.rotated(queries)
        lists = self._centers.nearest(rotated, probed, cells=_cells(probed), kernels=kernels)
        rows = np.repeat(np.arange(len(queries)), lists.shape[1])
        order = np.argsort(lists.ravel(), kind="stable")
        order = order[np.searchsorted(lists.ravel()[order], 0) :]
        rows, lists = rows[order], lists.ravel()[order]
        differences = rotated[rows] - self._centers.leaves[lists]
        distances = np.full((len(queries), k), np.inf, np.float32)
        points = np.full((len(queries), k), NO_POINT, np.int64)
        if kernels is None:
            self._scan_plainly(rows, lists, differences, mask, distances, points)
        else:
            planes, terms = probes(differences, self._length_step)
            for blocks in (self._opened, self._recent):
                kernels.scan(*blocks.scanned, lists, rows, planes, terms, mask, distances, points)
        np.maximum(distances, 0, out=distances)
        ranks = np.lexsort((points, distances), axis=1)
        points = np.take_along_axis(points, ranks, axis=1)
        points[points == NO_POINT] = -1
        return Neighbors(np.take_along_axis(distances, ranks, axis=1), points)

    def _scan_plainly(
        self,
        rows: Ids,
        lists: Ids,
        differences: NDArray[np.float32],
        mask: NDArray[np.bool_],
        best: NDArray[np.float32],
        best_points: Ids,
    ) -> None:
        """What the compiled scan does, in numpy: into best distances (Q, k) and best points (Q, k)."""
        present, starts = np.unique(lists, return_index=True)
        stops = np.append(starts[1:], len(lists))
        for blocks in (self._opened, self._recent):
            for number, start, stop in zip(present, starts, stops, strict=True):
                _, points, codes = blocks.of_list(number)
                kept = mask[points // MAX_POINTS]
                codes, points = Codes(codes.words[kept], codes.factors[kept]), points[kept]
                found = estimated(differences[start:stop], codes, self._length_step)
                for row, distances in zip(rows[start:stop], found, strict=True):
                    own = np.concatenate([best[row], distances])
                    order = np.argsort(own, kind="stable")[: best.shape[1]]
                    best_points[row] = np.concatenate([best_points[row], points])[order]
                    best[row] = own[order]

    def write(self, folder: Path, live: NDArray[np.bool_], previous: Path | None) -> "PointLists | None":
        """Writes the points of live slots, moved up to fill the places of those that are not.

        Args:
            folder: existing and empty.
            live: (slots,).
            previous: the folder that was written before or read from, where that still exists.

        Returns:
            What was written, memory-mapped; None where nothing needed to move up or be written but the
            recent points: then slots are as they were, and files that do not change are linked.
        """
        self._centers.write(folder)
        np.save(folder / "length-step.npy", np.array([self._length_step]))
        is_dense = 4 * int(live.sum()) >= 3 * len(live)
        is_tail = len(self._recent) * TAIL_SHARE <= len(self._opened)
        if previous is not None and is_dense and is_tail and self._lies_in(previous):
            link_all(previous, "opened", folder)
            self._recent.write(folder, "recent")
            return None
        sizes = self._opened.counts(live) + self._recent.counts(live)
        PointBlocks.written(folder, "opened", sizes, self._in_order(sizes, live))
        PointBlocks.empty(len(sizes)).write(folder, "recent")
        return PointLists.read(folder, compile_from=self._compile_from)

    def _lies_in(self, folder: Path) -> bool:
        """Whether the very files that were opened lie there, whatever the folder was called then."""
        file = folder / FIRST_FILE
        return self._file is not None and file.exists() and os.path.samestat(file.stat(), self._file)

    def _in_order(self, sizes: Ids, live: NDArray[np.bool_]) -> Iterator[Portion]:
        """All points of live slots by list, a few million at a time; slots count the live ones alone."""
        slots = np.cumsum(live) - 1
        filled = np.cumsum(sizes)
        edges = np.unique(np.searchsorted(filled, np.arange(0, filled[-1], PORTION), side="right"))
        edges = np.unique(np.concatenate([[0], edges, [len(sizes)]]))
        for parts in zip(self._opened.portions(edges), self._recent.portions(edges), strict=True):
            lists = np.concatenate([part.lists for part in parts])
            points = np.concatenate([part.points for part in parts])
            words = np.concatenate([part.codes.words for part in parts])
            factors = np.concatenate([part.codes.factors for part in parts])
            kept = live[points // MAX_POINTS]
            points = slots[points[kept] // MAX_POINTS] * MAX_POINTS + points[kept] % MAX_POINTS
            yield Portion(lists[kept], points, Codes(words[kept], factors[kept]))

    def __len__(self) -> int:
        return len(self._opened) + len(self._recent)


LEAST_SHARE = 64
"""Queries below which another thread costs more than it gains."""

MOST_SHARE = 4096
"""Queries that are worked on at a time, to bound the memory that they take."""


def _cells(probed: int) -> int:
    """Cells that are looked into for so many lists."""
    return max(8, probed + probed // 2)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Threads that code and scan, shared by every index of the process."""
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="points")


def _warmed(module: ModuleType) -> None:
    blocks = PointBlocks.empty(1)
    zeros = np.zeros((1, DESCRIPTOR), np.float32)
    blocks.append(np.zeros(1, np.int64), np.zeros(1, np.int64), encoded(zeros, 1.0))
    planes, terms = probes(zeros, 1.0)
    one, best = np.zeros(1, np.int64), np.full((1, 1), np.inf, np.float32)
    mask, points = np.ones(1, np.bool_), np.full((1, 1), NO_POINT, np.int64)
    module.scan(*blocks.scanned, one, one, planes, terms, mask, best, points)
    module.keep_smallest(one, zeros, 0, best, np.zeros((1, 1), np.int64))


_compiled = Compiled("ambience.index._point_kernels", _warmed)
