"""Libraries of local features without pictures: rows and features as adding pictures leaves them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ambience.datatypes import Feature, FeatureSpec, FeatureState
from ambience.errors import StoreError
from ambience.extract.base import PointExtractor
from ambience.keypoints import Blob
from ambience.making import make_extractors
from ambience.settings import Settings
from ambience.store.base import FeatureDraft, PutImage
from ambience.store.commit import Store
from drafts import camera_draft

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
        PutImage(
            camera_draft(image_id, files.get(image_id)), {KIND: _feature_draft(spec, blob)}, image_id=image_id
        )
        for image_id, blob in zip(image_ids, blobs, strict=True)
    ]
    for outcome in store.commit(writes):
        if isinstance(outcome, StoreError):
            raise outcome


def _feature_draft(spec: FeatureSpec, blob: Blob | None) -> FeatureDraft:
    if blob is None:
        return FeatureDraft(spec.fingerprint, FeatureState.EMPTY, reason="no keypoints")
    return FeatureDraft(spec.fingerprint, FeatureState.DONE, Feature(blob))
