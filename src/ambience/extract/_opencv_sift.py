"""SIFT by OpenCV alone: for the original's selection, and where numba is missing."""

import numpy as np
from numpy.typing import NDArray

from ambience.extract._sift import PHASE


class OpenCvSift:
    """All keypoints of a picture as OpenCV finds them: a place once for every direction that it has.

    Args:
        grey: (H, W) uint8.

    Attributes:
        places: (N, 2) float32 x, y in pixels of the picture, from its outer edge.
        sizes: (N,) float32 diameters in the same pixels.
        responses: (N,) float32, stronger is greater.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        import cv2

        self._grey = grey
        self._objects = cv2.SIFT.create(contrastThreshold=-1).detect(grey, None)
        rows = [(point.size, point.angle, point.response) for point in self._objects]
        table = np.array(rows, np.float32).reshape(-1, 3)
        places = np.asarray(cv2.KeyPoint.convert(self._objects), np.float32).reshape(-1, 2)
        self.places: NDArray[np.float32] = places + np.float32(PHASE)
        self.sizes, self._angles, self.responses = table.T

    def directed(self, chosen: NDArray[np.intp], most: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The direction of each chosen keypoint; see `ScaleSpace.directed`.

        Args:
            chosen: (M,) indices.
            most: of no effect: keypoints that differ in their direction alone are chosen one by one.

        Returns:
            `chosen`, and (M,) float32 degrees.
        """
        return chosen, self._angles[chosen]

    def described(self, points: NDArray[np.intp], angles: NDArray[np.float32]) -> NDArray[np.float32]:
        """SIFT descriptors of keypoints, along their own directions.

        Args:
            points: (P,) indices.
            angles: of no effect: OpenCV knows them.

        Returns:
            (P, 128) float32, at OpenCV's length of 512.
        """
        import cv2

        if not len(points):
            return np.empty((0, 128), np.float32)
        objects = [self._objects[number] for number in points]
        _, raw = cv2.SIFT.create(contrastThreshold=-1).compute(self._grey, objects)
        return np.asarray(raw, np.float32)
