"""Bytes that the library keeps itself: uploads under `files/` by sha256, and what was removed under `trash/`.

Added folders are referenced in place and never written to; only uploads live here. Several images may share
one file, since they have the same bytes.
"""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ambience.datatypes import ImageRecord, ImageState
from ambience.errors import StoreError, StoreFullError, UnknownImageError
from ambience.store.base import Problem
from ambience.store.records import Records

FULL_ERRNOS = frozenset({28, 122, 27})
"""ENOSPC, EDQUOT, EFBIG: no more room, by disk, by quota, by process limit."""


class KeptFiles:
    """The library's own files.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._files = folder / "files"
        self._trash = folder / "trash"

    def path(self, sha256: bytes) -> Path:
        """Where bytes of this sha256 are, or would be."""
        name = sha256.hex()
        return self._files / name[:2] / name

    def put(self, sha256: bytes, data: bytes) -> bool:
        """Keeps bytes: written beside, synced, renamed; durable when it returns.

        Args:
            sha256: 32 raw bytes, of `data`.
            data: the bytes of a picture file.

        Returns:
            Whether they were not there before.

        Raises:
            StoreFullError: the disk is full; nothing is left behind.
            StoreError: they cannot be written for another reason.
        """
        path = self.path(sha256)
        if path.exists():
            return False
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            _sync_folder(path.parent)
            _sync_folder(self._files)
        except OSError as exc:
            partial.unlink(missing_ok=True)
            if exc.errno in FULL_ERRNOS:
                raise StoreFullError(
                    f"{self._files}: no room for {len(data):,} bytes; free some space"
                ) from exc
            raise StoreError(f"{path}: cannot be written: {exc.strerror}") from exc
        return True

    def read(self, sha256: bytes) -> bytes:
        """The bytes kept under a sha256.

        Raises:
            UnknownImageError: they are not there.
        """
        try:
            return self.path(sha256).read_bytes()
        except FileNotFoundError as exc:
            raise UnknownImageError(f"the bytes of {sha256.hex()[:12]}… are gone from {self._files}") from exc

    def discard(self, record: ImageRecord, *, purge: bool) -> None:
        """Takes the bytes of a removed upload out of `files/`: into the trash with a note, or for ever.

        Args:
            record: of the image that was removed and was the last one with these bytes.
            purge: delete instead of keeping in the trash.
        """
        path = self.path(record.sha256)
        if purge:
            path.unlink(missing_ok=True)
            return
        self._trash.mkdir(exist_ok=True)
        note = {
            "image_id": record.image_id,
            "name": record.name,
            "sha256": record.sha256.hex(),
            "tags": list(record.tags),
            "removed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with (self._trash / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(note) + "\n")
            log.flush()
            os.fsync(log.fileno())
        if path.exists():
            path.rename(self._trash / path.name)

    def kept(self) -> Iterator[bytes]:
        """The sha256 of every file kept; leftovers of interrupted writes are passed over."""
        for path in sorted(self._files.glob("??/*")):
            if len(path.name) == 64 and not path.suffix:
                yield bytes.fromhex(path.name)


def has_upload(records: Records, sha256: bytes) -> bool:
    """Whether any image is an upload of these bytes."""
    return any(record.is_upload for record in records.images(records.same_file(sha256)).values())


def file_problems(records: Records, kept: KeptFiles, *, deep: bool) -> Iterator[Problem]:
    """Pictures that are gone or have changed, and kept files that belong to no image.

    Args:
        records: of the library.
        kept: its own files.
        deep: compare sizes too, not only whether the files are there.

    Yields:
        One problem per file.
    """
    after = -1
    while page := records.list_images(after=after, limit=1000):
        for record in page:
            yield from _problems_of(record, kept, deep)
        after = page[-1].image_id
    for sha256 in kept.kept():
        if not has_upload(records, sha256):
            yield Problem("file_orphan", "files", f"{kept.path(sha256)} belongs to no image")


def _problems_of(record: ImageRecord, kept: KeptFiles, deep: bool) -> Iterator[Problem]:
    if record.state is not ImageState.PRESENT:
        return
    path = kept.path(record.sha256) if record.is_upload else Path(record.path or "")
    if not path.is_file():
        message = f"{path} is gone; run `ambience add` on its folder, or remove image {record.image_id}"
        yield Problem("file_missing", "files", message, record.image_id)
    elif deep and path.stat().st_size != record.size:
        message = f"{path} has changed since it was added; run `ambience add` on its folder"
        yield Problem("file_changed", "files", message, record.image_id)


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
