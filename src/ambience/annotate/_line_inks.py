"""A line of text as pictures of its ink alone: dark on white, without frames, shades and what lies behind.

Signs stand in boxes, and words laid over photographs have edges in another color; an engine made for scanned
pages takes a box for a drawing and reads the edges. So a line's colors are parted into three, and its
brightest and its darkest are each shown alone, without whatever reaches in from outside.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage

COLORS = 3
"""Colors that a line is parted into: of letters, of their edge or shade, and of what lies behind."""

ENLARGED = 2
"""How much larger than 48 pixels a line is shown: letters in a box fill half of it."""

LEAST_SPECK = 0.03
"""Height and width, as a share of the line's height, below which both ways a speck is no part of a letter;
the dots of Arabic and Devanagari letters are some 0.06."""

NARROW, LOW = 0.3, 0.25
"""Width of what touches the left or right side, and height of what touches the upper or lower one, as a share
of the line's height, below which it is taken for a piece of something else."""

LETTER, THICK = 0.2, 2.0
"""Height of parts that are letters, as a share of the line's height; and how many times the usual stroke of
these a part of the ink may have at its widest: patches of what lies behind are blots beside letters."""

HEIGHTS = (32, 48)
"""Pixels of the ink from top to bottom in which it is shown: Tesseract reads some words in one and some in
the other. Of 60 words over photographs it read 43 in either, 47 in one of both; 64 gave 39."""

MAX_WIDTH = 4096
"""Pixels of a line of ink; a speck as wide as the line would be blown up without end."""

GreyLine = NDArray[np.uint8]
"""(H, W) uint8."""


def plain(line: RgbImage) -> GreyLine:
    """A line in grey, as dark on bright as its middle grey tells.

    Args:
        line: (H, W, 3) uint8.

    Returns:
        (H, W) uint8, from 0 to 255 but for its extreme hundredths.
    """
    import cv2

    grey = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (1, 99))
    spread = np.clip((grey.astype(np.float32) - low) * (255 / max(high - low, 1.0)), 0, 255)
    if np.median(spread) < 128:  # bright on dark
        spread = 255 - spread
    return np.asarray(spread, np.uint8)


def inks(line: RgbImage) -> list[GreyLine]:
    """What is brightest in a line, and what is darkest, each as dark ink on white.

    Args:
        line: (48, W, 3) uint8.

    Returns:
        Up to four pictures, (32, …) and (48, …) uint8, cut to their ink; of what shows no such ink, none.
    """
    import cv2

    large = cv2.resize(line, None, fx=ENLARGED, fy=ENLARGED, interpolation=cv2.INTER_CUBIC)
    colors = cv2.cvtColor(large, cv2.COLOR_RGB2LAB).astype(np.float32)
    centers = _main_colors(colors)
    shown = []
    for chosen in (int(centers[:, 0].argmax()), int(centers[:, 0].argmin())):
        others = np.delete(centers, chosen, axis=0)
        nearest = float(np.linalg.norm(others - centers[chosen], axis=1).min())
        distances = np.linalg.norm(colors - centers[chosen], axis=2) / max(nearest, 1.0)
        ink = _within(distances < 0.5)
        if ink is not None:
            drawn = _drawn(distances, ink)
            shown += [_of_height(drawn, height) for height in HEIGHTS]
    return shown


def _main_colors(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, 3) float32 centers of a picture's colors in L*a*b*, by k-means (Lloyd 1982)."""
    import cv2

    cv2.setRNGSeed(1)  # so that the same line is read alike each time
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    labels = np.empty(0, np.int32)
    _, _, centers = cv2.kmeans(colors.reshape(-1, 3), COLORS, labels, criteria, 1, cv2.KMEANS_PP_CENTERS)
    return np.asarray(centers, np.float32)


def _within(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """The parts of a mask that lie in the line; None where there are none.

    A frame and what lies behind the letters reach two sides or a corner; a letter that was cut off, one.
    """
    import cv2

    height, width = mask.shape
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    left, top, wide, high, _ = stats.T
    across = (left <= 1).astype(int) + (left + wide >= width - 1)
    along = (top <= 1).astype(int) + (top + high >= height - 1)
    is_outside = (across + along >= 2) | ((along == 1) & (high < LOW * height))
    is_outside |= (across == 1) & (wide < NARROW * height)
    is_speck = np.maximum(wide, high) < LEAST_SPECK * height
    is_kept = ~(is_outside | is_speck)
    is_kept[0] = False  # what the mask leaves out
    if not is_kept.any():
        return None
    strokes = _strokes(is_kept[labels], labels, count)
    is_letter = is_kept & (high >= LETTER * height)
    usual = float(np.median(strokes[is_letter if is_letter.any() else is_kept]))
    is_kept &= strokes <= THICK * usual
    return np.asarray(is_kept[labels], np.bool_)


def _strokes(ink: NDArray[np.bool_], labels: NDArray[Any], count: int) -> NDArray[np.float32]:
    """Half the width of the widest stroke of each part, in pixels."""
    import cv2

    depths = cv2.distanceTransform(ink.astype(np.uint8), cv2.DIST_L2, 3)
    widest = np.zeros(count, np.float32)
    np.maximum.at(widest, labels[ink], depths[ink])
    return widest


def _drawn(distances: NDArray[np.float32], ink: NDArray[np.bool_]) -> GreyLine:
    """Ink and its soft edge, on white, cut to the ink."""
    import cv2

    near = cv2.dilate(ink.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    grey = np.where(near, np.clip(distances * 255, 0, 255), 255).astype(np.uint8)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    return np.ascontiguousarray(grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _of_height(ink: GreyLine, height: int) -> GreyLine:
    import cv2

    size = max(1, min(round(ink.shape[1] * height / ink.shape[0]), MAX_WIDTH)), height
    method = cv2.INTER_AREA if height < ink.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(ink, size, interpolation=method), np.uint8)
