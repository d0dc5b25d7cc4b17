"""SIFT of which only what is kept is described: extrema first, then directions and descriptors of the chosen.

OpenCV finds the directions of all extrema and describes all of them, thousands, or builds its scale space
twice. Here the scale space is built once (by OpenCV's filters), and what is done for each extremum is little.
"""

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

LAYERS = 3
"""Sizes per octave at which keypoints are sought."""

LEVELS = LAYERS + 3
"""Blurred copies per octave: their differences, one fewer, are searched but for the first and the last."""

SIGMA = 1.6
"""Blur of the first level of an octave, in its pixels."""

CAMERA_SIGMA = 0.5
"""Blur that a picture is taken to have, in its pixels."""

LEAST_RESPONSE = 0.05
"""Grey levels below which an extremum is rounding and not picture."""

PHASE = 0.25
"""What is added to half of a place in the enlarged picture, whose samples lie at quarters of a pixel, to
count it from the outer edge of the picture's first pixel."""

KEPT_FLOATS = 2**24
"""Largest working memory that a thread keeps for its next picture: 64 MiB, enough for 512×512 pixels."""

_own = threading.local()


class ScaleSpace:
    """Blurred copies of a picture, each octave at half the size of the one before; the first at double size.

    Holds the thread's working memory: made, used and dropped before the next one in the same thread.

    Args:
        grey: (H, W) uint8.

    Attributes:
        places: (N, 2) float32 x, y of the extrema in pixels of the picture, from its outer edge.
        sizes: (N,) float32 diameters in the same pixels.
        responses: (N,) float32, stronger is greater.

    Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004.
    """

    def __init__(self, grey: NDArray[np.uint8]) -> None:
        self._shapes = _octave_shapes(grey)
        self._areas = self._shapes.prod(axis=1)
        self._starts = np.concatenate([[0], np.cumsum(self._areas * LEVELS)])
        largest = int(self._areas[0]) if len(self._areas) else 0
        memory = _memory(int(self._starts[-1]) + (LEVELS - 1) * largest)
        self._buffer, self._differences = np.split(memory, [self._starts[-1]])
        found = [np.empty((0, 6), np.float32)]
        found += [self._octave(number, grey) for number in range(len(self._shapes))]
        table = np.concatenate(found)
        self._octaves, self._levels = table[:, 0].astype(np.int64), table[:, 3].astype(np.int64)
        self._inner = table[:, 1:3].copy()
        self._scales = (SIGMA * 2 ** ((table[:, 3] + table[:, 4]) / LAYERS)).astype(np.float32)
        enlarged = (2.0 ** (self._octaves - 1)).astype(np.float32)
        self.places: NDArray[np.float32] = self._inner * enlarged[:, None] + np.float32(PHASE)
        self.sizes: NDArray[np.float32] = 2 * self._scales * enlarged
        self.responses: NDArray[np.float32] = table[:, 5].copy()

    def directed(self, chosen: NDArray[np.intp], most: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The dominant directions of chosen extrema.

        Args:
            chosen: (M,) indices.
            most: directions that one extremum may have.

        Returns:
            (P,) indices of extrema, each once for every direction that it has, and (P,) float32 degrees, 0
            to the right and 90 down. The strongest directions of all come first, in the order of `chosen`,
            then the second ones.
        """
        from ambience.extract import _sift_loops

        angles = np.empty((len(chosen), most), np.float32)
        _sift_loops.orientations(self._buffer, *self._where(chosen), angles)
        rank, row = np.nonzero(angles.T >= 0)
        return chosen[row], np.ascontiguousarray(angles.T[rank, row])

    def described(self, points: NDArray[np.intp], angles: NDArray[np.float32]) -> NDArray[np.float32]:
        """SIFT descriptors of extrema, each seen along a direction.

        Args:
            points: (P,) indices.
            angles: (P,) float32 degrees.

        Returns:
            (P, 128) float32, of unit length.
        """
        from ambience.extract import _sift_loops

        raw = np.empty((len(points), 128), np.float32)
        _sift_loops.describe(self._buffer, *self._where(points), angles, raw)
        return raw

    def _where(self, points: NDArray[np.intp]) -> tuple[NDArray[Any], ...]:
        """Start, height and width of the points' levels, and the points' places and σ in them."""
        octaves = self._octaves[points]
        starts = self._starts[octaves] + self._levels[points] * self._areas[octaves]
        heights, widths = self._shapes[octaves, 0], self._shapes[octaves, 1]
        return starts, heights, widths, self._inner[points], self._scales[points]

    def _octave(self, number: int, grey: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Builds one octave; (n, 6) float32 octave, x, y, layer, its fraction, response of its extrema."""
        import cv2

        from ambience.extract import _sift_loops

        height, width = (int(side) for side in self._shapes[number])
        levels = self._level_views(number)
        if number == 0:
            doubled = cv2.resize(grey.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
            _blur(doubled, math.sqrt(SIGMA**2 - (2 * CAMERA_SIGMA) ** 2), levels[0])
        else:
            levels[0][:] = self._level_views(number - 1)[LAYERS][: 2 * height : 2, : 2 * width : 2]
        differences = self._differences[: (LEVELS - 1) * height * width].reshape(-1, height, width)
        for level in range(1, LEVELS):
            before = SIGMA * 2 ** ((level - 1) / LAYERS)
            _blur(levels[level - 1], before * math.sqrt(2 ** (2 / LAYERS) - 1), levels[level])
            cv2.subtract(levels[level], levels[level - 1], dst=differences[level - 1])
        found = np.empty((height * width // 16 + 16, 6), np.float32)
        count = _sift_loops.extrema(differences, LEAST_RESPONSE, found[:, 1:])
        found[:, 0] = number
        return found[:count]

    def _level_views(self, number: int) -> NDArray[np.float32]:
        height, width = self._shapes[number]
        octave = self._buffer[self._starts[number] : self._starts[number + 1]]
        return octave.reshape(LEVELS, height, width)


def _blur(image: Any, sigma: float, out: NDArray[np.float32]) -> None:
    import cv2

    cv2.GaussianBlur(image, (0, 0), sigma, dst=out)


def _octave_shapes(grey: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(octaves, 2) height and width of those that have room for an extremum beside the borders."""
    height, width = 2 * grey.shape[0], 2 * grey.shape[1]
    shapes = []
    while min(height, width) > 10:
        shapes.append((height, width))
        height, width = height // 2, width // 2
    return np.array(shapes, np.int64).reshape(-1, 2)


def _memory(floats: int) -> NDArray[np.float32]:
    """Working memory of this thread: fresh pages cost as much as a quarter of the filters."""
    kept: NDArray[np.float32] | None = getattr(_own, "memory", None)
    if kept is None or len(kept) < floats:
        kept = np.empty(floats, np.float32)
        if floats <= KEPT_FLOATS:
            _own.memory = kept
    return kept[:floats]
