"""Inverted lists as chains of blocks: appended to at constant cost, saved and mapped as plain arrays.

`_point_lists.py` holds two of these: what was opened from files, and what came since. A point is the number
`slot * 512 + n` in 32 bits, so that there is no table of ids beside the one of features.
"""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import IndexFileError
from ambience.index._files import link
from ambience.index._point_codes import WORDS, Codes
from ambience.index._slots import Rows, read_array
from ambience.keypoints import MAX_POINTS

BLOCK = 64
"""Points of a block: 1 kB of codes, which stays in a first-level cache while all queries of a list pass."""

COUNTED = 2**16
"""Blocks whose points are counted at a time."""

_FORMS: dict[str, tuple[tuple[int, ...], str]] = {
    "words": ((WORDS, BLOCK), "uint64"),
    "factors": ((2, BLOCK), "uint8"),
    "points": ((BLOCK,), "uint32"),
    "owners": ((), "int32"),
}
"""Shape and type of what each block has, and the name of its file."""


class Portion(NamedTuple):
    """Points of some lists, list by list.

    Attributes:
        lists: (M,) int64, ascending.
        points: (M,) int64.
        codes: M of them.
    """

    lists: Ids
    points: Ids
    codes: Codes


class PointBlocks:
    """Codes and points of inverted lists.

    Args:
        sizes: (L,) int64, points of each list.
        words: (blocks, WORDS, BLOCK) uint64.
        factors: (blocks, 2, BLOCK) uint8.
        points: (blocks, BLOCK) uint32.
        owners: (blocks,) int32, the list of each block; those of one list are filled in their order.
    """

    def __init__(self, sizes: Ids, words: Rows, factors: Rows, points: Rows, owners: Rows) -> None:
        self._sizes, self._owners = sizes, owners
        self._words, self._factors, self._points = words, factors, points
        self._first, self._last = np.full(len(sizes), -1, np.int32), np.full(len(sizes), -1, np.int32)
        self._following = Rows(np.full(len(owners.view), -1, np.int32))
        order = np.argsort(owners.view, kind="stable").astype(np.int32)
        lists = owners.view[order]
        is_next = lists[1:] == lists[:-1]
        self._following.view[order[:-1][is_next]] = order[1:][is_next]
        self._last[lists] = order  # the last assignment to a list holds
        self._first[lists[::-1]] = order[::-1]

    @classmethod
    def empty(cls, lists: int, *, blocks: int = 0) -> "PointBlocks":
        """No points, and room for some blocks, so that growing to these copies nothing."""
        arrays = (np.empty((0, *shape), dtype) for shape, dtype in _FORMS.values())
        made = cls(np.zeros(lists, np.int64), *(Rows(each) for each in arrays))
        for rows in (made._words, made._factors, made._points, made._owners, made._following):
            rows.reserve(blocks)
        return made

    @classmethod
    def read(cls, folder: Path, name: str, *, lists: int) -> "PointBlocks":
        """Opens what was written under a name, memory-mapped.

        Raises:
            IndexFileError: files are missing, malformed, or do not fit each other.
        """
        sizes = read_array(folder, f"{name}-sizes", dtype=np.int64, shape=(lists,))
        owners = read_array(folder, f"{name}-owners", dtype=np.int32, shape=(None,))
        rows = []
        for part, (shape, dtype) in _FORMS.items():
            found = read_array(folder, f"{name}-{part}", dtype=dtype, shape=(len(owners), *shape))
            rows.append(Rows(found))
        if len(owners) and not 0 <= owners.min() <= owners.max() < lists:
            raise IndexFileError(f"{folder} has blocks of list {owners.max()} of {lists}; `ambience rebuild`")
        if not np.array_equal(np.bincount(owners, minlength=lists), -(-sizes // BLOCK)):
            raise IndexFileError(f"{folder} has other blocks than its lists need; `ambience rebuild`")
        return cls(np.array(sizes), *rows)

    @property
    def scanned(self) -> tuple[NDArray[Any], ...]:
        """Words, factors, points, next blocks, first blocks and sizes: as a scan wants them."""
        rows = (self._words, self._factors, self._points, self._following)
        return (*(each.view for each in rows), self._first, self._sizes)

    @property
    def sizes(self) -> Ids:
        """(L,) points of each list."""
        return self._sizes

    def append(self, lists: Ids, points: Ids, codes: Codes) -> None:
        """Adds M points at the ends of their lists, at a cost that depends on M alone.

        Args:
            lists: (M,).
            points: (M,).
            codes: M of them.
        """
        order = np.argsort(lists, kind="stable")
        present, starts, counts = np.unique(lists[order], return_index=True, return_counts=True)
        old = self._sizes[present]
        old_blocks = -(-old // BLOCK)
        new_blocks = -(-(old + counts) // BLOCK) - old_blocks
        fresh = len(self._owners.view) + np.cumsum(new_blocks) - new_blocks
        last = self._last[present].astype(np.int64)
        self._chain(present, fresh, new_blocks)
        places = np.repeat(old - starts, counts) + np.arange(len(order))
        beyond = places // BLOCK - np.repeat(old_blocks, counts)
        blocks = np.where(beyond < 0, np.repeat(last, counts), np.repeat(fresh, counts) + beyond)
        lanes = places % BLOCK
        self._words.view[blocks, :, lanes] = codes.words[order]
        self._factors.view[blocks, :, lanes] = codes.factors[order]
        self._points.view[blocks, lanes] = points[order]
        self._sizes[present] = old + counts

    def _chain(self, lists: Ids, fresh: Ids, counts: Ids) -> None:
        """Makes new blocks and hangs them behind the last ones of their lists."""
        for rows in (self._words, self._factors, self._points):
            rows.extend(int(counts.sum()))
        self._owners.append(np.repeat(lists, counts).astype(np.int32))
        following = np.arange(1, counts.sum() + 1) + (len(self._following.view))
        self._following.append(following.astype(np.int32))
        is_grown = counts > 0
        lists, fresh, ends = lists[is_grown], fresh[is_grown], (fresh + counts - 1)[is_grown]
        self._following.view[ends] = -1
        is_old = self._last[lists] >= 0
        self._following.view[self._last[lists[is_old]]] = fresh[is_old]
        self._first[lists[~is_old]] = fresh[~is_old]
        self._last[lists] = ends

    def portions(self, edges: Ids) -> Iterator[Portion]:
        """The points of lists edges[0] … edges[1], then of edges[1] … edges[2] and so on.

        Yields:
            One portion for each neighbouring two edges.
        """
        order = np.argsort(self._owners.view, kind="stable")
        cuts = np.searchsorted(self._owners.view[order], edges)
        for start, stop in itertools.pairwise(cuts):
            yield self._flat(order[start:stop])

    @property
    def _rows(self) -> tuple[Rows, ...]:
        """As `_FORMS` names them."""
        return self._words, self._factors, self._points, self._owners

    def of_list(self, number: int) -> Portion:
        """The points of one list."""
        chain, block = [], int(self._first[number])
        while block >= 0:
            chain.append(block)
            block = int(self._following.view[block])
        return self._flat(np.array(chain, np.int64))

    def _flat(self, blocks: Ids) -> Portion:
        """The points of some blocks, in their order."""
        owners, filled = self._owners.view[blocks].astype(np.int64), self._filled(blocks)
        is_held = (np.arange(BLOCK) < filled[:, None]).ravel()
        words = self._words.view[blocks].transpose(0, 2, 1).reshape(-1, WORDS)[is_held]
        factors = self._factors.view[blocks].transpose(0, 2, 1).reshape(-1, 2)[is_held]
        points = self._points.view[blocks].ravel()[is_held].astype(np.int64)
        return Portion(np.repeat(owners, filled), points, Codes(words, factors))

    def counts(self, live: NDArray[np.bool_]) -> Ids:
        """(L,) points of each list that belong to live slots."""
        counts = np.zeros(len(self._sizes), np.int64)
        for start in range(0, len(self._owners.view), COUNTED):
            blocks = np.arange(start, min(start + COUNTED, len(self._owners.view)))
            owners = np.repeat(self._owners.view[blocks], BLOCK).reshape(-1, BLOCK)
            is_live = live[np.minimum(self._points.view[blocks] // MAX_POINTS, len(live) - 1)]
            is_live &= np.arange(BLOCK) < self._filled(blocks)[:, None]
            counts += np.bincount(owners[is_live], minlength=len(counts))
        return counts

    def _filled(self, blocks: Ids) -> Ids:
        """How many points lie in each of some blocks."""
        owners = self._owners.view[blocks]
        return np.where(blocks == self._last[owners], (self._sizes[owners] - 1) % BLOCK + 1, BLOCK)

    def write(self, folder: Path, name: str) -> None:
        """Writes everything under a name."""
        for part, each in zip(_FORMS, self._rows, strict=True):
            np.save(folder / f"{name}-{part}.npy", each.view)
        np.save(folder / f"{name}-sizes.npy", self._sizes)

    @classmethod
    def written(cls, folder: Path, name: str, sizes: Ids, portions: Iterator[Portion]) -> "PointBlocks":
        """Writes portions under a name, by ascending list, without holding more than one of them in memory.

        Args:
            folder: existing.
            name: of the files.
            sizes: (L,) points of each list in all portions.
            portions: by ascending list; each list in one of them.

        Returns:
            What was written, memory-mapped.
        """
        blocks = int((-(-sizes // BLOCK)).sum())
        with contextlib.ExitStack() as opened:
            files = [opened.enter_context((folder / f"{name}-{part}.npy").open("wb")) for part in _FORMS]
            for file, (shape, dtype) in zip(files, _FORMS.values(), strict=True):
                form = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (blocks, *shape)}
                np.lib.format.write_array_header_2_0(file, form)
            for portion in portions:
                part = cls.empty(len(sizes))
                part.append(*portion)
                for file, rows in zip(files, part._rows, strict=True):
                    rows.view.tofile(file)
        np.save(folder / f"{name}-sizes.npy", sizes)
        return cls.read(folder, name, lists=len(sizes))

    def __len__(self) -> int:
        return int(self._sizes.sum())


def link_all(source: Path, name: str, folder: Path) -> None:
    """Makes the files of a name, which never change, files of another folder as well.

    Raises:
        OSError: some could not be made.
    """
    for file in sorted(source.glob(f"{name}-*.npy")):
        link(file, folder / file.name)
