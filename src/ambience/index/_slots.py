"""Which id lies where in an engine's arrays: slots are appended, dropped at once, squeezed out on saving."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import IndexFileError, QueryError

Slots = NDArray[np.int64]
"""(N,) int64 positions in an engine's arrays; -1 where an id is not held."""


class Rows:
    """An array that grows at its end; what it was opened with may be a read-only map of a file."""

    def __init__(self, start: NDArray[Any]) -> None:
        self._array, self._count = start, len(start)

    def append(self, rows: NDArray[Any]) -> None:
        """Adds rows at the end, at constant cost a row; the first time, a mapped file is copied to memory."""
        start = self._count
        self.extend(len(rows))
        self._array[start : self._count] = rows

    def extend(self, count: int) -> None:
        """Makes room for `count` rows at the end, of any content, and for writing into those held."""
        stop = self._count + count
        if stop > len(self._array) or not self._array.flags.writeable:
            self._move(max(stop, stop // 4 * 5, 64))
        self._count = stop

    def reserve(self, count: int) -> None:
        """Makes room for `count` rows in all, so that none is copied until then; no memory is touched yet."""
        if count > len(self._array):
            self._move(count)

    def _move(self, size: int) -> None:
        grown = _aligned((size, *self._array.shape[1:]), self._array.dtype)
        grown[: self._count] = self.view
        self._array = grown

    @property
    def view(self) -> NDArray[Any]:
        """The rows held."""
        return self._array[: self._count]


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array whose data begins at a cache line, so that no vector register is filled from two."""
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    aligned: NDArray[Any] = raw[start : start + size].view(dtype).reshape(shape)
    return aligned


class IdSlots:
    """The ids of an engine, in the order in which they were added.

    Ids come from a sequence, so that they nearly always arrive ascending and a binary search finds them;
    where they do not, an order is kept beside.
    """

    def __init__(self, ids: Ids | None = None, live: NDArray[np.bool_] | None = None) -> None:
        start = np.empty(0, np.int64) if ids is None else ids
        self._ids = Rows(start)
        self._live = Rows(np.ones(len(start), np.bool_) if live is None else live)
        self._order: Slots | None = None
        self._is_ascending = bool(np.all(start[1:] > start[:-1]))
        self.count = int(self.live.sum())

    @property
    def ids(self) -> Ids:
        """Ids of all slots, dropped ones included."""
        return self._ids.view

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which slots still hold something."""
        return self._live.view

    def append(self, ids: Ids, *, count: int) -> None:
        """Gives new ids the next slots.

        Args:
            ids: (N,), not yet held.
            count: of the vectors that come with them.

        Raises:
            QueryError: an id is negative, given twice, or held already, or there are not `count` of them.
        """
        ids = np.asarray(ids, dtype=np.int64)
        if ids.shape != (count,):
            raise QueryError(f"{ids.shape} ids came with {count} vectors; there is one id a vector")
        if len(ids) and ids.min() < 0:
            raise QueryError(f"id {ids.min()} is negative; ids of an index are 0 or more")
        is_rising = bool(np.all(ids[1:] > ids[:-1]))
        if not is_rising and len(np.unique(ids)) < len(ids):
            raise QueryError(f"{len(ids) - len(np.unique(ids))} ids are given twice; each id is added once")
        held = self.find(ids) >= 0
        if held.any():
            raise QueryError(f"id {ids[held][0]} is held already; remove it before it is added again")
        last = self.ids[-1] if len(self.ids) else -1
        self._is_ascending = self._is_ascending and is_rising and bool(np.all(ids[:1] > last))
        self._ids.append(ids)
        self._live.append(np.ones(len(ids), np.bool_))
        self._order = None
        self.count += len(ids)

    def find(self, ids: Ids) -> Slots:
        """Slots of ids, in their order; -1 where one is not held."""
        held = self.ids
        if not len(held):
            return np.full(len(ids), -1, np.int64)
        if self._is_ascending:
            slots = np.minimum(np.searchsorted(held, ids), len(held) - 1)
        else:
            if self._order is None:
                # Live slots first among equal ids: an id that was dropped and added again has two.
                self._order = np.lexsort((~self.live, held))
            at = np.minimum(np.searchsorted(held, ids, sorter=self._order), len(held) - 1)
            slots = self._order[at]
        return np.where((held[slots] == ids) & self.live[slots], slots, -1)

    def drop(self, ids: Ids) -> Slots:
        """Forgets ids at once.

        Returns:
            The slots that they had; ids not held are passed over.
        """
        slots = self.find(np.unique(np.asarray(ids, dtype=np.int64)))
        slots = slots[slots >= 0]
        self.live[slots] = False
        self._order = None if not self._is_ascending else self._order
        self.count -= len(slots)
        return slots

    def chosen(self, allowed: Ids | None) -> Slots:
        """Slots that may be answered, by ascending id.

        Args:
            allowed: ids that may be answered; None: all that are held.
        """
        if allowed is None:
            slots = np.flatnonzero(self.live)
            return slots if self._is_ascending else slots[np.argsort(self.ids[slots])]
        slots = self.find(np.unique(np.asarray(allowed, dtype=np.int64)))
        return slots[slots >= 0]


@dataclass(frozen=True, slots=True)
class State:
    """What an engine notes beside its arrays.

    Attributes:
        is_trained: whether there are inverted lists.
        expected: vectors that they were trained for.
    """

    is_trained: bool = False
    expected: int = 0


def read_state(folder: Path) -> State:
    """What `write_state` wrote.

    Raises:
        IndexFileError: the file is missing or malformed.
    """
    file = folder / "state.json"
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return State(is_trained=bool(values["is_trained"]), expected=int(values["expected"]))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise IndexFileError(f"cannot read {file}: {exc!r}; `ambience rebuild` makes it again") from exc


def write_state(folder: Path, state: State) -> None:
    """Writes `state.json`."""
    (folder / "state.json").write_text(json.dumps(asdict(state)), encoding="utf-8")


def read_array(folder: Path, name: str, *, dtype: Any, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """A saved array, memory-mapped; what is written to it stays in memory.

    Args:
        folder: of the snapshot.
        name: of the file without ".npy".
        dtype: that it must have.
        shape: that it must have; None where any length will do.

    Raises:
        IndexFileError: the file is missing, malformed, or holds something else.
    """
    file = folder / f"{name}.npy"
    try:
        array = np.load(file, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise IndexFileError(f"cannot read {file}: {exc}; `ambience rebuild` makes the index again") from exc
    fits = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if array.dtype != np.dtype(dtype) or not fits:
        raise IndexFileError(
            f"{file} holds {array.dtype}{array.shape}, not {np.dtype(dtype)}{shape}; "
            "`ambience rebuild` makes the index again"
        )
    return np.asarray(array)
