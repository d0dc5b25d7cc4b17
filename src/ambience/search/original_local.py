"""Local features ranked as the original system ranks them: images by their number of matching points.

Its steps, knobs and defaults, for its clients. Thresholds are inclusive here, pictures without keypoints
match nothing instead of failing, and a homography that chance explains is no match.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids
from ambience.errors import QueryError
from ambience.keypoints import Keypoints, owners
from ambience.search.geometry import distinct_places, log10_chance, pairs
from ambience.search.matching import Matches, symmetric_matches
from ambience.search.vector import SearchableIndex
from ambience.settings import setting

DESCRIPTOR_NORM = 512.0
"""Length of the stored descriptors; the original's have length 1."""

REPROJECTION = 4.0
"""How far a match may lie from its place under the homography."""

LOG10_CHANCE = -2.0
"""The original answers homographies of 4 inliers, which any noise gives; here chance must explain less."""

MOST_NEIGHBORS = 100
"""Most neighbours of one point: each may name an image to verify; the original asks for 15 at most."""

BATCH_IMAGES = 256
"""Images whose descriptors are in memory at a time."""


@dataclass(frozen=True, slots=True)
class OriginalKnobs:
    """Parameters of the original's search, with its defaults."""

    k: int | None = setting(None, "images", "Most images answered; all by default.", minimum=1)
    k_clusters: int = setting(
        5, "points", "Nearest points of each point of the query, at most 100.", minimum=1
    )
    knn_min_matches: int = setting(1, "points", "An image needs so many of them.", minimum=0)
    matching_threshold: float = setting(
        0.9, "", "Largest squared L2 distance of unit-length descriptors that counts, inclusive.", minimum=0
    )
    use_smnn_matching: bool = setting(
        False, "", "Count mutual matches that pass a ratio test in both directions instead."
    )
    smnn_match_threshold: float = setting(0.8, "", "That ratio, inclusive.", minimum=0)
    use_ransac: bool = setting(
        False, "", "Count the inliers of a homography instead; only with use_smnn_matching."
    )


def matches_by_image(
    query: Keypoints,
    knobs: OriginalKnobs,
    index: SearchableIndex,
    keypoints_of: Callable[[Ids], Mapping[int, Keypoints]],
    images_of: Callable[[Ids], Ids],
) -> list[tuple[int, int]]:
    """Images by the number of their points that match points of a query.

    Args:
        query: its keypoints; of none, nothing comes.
        knobs: the original's parameters.
        index: of descriptors.
        keypoints_of: stored keypoints of features; broken ones are left out.
        images_of: (N,) image ids of (N,) features, -1 where there is none any more.

    Returns:
        (image id, matches) pairs, most matches first, ties by image id.

    Raises:
        QueryError: a knob is out of range.
    """
    _check(knobs)
    if not len(query) or not len(index):
        return []
    found = index.search(query.descriptors, knobs.k_clusters)
    is_near = (found.ids >= 0) & (found.distances <= knobs.matching_threshold * DESCRIPTOR_NORM**2)
    features, counts = np.unique(owners(found.ids[is_near]), return_counts=True)
    features, counts = features[counts >= knobs.knn_min_matches], counts[counts >= knobs.knn_min_matches]
    if knobs.use_smnn_matching:
        counts = _verified_counts(query, features, knobs, keypoints_of)
    images = images_of(features)
    kept = np.flatnonzero((counts > 0) & (images >= 0))
    order = kept[np.lexsort((images[kept], -counts[kept]))][: knobs.k]
    return [(int(images[place]), int(counts[place])) for place in order]


def _check(knobs: OriginalKnobs) -> None:
    for name, least in (("k_clusters", 1), ("knn_min_matches", 0), ("k", 1)):
        value = getattr(knobs, name)
        if value is not None and value < least:
            raise QueryError(f"{name} = {value}; it must be {least} or more")
    if knobs.k_clusters > MOST_NEIGHBORS:
        raise QueryError(f"k_clusters = {knobs.k_clusters}; it must be {MOST_NEIGHBORS} or less")
    for name in ("matching_threshold", "smnn_match_threshold"):
        if not getattr(knobs, name) >= 0:
            raise QueryError(f"{name} = {getattr(knobs, name)}; it must be 0 or more")


def _verified_counts(
    query: Keypoints,
    features: Ids,
    knobs: OriginalKnobs,
    keypoints_of: Callable[[Ids], Mapping[int, Keypoints]],
) -> NDArray[np.int64]:
    """Matches of each feature that pass the ratio test, or that agree on a homography."""
    counts = np.zeros(len(features), np.int64)
    for start in range(0, len(features), BATCH_IMAGES):
        images = keypoints_of(features[start : start + BATCH_IMAGES])
        matched = symmetric_matches(
            query.descriptors,
            [image.descriptors for image in images.values()],
            ratio=knobs.smnn_match_threshold,
        )
        of_feature = {
            feature: _inliers(query, image, matches) if knobs.use_ransac else len(matches.query)
            for (feature, image), matches in zip(images.items(), matched, strict=True)
        }
        for place, feature in enumerate(features[start : start + BATCH_IMAGES], start):
            counts[place] = of_feature.get(int(feature), 0)
    return counts


def _inliers(query: Keypoints, image: Keypoints, matches: Matches) -> int:
    """Matches that agree on a homography; 0 where chance would give as many."""
    import cv2

    if len(matches.query) <= 3:
        return 0
    given = pairs(query, image, matches)
    try:
        _, mask = cv2.findHomography(
            given.query, given.image, cv2.USAC_MAGSAC, REPROJECTION, None, 2_000, 0.999
        )
    except cv2.error:
        return 0
    is_inlier = mask.ravel().astype(bool)  # all zeros where there is no homography
    places = distinct_places(given.query[is_inlier], given.image[is_inlier])
    chance = log10_chance(distinct_places(given.query, given.image), places, 4, given.area)
    return int(is_inlier.sum()) if chance <= LOG10_CHANCE else 0
