"""Finds pictures that are gone or have changed, and kept files that belong to no image; page by page."""

import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ambience.datatypes import ImageRecord, ImageState
from ambience.store.base import Problem
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
    after = -1
    while page := records.list_images(after=after, limit=_PAGE):
        for record in page:
            if stop.is_set():
                return
            found = _problem(record, kept, deep)
            # Asked once more: it may have been removed, renewed or moved meanwhile.
            if found is not None and records.images([record.image_id]).get(record.image_id) == record:
                yield found
        after = page[-1].image_id
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


def _problem(record: ImageRecord, kept: KeptFiles, deep: bool) -> Problem | None:
    if record.state is not ImageState.PRESENT:
        return None
    return _of_upload(record, kept, deep) if record.is_upload else _of_file(record, deep)


def _of_upload(record: ImageRecord, kept: KeptFiles, deep: bool) -> Problem | None:
    path = kept.path(record.sha256)
    remedy = f"send them again, or remove image {record.image_id}"
    try:
        if not path.is_file():
            message = f"the bytes in {path} are gone; {remedy}"
            return Problem("file_missing", "files", message, record.image_id)
        if deep and not kept.is_sound(record.sha256):
            message = f"the bytes in {path} are not those that were sent; {remedy}"
            return Problem("file_corrupt", "files", message, record.image_id)
    except OSError as exc:
        message = f"{path} cannot be read ({exc.strerror}); {remedy}"
        return Problem("file_unreadable", "files", message, record.image_id)
    return None


def _of_file(record: ImageRecord, deep: bool) -> Problem | None:
    path = Path(record.path or "")
    try:
        if not path.is_file():
            message = (
                f"{path} is gone; run `ambience add` on its folder (where that is gone too: on the one "
                f"above), or remove image {record.image_id}"
            )
            return Problem("file_missing", "files", message, record.image_id)
        if deep and _has_changed(record, path):
            message = f"{path} has changed since it was added; run `ambience add` on its folder"
            return Problem("file_changed", "files", message, record.image_id)
    except OSError as exc:
        remedy = f"make it readable, or remove image {record.image_id}"
        message = f"{path} cannot be looked at ({exc.strerror}); {remedy}"
        return Problem("file_unreadable", "files", message, record.image_id)
    return None


def _has_changed(record: ImageRecord, path: Path) -> bool:
    status = path.stat()
    same_time = record.mtime_ns is None or clamped(status.st_mtime_ns) == record.mtime_ns
    return status.st_size != record.size or not same_time


def _is_orphan(records: Records, kept: KeptFiles, sha256: bytes) -> bool:
    """Asked once more: an upload may be between its file and its row, here or in the writing process."""
    if not kept.is_orphan(sha256, records):
        return False
    try:
        age_s = time.time() - kept.path(sha256).stat().st_mtime
    except FileNotFoundError:
        return False
    return records.database.is_writer or age_s > _UPLOAD_S
