"""Finds pictures that are gone or have changed, and kept files that belong to no image; page by page."""

import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ambience.store.base import PresentFile, Problem
from ambience.store.files import KeptFiles
from ambience.store.records import Records
from ambience.store.schema import clamped

_PAGE = 1000
_UPLOAD_S = 60.0
"""An upload of another process is through by then: its file has a row, or never gets one."""


def check_files(records: Records, kept: KeptFiles, *, deep: bool, stop: threading.Event) -> Iterator[Problem]:
    """Problems of the pictures themselves.

    Args:
        records: of the library.
        kept: its own files.
        deep: compare size and time of files added in place, and the sha256 of uploads, not only whether they
            are there.
        stop: ends it.

    Yields:
        One problem per file.
    """
    for file in records.present_files():
        if stop.is_set():
            return
        found = _problem(file, kept, deep)
        # Asked once more: it may have been removed, renewed or moved meanwhile.
        if found is not None and next(records.present_files(after=file.image_id - 1, page=1), None) == file:
            yield found
    names = kept.kept()
    while not stop.is_set() and (some := list(islice(names, _PAGE))):
        belonging = records.uploaded(some)
        for sha256 in some:
            if sha256 not in belonging and _is_orphan(records, kept, sha256):
                message = (
                    f"{kept.path(sha256)} belongs to no image; `ambience rebuild --features` moves it to the "
                    "trash"
                )
                yield Problem("file_orphan", "files", message)


def _problem(file: PresentFile, kept: KeptFiles, deep: bool) -> Problem | None:
    return _of_upload(file, kept, deep) if file.is_upload else _of_file(file, deep)


def _of_upload(file: PresentFile, kept: KeptFiles, deep: bool) -> Problem | None:
    path = kept.path(file.sha256)
    remedy = f"send them again, or remove image {file.image_id}"
    try:
        if not path.is_file():
            message = f"the bytes in {path} are gone; {remedy}"
            return Problem("file_missing", "files", message, file.image_id)
        if deep and not kept.is_sound(file.sha256):
            message = f"the bytes in {path} are not those that were sent; {remedy}"
            return Problem("file_corrupt", "files", message, file.image_id)
    except OSError as exc:
        message = f"{path} cannot be read ({exc.strerror}); {remedy}"
        return Problem("file_unreadable", "files", message, file.image_id)
    return None


def _of_file(file: PresentFile, deep: bool) -> Problem | None:
    path = Path(file.path or "")
    try:
        if not path.is_file():
            message = (
                f"{path} is gone; run `ambience add` on its folder (where that is gone too: on the one "
                f"above), or remove image {file.image_id}"
            )
            return Problem("file_missing", "files", message, file.image_id)
        if deep and _has_changed(file, path):
            message = f"{path} has changed since it was added; run `ambience add` on its folder"
            return Problem("file_changed", "files", message, file.image_id)
    except OSError as exc:
        remedy = f"make it readable, or remove image {file.image_id}"
        message = f"{path} cannot be looked at ({exc.strerror}); {remedy}"
        return Problem("file_unreadable", "files", message, file.image_id)
    return None


def _has_changed(file: PresentFile, path: Path) -> bool:
    status = path.stat()
    same_time = file.mtime_ns is None or clamped(status.st_mtime_ns) == file.mtime_ns
    return status.st_size != file.size or not same_time


def _is_orphan(records: Records, kept: KeptFiles, sha256: bytes) -> bool:
    """Asked once more: an upload may be between its file and its row, here or in the writing process."""
    if not kept.is_orphan(sha256, records):
        return False
    try:
        age_s = time.time() - kept.path(sha256).stat().st_mtime
    except FileNotFoundError:
        return False
    return records.database.is_writer or age_s > _UPLOAD_S
