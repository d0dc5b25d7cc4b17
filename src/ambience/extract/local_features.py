"""Local features: keypoints spread over a picture and over scales, for crops, insets and turned copies.

SIFT keypoints (grey, longest side 512, never enlarged), picked for even spread inside of four bands of size,
each described by RootSIFT. A few hundred such points find a picture again by a twentieth of its area.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, Orientation, Picture, PixelNeed, QueryVariant, Verdict
from ambience.errors import EmptyFeatureError
from ambience.keypoints import DESCRIPTOR, MAX_POINTS, Keypoints, mirrored, pack
from ambience.settings import setting

__all__ = ["LocalFeatures"]

BANDS = (3.2, 6.4, 12.8)
"""Sizes that part the bands, in pixels of the working picture (OpenCV's `KeyPoint.size`)."""

QUOTAS = (0.30, 0.30, 0.25, 0.15)
"""Share of the points that each band gives, smallest sizes first."""

PHASE = 0.25
"""What is added to OpenCV's SIFT places to count them from the outer edge of the first pixel: its pyramid
starts from a picture enlarged twice whose samples lie a quarter pixel off."""

ROOT_SCALE = 512.0
"""What unit-length RootSIFT descriptors are multiplied by before they are rounded to 8 bits."""


@dataclass(frozen=True, slots=True)
class LocalFeaturesOptions:
    """Settings of the local features."""

    points: int = setting(250, "points", "Keypoints kept of a picture, at most 512.", minimum=1)
    query_points: int = setting(400, "points", "Keypoints of a query, at most 512.", minimum=1)
    longest_side: int = setting(512, "pixels", "Side to which pictures are reduced before.", minimum=64)


class LocalFeatures:
    """Extractor of SIFT keypoints with RootSIFT descriptors."""

    options_class: ClassVar[type[LocalFeaturesOptions]] = LocalFeaturesOptions

    def __init__(self, options: LocalFeaturesOptions, *, exact: bool = False) -> None:
        self.spec = FeatureSpec(
            kind="local_features",
            title="SIFT keypoints: crops, insets, turned and mirrored copies, with proof",
            dim=DESCRIPTOR,
            dtype="uint8",
            metric="points",
            version=1,
            port=33333,
            preprocessing=f"sift-{options.longest_side}-{options.points}" + ("-exact" if exact else ""),
            verdicts=((Verdict.PART, 1e-12),),
        )
        self.need = PixelNeed(None if exact else options.longest_side)
        self._options = options

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        """Keypoints of pictures, in their order.

        Returns:
            Features whose vectors are blobs of `keypoints.pack`.

        Raises:
            EmptyFeatureError: a picture has no keypoints.
        """
        options = self._options
        return [
            Feature(pack(self.keypoints(picture, options.longest_side, options.points)))
            for picture in pictures
        ]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        """Keypoints of a query, and those of the query mirrored; rotations need none of their own.

        Returns:
            Two variants.

        Raises:
            EmptyFeatureError: the picture has no keypoints.
        """
        found = self.keypoints(picture, self._options.longest_side, self._options.query_points)
        return [
            QueryVariant(Feature(pack(found))),
            QueryVariant(Feature(pack(mirrored(found))), Orientation(mirrored=True)),
        ]

    def keypoints(
        self, picture: Picture, longest_side: int, points: int, *, enlarge: float = 1.0
    ) -> Keypoints:
        """Keypoints of one picture at any size, as second tries want them.

        Args:
            picture: decoded.
            longest_side: to which it is reduced.
            points: at most.
            enlarge: factor by which it may be enlarged beyond its decoded size.

        Returns:
            Keypoints, in pixels of the file's picture.

        Raises:
            EmptyFeatureError: there are none.
        """
        import cv2

        if not picture.rgb.size:
            raise EmptyFeatureError(f"a picture of {picture.width}×{picture.height} pixels has no keypoints")
        grey = _working(picture, longest_side, enlarge)
        found, raw = cv2.SIFT.create(contrastThreshold=-1).detectAndCompute(grey, None)
        if not found:
            raise EmptyFeatureError("no keypoints: the picture is blank or nearly so")
        table = np.array(
            [(*point.pt, point.size, point.angle, point.response) for point in found], np.float32
        )
        chosen = selected(table, grey.shape[1], grey.shape[0], min(points, 4 * MAX_POINTS))
        places = (table[chosen, :2] + PHASE) / np.array(grey.shape[::-1], np.float32)
        return Keypoints(
            positions=places.astype(np.float32),
            sizes=table[chosen, 2] * np.float32(picture.width / grey.shape[1]),
            angles=table[chosen, 3],
            descriptors=root_sift(raw[chosen]),
            width=picture.width,
            height=picture.height,
        )


def _working(picture: Picture, longest_side: int, enlarge: float) -> NDArray[np.uint8]:
    import cv2

    grey = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    factor = min(longest_side / max(height, width), enlarge)
    if factor == 1:
        return np.asarray(grey)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, size, interpolation=method), np.uint8)


def selected(table: NDArray[np.float32], width: int, height: int, points: int) -> NDArray[np.intp]:
    """Which keypoints are kept: the strongest of even cells, in each band of size.

    Args:
        table: (N, 5) float32 x, y, size, angle, response.
        width: of the working picture.
        height: of the working picture.
        points: most.

    Returns:
        (M,) indices.
    """
    band = np.searchsorted(BANDS, table[:, 2])
    order = np.argsort(-table[:, 4], kind="stable")
    chosen: list[NDArray[np.intp]] = []
    left = points
    for number in reversed(range(len(QUOTAS))):
        quota = round(left * QUOTAS[number] / sum(QUOTAS[: number + 1]))
        members = order[band[order] == number]
        kept = _spread(table, members, quota, width, height)
        chosen.append(kept)
        left -= len(kept)
    return np.concatenate(chosen)


def _spread(
    table: NDArray[np.float32], members: NDArray[np.intp], quota: int, width: int, height: int
) -> NDArray[np.intp]:
    """The strongest of each cell of the finest grid that leaves at most `quota`."""
    if len(members) <= quota:
        return members
    places = table[members, :2]
    low, high = 0.5, float(max(width, height))
    for _ in range(12):
        middle = (low * high) ** 0.5
        cells = np.floor(places / middle).astype(np.int64)
        if len(np.unique(cells[:, 1] * 100_000 + cells[:, 0])) > quota:
            low = middle
        else:
            high = middle
    cells = np.floor(places / high).astype(np.int64)
    _, first = np.unique(cells[:, 1] * 100_000 + cells[:, 0], return_index=True)
    return members[np.sort(first)]


def root_sift(raw: NDArray[Any]) -> NDArray[np.uint8]:
    """RootSIFT in 8 bits: square roots of L1-normalised SIFT, times 512.

    Args:
        raw: (N, 128) float32 of OpenCV.

    Returns:
        (N, 128) uint8.

    Source: Arandjelović & Zisserman, "Three things everyone should know to improve object retrieval", CVPR
    2012.
    """
    sums = np.maximum(raw.sum(axis=1, keepdims=True), 1e-6)
    rooted = np.rint(np.sqrt(raw / sums) * ROOT_SCALE)
    return np.asarray(np.minimum(rooted, 255), np.uint8)
