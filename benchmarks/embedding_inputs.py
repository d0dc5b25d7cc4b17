"""What `embedding_search.py` searches in: embeddings by seed, kept in the cache folder.

*Made* ones lie around centers, fifty around each, with a few directions of large variance and many of small,
and all a little on one side, as embeddings do. *Displaced* ones are real: embeddings of photographs by the
product's own starter models, each moved by what lies between another photograph and one of its ten nearest,
so that there can be many of them whose neighbors differ as real ones do.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photos import Photo, load_rgb
from report import cache_folder, versions

FORM = 1
"""Raised when this module makes other embeddings by the same seed."""
PIECE = 10_000
"""Embeddings made by one generator; truth is looked for among so many at a time."""
PER_CENTER = 50
SPREAD = 0.8
"""Of made embeddings around their center, as a share of how far centers lie apart."""
FALL = -0.5
"""Power of their number by which directions have less spread."""
MOVED = 0.7
"""Share of the difference of two neighbors by which a real embedding is displaced."""
NEAR = 10
"""Neighbors whose differences are taken; neighbors that recall is counted over."""
QUERIES = 200

Units = NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """A collection, and what is asked.

    Attributes:
        name: for people.
        stored: (N, D) float16, memory-mapped.
        queries: (Q, D) float16, drawn as the stored ones were, none of which is among them.
        true: (Q, NEAR) rows of `stored` nearest to each query by cosine, nearest first.
        stamp: names their content.
    """

    name: str
    stored: NDArray[np.float16]
    queries: NDArray[np.float16]
    true: NDArray[np.int64]
    stamp: str

    @property
    def dim(self) -> int:
        """Values of an embedding."""
        return int(self.stored.shape[1])

    def pieces(self) -> Iterator[Units]:
        """All that is stored, at length one, a piece at a time."""
        for start in range(0, len(self.stored), PIECE):
            yield units(self.stored[start : start + PIECE])

    def sample(self, count: int) -> Units:
        """So many of them at random, at length one."""
        chosen = np.sort(np.random.default_rng(0).permutation(len(self.stored))[:count])
        return units(self.stored[chosen])


def units(vectors: NDArray[Any]) -> Units:
    """Vectors at length one."""
    wide = vectors.astype(np.float32)
    return np.ascontiguousarray(wide / np.linalg.norm(wide, axis=1, keepdims=True))


class Made:
    """Draws embeddings around centers.

    Args:
        centers: of them.
        dim: values of an embedding.
        seed: of centers, and of what is drawn.
    """

    def __init__(self, centers: int, dim: int, *, seed: int) -> None:
        generator = np.random.default_rng([seed, centers, dim])
        self._seed = seed
        self._scales = np.arange(1, dim + 1, dtype=np.float32) ** np.float32(FALL)
        self._centers = generator.standard_normal((centers, dim), np.float32) * self._scales
        self._mean = generator.standard_normal(dim, np.float32) * self._scales[dim // 25] * dim / 500
        self._turn = np.linalg.qr(generator.standard_normal((dim, dim), np.float32))[0]

    @property
    def stamp(self) -> Any:
        """Names what is drawn."""
        return ["made", self._seed, self._centers.shape]

    def drawn(self, count: int, part: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Embeddings of a part, the same at every call, and the center of each."""
        generator = np.random.default_rng([self._seed, part])
        chosen = generator.integers(0, len(self._centers), count)
        around = generator.standard_normal((count, self._centers.shape[1]), np.float32) * self._scales
        placed = self._centers[chosen] + SPREAD * around + self._mean
        return units(placed @ self._turn).astype(np.float16), chosen


class Displaced:
    """Draws real embeddings, displaced.

    Args:
        real: (N, D) of photographs.
        seed: of what is drawn.
    """

    def __init__(self, real: NDArray[Any], *, seed: int) -> None:
        self._real, self._seed = units(real), seed
        near = np.argsort(-(self._real @ self._real.T), axis=1, kind="stable")
        self._near = near[:, 1 : 1 + min(NEAR, len(real) - 1)]

    @property
    def stamp(self) -> Any:
        """Names what is drawn."""
        digest = hashlib.sha256(self._real.astype(np.float16).tobytes()).hexdigest()
        return ["displaced", self._seed, digest]

    def drawn(self, count: int, part: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
        """Embeddings of a part, the same at every call, and the photograph of each."""
        generator = np.random.default_rng([self._seed, part])
        chosen, other = (generator.integers(0, len(self._real), count) for _ in range(2))
        neighbor = self._near[other, generator.integers(0, self._near.shape[1], count)]
        moved = self._real[chosen] + MOVED * (self._real[neighbor] - self._real[other])
        return units(moved).astype(np.float16), chosen


def vectors(name: str, source: Made | Displaced, count: int) -> Vectors:
    """So many embeddings of a source, and queries; made where they are not there.

    Args:
        name: for people.
        source: draws them.
        count: stored.
    """
    packages = versions(("numpy", "faiss-cpu"))
    text = json.dumps([FORM, source.stamp, count, PIECE, QUERIES, NEAR, packages])
    stamp = hashlib.sha256(text.encode()).hexdigest()[:12]
    file = cache_folder("embeddings") / f"{count}-{stamp}.npy"
    queries = source.drawn(QUERIES, -(-count // PIECE))[0]
    if not file.is_file():
        _write(file, source, count, queries.shape[1])
    stored = np.load(file, mmap_mode="r")
    truth = file.with_suffix(".true.npy")
    if not truth.is_file():
        np.save(truth, nearest(stored, units(queries)))
    return Vectors(name, stored, queries, np.load(truth), stamp)


def _write(file: Path, source: Made | Displaced, count: int, dim: int) -> None:
    making = file.with_suffix(".part")
    rows = np.lib.format.open_memmap(making, mode="w+", dtype=np.float16, shape=(count, dim))
    for part, start in enumerate(range(0, count, PIECE)):
        rows[start : start + PIECE] = source.drawn(min(PIECE, count - start), part)[0]
    rows.flush()
    making.rename(file)


def nearest(stored: NDArray[Any], queries: Units) -> NDArray[np.int64]:
    """(Q, NEAR) rows nearest to each query by cosine, by comparing with all, a piece at a time."""
    products, rows = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(stored), PIECE):
        part = queries @ units(stored[start : start + PIECE]).T
        numbers = np.broadcast_to(np.arange(start, start + part.shape[1]), part.shape)
        products, rows = np.concatenate([products, part], 1), np.concatenate([rows, numbers], 1)
        kept = np.argsort(-products, axis=1, kind="stable")[:, :NEAR]
        products, rows = np.take_along_axis(products, kept, 1), np.take_along_axis(rows, kept, 1)
    return rows


def embeddings_of(photos: Sequence[Photo]) -> dict[str, NDArray[np.float16]]:
    """Embeddings of photographs by both kinds' starter models: kind → (N, D); kept in the cache folder."""
    from ambience.datatypes import Picture
    from ambience.making import make_extractors
    from ambience.settings import Settings

    made = make_extractors(Settings())
    kinds = {kind: made[kind] for kind in ("global_features", "image_text_features")}
    stamp = json.dumps([[photo.key for photo in photos], [each.spec.fingerprint for each in kinds.values()]])
    file = cache_folder("embeddings") / f"photos-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.npz"
    if not file.is_file():
        rows: dict[str, list[NDArray[Any]]] = {kind: [] for kind in kinds}
        for photo in photos:
            rgb = load_rgb(photo.path)
            picture = Picture(rgb=rgb, width=rgb.shape[1], height=rgb.shape[0], format="jpeg")
            for kind, extractor in kinds.items():
                rows[kind].append(extractor.extract([picture])[0].vector)
        beside = file.with_suffix(".part")
        with beside.open("wb") as out:
            np.savez(out, **{kind: np.stack(each) for kind, each in rows.items()})
        beside.rename(file)
    with np.load(file) as held:
        return {kind: held[kind] for kind in kinds}


def leading(real: NDArray[Any], dim: int) -> Units:
    """(N, dim) of embeddings along the directions that hold most of them, at length one.

    Not centered, so that cosines stay what they were but for what is left out.
    """
    unit = units(real)
    directions = np.linalg.svd(unit, full_matrices=False)[2][:dim]
    return units(unit @ directions.T)
