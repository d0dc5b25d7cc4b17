"""Collections as the original system stores them: LMDB environments of its services, written from arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray

DATABASES = {
    "phash": ("phash_web", "phashes.lmdb"),
    "color": ("color_web", "rgb_histograms.lmdb"),
    "global_features": ("global_features_web", "features.lmdb"),
    "image_text_features": ("image_text_features_web", "features.lmdb"),
}
"""By kind: folder of its service, and its environment."""


def key(image_id: int) -> bytes:
    """An id as the original stores it: 4 bytes, big-endian."""
    return image_id.to_bytes(4, "big")


def write_environment(path: Path, rows: Mapping[bytes, bytes], *, map_size: int = 2**28) -> None:
    """One environment, of whatever it is given."""
    path.mkdir(parents=True, exist_ok=True)
    with (
        lmdb.open(str(path), map_size=map_size, sync=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        for name, value in sorted(rows.items()):
            transaction.put(name, value)


def write_service(
    root: Path, kind: str, values: Mapping[int, bytes], names: Mapping[int, str] | None = None
) -> Path:
    """The three environments of a service below `root`; names are those of pictures that came over HTTP.

    Returns:
        The folder that holds them.
    """
    service, database = DATABASES[kind]
    folder = root / service / "data"
    names = {each: f"{each}.online" for each in values} if names is None else names
    write_environment(folder / database, {key(each): value for each, value in values.items()})
    write_environment(
        folder / "id_to_filename.lmdb", {key(each): name.encode() for each, name in names.items()}
    )
    write_environment(
        folder / "filename_to_id.lmdb", {name.encode(): key(each) for each, name in names.items()}
    )
    return folder


@dataclass(frozen=True, slots=True)
class Collection:
    """Features as the original calculates them, of pictures that there are not.

    Attributes:
        ids: (N,) of the images.
        vectors: by kind: (N, entries) as they are stored.
    """

    ids: NDArray[np.int64]
    vectors: Mapping[str, NDArray[Any]]

    def write(self, root: Path, kinds: tuple[str, ...] = tuple(DATABASES)) -> None:
        """The environments of services, each in its usual folder."""
        for kind in kinds:
            rows = self.vectors[kind]
            write_service(
                root, kind, {int(each): row.tobytes() for each, row in zip(self.ids, rows, strict=True)}
            )

    def distances(self, kind: str, query: NDArray[Any]) -> NDArray[np.float64]:
        """(N,) distances that the original answers: bits, L1 of histograms, squared L2 of unit vectors."""
        rows = self.vectors[kind]
        if kind == "phash":
            return np.unpackbits(rows ^ query, axis=1).sum(axis=1).astype(np.float64)
        differences = rows.astype(np.float64) - query.astype(np.float64)
        if kind == "color":
            return np.abs(differences).sum(axis=1)
        return np.square(differences).sum(axis=1)


def collection(count: int, *, seed: int = 0, group: int = 5) -> Collection:
    """Features in groups of alike ones, so that neighbors are near and distances far apart."""
    random = np.random.default_rng(seed)
    ids = np.sort(random.choice(np.arange(2, 50 * count), count, replace=False))
    ids[0], ids[-1] = 0, 2**32 - 1
    groups = random.integers(0, max(1, count // group), count)
    return Collection(
        ids,
        {
            "phash": _hashes(random, groups),
            "color": _histograms(random, groups),
            "global_features": _units(random, groups, 768),
            "image_text_features": _units(random, groups, 512),
        },
    )


def _hashes(random: np.random.Generator, groups: NDArray[np.int64]) -> NDArray[np.uint8]:
    middles = random.integers(0, 256, (groups.max() + 1, 72), dtype=np.uint8)
    noise = np.packbits(random.random((len(groups), 576)) < random.random((len(groups), 1)) * 0.2, axis=1)
    return np.asarray(middles[groups] ^ noise, np.uint8)


def _histograms(random: np.random.Generator, groups: NDArray[np.int64]) -> NDArray[np.float32]:
    """Few cells hold most, as in photographs; each sums to ten million."""
    middles = random.gamma(0.1, size=(groups.max() + 1, 512))
    mixed = middles[groups] + random.random((len(groups), 1)) * random.gamma(0.1, size=(len(groups), 512))
    return np.asarray(mixed / mixed.sum(axis=1, keepdims=True) * 1e7, np.float32)


def _units(random: np.random.Generator, groups: NDArray[np.int64], dim: int) -> NDArray[np.float32]:
    middles = random.normal(size=(groups.max() + 1, dim))
    mixed = middles[groups] + random.random((len(groups), 1)) * random.normal(size=(len(groups), dim))
    return np.asarray(mixed / np.linalg.norm(mixed, axis=1, keepdims=True), np.float32)
