"""Recognizes a full disk in the errors of SQLite, LMDB and the operating system."""

import errno
import os
import sqlite3
import tempfile
from pathlib import Path

import lmdb

from ambience.errors import StoreFullError

# A file-size limit or a quota is a full disk for whoever runs into it.
_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LMDB_TEXTS = tuple(os.strerror(number) for number in _ERRNOS)

# SQLite says "disk I/O error" where a write or the growth of a file failed for any reason but a plain ENOSPC.
_SQLITE_NAMES = (
    "SQLITE_FULL",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_TRUNCATE",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_SHMSIZE",
)


def is_disk_full(exc: BaseException) -> bool:
    """Whether an error of SQLite, LMDB or the operating system means that nothing more can be written."""
    if isinstance(exc, sqlite3.Error):
        return getattr(exc, "sqlite_errorname", "") in _SQLITE_NAMES
    if isinstance(exc, lmdb.Error):
        return any(text in str(exc) for text in _LMDB_TEXTS)
    return isinstance(exc, OSError) and exc.errno in _ERRNOS


def has_room(file: Path, length: int) -> bool:
    """Whether a file could grow: a write that the disk took in part only is reported as a plain I/O error.

    Args:
        file: an existing file; it is left alone.
        length: bytes by which it should grow.

    Returns:
        False where the disk, a quota or a limit stands in the way.
    """
    try:
        with tempfile.TemporaryFile(dir=file.parent) as trial:
            trial.seek(file.stat().st_size)
            trial.write(bytes(length))
            trial.flush()
    except OSError as exc:
        return not is_disk_full(exc)
    return True


def disk_full(folder: Path, exc: BaseException) -> StoreFullError:
    """The error to raise for it."""
    return StoreFullError(
        f"the disk of {folder} is full ({exc}); nothing of this write was kept and nothing older is lost: "
        "free some space and try again"
    )
