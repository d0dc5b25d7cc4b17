"""Snapshots of one index on disk: written beside, synced, renamed; verified when they are opened.

`<folder>/<seq>/` holds the engine's files and `manifest.json`: {kind, fingerprint, engine, seq, sha256 of
each file}. A folder of that form is whole: whatever was cut off bears another name. Older ones are unlinked
while other processes may still have them mapped, which is harmless on POSIX systems.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ambience.errors import IndexFileError, StoreFullError
from ambience.store.disk_full import is_disk_full
from ambience.store.sync import sync

MANIFEST = "manifest.json"
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

    def problems(self, snapshot: Snapshot) -> Iterator[str]:
        """What differs from the manifest, by reading every byte.

        Yields:
            One sentence per difference.

        Raises:
            IndexFileError: there is no readable manifest.
        """
        manifest = self._manifest(snapshot)
        if manifest.get("seq") != snapshot.seq:
            yield f"the manifest of {snapshot.folder} says seq {manifest.get('seq')!r}"
        expected = manifest["files"]
        for name in sorted(set(expected) | set(_names(snapshot.folder))):
            if name not in expected:
                yield f"{snapshot.folder / name} belongs to no snapshot"
                continue
            try:
                found = _sha256(snapshot.folder / name)
            except OSError as exc:
                yield f"{snapshot.folder / name} cannot be read: {exc.strerror}"
                continue
            if found != expected[name]:
                yield f"{snapshot.folder / name} is not as it was written (its sha256 differs)"

    def verify(self, snapshot: Snapshot) -> None:
        """Reads every byte of a snapshot.

        Raises:
            IndexFileError: something is not as it was written.
        """
        for problem in self.problems(snapshot):
            raise IndexFileError(problem)

    def stage(self, save: Callable[[Path], None]) -> Path:
        """Lets the engine write into a new folder that is no snapshot yet.

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

    def publish(self, staged: Path, seq: int) -> Snapshot:
        """Makes a staged folder the newest snapshot, durably.

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
            for name in names:
                sync(staged / name)
            manifest = {
                **self._identity,
                "seq": seq,
                "files": {name: _sha256(staged / name) for name in names},
            }
            (staged / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            sync(staged / MANIFEST)
            for folder in {(staged / name).parent for name in names} | {staged}:
                sync(folder)
            staged.rename(target)
            sync(self.folder)
        return Snapshot(target, seq, turn)

    def keep_only(self, kept: Snapshot | None) -> None:
        """Removes all other snapshots and whatever was cut off while it was written."""
        with contextlib.suppress(FileNotFoundError):
            for each in list(self.folder.iterdir()):
                if each.is_dir() and (kept is None or each != kept.folder):
                    shutil.rmtree(each, ignore_errors=True)

    def _manifest(self, snapshot: Snapshot) -> dict[str, Any]:
        file = snapshot.folder / MANIFEST
        try:
            manifest = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as exc:
            raise IndexFileError(f"{file} cannot be read: {exc}") from exc
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            raise IndexFileError(f"{file} is no manifest of a snapshot")
        return manifest


def _names(folder: Path) -> list[str]:
    """Files below a folder, relative, without the manifest."""
    files = (each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    return sorted(name for name in files if name != MANIFEST)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


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
