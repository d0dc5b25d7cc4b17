"""Whether two pictures that lie on each other agree in their pixels: a copy, or only the same scene.

Another photo of the same scene can share as many points with a picture as its copy does, and most of its
pixels are alike as well. But near things shift against far ones as soon as the camera moves, by a fraction of
a pixel in the next frame of a film. A copy shows no such shifts: once both pictures are laid on each other as
well as a homography can, what is left is noise, whatever was painted over the copy. Pure functions.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Geometry
from ambience.datatypes import Picture
from ambience.search.geometry import linear_at

SIDE = 256
"""Longest side at which the overlap is compared, in pixels; less where either picture has less."""

BLOCK, SMALL_BLOCK = 16, 8
"""Side of the blocks that are compared; of thumbnails."""

BLUR = 1.5
"""Standard deviation in pixels of the blur that makes gradients of noisy pictures meaningful."""

FLAT = 3.0
"""Standard deviation of grey values in a block below which only noise would be compared."""

AGREEING = 0.85
"""Correlation of a block that shows the same in both pictures."""

LEAST_BLOCKS = 3
"""Fewer blocks with something on them tell nothing."""

LEAST_SHARE = 0.25
"""Share of the blocks that must agree in a copy; the others may be painted over."""

ROUNDS = 4
"""Times that the pictures are laid on each other, each but the last followed by a correction."""

MOST_SHIFT = 4.0
"""Shift in pixels beyond which a block's own is not believed."""

LEAST_NOISE = 0.04
"""Shifts below this are what interpolation and whole grey values leave, even of copies without any noise."""

LEAST_MOVE = 0.03
"""Pixels by which a correction must move some corner to be worth another round."""

COPY = 0.31
"""Of a copy, (shift + 0.02)·(shift over noise + 0.1)^1.6 is below: see `_is_copy`."""

Plane = NDArray[np.float32]
Matrix = NDArray[np.float64]


class PixelCheck(NamedTuple):
    """What comparing pixels showed.

    Attributes:
        correlation: mean over the blocks that hold something in either picture, −1 to 1.
        is_copy: whether the blocks that agree lie where they lie in a copy.
    """

    correlation: float
    is_copy: bool


class Blocks(NamedTuple):
    """Blocks of the overlap, each compared by itself.

    Attributes:
        correlations: (H', W') of the grey values of both.
        shifts: (H', W', 2) x, y in pixels: where the query's block lies in the image.
        noise: (H', W') standard deviation of the shifts, as the differences that no shift explains suggest.
        is_textured: (H', W') inside of both pictures, and flat in neither.
        is_one_sided: (H', W') inside of both pictures, and flat in one.
    """

    correlations: Matrix
    shifts: Matrix
    noise: Matrix
    is_textured: NDArray[np.bool_]
    is_one_sided: NDArray[np.bool_]


def compare_pixels(query: Picture, image: Picture, geometry: Geometry) -> PixelCheck | None:
    """Lays the image on the query as exactly as pixels allow, and compares both block by block.

    Args:
        query: as it was given.
        image: the other picture.
        geometry: how both lie on each other.

    Returns:
        What was seen; None where the overlap is too small or too flat to tell.

    Source: Lucas & Kanade, "An iterative image registration technique", IJCAI 1981, for the shift of a block;
    its noise follows from the same normal equations.
    """
    canvas = _canvas(query, image, geometry)
    if canvas is None:
        return None
    of_query, of_image, size, side = canvas
    first, first_mask = _laid(_grey(query), of_query, size)
    grey = _grey(image)
    blocks: Blocks | None = None
    for _ in range(ROUNDS):
        if blocks is not None:
            correction = _correction(blocks, side, size)
            if correction is None:
                break
            of_image = np.linalg.inv(correction) @ of_image
        second, second_mask = _laid(grey, of_image, size)
        blocks = _compared(first, second, first_mask & second_mask, side)
    assert blocks is not None
    return _judged(blocks)


def _judged(blocks: Blocks) -> PixelCheck | None:
    textured = blocks.is_textured
    if textured.sum() < LEAST_BLOCKS:
        return None
    seen = textured | blocks.is_one_sided
    correlation = float(np.where(textured, blocks.correlations, 0.0)[seen].mean())
    return PixelCheck(correlation, _is_copy(blocks))


def _is_copy(blocks: Blocks) -> bool:
    """Whether the blocks that agree are shifted by no more than noise.

    Of 360 copies under 26 edits, medians of the shift are 0.01–0.12 pixels (5th to 95th percentile), and four
    of five are below 1.25 times their noise; of 85 other photos of the same scene, 0.16–0.73, and 1.2–3.4
    times. A heavily blurred copy shifts by more, but within its noise: so both count, weighed by logistic
    regression over these pairs.
    """
    agrees = blocks.is_textured & (blocks.correlations >= AGREEING)
    if agrees.sum() < max(LEAST_BLOCKS, LEAST_SHARE * blocks.is_textured.sum()):
        return False
    shifts = np.hypot(blocks.shifts[..., 0], blocks.shifts[..., 1])[agrees]
    over_noise = np.percentile(shifts / blocks.noise[agrees], 80)
    return bool((np.median(shifts) + 0.02) * (over_noise + 0.1) ** 1.6 < COPY)


# --- laying one on the other ------------------------------------------------------------------------------


def _canvas(
    query: Picture, image: Picture, geometry: Geometry
) -> tuple[Matrix, Matrix, tuple[int, int], int] | None:
    """The part of the query that the image covers, as fine as the coarser of both pictures, in whole blocks.

    Returns:
        What takes pixels of both decoded pictures to the canvas; its width and height; the side of a block.
    """
    places = np.array(geometry.image_in_query)
    low = np.maximum(places.min(axis=0), 0)
    extent = np.minimum(places.max(axis=0), (query.width, query.height)) - low
    if (extent <= 0).any():
        return None
    decoded = np.array([query.rgb.shape[1] / query.width, query.rgb.shape[0] / query.height])
    others = np.array([image.rgb.shape[1] / image.width, image.rgb.shape[0] / image.height])
    growth = (abs(_area(np.array(geometry.query_in_image))) / (query.width * query.height)) ** 0.5
    scale = min(decoded.min(), others.min() * growth, SIDE / extent.max())
    side = BLOCK if (extent * scale).min() >= 2.5 * BLOCK else SMALL_BLOCK
    size = np.rint(extent * scale / side).astype(int) * side
    if size.min() < 2 * side:
        return None
    factors = size / extent
    onto = np.diag([*factors, 1.0]) @ np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])
    of_query = onto @ np.diag([*(1 / decoded), 1.0])
    of_image = onto @ np.linalg.inv(np.array(geometry.transform)) @ np.diag([*(1 / others), 1.0])
    return of_query, of_image, (int(size[0]), int(size[1])), side


def _area(places: Matrix) -> float:
    x, y = places.T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _grey(picture: Picture) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _laid(
    grey: NDArray[np.uint8], transform: Matrix, size: tuple[int, int]
) -> tuple[Plane, NDArray[np.bool_]]:
    """A picture on the canvas, blurred, and where it lies there."""
    import cv2

    middle = np.array([grey.shape[1] / 2, grey.shape[0] / 2])
    shrink = 1.2 * abs(np.linalg.det(linear_at(transform, middle))) ** 0.5
    if shrink < 0.85:
        # Warping alone would skip pixels; averaging first does not.
        smaller = (max(1, round(grey.shape[1] * shrink)), max(1, round(grey.shape[0] * shrink)))
        transform = transform @ np.diag([grey.shape[1] / smaller[0], grey.shape[0] / smaller[1], 1.0])
        grey = np.asarray(cv2.resize(grey, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    # From outer edges, as transforms count, to pixel centres, as OpenCV does.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    centred = np.linalg.inv(half) @ transform @ half
    plane = cv2.warpPerspective(
        grey.astype(np.float32), centred, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    mask = cv2.warpPerspective(np.full(grey.shape, 255, np.uint8), centred, size, flags=cv2.INTER_NEAREST)
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), BLUR), np.float32), mask > 0


def _correction(blocks: Blocks, side: int, size: tuple[int, int]) -> Matrix | None:
    """The homography that the blocks' own shifts ask for; None where that is next to nothing, or too much.

    Least squares over the shifts, linear in the eight parameters as long as these are small; blocks that
    disagree with the others lose their weight (Cauchy).
    """
    import cv2

    lengths = np.hypot(blocks.shifts[..., 0], blocks.shifts[..., 1])
    usable = blocks.is_textured & (blocks.correlations > 0.6) & (lengths < MOST_SHIFT)
    rows, columns = np.nonzero(usable)
    if len(rows) < 6:
        return None
    places = (np.column_stack([columns, rows]) + 0.5) * side
    terms = _terms(places, size, is_projective=len(rows) >= 12)
    asked = blocks.shifts[usable].T.ravel()
    precise = 1 / np.maximum(blocks.noise[usable], 0.05)
    weights = np.tile(precise, 2)
    for _ in range(5):
        found = np.linalg.lstsq(terms * weights[:, None], asked * weights, rcond=None)[0]
        misses = np.hypot(*(terms @ found - asked).reshape(2, -1))
        typical = max(1.5 * float(np.median(misses)), 0.05)
        weights = np.tile(precise / (1 + (misses / typical) ** 2), 2)
    width, height = size
    edges = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    moves = (_terms(edges, size, is_projective=len(rows) >= 12) @ found).reshape(2, -1).T
    if not LEAST_MOVE < np.abs(moves).max() < 3 * MOST_SHIFT:
        return None
    return np.asarray(
        cv2.getPerspectiveTransform(edges.astype(np.float32), (edges + moves).astype(np.float32))
    )


def _terms(places: NDArray[Any], size: tuple[int, int], *, is_projective: bool) -> Matrix:
    """(2 N, 8 or 6) what each parameter moves each place by: first all x, then all y."""
    x, y = ((places - np.array(size) / 2) / size[0]).T
    one, none = np.ones_like(x), np.zeros_like(x)
    across = [one, x, y, none, none, none]
    down = [none, none, none, one, x, y]
    if is_projective:
        across += [x * x, x * y]
        down += [x * y, y * y]
    return np.concatenate([np.column_stack(across), np.column_stack(down)])


# --- blocks -----------------------------------------------------------------------------------------------


def _compared(first: Plane, second: Plane, inside: NDArray[np.bool_], side: int) -> Blocks:
    import cv2

    mask = cv2.erode(inside.astype(np.float32), np.ones((5, 5), np.uint8))

    def summed(values: NDArray[Any]) -> Matrix:
        height, width = values.shape
        parts = values.reshape(height // side, side, width // side, side)
        return np.asarray(parts.sum(axis=(1, 3)), np.float64)

    def spread(values: Matrix) -> Plane:
        return np.asarray(np.repeat(np.repeat(values, side, axis=0), side, axis=1), np.float32)

    count = summed(mask)
    is_full = count > 0.6 * side**2
    count = np.maximum(count, 1.0)
    a = (first - spread(summed(first * mask) / count)) * mask
    b = (second - spread(summed(second * mask) / count)) * mask
    of_a, of_b, both = summed(a * a) / count, summed(b * b) / count, summed(a * b) / count
    # The image's grey values as the query has them: edits of brightness and contrast do not count.
    gain = both / np.maximum(of_b, 1e-6)
    difference = a - spread(gain) * b
    down, across = np.gradient(second)
    across, down = across * mask * spread(gain), down * mask * spread(gain)
    shifts, noise = _shifts(
        [summed(each) for each in (across * across, down * down, across * down)],
        [summed(each) for each in (across * difference, down * difference, difference * difference)],
        count,
    )
    textures = (of_a > FLAT**2).astype(int) + (of_b > FLAT**2)
    correlations = both / np.sqrt(np.maximum(of_a * of_b, 1e-6))
    return Blocks(correlations, shifts, noise, is_full & (textures == 2), is_full & (textures == 1))


def _shifts(gradients: list[Matrix], differences: list[Matrix], count: Matrix) -> tuple[Matrix, Matrix]:
    """Shift of each block, and its noise, by the normal equations of a linear approximation."""
    xx, yy, xy = gradients
    xd, yd, dd = differences
    ridge = 1e-3 * (xx + yy) + 1e-3
    determinant = np.maximum((xx + ridge) * (yy + ridge) - xy**2, 1e-9)
    across = ((yy + ridge) * xd - xy * yd) / determinant
    down = ((xx + ridge) * yd - xy * xd) / determinant
    unexplained = np.maximum((dd - across * xd - down * yd) / count, 1e-3)
    # Blurred noise: 4πσ² neighbouring pixels err together.
    variance = unexplained * 4 * np.pi * BLUR**2 * (xx + yy) / determinant
    return np.stack([across, down], axis=-1), np.maximum(np.sqrt(variance), LEAST_NOISE)
