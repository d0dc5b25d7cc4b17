"""Which points of two pictures match each other: mutual nearest neighbours that pass the ratio test."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATIO = 0.85
"""A match's distance over that of the second nearest point of the same image, at most."""

BATCH_POINTS = 500
"""Descriptors of images compared with a query in one product: 0.8 MB of distances for 400 query points, which
stay in the processor's cache while they are looked through."""


class Matches(NamedTuple):
    """Points that match, one row each, surest first.

    Attributes:
        query: (M,) rows of the query's points.
        image: (M,) rows of the image's points.
        ratios: (M,) float32 distance over that of the second nearest, 0–1; smaller is surer.
    """

    query: NDArray[np.intp]
    image: NDArray[np.intp]
    ratios: NDArray[np.float32]


def mutual_matches(
    query: NDArray[np.uint8], images: Sequence[NDArray[np.uint8]], *, ratio: float = RATIO
) -> list[Matches]:
    """Points of each image that match points of the query, and the other way round.

    Args:
        query: (N, D) descriptors.
        images: of each image, (M, D) descriptors.
        ratio: largest distance of a match relative to the second nearest point of the image.

    Returns:
        One entry per image. Each point comes once at most. An image of one point has no second nearest: it
        matches nothing.

    Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004.
    """
    return [_mutual(squared, ratio) for squared in _squared_distances(query, images)]


def symmetric_matches(
    query: NDArray[np.uint8], images: Sequence[NDArray[np.uint8]], *, ratio: float
) -> list[Matches]:
    """Mutual matches that pass the ratio test in both directions (what Kornia calls `match_smnn`).

    Args:
        query: (N, D) descriptors.
        images: of each image, (M, D) descriptors.
        ratio: largest distance relative to the second nearest, among the query's points as well.

    Returns:
        One entry per image; none where either side has fewer than two points.
    """
    found: list[Matches] = []
    for squared in _squared_distances(query, images):
        there, back = _mutual(squared, ratio), _mutual(squared.T, ratio)
        is_both = np.isin(there.query, back.image)
        found.append(Matches(there.query[is_both], there.image[is_both], there.ratios[is_both]))
    return found


def _squared_distances(
    query: NDArray[np.uint8], images: Sequence[NDArray[np.uint8]]
) -> Iterator[NDArray[np.float32]]:
    """(N, M) squared L2 distances of each image in turn, exact: whole numbers below 2^24."""
    asked = _beside(query, scale=-2.0, norm_last=True)
    for batch in _batches(images):
        joined = _beside(np.concatenate([images[number] for number in batch]), scale=1.0, norm_last=False)
        squared = asked @ joined.T
        start = 0
        for number in batch:
            end = start + len(images[number])
            yield squared[:, start:end]
            start = end


def _beside(descriptors: NDArray[np.uint8], *, scale: float, norm_last: bool) -> NDArray[np.float32]:
    """Descriptors with their squared norm and a 1 beside them, so that one product gives squared distances.

    Returns:
        (N, D + 2) float32: scaled descriptors, then 1 and the norm, or the norm and 1.
    """
    count, dim = descriptors.shape
    wide = np.ones((count, dim + 2), np.float32)
    wide[:, :dim] = descriptors
    wide[:, dim + norm_last] = np.einsum("nd,nd->n", wide[:, :dim], wide[:, :dim])
    wide[:, :dim] *= scale
    return wide


def _batches(images: Sequence[NDArray[np.uint8]]) -> Iterator[range]:
    """Runs of images that have `BATCH_POINTS` points together, or one image that has more."""
    start, points = 0, 0
    for number, image in enumerate(images):
        if points and points + len(image) > BATCH_POINTS:
            yield range(start, number)
            start, points = number, 0
        points += len(image)
    if start < len(images):
        yield range(start, len(images))


def _mutual(squared: NDArray[np.float32], ratio: float) -> Matches:
    """Matches of one image by the (N, M) squared distances; surest first."""
    if squared.shape[0] == 0 or squared.shape[1] < 2:
        return Matches(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.float32))
    rows = np.arange(len(squared))
    nearest = squared.argmin(axis=1)
    first = squared[rows, nearest]
    squared[rows, nearest] = np.inf
    second = squared.min(axis=1)
    squared[rows, nearest] = first
    kept = np.flatnonzero((first <= ratio**2 * second) & (second > 0))
    # The other direction is looked at for the few points that are left: columns are slow to walk along.
    kept = kept[squared[:, nearest[kept]].argmin(axis=0) == kept]
    ratios = np.sqrt(np.maximum(first[kept], 0) / second[kept])
    order = np.argsort(ratios, kind="stable")
    return Matches(kept[order], nearest[kept[order]], ratios[order])
