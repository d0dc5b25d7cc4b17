"""Snapshots of one index on disk: written beside, synced, renamed; verified when they are opened.

`<folder>/<seq>/` holds the engine's files and `manifest.json`: {kind, fingerprint, engine, seq, sha256 and
size of each file}. A folder of that form is whole: whatever was cut off bears another name. Older ones are
unlinked while other processes may still have them mapped, which is harmless on POSIX systems. Files that two
snapshots share are one file with two names: nobody writes into a file of a snapshot.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambience.errors import IndexFileError, StoreFullError
from ambience.store.disk_full import is_disk_full
from ambience.store.sync import sync

MANIFEST = "manifest.json"
BUILDING = "building"
"""Folder beside the snapshots in which an index is kept while it is made."""
SMALL_BYTES = 64 * 2**20
"""Files up to this size are read and verified when a snapshot is opened: about a tenth of a second."""
_PIECE = 4 * 2**20
_NAME = re.compile(r"(\d+)(?:\.(\d+))?")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that was found; nothing is said about its content.

    Attributes:
        folder: where.
        seq: change number up to which it holds everything.
        turn: 0, or counts up where an index was made anew without a change.
    """

    folder: Path
    seq: int
    turn: int = 0


class SnapshotFolder:
    """The snapshots of one fingerprint."""

    def __init__(self, folder: Path, *, kind: str, fingerprint: str, engine: str) -> None:
        self.folder = folder
        self._identity = {"kind": kind, "fingerprint": fingerprint, "engine": engine}

    def found(self) -> list[Snapshot]:
        """What is there, newest first."""
        with contextlib.suppress(FileNotFoundError):
            matches = [(each, _NAME.fullmatch(each.name)) for each in self.folder.iterdir() if each.is_dir()]
            snapshots = [Snapshot(each, int(name[1]), int(name[2] or 0)) for each, name in matches if name]
            return sorted(snapshots, key=lambda each: (each.seq, each.turn), reverse=True)
        return []

    def is_ours(self, snapshot: Snapshot) -> bool:
        """Whether a snapshot was made by this engine for this fingerprint, as far as its manifest says."""
        manifest = self._manifest(snapshot)
        return all(manifest.get(name) == value for name, value in self._identity.items())

    def problems(
        self, snapshot: Snapshot, *, most_bytes: int | None = None, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """What differs from the manifest, by reading every byte, or those of small files and all sizes.

        Args:
            snapshot: which.
            most_bytes: larger files are not read; only their size is compared.
            stop: ends it early.

        Yields:
            One sentence per difference.

        Raises:
            IndexFileError: there is no readable manifest, or no folder any more.
        """
        manifest = self._manifest(snapshot)
        try:
            names = _names(snapshot.folder)
        except OSError as exc:
            raise IndexFileError(f"{snapshot.folder} cannot be read: {exc.strerror}") from exc
        if manifest.get("seq") != snapshot.seq:
            yield f"the manifest of {snapshot.folder} says seq {manifest.get('seq')!r}"
        expected, sizes = manifest["files"], manifest.get("sizes", {})
        for name in sorted(set(expected) | set(names)):
            if name not in expected:
                yield f"{snapshot.folder / name} belongs to no snapshot"
                continue
            if problem := _difference(
                snapshot.folder / name, expected[name], sizes.get(name), most_bytes, stop or threading.Event()
            ):
                yield problem

    def verify(self, snapshot: Snapshot) -> bool:
        """Reads what is read quickly of a snapshot: every byte of small files, and the sizes of large ones.

        Returns:
            Whether that was everything; else `problems` should be asked, in the background.

        Raises:
            IndexFileError: something is not as it was written.
        """
        for problem in self.problems(snapshot, most_bytes=SMALL_BYTES):
            raise IndexFileError(problem)
        sizes = self._manifest(snapshot).get("sizes", {})
        return all(size <= SMALL_BYTES for size in sizes.values())

    def stage(self, save: Callable[[Path], None]) -> Path:
        """Lets the engine write into a new folder that is no snapshot yet.

        Args:
            save: writes; it may link files of an earlier snapshot.

        Returns:
            The folder, for `publish`.

        Raises:
            StoreFullError: the disk is full.
        """
        staged = self.folder / f"writing-{os.getpid()}"
        with _disk_errors(staged):
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(parents=True)
            save(staged)
        return staged

    def publish(self, staged: Path, seq: int, *, previous: Path | None = None) -> Snapshot:
        """Makes a staged folder the newest snapshot, durably.

        Args:
            staged: of `stage`.
            seq: change number up to which it holds everything.
            previous: snapshot whose files may have been linked; those are neither synced nor read again.

        Returns:
            What was published.

        Raises:
            StoreFullError: the disk is full; older snapshots are untouched.
        """
        turns = [each.turn for each in self.found() if each.seq == seq]
        turn = max(turns) + 1 if turns else 0
        target = self.folder / (f"{seq:012d}.{turn}" if turn else f"{seq:012d}")
        with _disk_errors(staged):
            names = _names(staged)
            shared = self._shared(staged, names, previous)
            for name in names:
                if name not in shared:
                    sync(staged / name)
            manifest = {
                **self._identity,
                "seq": seq,
                "files": {name: shared.get(name) or _sha256(staged / name) for name in names},
                "sizes": {name: (staged / name).stat().st_size for name in names},
            }
            (staged / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            sync(staged / MANIFEST)
            for folder in {(staged / name).parent for name in names} | {staged}:
                sync(folder)
            staged.rename(target)
            sync(self.folder)
        return Snapshot(target, seq, turn)

    def _shared(self, staged: Path, names: list[str], previous: Path | None) -> dict[str, str]:
        """sha256 of the files that are those of an earlier snapshot, by name; from its manifest."""
        if previous is None:
            return {}
        with contextlib.suppress(OSError, IndexFileError):
            known = self._manifest(Snapshot(previous, 0))["files"]
            return {
                name: known[name]
                for name in names
                if name in known and (previous / name).samefile(staged / name)
            }
        return {}

    def keep_only(self, kept: Snapshot | None) -> None:
        """Removes all other snapshots and whatever was cut off while it was written; not what is building."""
        with contextlib.suppress(FileNotFoundError):
            for each in list(self.folder.iterdir()):
                if each.is_dir() and each.name != BUILDING and (kept is None or each != kept.folder):
                    _remove(each)

    def _manifest(self, snapshot: Snapshot) -> dict[str, Any]:
        file = snapshot.folder / MANIFEST
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as exc:
            raise IndexFileError(f"{file} cannot be read: {exc}") from exc
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            raise IndexFileError(f"{file} is no manifest of a snapshot")
        return manifest


def _remove(folder: Path) -> None:
    """Removes a folder; a snapshot loses its name first, so that nobody meets it with half of its files."""
    if _NAME.fullmatch(folder.name):
        with contextlib.suppress(OSError):
            folder = folder.rename(folder.with_name(f"removing-{folder.name}"))
    shutil.rmtree(folder, ignore_errors=True)


def _names(folder: Path) -> list[str]:
    """Files below a folder, relative, without the manifest."""
    files = (each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    return sorted(name for name in files if name != MANIFEST)


def _difference(file: Path, sha256: Any, size: Any, most_bytes: int | None, stop: threading.Event) -> str:
    """What is wrong with a file of a snapshot; "" where nothing is, or `stop` cut the reading off."""
    try:
        length = file.stat().st_size
        if size is not None and length != size:
            return f"{file} has {length} bytes; {size} were written"
        if most_bytes is not None and size is not None and length > most_bytes:
            return ""
        found = _sha256(file, stop)
    except OSError as exc:
        return f"{file} cannot be read: {exc.strerror}"
    return "" if found in (sha256, "") else f"{file} is not as it was written (its sha256 differs)"


def _sha256(file: Path, stop: threading.Event | None = None) -> str:
    """Hexadecimal; "" where `stop` ended it."""
    digest = hashlib.sha256()
    with file.open("rb", buffering=0) as opened:
        while piece := opened.read(_PIECE):
            if stop is not None and stop.is_set():
                return ""
            digest.update(piece)
    return digest.hexdigest()


@contextlib.contextmanager
def _disk_errors(staged: Path) -> Iterator[None]:
    """Errors of the disk as ours; what was half written is removed."""
    try:
        yield
    except OSError as exc:
        shutil.rmtree(staged, ignore_errors=True)
        if is_disk_full(exc) or exc.errno is None:  # NumPy reports a write that the disk cut short so
            raise StoreFullError(
                f"the disk is full: no snapshot in {staged.parent}; free some space. Nothing is lost: "
                "an index is made from the store at any time"
            ) from exc
        raise IndexFileError(f"cannot write a snapshot in {staged.parent}: {exc}") from exc
