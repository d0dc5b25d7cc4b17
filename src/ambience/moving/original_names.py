"""Which image a row of the original is: its name, its id here, and its picture where that is found."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ambience.errors import StoreError
from ambience.ingest.committer import id_from_name
from ambience.moving.import_report import Refusals
from ambience.moving.original_database import MAX_ORIGINAL_ID
from ambience.moving.original_source import OriginalSource

ONLINE = ".online"
"""How the original ended the names of pictures that came over HTTP: `7.online`."""

NAMES_DIFFER = (
    "services call this id by different names, as they do where each numbered the files by itself, so that "
    "their features are of different pictures; import with --ids-from-names, or one service alone"
)
UNUSABLE_NAME = "the name is no UTF-8, or no name of a file; the image is called by its id"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One image of the original.

    Attributes:
        image_id: here.
        name: as the original called it; `7.online` where that cannot be used.
        picture: its file; None where it was not found.
    """

    image_id: int
    name: str
    picture: Path | None


class PictureFolder:
    """Finds the pictures of images in one flat folder, as the original had them.

    Args:
        folder: that holds them.

    Raises:
        StoreError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        if not self._folder.is_dir():
            raise StoreError(f"{folder} is no folder; name the one that holds the pictures")

    def picture(self, name: str, image_id: int) -> Path | None:
        """The file of an image: by its name, else by the number that a file's name begins with.

        Numbers count for pictures that came over HTTP alone, whose names the original made up; one that two
        files begin with counts for neither.
        """
        path = self._folder / name
        if path.is_file():
            return path
        return self._by_number.get(image_id) if name == f"{image_id}{ONLINE}" else None

    @cached_property
    def _by_number(self) -> dict[int, Path | None]:
        found: dict[int, Path | None] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    number = id_from_name(entry.name)
                    if number is not None and number <= MAX_ORIGINAL_ID and entry.is_file():
                        found[number] = None if number in found else Path(entry.path)
        except OSError as exc:
            raise StoreError(f"{self._folder} cannot be read: {exc.strerror}") from exc
        return found


def wanted_images(
    ids: Sequence[int],
    sources: Sequence[OriginalSource],
    *,
    pictures: PictureFolder | None,
    refusals: Refusals,
) -> list[Wanted]:
    """What images of the original become here.

    Args:
        ids: of the images.
        sources: the original's services.
        pictures: where pictures are looked for.
        refusals: takes those that cannot be taken over.

    Returns:
        In the order of the ids, without those that were refused.

    Raises:
        StoreError: an environment of the original is damaged.
    """
    said: list[set[bytes]] = [set() for _ in ids]
    for source in sources:
        rows = zip(said, source.has(ids), source.names(ids), strict=True)
        for names, has_feature, stored in rows:
            if has_feature and stored is not None:
                names.add(stored)
    made = []
    for image_id, names in zip(ids, said, strict=True):
        if len(names) > 1:
            refusals.add("images", NAMES_DIFFER, f"id {image_id}")
            continue
        name = f"{image_id}{ONLINE}"
        if names:
            usable = _usable(next(iter(names)))
            if not usable:
                refusals.add("names", UNUSABLE_NAME, f"id {image_id}")
            name = usable or name
        picture = None if pictures is None else pictures.picture(name, image_id)
        made.append(Wanted(image_id, name, picture))
    return made


def _usable(raw: bytes) -> str:
    """A name that a file of a folder can have, and that people can read; "" where it is none."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    is_file_name = name not in ("", ".", "..") and "/" not in name and "\\" not in name
    return name if is_file_name and name.isprintable() else ""
