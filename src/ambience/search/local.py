"""Search of local features: votes of single points, then proof by geometry."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ambience.datatypes import (
    Feature,
    Geometry,
    Hit,
    Ids,
    Orientation,
    Picture,
    QueryVariant,
    Ranking,
    Verdict,
)
from ambience.errors import CorruptFeatureError, UnknownImageError
from ambience.extract.base import PointExtractor
from ambience.keypoints import Keypoints, owners, unpack
from ambience.search.originals import Originals
from ambience.search.vector import SearchableIndex, check_extent
from ambience.store.commit import Store
from ambience.store.features import BrokenFeatureError

NEIGHBORS = 10
CANDIDATES = 30


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that some points of the query vote for."""

    image_id: int
    feature_id: int
    votes: float


class LocalSearch:
    """The read path of local features.

    Args:
        extractor: of the kind, for second looks.
        index: of descriptors; follows the store.
        store: holds the keypoints.
        on_broken: told of the error when stored features prove broken; answers which they are.
        originals: files of candidates, for second looks.
    """

    def __init__(
        self,
        extractor: PointExtractor,
        index: SearchableIndex,
        store: Store,
        on_broken: Callable[[BrokenFeatureError], Ids],
        originals: Originals,
    ) -> None:
        self.spec = extractor.spec
        self._extractor, self._index, self._store = extractor, index, store
        self._on_broken, self._originals = on_broken, originals

    def by_variants(
        self,
        variants: Sequence[QueryVariant],
        *,
        k: int | None = None,
        radius: float | None = None,
        allowed: Ids | None = None,
        picture: Picture | None = None,
    ) -> Ranking:
        """Images that show a part of what the query shows, proven by geometry; see `KindSearch`.

        Returns:
            Hits, surest first.

        Raises:
            QueryError: both or neither of k and radius are given, or out of range.
        """
        check_extent(k, radius)
        started = time.perf_counter()
        hits: dict[int, Hit] = {}
        for variant in variants:
            query = unpack(variant.feature.vector)
            for candidate in self._candidates(query, allowed):
                hit = self._verified(query, candidate, variant.orientation)
                known = hits.get(candidate.image_id)
                if hit is not None and (known is None or hit.distance < known.distance):
                    hits[candidate.image_id] = hit
        ranked = sorted(hits.values(), key=lambda hit: (hit.distance, hit.image_id))
        if radius is not None:
            ranked = [hit for hit in ranked if hit.distance <= radius]
        return Ranking(self.spec.kind, tuple(ranked[:k]), self._index.pending, time.perf_counter() - started)

    def stored_variant(self, image_id: int) -> QueryVariant:
        """The stored keypoints of an image, as a query.

        Returns:
            An upright variant.

        Raises:
            UnknownImageError: the image has no local features.
        """
        feature_ids = self._store.records.feature_ids(self.spec.fingerprint, [image_id])
        if feature_ids[0] < 0:
            raise UnknownImageError(f"image {image_id} has no {self.spec.kind} feature")
        try:
            blobs, qualities = self._store.features.get(self.spec, feature_ids)
        except (CorruptFeatureError, UnknownImageError) as exc:
            self._on_broken(exc)
            raise
        return QueryVariant(Feature(blobs[0], float(qualities[0])))

    def _candidates(self, query: Keypoints, allowed: Ids | None) -> list[Candidate]:
        if not len(query) or not len(self._index):
            return []
        found = self._index.search(query.descriptors, NEIGHBORS, allowed=allowed)
        features, votes = np.unique(owners(found.ids[found.ids >= 0]), return_counts=True)
        best = np.argsort(-votes, kind="stable")[:CANDIDATES]
        image_ids = self._store.records.image_ids(self.spec.fingerprint, features[best])
        return [
            Candidate(int(image), int(feature), float(count))
            for image, feature, count in zip(image_ids, features[best], votes[best], strict=True)
            if image >= 0
        ]

    def _verified(self, query: Keypoints, candidate: Candidate, orientation: Orientation) -> Hit | None:
        import cv2

        blobs, _ = self._store.features.get(self.spec, np.array([candidate.feature_id]))
        image = unpack(blobs[0])
        matcher = cv2.BFMatcher(cv2.NORM_L2, crossCheck=True)
        matches = matcher.match(query.descriptors.astype(np.float32), image.descriptors.astype(np.float32))
        if len(matches) < 8:
            return None
        places = query.pixels[[match.queryIdx for match in matches]]
        others = image.pixels[[match.trainIdx for match in matches]]
        transform, mask = cv2.findHomography(places, others, cv2.USAC_MAGSAC, 4.0)
        if transform is None or mask.sum() < 8:
            return None
        first, second, third = ((float(a), float(b), float(c)) for a, b, c in transform)
        corners = ((0.0, 0.0),) * 4
        geometry = Geometry(
            int(mask.sum()), -float(mask.sum()), (first, second, third), corners, corners, 0.0, 0.0
        )
        return Hit(candidate.image_id, 10.0 ** -int(mask.sum()), orientation, 1.0, geometry, Verdict.PART)
