"""A fitted transform becomes the proof that people see: quadrilaterals and overlaps in pixels of both files.

Pure functions. What no camera and no editor does to a picture (folds, corners behind the viewer, a
fortyfold enlargement) is refused here.
"""

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Geometry, Homography, Quadrilateral
from ambience.datatypes import Orientation
from ambience.keypoints import Keypoints
from ambience.search.geometry import (
    Fit,
    Pairs,
    Transform,
    applied,
    fit_homography,
    fit_similarity_or_affine,
    frame_factor,
    linear_at,
)

SCALES = (1 / 40, 40.0)
"""Sane changes of length between the frames of two pictures."""

STRETCH = 4.0
"""Sane ratio of the greatest to the smallest change of length about the middle of the overlap."""

DEPTHS = 4.0
"""Sane ratio of the distances at which a homography sees two corners of one picture."""


def proof(
    given: Pairs, query: Keypoints, image: Keypoints, *, is_mirrored: bool, accept: float
) -> Geometry | None:
    """How a query lies on an image, if its matches prove that it does.

    Args:
        given: matches of both.
        query: as it was matched: mirrored, where `is_mirrored`.
        image: the other picture.
        is_mirrored: whether the query was mirrored before it was matched.
        accept: −log10 of chance needed.

    Returns:
        The proof, without a comparison of pixels; None where chance explains the matches, or no sane
        transform fits them.
    """
    start = fit_similarity_or_affine(given)
    if start is None or start.log10_chance > -accept:
        return None
    better = fit_homography(given, start)
    fits = [start] if better is None else sorted((start, better), key=lambda fit: fit.log10_chance)
    for fit in fits:
        geometry = _geometry(given, fit, query, image, is_mirrored)
        if geometry is not None and fit.log10_chance <= -accept:
            return geometry
    return None


def orientation_of(geometry: Geometry) -> Orientation:
    """How a query has to be turned to lie on the image, to the quarter.

    Args:
        geometry: of a hit.

    Returns:
        Mirror first, then so many degrees counter-clockwise.
    """
    transform = np.array(geometry.transform)
    linear = linear_at(transform, np.mean(geometry.image_in_query, axis=0))
    if geometry.is_mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    clockwise = np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return Orientation(int(round(-clockwise / 90) * 90 % 360), geometry.is_mirrored)


def frame_on_frame(
    orientation: Orientation, query: tuple[float, float], image: tuple[float, float]
) -> Homography:
    """The transform that lays a whole query on a whole image.

    Args:
        orientation: how the query has to be turned.
        query: its width and height, in pixels.
        image: likewise.

    Returns:
        3×3, row by row: pixels of the query, as homogeneous (x, y, 1), to pixels of the image.
    """
    (width, height), matrix = query, np.eye(3)
    if orientation.mirrored:
        matrix = np.array([[-1.0, 0, width], [0, 1, 0], [0, 0, 1]])
    for _ in range(orientation.rotation // 90):  # counter-clockwise: (x, y) → (y, width − x)
        matrix = np.array([[0.0, 1, 0], [-1, 0, width], [0, 0, 1]]) @ matrix
        width, height = height, width
    scaled = np.diag([image[0] / width, image[1] / height, 1.0]) @ matrix
    return _rows(scaled + 0.0)


def corners(width: float, height: float) -> NDArray[np.float64]:
    """Corners of a picture: upper left, upper right, lower right, lower left.

    Returns:
        (4, 2) x, y.
    """
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def overlap(places: NDArray[np.float64], width: float, height: float) -> float:
    """Share of a picture's area that a convex quadrilateral covers.

    Args:
        places: (4, 2) its corners in the picture's pixels.
        width: of the picture.
        height: of the picture.

    Returns:
        0–1.
    """
    left = [(float(x / width), float(y / height)) for x, y in places]
    for axis, bound, sign in ((0, 0.0, 1.0), (0, 1.0, -1.0), (1, 0.0, 1.0), (1, 1.0, -1.0)):
        left = _clipped(left, axis, bound, sign)
    return min(_area(left), 1.0)


def _clipped(
    polygon: list[tuple[float, float]], axis: int, bound: float, sign: float
) -> list[tuple[float, float]]:
    """What of a convex polygon lies on one side of an upright or level line.

    Source: Sutherland & Hodgman, "Reentrant polygon clipping", CACM 17(1), 1974. OpenCV 4.13's
    intersectConvexConvex answers nothing for some pairs that nearly coincide.
    """
    kept: list[tuple[float, float]] = []
    for corner, following in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        inside, next_inside = sign * (corner[axis] - bound), sign * (following[axis] - bound)
        if inside >= 0:
            kept.append(corner)
        if (inside > 0) != (next_inside > 0) and inside != next_inside:
            share = inside / (inside - next_inside)
            kept.append(
                (
                    corner[0] + share * (following[0] - corner[0]),
                    corner[1] + share * (following[1] - corner[1]),
                )
            )
    return kept


def _area(polygon: list[tuple[float, float]]) -> float:
    turned = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return abs(sum(x * other_y - other_x * y for (x, y), (other_x, other_y) in turned)) / 2


def _geometry(
    given: Pairs, fit: Fit, query: Keypoints, image: Keypoints, is_mirrored: bool
) -> Geometry | None:
    transform = _in_pixels(fit.transform, query, image, is_mirrored)
    if transform is None:
        return None
    inverse = np.asarray(np.linalg.inv(transform), np.float64)
    of_query, of_image = corners(query.width, query.height), corners(image.width, image.height)
    middle = given.query[fit.is_inlier].mean(axis=0)
    if not (
        _is_sane(fit.transform, middle)
        and _are_before(transform, of_query)
        and _are_before(inverse, of_image)
    ):
        return None
    in_image, in_query = applied(transform, of_query), applied(inverse, of_image)
    if not (_is_convex(in_image) and _is_convex(in_query)):
        return None
    return Geometry(
        inliers=fit.inliers,
        log10_chance=fit.log10_chance,
        transform=_rows(transform),
        query_in_image=_quadrilateral(in_image),
        image_in_query=_quadrilateral(in_query),
        query_overlap=overlap(in_query, query.width, query.height),
        image_overlap=overlap(in_image, image.width, image.height),
        is_mirrored=is_mirrored,
    )


def _in_pixels(
    transform: Transform, query: Keypoints, image: Keypoints, is_mirrored: bool
) -> Transform | None:
    """From pixels of the query as it was given to pixels of the image; None where it cannot be inverted."""
    to_query, to_image = frame_factor(query), frame_factor(image)
    whole = np.diag([1 / to_image, 1 / to_image, 1.0]) @ transform @ np.diag([to_query, to_query, 1.0])
    if is_mirrored:
        whole = whole @ np.array([[-1.0, 0, query.width], [0, 1, 0], [0, 0, 1]])
    if not np.isfinite(whole).all() or abs(whole[2, 2]) < 1e-9:
        return None
    whole /= whole[2, 2]
    sides = np.linalg.svd(whole, compute_uv=False)
    return whole if sides[-1] > 1e-12 * sides[0] else None


def _is_sane(framed: Transform, middle: NDArray[np.float64]) -> bool:
    linear = linear_at(framed, middle)
    longest, shortest = np.linalg.svd(linear, compute_uv=False)
    return bool(SCALES[0] < shortest and longest < SCALES[1] and longest < STRETCH * shortest)


def _are_before(transform: Transform, places: NDArray[np.float64]) -> bool:
    """Whether all corners lie before the viewer, at distances that are not too unlike."""
    depths = places @ transform[2, :2] + transform[2, 2]
    return bool(depths.min() * depths.max() > 0 and np.abs(depths).max() < DEPTHS * np.abs(depths).min())


def _is_convex(places: NDArray[np.float64]) -> bool:
    sides = np.roll(places, -1, axis=0) - places
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    return bool((turns > 0).all() or (turns < 0).all())


def _rows(transform: Transform) -> Homography:
    first, second, third = ((float(a), float(b), float(c)) for a, b, c in transform)
    return first, second, third


def _quadrilateral(places: NDArray[np.float64]) -> Quadrilateral:
    return tuple((float(x), float(y)) for x, y in places)
