"""Embeddings that the library has already, for annotators that would make them of the pictures otherwise."""

from collections.abc import Sequence

from ambience.annotate.base import Annotator, Stored
from ambience.errors import CorruptFeatureError, UnknownImageError
from ambience.store.commit import Store


def stored_vectors(store: Store, annotator: Annotator, image_ids: Sequence[int]) -> Stored | None:
    """What a library has of some images for an annotator.

    Args:
        store: of the library.
        annotator: one that asks for a kind says so by `stored_kind`.
        image_ids: of the images.

    Returns:
        A vector an image, in their order; None where the annotator asks for no kind, and where an image has
        none that is whole.
    """
    spec = store.records.kinds.get(getattr(annotator, "stored_kind", ""))
    if spec is None or spec.is_blob:
        return None
    feature_ids = store.records.feature_ids(spec.fingerprint, image_ids)
    if (feature_ids < 0).any():
        return None
    try:
        return Stored(spec.model, store.features.get(spec, feature_ids)[0])
    except (UnknownImageError, CorruptFeatureError):  # `check` tells of those
        return None
