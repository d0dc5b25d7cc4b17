"""Pictures of which only features are kept, until the services of all their kinds have got them."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from ambience.errors import StoreError
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.sync import sync

LOCKS = 64


class Outbox:
    """Bytes by image, in a folder of the library; threads may share it.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        self._library = folder
        self._folder = folder / "outbox"
        self._locks = [threading.Lock() for _ in range(LOCKS)]

    @contextlib.contextmanager
    def holding(self, image_id: int) -> Iterator[None]:
        """Keeps others from deciding about the bytes of an image.

        Yields:
            Nothing.
        """
        with self._locks[image_id % LOCKS]:
            yield

    def put(self, image_id: int, data: bytes) -> None:
        """Keeps bytes: written beside, synced, renamed; durable when it returns.

        Raises:
            StoreFullError: the disk is full; nothing is left behind.
            StoreError: they cannot be written for another reason.
        """
        path = self._path(image_id)
        partial = path.with_suffix(".partial")
        try:
            self._folder.mkdir(exist_ok=True)
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(path)
            sync(self._folder)
        except OSError as exc:
            with contextlib.suppress(OSError):
                partial.unlink()
            if is_disk_full(exc):
                raise disk_full(self._library, exc) from exc
            raise StoreError(f"{path}: cannot be written: {exc.strerror}") from exc

    def read(self, image_id: int) -> bytes | None:
        """The bytes of an image; None where none are kept."""
        try:
            return self._path(image_id).read_bytes()
        except FileNotFoundError:
            return None

    def discard(self, image_id: int) -> None:
        """Deletes the bytes of an image, if there are any."""
        with contextlib.suppress(OSError):  # what is left is deleted at the next start
            self._path(image_id).unlink(missing_ok=True)

    def held(self) -> list[int]:
        """Images whose bytes are kept; files that a killed process did not finish are deleted.

        Returns:
            Their ids, ascending.
        """
        found = []
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name.isdigit():
                found.append(int(path.name))
            else:
                path.unlink(missing_ok=True)
        return sorted(found)

    def _path(self, image_id: int) -> Path:
        return self._folder / str(image_id)
