"""How one picture lies on another: the transform that most matches agree on, and what chance would give.

Pure functions. Both pictures are brought into a frame whose longest side is 512, whatever their size, so that
tolerances mean the same for thumbnails and panoramas. Angles and sizes of the points vote along with their
places: one match alone already names a similarity.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.keypoints import Keypoints
from ambience.search.matching import Matches

FRAME = 512.0
"""Longest side of the frame that pictures are compared in."""

TOLERANCE = 6.0
"""How far from its like a point may come to lie, in the frame of the image."""

LOOSE = 0.15
"""What is allowed on top while only one match names the similarity, per unit of distance from that match:
keypoints' own angles and sizes are off by that much."""

OCTAVES, DEGREES = 1.0, 40.0
"""How far the change of size and angle of a point may differ from that of the whole."""

AGREEING = 1 / 6
"""Chance that size and angle of a wrong match agree all the same. Even angles would give 1/9 alone; but
pictures stand upright, and their edges with them."""

LEAST_MATCHES = 4
"""Fewer never prove anything."""

HYPOTHESES = 256
"""Most matches, the surest, that a similarity is taken from."""

Transform = NDArray[np.float64]
"""(3, 3), last entry 1: takes (x, y, 1) of the query's frame to the image's."""


class Pairs(NamedTuple):
    """Matching points of two pictures, row by row, in the frames of both.

    Attributes:
        query: (M, 2) float64 x, y.
        image: (M, 2) float64 x, y.
        octaves: (M,) float64 log2 of the image point's size over the query point's.
        degrees: (M,) float64 by how much the image point's angle is greater.
        area: of the image in its frame.
    """

    query: NDArray[np.float64]
    image: NDArray[np.float64]
    octaves: NDArray[np.float64]
    degrees: NDArray[np.float64]
    area: float


class Fit(NamedTuple):
    """A transform and the matches that agree with it.

    Attributes:
        transform: (3, 3).
        is_inlier: (M,) bool.
        inliers: distinct places among these.
        log10_chance: see `log10_chance`.
    """

    transform: Transform
    is_inlier: NDArray[np.bool_]
    inliers: int
    log10_chance: float


def frame_factor(keypoints: Keypoints) -> float:
    """What pixels of the file's picture are multiplied by to lie in its frame.

    Returns:
        Above 0.
    """
    return FRAME / max(keypoints.width, keypoints.height, 1)


def pairs(query: Keypoints, image: Keypoints, matches: Matches) -> Pairs:
    """Matches in the frames of both pictures.

    Args:
        query: keypoints of one picture.
        image: keypoints of the other.
        matches: rows of both.

    Returns:
        One pair for each match, in their order.
    """
    rows, others = matches.query, matches.image
    to_query, to_image = frame_factor(query), frame_factor(image)
    sizes = np.maximum(query.sizes[rows].astype(np.float64) * to_query, 1e-3)
    other_sizes = np.maximum(image.sizes[others].astype(np.float64) * to_image, 1e-3)
    return Pairs(
        query.pixels[rows].astype(np.float64) * to_query,
        image.pixels[others].astype(np.float64) * to_image,
        np.log2(other_sizes / sizes),
        (image.angles[others] - query.angles[rows]).astype(np.float64),
        max(image.width * image.height * to_image**2, 1.0),
    )


def log10_chance(matches: int, inliers: int, sample: int, area: float) -> float:
    """Expected number of transforms under which as many matches would agree if all of them were wrong.

    The model: a wrong match ends anywhere in the image, independently of the others, so that it lies within
    the tolerance with p = π·6² / area, and agrees in size and angle with 1/6. Among M matches,
    (M − s)·C(M, k) sets of k could be found, each with C(k, s) samples of s matches that fix the transform,
    and the other k − s agree with probability (p/6)^(k − s).

    Args:
        matches: M, distinct places.
        inliers: k.
        sample: s; matches that fix the transform: 2 for a similarity, 3 affine, 4 for a homography.
        area: of the image in its frame.

    Returns:
        log10 of (M − s)·C(M, k)·C(k, s)·(p/6)^(k − s); that of M − s where k is no more than s.

    Source: Moisan & Stival, "A probabilistic criterion to detect rigid point matches between two images and
    estimate the fundamental matrix", IJCV 57(3), 2004, eq. 13; here for points instead of lines.
    """
    tests = math.log10(max(matches - sample, 1))
    if inliers <= sample:
        return tests
    p = min(math.pi * TOLERANCE**2 / area, 1.0) * AGREEING
    return (
        tests
        + _log10_choose(matches, inliers)
        + _log10_choose(inliers, sample)
        + (inliers - sample) * math.log10(p)
    )


@cache
def _log10_choose(n: int, k: int) -> float:
    return (math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)) / math.log(10)


def fit_similarity_or_affine(given: Pairs) -> Fit | None:
    """The similarity or affine transform that the most distinct matches agree on.

    Each match names a similarity; all are compared with all matches at once. The best is fitted to those who
    agree and so refined to an affine transform, in steps of narrowing tolerance.

    Args:
        given: all matches.

    Returns:
        The fit that chance explains least; None where too few matches agree.
    """
    if len(given.query) < LEAST_MATCHES:
        return None
    agreeing = _agreeing(given)
    support = agreeing @ _shares(given)
    best: Fit | None = None
    for _ in range(2):
        first = int(np.argmax(support))
        if support[first] < LEAST_MATCHES - 0.5:
            break
        fit = _refined(given, agreeing[first])
        if fit is not None and (best is None or fit.log10_chance < best.log10_chance):
            best = fit
        # Those who agreed with the first have had their say; another group is tried where it is as large.
        support = np.where(agreeing[:, first] | agreeing[first, : len(support)], 0, support)
        if best is not None and best.log10_chance < -25:
            break
    return best


def fit_homography(given: Pairs, start: Fit) -> Fit | None:
    """A homography near an affine fit, by MAGSAC++.

    Args:
        given: all matches.
        start: tells which matches are near enough to be looked at.

    Returns:
        A fit, or None where there is none that is sane.

    Source: Barath et al., "MAGSAC++, a fast, reliable and accurate robust estimator", CVPR 2020, as in OpenCV
    (USAC_MAGSAC), which draws its samples from a fixed seed.
    """
    import cv2

    near = np.flatnonzero(_inliers(given, start.transform, 8 * TOLERANCE))
    if len(near) < 6:
        return None
    try:
        found, _ = cv2.findHomography(
            given.query[near], given.image[near], cv2.USAC_MAGSAC, TOLERANCE / 2, None, 2_000, 0.999
        )
    except cv2.error:
        return None
    if found is None or not np.isfinite(found).all() or abs(found[2, 2]) < 1e-9:
        return None
    return _judged(given, np.asarray(found / found[2, 2], np.float64), 4)


def applied(transform: Transform, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a transform takes places.

    Args:
        transform: (3, 3).
        places: (N, 2) x, y.

    Returns:
        (N, 2); far away where the transform takes a place to infinity.
    """
    moved = places @ transform[:, :2].T + transform[:, 2]
    depth = np.where(np.abs(moved[:, 2:]) < 1e-9, 1e-9, moved[:, 2:])
    taken: NDArray[np.float64] = moved[:, :2] / depth
    return taken


def linear_at(transform: Transform, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """How a transform turns and scales the surroundings of a place.

    Args:
        transform: (3, 3).
        place: (2,) x, y.

    Returns:
        (2, 2) its derivative there.
    """
    moved = transform[:, :2] @ place + transform[:, 2]
    depth = moved[2] if abs(moved[2]) > 1e-9 else 1e-9
    linear: NDArray[np.float64] = (transform[:2, :2] - np.outer(moved[:2] / depth, transform[2, :2])) / depth
    return linear


def distinct_places(places: NDArray[np.float64], others: NDArray[np.float64]) -> int:
    """Matches that differ in place on both sides; SIFT often finds several points at one place.

    Args:
        places: (M, 2) in the query's frame.
        others: (M, 2) in the image's.

    Returns:
        The smaller of the numbers of places that differ by 3 or so.
    """
    if not len(places):
        return 0
    return min(len(np.unique(_cells(places))), len(np.unique(_cells(others))))


def _cells(places: NDArray[np.float64]) -> NDArray[np.int64]:
    whole = np.floor(places / 3.0).astype(np.int64)
    cells: NDArray[np.int64] = whole[:, 1] * 100_000 + whole[:, 0]
    return cells


def _shares(given: Pairs) -> NDArray[np.float64]:
    """(M,) 1 over the number of matches at the same place of the query."""
    _, inverse, counts = np.unique(_cells(given.query), return_inverse=True, return_counts=True)
    shares: NDArray[np.float64] = 1.0 / counts[inverse]
    return shares


def _agreeing(given: Pairs) -> NDArray[np.bool_]:
    """(H, M) which matches agree with the similarity that each of the first H names."""
    asked = min(len(given.query), HYPOTHESES)
    query = given.query[:, 0] + 1j * given.query[:, 1]
    image = given.image[:, 0] + 1j * given.image[:, 1]
    turn = np.exp2(given.octaves[:asked]) * np.exp(1j * np.deg2rad(given.degrees[:asked]))
    expected = turn[:, None] * (query[None] - query[:asked, None])
    misses = np.abs(expected - (image[None] - image[:asked, None]))
    is_near: NDArray[np.bool_] = misses < TOLERANCE + LOOSE * np.abs(expected)
    is_near &= np.abs(given.octaves[None] - given.octaves[:asked, None]) < OCTAVES
    is_near &= _turned(given.degrees[None] - given.degrees[:asked, None]) < DEGREES
    return is_near


def _turned(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Size of an angle, 0–180."""
    size: NDArray[np.float64] = np.abs((degrees + 180.0) % 360.0 - 180.0)
    return size


def _refined(given: Pairs, is_inlier: NDArray[np.bool_]) -> Fit | None:
    similarity = _least_squares_similarity(given, is_inlier)
    if similarity is None:
        return None
    best = _judged(given, similarity, 2)
    transform = similarity
    for tolerance in (4 * TOLERANCE, 2 * TOLERANCE, TOLERANCE, TOLERANCE):
        is_inlier = _inliers(given, transform, tolerance)
        fitted = _least_squares_affine(given, is_inlier)
        if fitted is None:
            break
        transform = fitted
    if transform is not similarity:
        affine = _judged(given, transform, 3)
        if affine is not None and (best is None or affine.log10_chance < best.log10_chance):
            best = affine
    return best


def _judged(given: Pairs, transform: Transform, sample: int) -> Fit | None:
    is_inlier = _inliers(given, transform, TOLERANCE)
    count = distinct_places(given.query[is_inlier], given.image[is_inlier])
    if count < LEAST_MATCHES:
        return None
    matches = max(distinct_places(given.query, given.image), count)
    return Fit(transform, is_inlier, count, log10_chance(matches, count, sample, given.area))


def _inliers(given: Pairs, transform: Transform, tolerance: float) -> NDArray[np.bool_]:
    """(M,) which matches a transform takes to within a tolerance, and turns and scales as it does."""
    misses = applied(transform, given.query) - given.image
    linear = linear_at(transform, given.query.mean(axis=0))
    determinant = linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0]
    if determinant <= 1e-9:
        return np.zeros(len(misses), np.bool_)
    octaves = 0.5 * math.log2(determinant)
    degrees = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    is_inlier: NDArray[np.bool_] = np.einsum("ij,ij->i", misses, misses) < tolerance**2
    is_inlier &= np.abs(given.octaves - octaves) < 1.5 * OCTAVES
    is_inlier &= _turned(given.degrees - degrees) < 1.5 * DEGREES
    return is_inlier


def _least_squares_similarity(given: Pairs, is_inlier: NDArray[np.bool_]) -> Transform | None:
    query = given.query[is_inlier] @ np.array([1, 1j])
    image = given.image[is_inlier] @ np.array([1, 1j])
    if len(query) < 2:
        return None
    middle, other = query.mean(), image.mean()
    spread = np.vdot(query - middle, query - middle).real
    if spread < 1.0:
        return None
    turn = complex(np.vdot(query - middle, image - other) / spread)
    shift = other - turn * middle
    return np.array(
        [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag], [0.0, 0.0, 1.0]]
    )


def _least_squares_affine(given: Pairs, is_inlier: NDArray[np.bool_]) -> Transform | None:
    """None where the places lie on a line, or nearly so."""
    query, image = given.query[is_inlier], given.image[is_inlier]
    if len(query) < 4:
        return None
    middle, other = query.mean(axis=0), image.mean(axis=0)
    moved = query - middle
    spread = moved.T @ moved
    if np.linalg.det(spread) < 1e-4 * np.trace(spread) ** 2:
        return None
    linear = np.linalg.solve(spread, moved.T @ (image - other)).T
    sides = np.linalg.svd(linear, compute_uv=False)
    if np.linalg.det(linear) <= 0 or sides[1] < 0.2 * sides[0]:
        return None
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = linear, other - linear @ middle
    return transform
