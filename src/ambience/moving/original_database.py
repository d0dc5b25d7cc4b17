"""One LMDB environment of the original, read only: ids as 4-byte big-endian keys, whatever else is refused.

Nothing is written to its folder, no lock file either: the service that owns it must not run meanwhile.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import lmdb
import numpy as np

from ambience.datatypes import Ids
from ambience.errors import StoreError
from ambience.store.probing import damage_of

KEY_BYTES: Final = 4
MAX_ORIGINAL_ID: Final = 2**32 - 1


class OriginalDatabase:
    """A context manager.

    Args:
        path: folder of the environment, or its single file.

    Raises:
        StoreError: it is no LMDB environment, or was cut short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path / "data.mdb" if path.is_dir() else path
        self._is_sound = False
        try:
            self._environment = lmdb.Environment(
                str(path), subdir=path.is_dir(), readonly=True, lock=False, create=False, max_dbs=0
            )
        except (lmdb.Error, OSError) as exc:
            raise StoreError(f"{path} is no LMDB environment that can be read: {exc}") from exc
        try:
            self._require_whole()
        except BaseException:
            self._environment.close()
            raise

    def _require_whole(self) -> None:
        """Reading pages beyond the end of a file would kill the process."""
        needed = (self._environment.info()["last_pgno"] + 1) * self._environment.stat()["psize"]
        if (has := self._file.stat().st_size) < needed:
            raise StoreError(
                f"{self._file} was cut short: it has {has:,} bytes, and {needed:,} are in use; copy it again"
            )

    @contextmanager
    def _reading(self) -> Iterator[lmdb.Transaction]:
        """A transaction; the first one once all pages were read elsewhere, since damaged ones kill a process.

        Raises:
            StoreError: the environment is damaged.
        """
        if not self._is_sound:
            damage = damage_of(self._path, size=self._file.stat().st_size, is_unnamed=True)
            if damage:
                raise self._damaged(damage)
            self._is_sound = True
        try:
            with self._environment.begin() as transaction:
                yield transaction
        except lmdb.Error as exc:
            raise self._damaged(str(exc)) from exc

    def ids(self) -> tuple[Ids, int]:
        """All ids, ascending, and how many keys are none.

        Returns:
            (N,) int64, and the number of keys of another length than 4 bytes.

        Raises:
            StoreError: the environment is damaged.
        """
        with self._reading() as transaction:
            keys = [bytes(key) for key in transaction.cursor().iternext(keys=True, values=False)]
        whole = [key for key in keys if len(key) == KEY_BYTES]
        ids = np.frombuffer(b"".join(whole), ">u4").astype(np.int64)
        return np.sort(ids), len(keys) - len(whole)

    def ids_by_name(self) -> dict[int, bytes]:
        """Of an environment of name → id: the names by id.

        Returns:
            Raw bytes; names whose id is malformed are left out.

        Raises:
            StoreError: the environment is damaged.
        """
        with self._reading() as transaction:
            rows = transaction.cursor().iternext()
            return {int.from_bytes(key, "big"): bytes(name) for name, key in rows if len(key) == KEY_BYTES}

    def values(self, ids: Sequence[int | None]) -> list[bytes | None]:
        """The values of ids.

        Returns:
            In their order; None where there is none, or no id.

        Raises:
            StoreError: the environment is damaged.
        """
        with self._reading() as transaction:
            found: list[Any] = [
                None if each is None else transaction.get(each.to_bytes(KEY_BYTES, "big")) for each in ids
            ]
        return found

    def first_length(self) -> int:
        """Length of the first value under an id.

        Returns:
            Bytes; 0 where there is none.

        Raises:
            StoreError: the environment is damaged.
        """
        with self._reading() as transaction:
            rows = transaction.cursor().iternext()
            return next((len(value) for key, value in rows if len(key) == KEY_BYTES), 0)

    def count(self) -> int:
        """How many entries there are."""
        return int(self._environment.stat()["entries"])

    def _damaged(self, what: str) -> StoreError:
        return StoreError(f"{self._path} is damaged: {what}; copy it again, or leave its service out")

    def close(self) -> None:
        """Closes the files."""
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
