"""What is known of the files of a model on this machine: `installed.json` beside them.

It holds the sha256 of every file as it was first installed, to which later installs are held where nobody
else states one, and size and time of the file when that was last checked, so that a file of a gigabyte is not
read anew at every start. It outlives the files: `remove` leaves it.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ambience.errors import CorruptModelError

NAME = "installed.json"
CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Installed:
    """One file, as it was when it was checked.

    Attributes:
        sha256: lower-case hexadecimal.
        size: bytes.
        mtime_ns: its time of change, in nanoseconds; 0 once it is removed.
        source: address or folder that it came from; "" where it was put there by hand.
        installed_at: ISO 8601, UTC.
    """

    sha256: str
    size: int
    mtime_ns: int
    source: str
    installed_at: str

    def is_untouched(self, place: Path) -> bool:
        """Whether the file is, by size and time, the one that was checked."""
        found = place.stat()
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


def read_installed(folder: Path) -> dict[str, Installed]:
    """What is recorded of a model.

    Args:
        folder: of the model.

    Returns:
        By name of the file; empty where nothing is recorded.

    Raises:
        CorruptModelError: the record is broken; what it held models to is not forgotten silently.
    """
    try:
        document = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return {str(name): _entry(facts) for name, facts in document["files"].items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise CorruptModelError(
            f"{folder / NAME} cannot be read ({exc}); it records the sha256 of the files as first installed. "
            "Delete it to take the files as they are, or as they come next"
        ) from exc


def _entry(facts: Mapping[str, Any]) -> Installed:
    return Installed(
        sha256=str(facts["sha256"]),
        size=int(facts["size"]),
        mtime_ns=int(facts["mtime_ns"]),
        source=str(facts["source"]),
        installed_at=str(facts["installed_at"]),
    )


def write_installed(folder: Path, files: Mapping[str, Installed]) -> None:
    """Records what is known of a model: written beside, synced and renamed.

    Args:
        folder: of the model.
        files: by name.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    document = {"format": 1, "files": {name: asdict(entry) for name, entry in sorted(files.items())}}
    descriptor, name = tempfile.mkstemp(prefix=f"{NAME}.", dir=folder)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(document, opened, indent=2)
            opened.write("\n")
            sync_file(opened.fileno())
        beside.replace(folder / NAME)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def sha256_of(place: Path, on_bytes: Callable[[int], None] = lambda count: None) -> str:
    """The digest of a file.

    Args:
        place: of the file.
        on_bytes: told of every part that was read.

    Returns:
        Lower-case hexadecimal.
    """
    digest = hashlib.sha256()
    with place.open("rb") as opened:
        while part := opened.read(CHUNK):
            digest.update(part)
            on_bytes(len(part))
    return digest.hexdigest()


def sync_file(descriptor: int) -> None:
    """Waits until what was written to an open file is safe on disk."""
    os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are safe on disk, where its file system can say so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems sync no folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
