"""How near two pictures are by one kind: as if one were alone in a library and the other were asked."""

import numpy as np

from ambience.answers import Hit
from ambience.datatypes import Picture
from ambience.extract.base import Extractor
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.search.local import LEAST_LOG10, LocalSearch
from ambience.search.proof import orientation_of
from ambience.search.verdicts import verdict_of

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


def proven(search: LocalSearch, query: Picture, image: Picture) -> Hit | None:
    """How a query lies on an image, by local features.

    Args:
        search: of the kind.
        query: the first picture, decoded.
        image: the second, decoded.

    Returns:
        A hit on `IMAGE_ID` with its proof; None where none was found.
    """
    geometry = search.compare(query, image)
    if geometry is None:
        return None
    return Hit(
        IMAGE_ID,
        10.0 ** max(geometry.log10_chance, LEAST_LOG10),
        orientation_of(geometry),
        geometry=geometry,
        verdict=verdict_of(geometry),
    )
