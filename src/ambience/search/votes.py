"""Votes: which images the points of a query are near to, and how well these points agree among themselves.

Pure functions over the answers of a point index. `search/local.py` calls them before any geometry: they turn
some thousand neighbours into a few dozen candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids, Neighbors
from ambience.keypoints import MAX_POINTS, Keypoints, Places, owners

LEAST_WEIGHT = 0.05
"""Weight of the farthest neighbour of a list. Above 0, because a list that is full of copies of one picture
has a last entry as near as its first."""

LEAST_SIZE = 1e-3
"""Of a keypoint, in pixels, so that ratios of sizes stay finite."""

ANGLE_BINS = 12
"""Of 30° each."""

SCALE_BINS = 16
"""Of one octave each, in the middle of which lies equal size."""


@dataclass(frozen=True, slots=True)
class Votes:
    """One entry for each point of the query and each feature near it.

    Attributes:
        rows: (V,) int64 row of the query descriptor.
        features: (V,) int64 feature id voted for.
        ordinals: (V,) int64 which point of that feature.
        weights: (V,) float64, above 0 up to 1.
    """

    rows: NDArray[np.int64]
    features: Ids
    ordinals: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rows)


def cast_votes(found: Neighbors) -> Votes:
    """The neighbours of query descriptors as votes: 1 − d²/d_k², from each descriptor's own list.

    Args:
        found: (Q, K) squared L2 distances and point ids of an index, nearest first.

    Returns:
        At most one vote of a descriptor for a feature: its nearest point there.

    Source: Jégou, Douze & Schmid, "On the burstiness of visual elements", CVPR 2009, for one vote at most;
    the weight relates each distance to that of the list's end, so that points met everywhere count little.
    """
    is_found = found.ids >= 0
    squared = np.where(is_found, found.distances, 0.0).astype(np.float64)
    farthest = np.max(squared, axis=1, initial=0.0, keepdims=True)
    weights = 1.0 - squared / np.where(farthest > 0, farthest, 1.0)
    rows, places = np.nonzero(is_found)
    points = found.ids[rows, places]
    features = owners(points)
    order = np.lexsort((places, features, rows))
    is_first = np.ones(len(order), np.bool_)
    is_first[1:] = (np.diff(rows[order]) != 0) | (np.diff(features[order]) != 0)
    kept = order[is_first]
    return Votes(
        rows[kept],
        features[kept],
        points[kept] % MAX_POINTS,
        np.maximum(weights[rows[kept], places[kept]], LEAST_WEIGHT),
    )


def most_voted(votes: Votes, variants: NDArray[np.int64], limit: int) -> tuple[Ids, NDArray[np.int64]]:
    """Features with the most weight of votes, each variant of the query counted by itself.

    Args:
        votes: of all descriptors.
        variants: (Q,) number of the variant that each query descriptor belongs to.
        limit: most pairs answered.

    Returns:
        (L,) feature ids and (L,) variants, most votes first, ties by feature id.
    """
    if not len(votes):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    features, inverse = np.unique(votes.features, return_inverse=True)
    count = int(variants.max()) + 1
    groups = inverse * count + variants[votes.rows]
    sums = np.bincount(groups, votes.weights, minlength=len(features) * count)
    best = np.argsort(-sums, kind="stable")[: min(limit, np.count_nonzero(sums))]
    return features[best // count], best % count


def consistency(
    votes: Votes,
    variants: NDArray[np.int64],
    queries: Sequence[Keypoints],
    features: Ids,
    chosen_variants: NDArray[np.int64],
    images: Places,
) -> NDArray[np.float64]:
    """Votes of each image that agree in how far it is turned and scaled against the query.

    Args:
        votes: of all descriptors of all variants.
        variants: (Q,) variant of each descriptor.
        queries: keypoints of each variant, whose descriptors follow each other in the rows of the votes.
        features: (L,) feature ids of candidates.
        chosen_variants: (L,) their variants; a pair of both comes once.
        images: of these L features. A vote for a point that is not among them does not count.

    Returns:
        (L,) the largest cell of each candidate's histogram over the logarithm of scale and 30° of angle, each
        vote shared among the four cells around it.

    Source: Jégou, Douze & Schmid, "Hamming embedding and weak geometric consistency for large scale image
    search", ECCV 2008; with votes shared among neighbouring cells.
    """
    if not len(features):
        return np.empty(0)
    keys = features * len(queries) + chosen_variants
    order = np.argsort(keys)
    asked = votes.features * len(queries) + variants[votes.rows]
    places = np.minimum(np.searchsorted(keys[order], asked), len(keys) - 1)
    is_candidate = keys[order][places] == asked
    rows, ordinals, weights = (each[is_candidate] for each in (votes.rows, votes.ordinals, votes.weights))
    candidate = order[places[is_candidate]]
    sizes, angles = (each.astype(np.float64) for each in images.at(candidate, ordinals))
    asked_sizes = np.concatenate([query.sizes for query in queries]).astype(np.float64)[rows]
    asked_angles = np.concatenate([query.angles for query in queries]).astype(np.float64)[rows]
    octaves = np.log2(np.maximum(sizes, LEAST_SIZE) / np.maximum(asked_sizes, LEAST_SIZE))
    weights = np.where(sizes > 0, weights, 0.0)
    return _largest_cells(candidate, len(features), octaves, angles - asked_angles, weights)


def _largest_cells(
    groups: NDArray[np.int64],
    count: int,
    octaves: NDArray[np.float64],
    degrees: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    across = np.clip(octaves + SCALE_BINS / 2, 0, SCALE_BINS - 1.001)
    around = (degrees / (360 / ANGLE_BINS)) % ANGLE_BINS
    cells = np.zeros(count * SCALE_BINS * ANGLE_BINS)
    for more_scale in (0, 1):
        scale = np.floor(across).astype(np.int64) + more_scale
        share = np.abs(1 - more_scale - (across - np.floor(across)))
        for more_angle in (0, 1):
            angle = (np.floor(around).astype(np.int64) + more_angle) % ANGLE_BINS
            part = np.abs(1 - more_angle - (around - np.floor(around)))
            cell = (groups * SCALE_BINS + scale) * ANGLE_BINS + angle
            cells += np.bincount(cell, weights * share * part, minlength=len(cells))
    largest: NDArray[np.float64] = cells.reshape(count, -1).max(axis=1)
    return largest
