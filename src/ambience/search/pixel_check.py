"""Whether two pictures that lie on each other agree in their pixels: a copy, or only the same scene.

Another photo of the same scene can share as many points with a picture as its copy does. What differs are the
pixels between the points: people move, light changes, near things shift against far ones. Pure functions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Geometry, Picture

SIDE = 256
"""Longest side at which the overlap is compared, in pixels; less where either picture has less."""

LEAST_SIDE = 24
"""Below it there is too little to compare."""

BLUR = 2.0
"""Standard deviation in pixels: what a JPEG or a thumbnail loses should not count."""

BLOCKS = 8
"""Blocks along each side of the overlap."""

FLAT = 3.0
"""Standard deviation of grey values in a block below which only noise would be compared."""

COPY = 0.92
"""Median correlation of the blocks of a copy, at least."""


@dataclass(frozen=True, slots=True)
class PixelCheck:
    """What comparing pixels showed.

    Attributes:
        correlation: median over the blocks that hold something, −1 to 1.
        is_copy: whether they agree as only copies do.
    """

    correlation: float
    is_copy: bool


def compare_pixels(query: Picture, image: Picture, geometry: Geometry) -> PixelCheck | None:
    """Lays the image on the query and compares both, block by block.

    Args:
        query: as it was given.
        image: the other picture.
        geometry: how both lie on each other.

    Returns:
        What was seen; None where the overlap is too small or too flat to tell.
    """
    import cv2

    canvas = _canvas(query, image, geometry)
    if canvas is None:
        return None
    of_query, of_image, size = canvas
    planes = []
    for rgb, transform in ((query.rgb, of_query), (image.rgb, of_image)):
        grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
        planes.append(_warped(grey, transform, size))
    (first, first_mask), (second, second_mask) = planes
    inside = cv2.erode((first_mask & second_mask).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    correlations = _block_correlations(first, second, inside)
    if len(correlations) < 3:
        return None
    correlation = float(np.median(correlations))
    return PixelCheck(correlation, correlation >= COPY)


def _canvas(
    query: Picture, image: Picture, geometry: Geometry
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[int, int]] | None:
    """Transforms of both decoded pictures onto the canvas they are compared on, and its width and height.

    The canvas is the part of the query that the image covers, as fine as the coarser of both pictures is.
    """
    transform = np.array(geometry.transform)
    places = np.array(geometry.image_in_query)
    low = np.maximum(places.min(axis=0), 0)
    high = np.minimum(places.max(axis=0), (query.width, query.height))
    extent = high - low
    if (extent <= 0).any():
        return None
    query_scale = query.rgb.shape[1] / query.width
    area = np.abs(_area(np.array(geometry.query_in_image))) / (query.width * query.height)
    image_scale = image.rgb.shape[1] / image.width * area**0.5
    scale = min(query_scale, image_scale, SIDE / extent.max())
    size = np.maximum(np.rint(extent * scale), 1).astype(int)
    if size.min() < LEAST_SIDE:
        return None
    onto = np.diag([scale, scale, 1.0]) @ np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
    of_query = onto @ np.diag([1 / query_scale, query.height / query.rgb.shape[0], 1.0])
    back = np.linalg.inv(transform)
    of_image = (
        onto @ back @ np.diag([image.width / image.rgb.shape[1], image.height / image.rgb.shape[0], 1.0])
    )
    return of_query, of_image, (int(size[0]), int(size[1]))


def _area(places: NDArray[np.float64]) -> float:
    x, y = places.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _warped(
    grey: NDArray[np.uint8], transform: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A picture on the canvas, blurred, and where it lies."""
    import cv2

    linear = transform[:2, :2] - np.outer(transform[:2, 2], transform[2, :2])
    shrink = min(1.0, 1.5 * abs(np.linalg.det(linear)) ** 0.5)
    if shrink < 0.75:
        # Warping alone would skip pixels; averaging first does not.
        smaller = (max(1, round(grey.shape[1] * shrink)), max(1, round(grey.shape[0] * shrink)))
        factors = np.diag([grey.shape[1] / smaller[0], grey.shape[0] / smaller[1], 1.0])
        grey = np.asarray(cv2.resize(grey, smaller, interpolation=cv2.INTER_AREA), np.uint8)
        transform = transform @ factors
    # From outer edges, as transforms count, to pixel centres, as OpenCV does.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    centred = np.linalg.inv(half) @ transform @ half
    plane = cv2.warpPerspective(
        grey.astype(np.float32), centred, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpPerspective(np.full(grey.shape, 255, np.uint8), centred, size, flags=cv2.INTER_NEAREST)
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), BLUR), np.float32), mask > 0


def _block_correlations(
    first: NDArray[np.float32], second: NDArray[np.float32], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Correlation of each block that lies inside for the most part and is not flat."""
    height, width = first.shape
    rows = np.minimum(np.arange(height) * BLOCKS // height, BLOCKS - 1)
    columns = np.minimum(np.arange(width) * BLOCKS // width, BLOCKS - 1)
    block = (rows[:, None] * BLOCKS + columns[None])[inside]
    a, b = first[inside].astype(np.float64), second[inside].astype(np.float64)

    def summed(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
        return np.bincount(block, values, minlength=BLOCKS * BLOCKS).astype(np.float64)

    count = np.maximum(summed(None), 1.0)
    mean_a, mean_b = summed(a) / count, summed(b) / count
    a, b = a - mean_a[block], b - mean_b[block]
    variance_a, variance_b = summed(a * a) / count, summed(b * b) / count
    together = summed(a * b) / count
    is_full = summed(None) > 0.5 * height * width / BLOCKS**2
    is_textured = np.maximum(variance_a, variance_b) > FLAT**2
    chosen = is_full & is_textured
    spread = np.sqrt(np.maximum(variance_a * variance_b, 1e-6))
    correlations: NDArray[np.float64] = (together / spread)[chosen]
    return correlations
