"""Where the original's services keep their data: found by the names of their LMDB environments.

Each service wrote into its own working folder, most into `data/` of it, so that the names alone tell a hash
from a histogram. Both services of embeddings call theirs `features.lmdb`; the length of a value tells them
apart.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ambience.errors import StoreError
from ambience.moving.original_database import OriginalDatabase
from ambience.moving.original_features import ORIGINALS

DEEPEST: Final = 4
"""Folders below the one that is named in which environments are looked for."""

NAMES, IDS = "id_to_filename.lmdb", "filename_to_id.lmdb"
POINTS: Final = ("keypoints.lmdb", "descriptors.lmdb")
WHITENING: Final = "pca_w.pkl"
SUFFIX: Final = ".lmdb"


@dataclass(frozen=True, slots=True)
class OriginalService:
    """The data of one service.

    Attributes:
        kind: whose features.
        features: environment of the features.
        names: environment of the names by id; None where there is none.
        is_whitened: whether a whitening lies beside, which some of its features went through.
    """

    kind: str
    features: Path
    names: Path | None
    is_whitened: bool


@dataclass(frozen=True, slots=True)
class OriginalFolders:
    """What was found.

    Attributes:
        services: by kind.
        points: environments of local features.
    """

    services: Mapping[str, OriginalService]
    points: tuple[Path, ...]


def find_services(folder: Path, given: Mapping[str, Path]) -> OriginalFolders:
    """The data of all services of one installation.

    Args:
        folder: that holds the folders of the services.
        given: by kind, the folder of its service, in place of what would be found.

    Returns:
        At least one service, or points of local features.

    Raises:
        StoreError: there are none; two are of the same kind; or a folder that was given has none.
    """
    found: dict[str, OriginalService] = {}
    points: list[Path] = []
    for path in _environments(folder):
        if path.name in POINTS:
            points.append(path)
        elif (kind := _kind_of(path)) and kind not in given:
            if kind in found:
                raise StoreError(
                    f"{found[kind].features} and {path} both hold {kind}; say which one is meant with "
                    f"--service {kind}=FOLDER"
                )
            found[kind] = _service(kind, path)
    for kind, place in given.items():
        found[kind] = _given(kind, place)
    if not found and not points:
        names = ", ".join(sorted({each.database for each in ORIGINALS.values()} | set(POINTS)))
        raise StoreError(
            f"{folder} holds no data of the original system ({names}) down to {DEEPEST} folders below; name "
            "the folder that its services lie in, or single ones with --service KIND=FOLDER"
        )
    return OriginalFolders({kind: found[kind] for kind in sorted(found)}, tuple(sorted(points)))


def _environments(folder: Path) -> Iterator[Path]:
    """LMDB environments: folders, or single files, whose names end in `.lmdb`.

    Raises:
        StoreError: the folder does not exist, or cannot be read.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder} is no folder; name the one that the original's services lie in")

    def fail(exc: OSError) -> None:
        raise StoreError(f"{exc.filename} cannot be read: {exc.strerror}; give the right to read it") from exc

    for place, folders, files in os.walk(folder, onerror=fail):
        here = Path(place)
        yield from (here / name for name in sorted((*folders, *files)) if _is_environment(here / name))
        is_deepest = len(here.relative_to(folder).parts) >= DEEPEST
        folders[:] = [] if is_deepest else [name for name in folders if not name.endswith(SUFFIX)]


def _is_environment(path: Path) -> bool:
    return path.name.endswith(SUFFIX) and (path.is_file() or (path / "data.mdb").is_file())


def _kind_of(path: Path) -> str:
    """The kind whose features an environment holds; "" where it is another's, or an empty one of two."""
    fits = [each for each in ORIGINALS.values() if each.database == path.name]
    if len(fits) <= 1:
        return fits[0].kind if fits else ""
    with OriginalDatabase(path) as database:
        length = database.first_length()
    if not length:
        return ""
    # Where the first value is broken, the folder's name says whose it is.
    said = [each.kind for each in fits if each.value_bytes == length]
    said += [each.kind for each in fits if each.kind in str(path.parent)]
    if not said:
        raise StoreError(
            f"{path} begins with a value of {length:,} bytes, which is no feature of the original; say whose "
            f"it is with --service KIND={path.parent}"
        )
    return said[0]


def _service(kind: str, features: Path) -> OriginalService:
    names = next(
        (features.parent / name for name in (NAMES, IDS) if _is_environment(features.parent / name)), None
    )
    places = (features.parent, features.parent / "data")
    is_whitened = any((place / WHITENING).is_file() for place in places)
    return OriginalService(kind, features, names, is_whitened)


def _given(kind: str, place: Path) -> OriginalService:
    if kind not in ORIGINALS:
        raise StoreError(f"no features of the kind {kind!r} can be taken over; have {', '.join(ORIGINALS)}")
    name = ORIGINALS[kind].database
    for path in (place / name, place / "data" / name, place):
        if path.name == name and _is_environment(path):
            return _service(kind, path)
    raise StoreError(f"{place} holds no {name}; name the folder in which the service of {kind} keeps it")
