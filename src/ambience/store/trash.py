"""The trash of a library: files of pictures that people put away, and the way back of each.

`trash/undo.jsonl` says of every picture what it was and how far it is; a line is on disk before what it tells
of is done. Files lie beside it as `trash/<date>/<entry>-<name>`; bytes of uploads as `trash/<sha256>`, where
those of every removed upload go.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ambience.copies import Trashed
from ambience.errors import StoreError
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.sync import sync

JOURNAL = "undo.jsonl"
LONGEST_NAME = 200
"""Bytes of a name in the trash; what is longer loses its beginning. File systems take 255."""


_log = logging.getLogger(__name__)


class Stage(StrEnum):
    """How far a picture is."""

    GOING = "going"
    """It is on its way into the trash."""
    IN = "in"
    """It is there."""
    COMING = "coming"
    """It is on its way back."""
    OUT = "out"
    """It is not, or no longer, in the trash."""


class Trash:
    """Moves files out of the way and back; threads may share it, one writer of a library has one.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._library = folder
        self._folder = folder / "trash"
        self._journal = self._folder / JOURNAL
        self._lock = threading.RLock()
        self._known: tuple[object, dict[int, tuple[Trashed, Stage]], int] | None = None

    # --- the journal --------------------------------------------------------------------------------------

    def entries(self) -> list[Trashed]:
        """What is in the trash, by rising number."""
        with self._lock:
            return [each for each, stage in self._read().values() if stage is Stage.IN]

    def unfinished(self) -> list[tuple[Trashed, Stage]]:
        """What was on its way when a writer was killed."""
        with self._lock:
            return [(each, stage) for each, stage in self._read().values() if stage in _MOVING]

    def next_entry(self) -> int:
        """The number that the next picture gets."""
        with self._lock:
            self._read()
            assert self._known is not None
            return self._known[2] + 1

    def note(self, trashed: Trashed, stage: Stage) -> None:
        """Notes how far a picture is; durable when it returns.

        Raises:
            StoreFullError: the disk is full; nothing was noted.
            StoreError: it cannot be written for another reason.
        """
        said: dict[str, Any] = {"entry": trashed.entry, "stage": stage.value}
        if stage is Stage.GOING:
            said |= _document(trashed)
        line = json.dumps(said).encode("ascii") + b"\n"
        with self._lock, self._writing():
            known = self._read()
            is_new = not self._journal.exists()
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._journal.open("r+b" if not is_new else "x+b") as file:
                end = file.seek(0, os.SEEK_END)
                if end and not _ends_a_line(file, end):
                    line = b"\n" + line  # what a killed writer left is passed over
                file.seek(end)
                try:
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    with contextlib.suppress(OSError):
                        file.truncate(end)
                    raise
            if is_new:
                sync(self._folder)
                sync(self._library)
            known[trashed.entry] = (trashed, stage)
            self._known = self._stamp(), known, max(trashed.entry, self._known[2] if self._known else 0)

    def forget(self, gone: set[int]) -> None:
        """Takes entries out of the journal that are of no use any more, so that it does not grow for ever.

        Args:
            gone: entries whose files were deleted.

        Raises:
            StoreError: the journal cannot be written; the one before is good.
        """
        with self._lock, self._writing():
            known, last = self._read(), self.next_entry() - 1
            beside = self._journal.with_suffix(".partial")
            with beside.open("wb") as file:
                for entry, (trashed, stage) in known.items():
                    if entry in gone or stage is Stage.OUT:
                        continue
                    for each in dict.fromkeys((Stage.GOING, stage)):
                        said = {"entry": entry, "stage": each.value}
                        said |= _document(trashed) if each is Stage.GOING else {}
                        file.write(json.dumps(said).encode("ascii") + b"\n")
                if last:  # numbers are never given twice
                    file.write(json.dumps({"entry": last, "stage": "last"}).encode("ascii") + b"\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._journal)
            sync(self._folder)
            self._known = None

    def _read(self) -> dict[int, tuple[Trashed, Stage]]:
        stamp = self._stamp()
        if self._known is None or self._known[0] != stamp:
            known: dict[int, tuple[Trashed, Stage]] = {}
            last = 0
            for said in self._lines():
                try:
                    entry = int(said["entry"])
                    last = max(last, entry)
                    if said["stage"] == Stage.GOING:
                        known[entry] = (_trashed(said), Stage.GOING)
                    elif entry in known and said["stage"] in _STAGES:
                        known[entry] = (known[entry][0], Stage(said["stage"]))
                except (KeyError, TypeError, ValueError):
                    _log.warning("%s: a line that says nothing usable was passed over", self._journal)
            self._known = stamp, known, last
        return self._known[1]

    def _stamp(self) -> tuple[int, int] | None:
        try:
            told = self._journal.stat()
        except FileNotFoundError:
            return None
        return told.st_size, told.st_ino

    def _lines(self) -> Iterator[dict[str, Any]]:
        try:
            data = self._journal.read_bytes()
        except FileNotFoundError:
            return
        for line in data.split(b"\n"):
            # A line that was cut off by a kill tells of something that was not begun.
            with contextlib.suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and "entry" in said:
                    yield said

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            if is_disk_full(exc):
                raise disk_full(self._library, exc) from exc
            raise StoreError(f"{self._journal}: cannot be written: {exc.strerror}") from exc

    # --- the files ----------------------------------------------------------------------------------------

    def place(self, trashed: Trashed) -> Path:
        """Where the file of a picture lies in the trash, or would."""
        if trashed.path is None:
            return self._folder / trashed.sha256.hex()
        name = os.fsencode(Path(trashed.path).name)[-LONGEST_NAME:]
        day = trashed.trashed_at.date().isoformat()
        return self._folder / day / f"{trashed.entry}-{os.fsdecode(name)}"

    def move_in(self, trashed: Trashed) -> None:
        """Moves the file of a picture into the trash; durable when it returns.

        Raises:
            FileExistsError: something lies there already.
            OSError: it cannot be moved; it is where it was, and nothing is in the trash.
        """
        assert trashed.path is not None
        place = self.place(trashed)
        place.parent.mkdir(parents=True, exist_ok=True)
        sync(self._folder)
        _move(Path(trashed.path), place, trashed.sha256)

    def move_back(self, trashed: Trashed) -> None:
        """Moves the file of a picture back to where it was; durable when it returns.

        Raises:
            FileExistsError: something lies there by now.
            OSError: it cannot be moved; it is in the trash still.
        """
        assert trashed.path is not None
        target = Path(trashed.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        _move(self.place(trashed), target, trashed.sha256)

    def is_in(self, trashed: Trashed) -> bool:
        """Whether a file that was on its way into the trash has arrived.

        Returns:
            False where it was moved by halves; it is in its old place alone then.

        Raises:
            OSError: something cannot be read or deleted.
        """
        assert trashed.path is not None
        place = self.place(trashed)
        partial(place).unlink(missing_ok=True)
        if not os.path.lexists(trashed.path):
            return place.exists()
        place.unlink(missing_ok=True)  # it was linked or copied, and is in its old place still
        return False

    def is_back(self, trashed: Trashed) -> bool:
        """Whether a file that was on its way back is there; it is moved, or the move ended, where it can be.

        What lies in its place is never deleted.

        Returns:
            False where something else lies there; the file is in the trash then.

        Raises:
            OSError: something cannot be read, moved or deleted.
        """
        assert trashed.path is not None
        place, target = self.place(trashed), Path(trashed.path)
        with contextlib.suppress(OSError):
            partial(target).unlink()
        if not os.path.lexists(target):
            self.move_back(trashed)
        if not place.exists():
            return True
        if not target.is_file() or sha256_of(target) != trashed.sha256:
            return False
        self.delete(trashed)
        return True

    def delete(self, trashed: Trashed) -> None:
        """Deletes the file of a picture from the trash, for ever.

        Raises:
            OSError: it cannot be deleted.
        """
        place = self.place(trashed)
        place.unlink(missing_ok=True)
        partial(place).unlink(missing_ok=True)
        if trashed.path is not None:
            with contextlib.suppress(OSError):  # others of that day are there still
                place.parent.rmdir()


def sha256_of(path: Path) -> bytes:
    """The sha256 of a file, 32 bytes.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def partial(place: Path) -> Path:
    """Where a copy is made that is to be renamed to `place`."""
    # Of constant length: the name itself may be as long as names can be.
    return place.with_name(f".ambience-{hashlib.sha256(os.fsencode(place.name)).hexdigest()[:16]}.partial")


def _move(source: Path, target: Path, sha256: bytes) -> None:
    """Moves a file where nothing lies, across file systems as well.

    A link to the file is made and its old name taken away: unlike a rename, this never writes over what
    somebody else puts there in the meantime.

    Raises:
        OSError: it cannot be moved; it is where it was, and nothing of it is at `target`.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as exc:
        if exc.errno not in _NO_LINKS:
            raise
        _copy(source, target, sha256)
    try:
        sync(target.parent)
        source.unlink()
    except OSError:
        target.unlink()
        raise
    with contextlib.suppress(OSError):  # a loss of power may bring the old name back: the file is there twice
        sync(source.parent)


def _copy(source: Path, target: Path, sha256: bytes) -> None:
    beside = partial(target)
    try:
        shutil.copy2(source, beside)
        sync(beside)
        if sha256_of(beside) != sha256:
            raise OSError(errno.EIO, "the copy has other bytes")
        try:
            os.link(beside, target)
        except OSError as exc:
            if exc.errno not in _NO_LINKS:
                raise
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from exc
            beside.rename(target)
    finally:
        beside.unlink(missing_ok=True)


_MOVING = (Stage.GOING, Stage.COMING)
_STAGES = frozenset(Stage)
_NO_LINKS = (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""Across file systems, and on those that know no links (FAT, some shares)."""


def _ends_a_line(file: Any, end: int) -> bool:
    file.seek(end - 1)
    return bool(file.read(1) == b"\n")


def _document(trashed: Trashed) -> dict[str, Any]:
    said = {each.name: getattr(trashed, each.name) for each in fields(trashed)}
    return said | {"sha256": trashed.sha256.hex(), "trashed_at": trashed.trashed_at.isoformat()}


def _trashed(said: dict[str, Any]) -> Trashed:
    known = {each.name: said[each.name] for each in fields(Trashed) if each.name in said}
    made = Trashed(**known)
    return replace(
        made,
        sha256=bytes.fromhex(said["sha256"]),
        trashed_at=datetime.fromisoformat(said["trashed_at"]),
        tags=tuple(made.tags),
        imported_tags=tuple(made.imported_tags),
        given_tags=tuple(made.given_tags),
    )
