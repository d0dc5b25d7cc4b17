"""Bytes that the library keeps itself: uploads under `files/` by sha256, and what was removed under `trash/`.

Added folders are referenced in place and never written to; only uploads live here. Several images may share
one file, since they have the same bytes: whoever decides whether a file is still needed holds it
(`KeptFiles.holding`) until that decision is carried out. What is held has a mark under `files/unsettled/`, so
that a writer that was killed in between is found out when the library is opened again.
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
from ambience.store.sync import sync

_TWO_DIGITS, _SHA256 = re.compile("[0-9a-f]{2}"), re.compile("[0-9a-f]{64}")

_PURGE = "purge"
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
    found = [*folder.glob("records.*"), *folder.glob("features*/data.mdb")]
    # A snapshot may be replaced meanwhile: a walk passes over folders that are gone, a glob does not.
    for inner, _, names in os.walk(folder / "index"):
        found += [Path(inner) / name for name in names]
    total = 0
    for path in found:
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


class KeptFiles:
    """The library's own files; threads may share it, and one library has one.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = folder / "files"
        self._unsettled = folder / "files" / "unsettled"
        self._trash = folder / "trash"
        self._locks = [threading.Lock() for _ in range(LOCKS)]
        self._logging = threading.Lock()

    def path(self, sha256: bytes) -> Path:
        """Where bytes of this sha256 are, or would be."""
        return upload_path(self._folder, sha256)

    @contextlib.contextmanager
    def holding(self, sha256: bytes, *, purge: bool = False) -> Iterator[None]:
        """Keeps others from deciding about the file of these bytes.

        Held from `put` to the commit of its row, and from the commit of a removal to `discard`: otherwise the
        file could go while a new image comes to refer to it.

        Args:
            sha256: of the bytes.
            purge: whether the file, if no image has it in the end, is deleted and not moved to the trash.

        Yields:
            Nothing; the file is held inside.
        """
        mark = self._unsettled / sha256.hex()
        with self._lock(sha256):
            # On a full disk things can be removed as well; a kill then leaves an orphan, which `check` names.
            with contextlib.suppress(OSError):
                self._unsettled.mkdir(parents=True, exist_ok=True)
                mark.write_text(_PURGE if purge else "", encoding="ascii")
            try:
                yield
            finally:
                with contextlib.suppress(OSError):
                    mark.unlink()

    def settle(self, records: Records) -> None:
        """Carries out what a killed writer had decided; for the opening of a library for writing.

        Raises:
            StoreError: a file cannot be moved.
        """
        marks = sorted(self._unsettled.glob("*")) if self._unsettled.is_dir() else []
        for mark in marks:
            if _SHA256.fullmatch(mark.name):
                is_purge = mark.read_text(encoding="ascii", errors="replace") == _PURGE
                self._settle(bytes.fromhex(mark.name), records, purge=is_purge)
        shutil.rmtree(self._unsettled, ignore_errors=True)

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
        partial = self._unsettled / f"{path.name}.partial"
        try:
            if path.is_file() and path.read_bytes() == data:
                return False
            for folder in (path.parent, self._unsettled):
                folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            for folder in (path.parent, self._files, self._folder):
                sync(folder)
        except OSError as exc:
            with contextlib.suppress(OSError):
                partial.unlink()
            raise self._refused(exc, path) from exc
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

    def sweep_orphans(self, records: Records) -> int:
        """Moves files that belong to no image to the trash.

        Returns:
            How many were moved.

        Raises:
            StoreError: one cannot be moved.
        """
        return sum(self._settle(sha256, records, purge=False) for sha256 in self.kept())

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

    def is_orphan(self, sha256: bytes, records: Records) -> bool:
        """Whether a file is there and belongs to no image, and nobody here is deciding about it."""
        with self._lock(sha256):
            return self.path(sha256).exists() and not records.uploaded([sha256])

    def is_sound(self, sha256: bytes) -> bool:
        """Whether the bytes kept under a sha256 have that sha256.

        Raises:
            OSError: they cannot be read.
        """
        with self.path(sha256).open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == sha256

    def _lock(self, sha256: bytes) -> threading.Lock:
        return self._locks[sha256[0] % LOCKS]

    def _settle(self, sha256: bytes, records: Records, *, purge: bool) -> bool:
        with self._lock(sha256):
            is_orphan = self.path(sha256).exists() and not records.uploaded([sha256])
            if is_orphan:
                self._take_out(sha256, {"name": "belonged to no image"}, purge=purge)
        return is_orphan

    def _refused(self, exc: OSError, path: Path) -> StoreError:
        if is_disk_full(exc):
            return disk_full(self._folder, exc)
        return StoreError(f"{path}: cannot be written: {exc.strerror}")

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
            raise self._refused(exc, path) from exc
