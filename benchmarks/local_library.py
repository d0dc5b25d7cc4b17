"""Libraries of local features without pictures: rows and features as adding pictures leaves them."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ambience.composition import make_extractors
from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageDraft
from ambience.errors import StoreError
from ambience.extract.base import PointExtractor
from ambience.keypoints import Blob
from ambience.settings import Settings
from ambience.store.base import FeatureDraft, PutImage
from ambience.store.commit import Store

KIND = "local_features"


def extractor() -> PointExtractor:
    """The kind's extractor, with default settings."""
    made: Any = make_extractors(Settings())[KIND]
    return made


def commit(
    store: Store,
    spec: FeatureSpec,
    image_ids: Sequence[int],
    blobs: Sequence[Blob | None],
    files: Mapping[int, Path],
) -> None:
    """Adds images in one commit.

    Args:
        store: opened for writing.
        spec: of the kind.
        image_ids: not yet there.
        blobs: of these images, None where there are no keypoints.
        files: of images whose file is there.

    Raises:
        StoreError: an image was refused.
    """
    writes = [
        PutImage(_draft(image_id, files.get(image_id)), {KIND: _feature_draft(spec, blob)}, image_id=image_id)
        for image_id, blob in zip(image_ids, blobs, strict=True)
    ]
    for outcome in store.commit(writes):
        if isinstance(outcome, StoreError):
            raise outcome


def _feature_draft(spec: FeatureSpec, blob: Blob | None) -> FeatureDraft:
    if blob is None:
        return FeatureDraft(spec.fingerprint, FeatureState.EMPTY, reason="no keypoints")
    return FeatureDraft(spec.fingerprint, FeatureState.DONE, Feature(blob))


def _draft(number: int, file: Path | None) -> ImageDraft:
    """A photograph of a camera, in folders of a thousand; the path of its file where there is one."""
    name = f"IMG_{number:07d}.jpg"
    return ImageDraft(
        sha256=hashlib.sha256(name.encode()).digest(),
        size=1_500_000 + number,
        name=name,
        path=str(file or f"/home/someone/Pictures/{number // 1000:04d}/{name}"),
        mtime_ns=1_700_000_000_000_000_000 + number,
        format="jpeg",
        width=4000,
        height=3000,
    )
