"""Pictures as a caller has them, on their way into a form."""

import contextlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from ambience.errors import QueryError

Picture = bytes | Path | str
"""The bytes of a picture file, or where the file is (as a path, or its name)."""

Region = tuple[float, float, float, float]
"""Left, top, width and height as shares (0–1) of an upright picture's sides."""

FormFile = tuple[str, IO[bytes], str]


@dataclass(frozen=True, slots=True)
class NewImage:
    """A picture to add, and what is said of it.

    Attributes:
        picture: bytes or a file.
        name: what people call it; the file's name by default.
        image_id: its id; the next one by default.
        tags: given by people.
    """

    picture: Picture
    name: str | None = None
    image_id: int | None = None
    tags: Sequence[str] = ()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.picture) if isinstance(self.picture, bytes) else Path(self.picture).stat().st_size


@dataclass(frozen=True, slots=True)
class Part:
    """One term of a question: exactly one of text, a stored image, a picture, and its address.

    Attributes:
        text: words.
        image_id: an image of the library.
        picture: bytes or a file.
        url: address of a picture, which the server fetches.
        weight: how much it counts; below 0: what shall not be found.
        region: the only part of the picture to ask with.
    """

    text: str | None = None
    image_id: int | None = None
    picture: Picture | None = None
    url: str | None = None
    weight: float = 1.0
    region: Region | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """A form: its fields, and pictures by the names of theirs."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)

    @contextlib.contextmanager
    def opened(self) -> Iterator[dict[str, FormFile]]:
        """The files of the pictures, from their beginning.

        Yields:
            By field: name, stream, media type.

        Raises:
            QueryError: a file cannot be read.
        """
        with contextlib.ExitStack() as stack:
            yield {name: _opened(picture, stack) for name, picture in self.pictures.items()}


def name_of(picture: Picture) -> str:
    """The name of a picture's file; "" of bytes."""
    return "" if isinstance(picture, bytes) else Path(picture).name


def _opened(picture: Picture, stack: contextlib.ExitStack) -> FormFile:
    if isinstance(picture, bytes):
        return ("picture", io.BytesIO(picture), "application/octet-stream")
    try:
        file = Path(picture).open("rb")  # noqa: SIM115 - the stack closes it
    except OSError as exc:
        raise QueryError(f"cannot read {picture}: {exc.strerror or exc}") from exc
    return (Path(picture).name, stack.enter_context(file), "application/octet-stream")
