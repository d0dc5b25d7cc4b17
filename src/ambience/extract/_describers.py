"""How keypoints are described: RootSIFT, which needs no weights, or a network over patches around them."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ambience.extract._patches import cut_patches, keypoint_frames
from ambience.keypoints import mirrored_order
from ambience.models.runtime import Models

Descriptors = NDArray[np.uint8]
"""(N, 128) uint8; what tells them apart is their Euclidean distance."""

ROOT_SCALE = 512.0
"""What unit-length RootSIFT descriptors are multiplied by before they are rounded to 8 bits."""

UNIT_SCALE = 256.0
"""What unit-length descriptors of either sign are multiplied by before they are rounded around `UNIT_ZERO`.

Of two descriptors 0.3 to 0.8 apart it changes the distance by 0.14 % (median; 99th percentile 0.6 %), and
the nearest neighbour of 4 in 1,000. Values beyond ±0.496 are cut; descriptors of random weights have none.
"""

UNIT_ZERO = 128


class Points(NamedTuple):
    """Keypoints of a picture, to be described.

    Attributes:
        grey: (H, W) uint8, the picture at the size at which they were found.
        places: (N, 2) float32 x, y in its pixels, from its outer edge.
        sizes: (N,) float32 diameters in the same pixels.
        angles: (N,) float32 degrees, 0 to the right, 90 down.
        sift: (N, 128) float32.
    """

    grey: NDArray[np.uint8]
    places: NDArray[np.float32]
    sizes: NDArray[np.float32]
    angles: NDArray[np.float32]
    sift: NDArray[np.float32]


class Describer(Protocol):
    """Describes keypoints of a picture, and those of the same picture mirrored.

    Attributes:
        model: name of its catalog row; "" where it has none.
    """

    model: str

    def describe(self, points: Points) -> Descriptors:
        """Descriptors of points, in their order."""

    def describe_mirrored(self, points: Points, upright: Descriptors) -> Descriptors:
        """Descriptors of these points in the picture mirrored, given those in the picture itself."""


class RootSift:
    """SIFT's histograms; mirrored, they are permutations of themselves."""

    model = ""

    def describe(self, points: Points) -> Descriptors:
        """See `Describer`."""
        return root_sift(points.sift)

    def describe_mirrored(self, points: Points, upright: Descriptors) -> Descriptors:
        """See `Describer`."""
        return upright[:, mirrored_order()]


class LearnedDescriptor:
    """A network over patches; mirrored, its patches are upside down.

    A mirrored point's angle is 180° less its own: that turns the mirrored patch by half, so that its columns
    are where they were and its rows are reversed.
    """

    def __init__(self, model: str, models: Models) -> None:
        self.model = model
        self._models = models

    def describe(self, points: Points) -> Descriptors:
        """See `Describer`."""
        return self._described(_patches(points))

    def describe_mirrored(self, points: Points, upright: Descriptors) -> Descriptors:
        """See `Describer`."""
        return self._described(_patches(points)[:, ::-1])

    def _described(self, patches: NDArray[np.float32]) -> Descriptors:
        return unit_in_bytes(self._models.get(self.model).run(patches))


def _patches(points: Points) -> NDArray[np.float32]:
    places = points.places - np.float32(0.5)  # from the first pixel's edge to its centre
    return cut_patches(points.grey, keypoint_frames(places, points.sizes, points.angles))


def root_sift(raw: NDArray[Any]) -> Descriptors:
    """RootSIFT in 8 bits: square roots of L1-normalised SIFT, times 512.

    Args:
        raw: (N, 128) float32, not negative.

    Returns:
        (N, 128) uint8.

    Source: Arandjelović & Zisserman, "Three things everyone should know to improve object retrieval", CVPR
    2012.
    """
    sums = np.maximum(raw.sum(axis=1, keepdims=True), 1e-6)
    rooted = np.rint(np.sqrt(raw / sums) * ROOT_SCALE)
    return np.asarray(np.minimum(rooted, 255), np.uint8)


def unit_in_bytes(descriptors: NDArray[np.float32]) -> Descriptors:
    """Descriptors of unit length in 8 bits: times 256, around 128.

    Args:
        descriptors: (N, D) float32, each row of length 1.

    Returns:
        (N, D) uint8; their distances are those of the descriptors, times 256.
    """
    return np.asarray(np.clip(np.rint(descriptors * UNIT_SCALE) + UNIT_ZERO, 0, 255), np.uint8)
