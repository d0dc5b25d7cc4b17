"""SIFT by OpenCV: where it finds keypoints, and what it says of the chosen ones.

A wrapper that keeps OpenCV's conventions out of the rest: places come out counted from the outer edge of the
first pixel, and no list of keypoint objects is walked in Python more often than it must be.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

PHASE = 0.25
"""What is added to OpenCV's places to count them from the outer edge of the first pixel: its scale space
starts from a picture enlarged twice, whose samples lie a quarter of a pixel off."""


class Found(NamedTuple):
    """Keypoints of a picture, in OpenCV's order.

    Attributes:
        places: (N, 2) float32 x, y in pixels of the picture, 0 at its left and upper edge.
        sizes: (N,) float32 diameters in the same pixels.
        angles: (N,) float32 degrees.
        responses: (N,) float32.
        objects: OpenCV's own.
    """

    places: NDArray[np.float32]
    sizes: NDArray[np.float32]
    angles: NDArray[np.float32]
    responses: NDArray[np.float32]
    objects: Any


def find(grey: NDArray[np.uint8]) -> Found:
    """All extrema of the scale space, however weak.

    Args:
        grey: (H, W) uint8.

    Returns:
        N keypoints, a place once for every direction that it has.
    """
    import cv2

    objects = cv2.SIFT.create(contrastThreshold=-1).detect(grey, None)
    rows = [(point.size, point.angle, point.response) for point in objects]
    table = np.array(rows, np.float32).reshape(-1, 3)
    places = np.asarray(cv2.KeyPoint.convert(objects), np.float32).reshape(-1, 2)
    return Found(places + np.float32(PHASE), table[:, 0], table[:, 1], table[:, 2], objects)


def describe(grey: NDArray[np.uint8], found: Found, chosen: NDArray[np.intp]) -> NDArray[np.float32]:
    """SIFT of chosen keypoints.

    Args:
        grey: what they were found in.
        found: all of them.
        chosen: (M,) indices, M ≥ 1.

    Returns:
        (M, 128) float32.
    """
    import cv2

    objects = [found.objects[number] for number in chosen]
    described, raw = cv2.SIFT.create(contrastThreshold=-1).compute(grey, objects)
    assert len(described) == len(objects)  # OpenCV drops points of pictures with masks alone
    return np.asarray(raw, np.float32)
