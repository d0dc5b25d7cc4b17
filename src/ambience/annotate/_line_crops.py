"""Lines of text cut out of a picture and laid straight, as a reading network wants them."""

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.models.ocr.reader import LINE_HEIGHT, MAX_WIDTH

TALL = 1.5
"""Height of a box over its width, above which its text runs up or down."""

CLOSEST = 4
"""How much higher than 48 pixels a line is cut out at most, before it is reduced."""

PIECE = 2048
"""Pixels of a piece of a line that is longer than can be read at once."""

Quad = NDArray[np.float32]
"""(4, 2) float32 corners of a line, clockwise from the upper left one of its text."""


def directions(corners: Quad) -> list[Quad]:
    """Ways to read a box, the likeliest first.

    Args:
        corners: (4, 2) float32, clockwise, the one nearest to the picture's upper left first.

    Returns:
        The corners from each start: along the long sides from left to right, then from right to left; of
        tall boxes downwards (also columns of Chinese or Japanese), then upwards; of those that are neither
        wide nor tall all four.
    """
    width, height = np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[3] - corners[0])
    along, down = [0, 2], [1, 3]
    if height >= TALL * width:
        starts = [*down, *along] if height < 2 * width else down
    else:
        starts = [*along, *down] if width < 2 * height else along
    return [np.roll(corners, -start, axis=0) for start in starts]


def cut_out(rgb: RgbImage, quad: Quad) -> RgbImage:
    """A line laid straight.

    Args:
        rgb: (H, W, 3) uint8.
        quad: corners in its pixels, from the upper left of the text.

    Returns:
        (48, W, 3) uint8, at least 8 wide.
    """
    import cv2

    sides = np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1)
    width, height = float(max(sides[0], sides[2], 1.0)), float(max(sides[1], sides[3], 1.0))
    straight = max(8, round(width * LINE_HEIGHT / height))
    times = float(np.clip(height / LINE_HEIGHT, 1.0, CLOSEST))
    size = max(8, round(straight * times)), round(LINE_HEIGHT * times)
    target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    # Only what is around the line is looked at: OpenCV warps no picture with a side above 32,767.
    low = np.maximum(np.floor(quad.min(axis=0)).astype(int) - 2, 0)
    high = np.ceil(quad.max(axis=0)).astype(int) + 3
    around = np.ascontiguousarray(rgb[low[1] : high[1], low[0] : high[0]])
    matrix = cv2.getPerspectiveTransform((quad - low).astype(np.float32), target)
    line = cv2.warpPerspective(around, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if times > 1:
        line = cv2.resize(line, (straight, LINE_HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(line, np.uint8)


def pieces(line: RgbImage) -> list[RgbImage]:
    """A line in pieces that can be read at once, cut where least is to be seen: between words.

    Args:
        line: (48, W, 3) uint8.

    Returns:
        Pieces from left to right; most lines are one.
    """
    parts = []
    while line.shape[1] > MAX_WIDTH:
        start = PIECE * 3 // 4
        spread = line[:, start:PIECE].astype(np.float32).std(axis=0).mean(axis=1)
        smooth = np.convolve(spread, np.ones(9, np.float32) / 9, mode="same")
        cut = start + int(smooth.argmin())
        parts.append(line[:, :cut])
        line = line[:, cut:]
    return [*parts, line]
