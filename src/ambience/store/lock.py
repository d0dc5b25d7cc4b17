"""One writer process per library, held by `flock` on `library.lock`.

The operating system lets go of the lock when its process dies, however it dies, so a lock file that lies
around means nothing; the JSON inside only tells who holds it and where that process can be talked to.
"""

import contextlib
import fcntl
import json
import os
import time
import weakref
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from ambience.errors import LibraryLockedError, StoreError

LOCK_NAME = "library.lock"

# `holder` takes the lock for an instant to see whether it is free, so one refusal is no proof.
_SHORTEST_TRY_S = 0.2
_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who writes to a library.

    Attributes:
        pid: of the process.
        purpose: what it does ("serve", "add" …).
        started_at: ISO 8601, UTC.
        socket: local socket at which it takes work over; "" where it takes none.
        url: address of its page; "" where it serves none.
    """

    pid: int
    purpose: str
    started_at: str
    socket: str = ""
    url: str = ""

    def __str__(self) -> str:
        where = f" at {self.url}" if self.url else ""
        return f"process {self.pid} ({self.purpose}{where}, since {self.started_at})"


class WriterLock:
    """The right to write to a library; `release` gives it back, and so does the end of the process."""

    def __init__(self, folder: Path, descriptor: int, held_by: LockHolder) -> None:
        self.folder = folder
        self._descriptor = descriptor
        self._held_by = held_by
        self._write()
        _held.add(self)

    @classmethod
    def acquire(cls, folder: Path, *, purpose: str, timeout_s: float = 0) -> Self:
        """Takes the lock of a library; makes the folder where there is none.

        Args:
            folder: of the library.
            purpose: what the process is about to do, in one word.
            timeout_s: how long to wait for another writer to finish.

        Returns:
            The lock, held.

        Raises:
            LibraryLockedError: another process (or another part of this one) holds it; its `holder` says who.
            StoreError: the folder cannot be made or written to, or its file system has no locks.
        """
        descriptor = _opened(folder)
        end = time.monotonic() + max(timeout_s, _SHORTEST_TRY_S)
        try:
            while not _try_lock(descriptor, fcntl.LOCK_EX, folder):
                if time.monotonic() >= end:
                    raise _locked(folder, descriptor)
                time.sleep(_PAUSE_S)
        except BaseException:
            os.close(descriptor)
            raise
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(folder, descriptor, LockHolder(os.getpid(), purpose, started_at))

    def announce(self, *, socket: str, url: str) -> None:
        """Tells other processes where this one takes work over.

        Raises:
            StoreError: the lock file could not be written.
        """
        held_by = self._held_by
        self._held_by = LockHolder(held_by.pid, held_by.purpose, held_by.started_at, socket, url)
        self._write()

    def release(self) -> None:
        """Gives the lock back; doing it twice is harmless."""
        if self._descriptor < 0:
            return
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1
        _held.discard(self)

    @staticmethod
    def holder(folder: Path) -> LockHolder | None:
        """Who writes to a library now.

        Args:
            folder: of the library; need not exist.

        Returns:
            None where nobody does. A holder that has not yet said who it is has pid 0.

        Raises:
            StoreError: the lock file cannot be read.
        """
        try:
            descriptor = os.open(folder / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise StoreError(f"cannot read the lock of {folder}: {exc.strerror}") from exc
        try:
            if _try_lock(descriptor, fcntl.LOCK_SH, folder):
                return None
            return _read(descriptor)
        finally:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def _write(self) -> None:
        content = json.dumps(asdict(self._held_by)).encode()
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, content, 0)
        except OSError as exc:
            raise StoreError(f"cannot write the lock of {self.folder}: {exc.strerror}") from exc

    def _forget_in_child(self) -> None:
        # A child made by fork shares the lock: it would keep the library locked after its parent died.
        # Closing its copy of the descriptor does not unlock the parent's.
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


_held: "weakref.WeakSet[WriterLock]" = weakref.WeakSet()


def _forget_all_in_child() -> None:
    for lock in list(_held):
        lock._forget_in_child()


os.register_at_fork(after_in_child=_forget_all_in_child)


def _opened(folder: Path) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as exc:
        raise StoreError(
            f"cannot write to the library folder {folder}: {exc.strerror}; choose another with --library"
        ) from exc


def _try_lock(descriptor: int, how: int, folder: Path) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        raise StoreError(
            f"the file system of {folder} has no locks ({exc.strerror}); keep the library on a local disk"
        ) from exc
    return True


def _read(descriptor: int) -> LockHolder:
    try:
        row: Mapping[str, Any] = json.loads(os.pread(descriptor, 65536, 0))
        return LockHolder(
            int(row["pid"]),
            str(row["purpose"]),
            str(row["started_at"]),
            str(row.get("socket", "")),
            str(row.get("url", "")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return LockHolder(0, "starting", "just now")


def _locked(folder: Path, descriptor: int) -> LibraryLockedError:
    held_by = _read(descriptor)
    error = LibraryLockedError(
        f"the library {folder} is being written to by {held_by}; wait for it to end, or stop it"
    )
    error.holder = held_by
    return error
