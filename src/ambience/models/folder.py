"""Where the weights of models lie on this machine: one folder a model, named after its row, or a package.

A file is checked before it is used: its size and sha256 are those of its row, or those recorded when it was
first installed.
"""

import contextlib
import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import platformdirs

from ambience.errors import CorruptModelError, InstallError, MissingModelError
from ambience.models.installed import NAME, Installed, read_installed, sha256_of, write_installed
from ambience.models.row import ModelFile, ModelRow

PART_SUFFIX, NOTE_SUFFIX = ".part", ".part.json"
"""Of a file that is still coming, and of what is known of where it comes from."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of all models.

    Attributes:
        root: of it; `models` in the platform's data folder where None was given.
    """

    root: Path

    @classmethod
    def at(cls, root: Path | None) -> "ModelFolder":
        """The folder that the settings name, or the platform's."""
        return cls(root or Path(platformdirs.user_data_dir("ambience", appauthor=False)) / "models")

    def folder(self, row: ModelRow) -> Path:
        """The folder of one model."""
        return self.root / row.name

    def place(self, row: ModelRow, file: ModelFile) -> Path:
        """Where a file of a model belongs.

        Returns:
            A path in the model's folder, or in the Python package that carries the file.

        Raises:
            MissingModelError: that package is not installed.
        """
        return _place_in_package(row, file) if file.package else self.folder(row) / file.name

    def is_installed(self, row: ModelRow) -> bool:
        """Whether every file of a model is there, in its size.

        Returns:
            True also where a file holds something else; only `files` and `verify` read them.
        """
        try:
            for file in row.files:
                _check_size(row, file, self.place(row, file))
        except (MissingModelError, CorruptModelError):
            return False
        return True

    def files(self, row: ModelRow) -> tuple[Path, ...]:
        """The files of a model, checked; one that was checked before and is untouched is not read again.

        Returns:
            Paths, in the order of the row.

        Raises:
            MissingModelError: one of them is not there.
            CorruptModelError: one of them is not the one that is meant.
        """
        return tuple(self.check(row, file) for file in row.files)

    def verify(self, row: ModelRow, on_bytes: Callable[[int], None] = lambda count: None) -> None:
        """Reads every file of a model and compares its size and sha256.

        Args:
            row: of the model.
            on_bytes: told of every part that was read.

        Raises:
            MissingModelError: a file is not there.
            CorruptModelError: a file is not the one that is meant.
        """
        for file in row.files:
            self.check(row, file, anew=True, on_bytes=on_bytes)

    def expected_sha256(self, row: ModelRow, file: ModelFile) -> str | None:
        """What a file must have: as its row states it, else as it was first installed; None where unknown."""
        if file.sha256 is not None:
            return file.sha256
        recorded = read_installed(self.folder(row)).get(file.name)
        return recorded.sha256 if recorded is not None else None

    def record(self, row: ModelRow, file: ModelFile, sha256: str, source: str) -> None:
        """Remembers a file that is in its place and was checked.

        Args:
            row: of the model.
            file: of it.
            sha256: that it has.
            source: address or folder that it came from; "" where it was put there by hand.

        Raises:
            OSError: the folder cannot be written.
        """
        folder, found = self.folder(row), self.place(row, file).stat()
        files = read_installed(folder)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        made = Installed(sha256, found.st_size, found.st_mtime_ns, source, now)
        before = files.get(file.name)
        if before is not None and before.sha256 == sha256 and not source:
            made = replace(before, size=found.st_size, mtime_ns=found.st_mtime_ns)
        write_installed(folder, files | {file.name: made})

    def remove(self, row: ModelRow) -> int:
        """Deletes the files of a model, also those that came in part; the record of their sha256 stays.

        Returns:
            Bytes that were freed.

        Raises:
            InstallError: it comes with Python packages, or a file cannot be deleted.
        """
        if carrier := next((file.package for file in row.files if file.package), None):
            raise InstallError(
                f"{row.name} comes with the Python package {_distribution(carrier)}, which Ambience "
                "requires, so it cannot be removed by itself. Its kinds are switched off by "
                "kinds.<kind>.enabled = false"
            )
        folder, freed = self.folder(row), 0
        try:
            for file in row.files:
                place = self.place(row, file)
                for each in (place, part_of(place), note_of(place)):
                    if each.is_file():
                        freed += each.stat().st_size
                        each.unlink()
                _remove_empty(place.parent, folder)
            _remove_empty(folder, self.root)
        except OSError as exc:
            raise InstallError(f"{row.name} is not wholly removed from {folder}: {exc}") from exc
        return freed

    def check(
        self,
        row: ModelRow,
        file: ModelFile,
        *,
        anew: bool = False,
        on_bytes: Callable[[int], None] = lambda count: None,
    ) -> Path:
        """Checks one file of a model.

        Args:
            row: of the model.
            file: of it.
            anew: whether one that was checked before and is untouched is read again.
            on_bytes: told of every part that was read.

        Returns:
            Where it is.

        Raises:
            MissingModelError: it is not there.
            CorruptModelError: it is not the one that is meant.
        """
        place = self.place(row, file)
        _check_size(row, file, place)
        record = None if file.package else read_installed(self.folder(row)).get(file.name)
        expected = file.sha256 or (record.sha256 if record is not None else None)
        is_known = record is not None and record.sha256 == expected and record.is_untouched(place)
        if expected is None or (is_known and not anew):
            return place
        found = sha256_of(place, on_bytes)
        if found != expected:
            raise CorruptModelError(_another(row, file, place, found, expected))
        if not file.package and not is_known:
            with contextlib.suppress(OSError):  # a folder that cannot be written costs time, no more
                self.record(row, file, found, "")
        return place


def part_of(place: Path) -> Path:
    """Where a file lies while it is still coming."""
    return place.with_name(place.name + PART_SUFFIX)


def note_of(place: Path) -> Path:
    """Where is written what a file that is still coming is a part of."""
    return place.with_name(place.name + NOTE_SUFFIX)


def _check_size(row: ModelRow, file: ModelFile, place: Path) -> None:
    if not place.is_file():
        raise MissingModelError(_how_to_get(row, place))
    size = place.stat().st_size
    if file.is_size_exact and size != file.size:
        raise CorruptModelError(
            f"{place} has {size:,} bytes, and {file.size:,} are expected: it is cut off or another file. "
            f"{_again(row, file)}"
        )


def _another(row: ModelRow, file: ModelFile, place: Path, found: str, expected: str) -> str:
    whose = "" if file.sha256 else f", as {NAME} beside it recorded when it was first installed"
    return (
        f"{place} has sha256 {found}, and {expected} is expected{whose}: it is broken, cut off or another "
        f"file. {_again(row, file)}"
    )


def _again(row: ModelRow, file: ModelFile) -> str:
    if file.package:
        name = _distribution(file.package)
        return f"Install its package again: python -m pip install --force-reinstall {name}"
    return f"To fetch it again: ambience models install {row.name}"


def _how_to_get(row: ModelRow, place: Path) -> str:
    size = f"{'' if row.is_size_exact else 'about '}{row.size / 1e6:,.1f} MB"
    if row.made_by:
        return (
            f"the model {row.name} is not installed: {place} is missing. Nobody publishes its files; make "
            f"them once ({size}, licence {row.licence}): {row.made_by}, then: ambience models install "
            f"{row.name} --from DIR"
        )
    return (
        f"the model {row.name} is not installed: {place} is missing. To install it ({size}, licence "
        f"{row.licence}, from {row.source}): ambience models install {row.name}. Without a network add "
        "--from DIR, a folder that holds its files; models.folder names the folder of all models"
    )


def _place_in_package(row: ModelRow, file: ModelFile) -> Path:
    """A file beside the modules of a package, found without importing it."""
    spec = importlib.util.find_spec(file.package)
    locations = list(spec.submodule_search_locations or []) if spec is not None else []
    if not locations:
        project = file.package.replace("_", "-")
        raise MissingModelError(
            f"the weights of the model {row.name} are not here: {file.name} ({file.size / 1e6:.1f} MB, "
            f"licence {row.licence}) comes with the package {project}, which Ambience needs: python -m pip "
            f"install --force-reinstall --no-deps {project}"
        )
    return Path(locations[0]) / file.name


def _distribution(package: str) -> str:
    """The name by which pip knows an import package."""
    return importlib.metadata.packages_distributions().get(package, [package])[0]


def _remove_empty(folder: Path, above: Path) -> None:
    """Removes a folder and those around it up to `above`, as long as they are empty."""
    while folder != above and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
