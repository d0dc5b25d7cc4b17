"""Bytes that the library keeps itself: uploads under `files/` by sha256, and what was removed under `trash/`.

Added folders are referenced in place and never written to; only uploads live here. Several images may share
one file, since they have the same bytes: whoever decides whether a file is still needed holds its lock
(`KeptFiles.holding`) until that decision is carried out.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ambience.datatypes import ImageRecord
from ambience.errors import StoreError, UnknownImageError
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.records import Records

_TWO_DIGITS, _SHA256 = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{64}")

LOCKS = 64
"""Uploads whose sha256 begin differently rarely wait for each other, and share commits."""


def upload_path(folder: Path, sha256: bytes) -> Path:
    """Where a library keeps uploaded bytes of this sha256, or would keep them."""
    name = sha256.hex()
    return folder / "files" / name[:2] / name


def own_bytes(folder: Path) -> int:
    """Bytes of what a library writes beside uploads and trash: records, features, snapshots of indexes.

    Returns:
        Cheap: these are few files, however many pictures there are.
    """
    patterns = ("records.*", "features*/data.mdb", "index/*/*/*", "index/*/*/*/*")
    found = 0
    for pattern in patterns:
        for path in folder.glob(pattern):
            with contextlib.suppress(FileNotFoundError):  # a snapshot that is being replaced
                found += path.stat().st_size if path.is_file() else 0
    return found


class KeptFiles:
    """The library's own files; threads may share it, and one library has one.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = folder / "files"
        self._unfinished = folder / "files" / "unfinished"
        self._trash = folder / "trash"
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._logging = threading.Lock()

    def path(self, sha256: bytes) -> Path:
        """Where bytes of this sha256 are, or would be."""
        return upload_path(self._folder, sha256)

    def holding(self, sha256: bytes) -> threading.Lock:
        """The lock that guards the file of these bytes; a context manager.

        Held from `put` to the commit of its row, and from the commit of a removal to `discard`: otherwise the
        file could go while a new image comes to refer to it.
        """
        return self._locks[sha256[0] % LOCKS]

    def put(self, sha256: bytes, data: bytes) -> bool:
        """Keeps bytes: written beside, synced, renamed; durable when it returns.

        Args:
            sha256: 32 raw bytes, of `data`.
            data: the bytes of a picture file.

        Returns:
            Whether they were not there before, or not unharmed.

        Raises:
            StoreFullError: the disk is full; nothing is left behind.
            StoreError: they cannot be written for another reason.
        """
        path = self.path(sha256)
        partial = self._unfinished / path.name
        try:
            if path.is_file() and path.read_bytes() == data:
                return False
            for folder in (path.parent, self._unfinished):
                folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            for folder in (path.parent, self._files, self._folder):
                _sync_folder(folder)
        except OSError as exc:
            with contextlib.suppress(OSError):
                partial.unlink()
            if is_disk_full(exc):
                raise disk_full(self._files, exc) from exc
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

        Raises:
            StoreError: they cannot be moved; they are an orphan then, which `check` names.
        """
        note = {"image_id": record.image_id, "name": record.name, "tags": list(record.tags)}
        self._take_out(record.sha256, note, purge=purge)

    def sweep_unfinished(self) -> None:
        """Deletes what a killed writer had not finished writing; nobody may be writing now."""
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def sweep_orphans(self, records: Records) -> int:
        """Moves files that belong to no image to the trash: a crash came between a file and its row.

        Returns:
            How many were moved.

        Raises:
            StoreError: one cannot be moved.
        """
        swept = 0
        for sha256 in self.kept():
            with self.holding(sha256):
                if not records.uploaded([sha256]):
                    self._take_out(sha256, {"name": "belonged to no image"}, purge=False)
                    swept += 1
        return swept

    def kept(self) -> Iterator[bytes]:
        """The sha256 of every file kept, ascending.

        Yields:
            32 raw bytes; files of other names are passed over.
        """
        with contextlib.suppress(FileNotFoundError):
            for folder in sorted(self._files.iterdir()):
                if _TWO_DIGITS.fullmatch(folder.name):
                    for name in sorted(each.name for each in folder.iterdir()):
                        if _SHA256.fullmatch(name):
                            yield bytes.fromhex(name)

    def is_sound(self, sha256: bytes) -> bool:
        """Whether the bytes kept under a sha256 have that sha256.

        Raises:
            OSError: they cannot be read.
        """
        with self.path(sha256).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == sha256

    def _take_out(self, sha256: bytes, note: dict[str, object], *, purge: bool) -> None:
        path = self.path(sha256)
        try:
            if purge:
                path.unlink(missing_ok=True)
                return
            self._trash.mkdir(exist_ok=True)
            line = {
                **note,
                "sha256": sha256.hex(),
                "removed_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            with self._logging, (self._trash / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
                log.flush()
                os.fsync(log.fileno())
            if path.exists():
                path.rename(self._trash / path.name)
        except OSError as exc:
            if is_disk_full(exc):
                raise disk_full(self._trash, exc) from exc
            raise StoreError(f"{path}: cannot be moved to {self._trash}: {exc.strerror}") from exc


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` survive power loss."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
