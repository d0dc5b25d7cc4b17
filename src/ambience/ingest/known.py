"""What the library already holds below the paths of a run, in 33 bytes a file.

A path is kept as its 64-bit hash: a million files take 33 MB instead of 400. A collision would have to agree
in size and modification time as well to hide a file, and is otherwise noticed when the record is read.
"""

import os
from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ambience.store.base import KnownFile


class KnownTable:
    """Path → what is known, for one run; looked up by the scan, asked at the end for what it did not meet."""

    def __init__(self, files: Iterable[KnownFile]) -> None:
        hashes, ids, sizes, times, missing = array("q"), array("q"), array("q"), array("q"), bytearray()
        for file in files:
            hashes.append(hash(file.path))
            ids.append(file.image_id)
            sizes.append(file.size)
            times.append(-1 if file.mtime_ns is None else file.mtime_ns)
            missing.append(file.is_missing)
        order = np.argsort(np.frombuffer(hashes, np.int64), kind="stable")
        self._hashes = np.frombuffer(hashes, np.int64)[order]
        self._ids = np.frombuffer(ids, np.int64)[order]
        self._sizes = np.frombuffer(sizes, np.int64)[order]
        self._times = np.frombuffer(times, np.int64)[order]
        self._missing = np.frombuffer(missing, np.bool_)[order]
        self._met = np.zeros(len(order), np.bool_)

    def __len__(self) -> int:
        return len(self._hashes)

    def rows(self, paths: Sequence[str]) -> list[int]:
        """Row of each path, -1 where the library does not know it; rows found count as met.

        Returns:
            As many rows as paths, in their order.
        """
        if not len(self._hashes):
            return [-1] * len(paths)
        wanted = np.fromiter((hash(path) for path in paths), np.int64, len(paths))
        at = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        is_known = self._hashes[at] == wanted
        self._met[at[is_known]] = True
        rows: list[int] = np.where(is_known, at, -1).tolist()
        return rows

    def is_same(self, row: int, size: int, mtime_ns: int) -> bool:
        """Whether size and modification time are those recorded."""
        return bool(self._sizes[row] == size and self._times[row] == mtime_ns)

    def is_missing(self, row: int) -> bool:
        """Whether the image is recorded as gone."""
        return bool(self._missing[row])

    def image_id(self, row: int) -> int:
        """Whose file it is."""
        return int(self._ids[row])

    def not_met(self) -> NDArray[np.int64]:
        """Image ids, ascending, of files that the scan did not meet and that are not recorded as gone yet."""
        return np.sort(self._ids[~self._met & ~self._missing])


def topmost(roots: Sequence[str]) -> list[str]:
    """The paths that lie below none of the others, each once, sorted.

    Returns:
        A part of `roots`.
    """
    kept: list[str] = []
    for root in sorted(set(roots), key=_parts):
        if not (kept and is_below(root, kept[-1])):
            kept.append(root)
    return kept


def _parts(path: str) -> list[str]:
    return path.split(os.sep)  # noqa: PTH206 - a sort key; a Path object per path costs more


def is_below(path: str, folder: str) -> bool:
    """Whether a path is the folder itself or lies below it.

    Returns:
        By the text of the paths alone.
    """
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def batches(ids: NDArray[np.int64], size: int) -> Iterator[list[int]]:
    """The ids in lists of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size].tolist()
