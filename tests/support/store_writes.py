"""Writes of which everything follows from one number, so that every vector can be told apart."""

import hashlib
from typing import Any

import numpy as np

from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageDraft
from ambience.store.base import FeatureDraft, PutImage

PHASH = FeatureSpec("phash", "hash", 576, "uint8", "hamming", 1, 1)
COLOR = FeatureSpec("color", "histogram", 512, "float16", "l1", 1, 2)
KINDS = {"phash": PHASH, "color": COLOR}
POINTS = FeatureSpec("points", "blobs", 128, "uint8", "points", 1, 3)
"""A kind of blobs: not in `KINDS`, since most tests of the store want vectors of one length."""


def vector_of(spec: FeatureSpec, number: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng([number, spec.port]).integers(0, 200, spec.entries).astype(spec.dtype)


def blob_of(number: int, length: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng([number, length]).integers(0, 256, length).astype(np.uint8)


def made_of(number: int, *kinds: str) -> dict[str, FeatureDraft]:
    return {
        kind: FeatureDraft(
            KINDS[kind].fingerprint, FeatureState.DONE, Feature(vector_of(KINDS[kind], number), 0.5)
        )
        for kind in kinds or KINDS
    }


def draft_of(number: int, **changes: Any) -> ImageDraft:
    values: dict[str, Any] = {
        "sha256": hashlib.sha256(b"%d" % number).digest(),
        "size": 1000 + number,
        "name": f"{number}.jpg",
        "path": f"/photos/{number}.jpg",
        "mtime_ns": number,
        "format": "jpeg",
        "width": 640,
        "height": 480,
    }
    return ImageDraft(**(values | changes))


def image_of(number: int, *kinds: str, **changes: Any) -> PutImage:
    """A PutImage of which everything follows from one number."""
    own = {name: changes.pop(name) for name in ("image_id", "replaces", "tags") if name in changes}
    return PutImage(draft_of(number, **changes), made_of(number, *kinds), **own)
