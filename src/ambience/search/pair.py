"""How near two pictures are by one kind of single vectors: a library of one picture, and one question."""

import numpy as np

from ambience.datatypes import Hit, Picture
from ambience.extract.base import Extractor
from ambience.index.exact import ExactIndex, ExactOptions

IMAGE_ID = 0
"""Id of the second picture in what comparisons answer."""


def nearest_variant(extractor: Extractor, query: Picture, image: Picture) -> Hit:
    """How near the query comes to an image, however it is turned.

    Args:
        extractor: of a kind whose features are single vectors.
        query: the first picture, decoded.
        image: the second, decoded.

    Returns:
        A hit on `IMAGE_ID`, with the orientation that comes nearest.

    Raises:
        EmptyFeatureError: one of them holds nothing that this kind could describe.
    """
    (feature,) = extractor.extract([image])
    index = ExactIndex(extractor.spec, ExactOptions())
    index.add(np.array([IMAGE_ID]), feature.vector[np.newaxis])
    variants = extractor.query_variants(query)
    distances = index.search(np.stack([each.feature.vector for each in variants]), 1).distances[:, 0]
    best = variants[int(np.argmin(distances))]
    return Hit(
        IMAGE_ID,
        float(distances.min()),
        best.orientation,
        min(best.feature.quality, feature.quality),
    )
