"""From a map of how likely each pixel is text to rotated boxes around lines.

Source: Liao et al., "Real-time scene text detection with differentiable binarization", AAAI 2020. The network
marks the shrunk cores of lines, so that neighbors stay apart; each core is widened again afterwards.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.3
"""Of the map, above which a pixel is part of a core. This and the next two are what PP-OCR is run with (those
of rapidocr 3.10)."""

LEAST_SCORE = 0.5
"""Mean of the map over a core's box, below which it is no text."""

WIDENING = 1.6
"""How far a core is widened: by area · 1.6 / perimeter on every side."""

LEAST_SIDE = 3
"""Pixels; smaller cores are specks."""

MOST = 3000
"""Boxes of one map, the largest ones: a page of 5,000 words has some 600 lines."""


def text_boxes(
    chances: NDArray[np.float32], threshold: float = THRESHOLD, least_score: float = LEAST_SCORE
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes around what is likely text.

    A core of sides w and h is widened by w·h·1.6 / (2w + 2h) on every side: the offset of a rectangle is
    again a rectangle about the same centre, so that no polygon is clipped.

    Args:
        chances: (H, W) float32, 0–1.
        threshold: above which a pixel is part of a core.
        least_score: mean over a core's box, below which it is none.

    Returns:
        (N, 4, 2) float32 corners x, y in pixels of the map, clockwise, the one at the upper left first; and
        (N,) float32 scores.
    """
    import cv2

    mask = cv2.dilate((chances > threshold).astype(np.uint8), np.ones((2, 2), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    if len(contours) > MOST:
        contours = sorted(contours, key=len, reverse=True)[:MOST]
    corners, scores = [], []
    for contour in contours:
        center, (width, height), angle = cv2.minAreaRect(contour)
        if min(width, height) < LEAST_SIDE:
            continue
        score = _mean_within(chances, cv2.boxPoints((center, (width, height), angle)))
        if score < least_score:
            continue
        more = width * height * WIDENING / (width + height)
        corners.append(cv2.boxPoints((center, (width + more, height + more), angle)))
        scores.append(score)
    if not corners:
        return np.empty((0, 4, 2), np.float32), np.empty(0, np.float32)
    return ordered_corners(np.array(corners, np.float32)), np.array(scores, np.float32)


def ordered_corners(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Corners of boxes, clockwise in the picture, the one nearest to the upper left first.

    Args:
        corners: (N, 4, 2) float32, in either sense.

    Returns:
        The same, reordered. The first is the one of smallest x + y; of two alike, the upper one.
    """
    middle = corners.mean(axis=1, keepdims=True)
    angles = np.arctan2(corners[..., 1] - middle[..., 1], corners[..., 0] - middle[..., 0])
    turned = np.take_along_axis(corners, np.argsort(angles, axis=1, kind="stable")[..., None], axis=1)
    sums = turned.sum(axis=2) + 1e-3 * turned[..., 1]
    first = np.argmin(sums, axis=1)
    places = (first[:, None] + np.arange(4)) % 4
    return np.take_along_axis(turned, places[..., None], axis=1)


def _mean_within(chances: NDArray[np.float32], box: Any) -> float:
    """Mean of the map over a box."""
    import cv2

    height, width = chances.shape
    left, top = np.clip(np.floor(box.min(axis=0)).astype(int), 0, (width - 1, height - 1))
    right, bottom = np.clip(np.ceil(box.max(axis=0)).astype(int), 0, (width - 1, height - 1))
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [(box - (left, top)).astype(np.int32)], 1)
    return float(cv2.mean(chances[top : bottom + 1, left : right + 1], mask)[0])
