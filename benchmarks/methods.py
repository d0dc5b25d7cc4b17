"""The methods that robustness compares, each with the same two functions.

`extract(rgb)` gives the feature of a picture: (V, D), one row for each way in which the query is turned,
upright first; a gallery keeps the first row alone. `score(queries, gallery)` gives (Q, N) scores, greater is
better. Every method sees the same pixels, decoded once by Pillow at full size. Local features are no such
method: they are searched by an index and proven pair by pair (`local_answers.py`, `original_local.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]
Array = NDArray[Any]
Scores = NDArray[np.float32]

CHUNK = 256
"""Queries scored at a time."""


class Named(Protocol):
    """One row of the comparison.

    Attributes:
        key: in the figures, after "recall_all_".
        title: for people.
        accepts_from: a score that the method's own documentation accepts a match from, or None.
    """

    key: str
    title: str
    accepts_from: float | None


class Method(Named, Protocol):
    """A row whose features are compared one by one."""

    def extract(self, rgb: RgbImage) -> Array:
        """Feature of a picture: (V, D)."""

    def score(self, queries: Array, gallery: Array) -> Scores:
        """Scores of (Q, V, D) queries against an (N, D) gallery: (Q, N)."""


def hamming(queries: Array, gallery: Array) -> NDArray[np.int32]:
    """Smallest Hamming distance over the variants: (Q, V, D) and (N, D) uint8 → (Q, N)."""
    codes, kept = _words(queries), _words(gallery)
    distances = np.empty((len(queries), len(gallery)), np.int32)
    for start in range(0, len(queries), CHUNK):
        nearest = np.full((len(codes[start : start + CHUNK]), len(gallery)), np.iinfo(np.int32).max, np.int32)
        for variant in range(codes.shape[1]):
            total = np.zeros_like(nearest)
            for word in range(codes.shape[2]):
                differing = codes[start : start + CHUNK, variant, word, None] ^ kept[None, :, word]
                total += np.bitwise_count(differing)
            np.minimum(nearest, total, out=nearest)
        distances[start : start + CHUNK] = nearest
    return distances


def _words(codes: Array) -> NDArray[np.uint64]:
    """Bytes of the last axis as 64-bit words, zeros appended."""
    missing = -codes.shape[-1] % 8
    padded = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, missing)])
    return np.ascontiguousarray(padded).view(np.uint64)


@dataclass
class HashMethod:
    """A method whose features are packed bits, scored by the Hamming distance, negated.

    Attributes:
        key: see `Named`.
        title: see `Named`.
        hash_bits: RGB image → (V, bytes) packed bits.
        accepts_from: see `Named`.
    """

    key: str
    title: str
    hash_bits: Callable[[RgbImage], Array]
    accepts_from: float | None = None

    def extract(self, rgb: RgbImage) -> Array:
        """Packed bits of all variants."""
        return self.hash_bits(rgb)

    def score(self, queries: Array, gallery: Array) -> Scores:
        """Minus the smallest Hamming distance over the variants."""
        return -hamming(queries, gallery).astype(np.float32)


@dataclass
class UprightOnly:
    """Another method's features, with the query as it is: its first variant alone, not extracted twice.

    Attributes:
        base: whose features these are.
        key: see `Named`.
        title: see `Named`.
        accepts_from: see `Named`.
    """

    base: Method
    key: str
    title: str
    accepts_from: float | None = None

    def extract(self, rgb: RgbImage) -> Array:
        """The first row of the base's feature."""
        return self.base.extract(rgb)[:1]

    def score(self, queries: Array, gallery: Array) -> Scores:
        """As the base."""
        return self.base.score(queries[:, :1], gallery)


class AmbiencePHash:
    """Our `phash`: 576 bits, all eight orientations of the query.

    A picture whose texture measure is below the kind's `min_quality` gets no verdict in the product; here its
    scores are below those of every other picture. Whether it is travels as one byte after the bits.
    """

    key = "phash"
    title = "Ambience phash, 8 orientations"

    def __init__(self) -> None:
        from ambience.extract.phash import PHash

        self._extractor = PHash(PHash.options_class())
        self.accepts_from: float | None = -max(bound for _, bound in self._extractor.spec.verdicts)

    def extract(self, rgb: RgbImage) -> Array:
        """(8, 73) uint8: packed bits, then whether the hash tells enough."""
        variants = self._extractor.query_variants(_picture(rgb))
        told = [variant.feature.quality >= self._extractor.spec.min_quality for variant in variants]
        bits = np.stack([variant.feature.vector for variant in variants])
        return np.concatenate([bits, np.array(told, np.uint8)[:, None]], axis=1)

    def score(self, queries: Array, gallery: Array) -> Scores:
        """Minus the smallest distance; 577 less where either picture is too flat to tell."""
        scores = -hamming(queries[..., :-1], gallery[:, :-1]).astype(np.float32)
        both_tell = queries[:, 0, -1, None] * gallery[None, :, -1]
        return scores - 577 * (1 - both_tell.astype(np.float32))


class AmbienceColor:
    """Our `color`: 512-value RGB histogram as it is stored (float16), scored by minus the L1 distance."""

    key = "color"
    title = "Ambience color"
    accepts_from: float | None = None

    def __init__(self) -> None:
        from ambience import registry

        made = registry.load("ambience.extract", "color")
        self._extractor = made(made.options_class())

    def extract(self, rgb: RgbImage) -> Array:
        """(1, 512) float16."""
        return np.stack([feature.vector for feature in self._extractor.extract([_picture(rgb)])])

    def score(self, queries: Array, gallery: Array) -> Scores:
        """Minus the L1 distance, by faiss."""
        import faiss

        asked, kept = (np.ascontiguousarray(side, np.float32) for side in (queries[:, 0], gallery))
        distances: Scores = faiss.pairwise_distances(asked, kept, metric=faiss.METRIC_L1)
        return -distances


class AmbienceEmbedding:
    """One of our kinds of embeddings as it comes without downloads, scored by cosine.

    Args:
        kind: which.
    """

    accepts_from: float | None = None

    def __init__(self, kind: str) -> None:
        from ambience.making import make_extractor
        from ambience.models.runtime import Models
        from ambience.settings_sources import load_settings

        settings = load_settings(environment={})
        self._extractor = make_extractor(settings, kind, Models(settings.models))
        self.key, self.title = kind, f"Ambience {kind}"

    def extract(self, rgb: RgbImage) -> Array:
        """(1, D), of unit length."""
        (feature,) = self._extractor.extract([_picture(rgb)])
        return feature.vector[None]

    def score(self, queries: Array, gallery: Array) -> Scores:
        """The cosine."""
        scores: Scores = queries[:, 0].astype(np.float32) @ gallery.astype(np.float32).T
        return scores


def _picture(rgb: RgbImage) -> Any:
    from ambience.datatypes import Picture

    return Picture(rgb=rgb, width=rgb.shape[1], height=rgb.shape[0], format="jpeg")


def _imagehash(kind: str, hash_size: int) -> Callable[[RgbImage], Array]:
    def hash_bits(rgb: RgbImage) -> Array:
        import imagehash
        from PIL import Image

        found = getattr(imagehash, kind)(Image.fromarray(rgb), hash_size=hash_size)
        return np.packbits(found.hash.ravel())[None]

    return hash_bits


def _original_phash(rgb: RgbImage) -> Array:
    """The original's query: the hash of the 96×96 plane and that of the plane mirrored; (2, 72).

    The first is imagehash's `phash(hash_size=24)`, whose own plane this is.
    """
    import imagehash
    from PIL import Image

    plane = Image.fromarray(rgb).convert("L").resize((96, 96), Image.Resampling.LANCZOS)
    turned = (plane, plane.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return np.stack([np.packbits(imagehash.phash(side, hash_size=24).hash.ravel()) for side in turned])


def _pdq_dihedral(rgb: RgbImage) -> Array:
    import pdqhash

    return np.packbits(np.stack(pdqhash.compute_dihedral(rgb)[0]), axis=1)


def all_methods() -> list[Method]:
    """Every method that runs in this environment, ours first."""
    phash = AmbiencePHash()
    original = HashMethod(
        "original_phash", "the original's phash (+ mirrored)", _original_phash, accepts_from=-63.0
    )
    pdq = HashMethod("pdq_8", "PDQ, 8 orientations", _pdq_dihedral, accepts_from=-31.0)
    return [
        phash,
        UprightOnly(phash, "phash_upright", "Ambience phash, upright only"),
        AmbienceColor(),
        AmbienceEmbedding("global_features"),
        AmbienceEmbedding("image_text_features"),
        original,
        UprightOnly(original, "imagehash", "imagehash phash, 576 bits"),
        HashMethod("imagehash_64", "imagehash phash, 64 bits", _imagehash("phash", 8), accepts_from=-10.0),
        HashMethod("imagehash_dhash", "imagehash dhash, 64 bits", _imagehash("dhash", 8)),
        UprightOnly(pdq, "pdq", "PDQ, 256 bits", accepts_from=-31.0),
        pdq,
    ]
