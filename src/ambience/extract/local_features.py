"""Local features: keypoints spread over a picture and over scales, for crops, insets and turned copies.

SIFT keypoints of the grey picture at a working size, picked for even spread inside of four bands of size,
each described by RootSIFT. A few hundred such points find a picture again by a twentieth of its area.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, Orientation, Picture, PixelNeed, QueryVariant, Verdict
from ambience.errors import EmptyFeatureError, SettingsError
from ambience.extract._opencv_sift import OpenCvSift
from ambience.extract._selection import as_the_original, spread_over_bands
from ambience.extract._sift import PHASE, ScaleSpace
from ambience.keypoints import DESCRIPTOR, MAX_POINTS, Keypoints, mirrored, pack
from ambience.settings import setting

__all__ = ["LocalFeatures"]

SELECTIONS = ("bands", "original")
"""Ways in which keypoints are picked."""

LONGEST_SIDE_MAX = 4096
"""Largest working size: beyond it one picture would take seconds."""

LONG_ASPECT = 3.0
"""Aspect beyond which the area counts instead of the longest side, or a panorama would shrink to a thread."""

SMALL_SIDE = 256
"""Longest side up to which a smaller picture is enlarged, twice at most: its fine points are what meets the
coarse ones of the picture that it is a thumbnail of."""

ORIGINAL_PIXELS = 9_000_000
"""Area to which the original reduces a picture."""

ROOT_SCALE = 512.0
"""What unit-length RootSIFT descriptors are multiplied by before they are rounded to 8 bits."""


@dataclass(frozen=True, slots=True)
class LocalFeaturesOptions:
    """Settings of the local features."""

    points: int = setting(250, "points", "Keypoints kept of a picture, at most 512.", minimum=1)
    query_points: int = setting(400, "points", "Keypoints of a query, at most 512.", minimum=1)
    longest_side: int = setting(
        512, "pixels", "Side to which pictures are reduced before, 64 to 4096.", minimum=64
    )
    selection: str = setting(
        "bands",
        "",
        "How keypoints are picked: bands (spread over the picture and over sizes), or original (the original "
        "system's 200 strongest uncrowded ones at up to 9 megapixels, for comparison; slow).",
    )


class LocalFeatures:
    """Extractor of SIFT keypoints with RootSIFT descriptors.

    Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004.

    Raises:
        SettingsError: an option is out of range.
    """

    options_class: ClassVar[type[LocalFeaturesOptions]] = LocalFeaturesOptions

    def __init__(self, options: LocalFeaturesOptions, *, exact: bool = False) -> None:
        _check(options)
        self._is_original = options.selection == "original"
        recipe = "original" if self._is_original else f"{options.longest_side}-{options.points}"
        self.spec = FeatureSpec(
            kind="local_features",
            title="SIFT keypoints: crops, insets, turned and mirrored copies, with proof",
            dim=DESCRIPTOR,
            dtype="uint8",
            metric="points",
            version=2,
            port=33333,
            preprocessing=f"sift-{recipe}{'-exact' if exact else ''}",
            verdicts=((Verdict.PART, 1e-12),),
        )
        self.need = PixelNeed(None if exact or self._is_original else options.longest_side)
        self._options = options

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        """Keypoints of pictures, in their order.

        Returns:
            Features whose vectors are blobs of `keypoints.pack`; their quality is the share of the points
            asked for that the picture had.

        Raises:
            EmptyFeatureError: a picture has no keypoints.
        """
        return [self._feature(self._found(picture, self._options.points)) for picture in pictures]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        """Keypoints of a query, and those of the query mirrored; rotations need none of their own.

        Returns:
            Two variants.

        Raises:
            EmptyFeatureError: the picture has no keypoints.
        """
        found = self._found(picture, self._options.query_points)
        return [
            QueryVariant(self._feature(found)),
            QueryVariant(self._feature(mirrored(found)), Orientation(mirrored=True)),
        ]

    def keypoints(
        self, picture: Picture, longest_side: int, points: int, *, enlarge: float = 1.0
    ) -> Keypoints:
        """Keypoints of one picture at any size, as second tries want them.

        Args:
            picture: decoded.
            longest_side: to which it is reduced; of a picture longer than 3:1, the side of one of 3:1 with
                its area.
            points: at most.
            enlarge: factor by which it may be enlarged beyond its decoded size, up to `longest_side`.

        Returns:
            Keypoints, in pixels of the file's picture.

        Raises:
            EmptyFeatureError: there are none.
        """
        grey = _working(picture, _factor(picture, longest_side, enlarge))
        found = _scale_space(grey)
        chosen = spread_over_bands(found.places, found.sizes, found.responses, points)
        return _described(picture, grey, found, chosen, directions=1)

    def _found(self, picture: Picture, points: int) -> Keypoints:
        if self._is_original:
            return _of_the_original(picture)
        longest = max(picture.rgb.shape[:2])
        enlarge = min(2.0, SMALL_SIDE / longest) if 0 < longest < SMALL_SIDE else 1.0
        return self.keypoints(picture, self._options.longest_side, points, enlarge=enlarge)

    def _feature(self, found: Keypoints) -> Feature:
        return Feature(pack(found), min(1.0, len(found) / self._options.points))


def _check(options: LocalFeaturesOptions) -> None:
    for name, value, most in (
        ("points", options.points, MAX_POINTS),
        ("query_points", options.query_points, MAX_POINTS),
        ("longest_side", options.longest_side, LONGEST_SIDE_MAX),
    ):
        if value > most:
            raise SettingsError(f"kinds.local_features.{name} = {value} is above the largest value, {most}")
    if options.selection not in SELECTIONS:
        raise SettingsError(
            f"kinds.local_features.selection = {options.selection!r} is not one of {', '.join(SELECTIONS)}"
        )


def _factor(picture: Picture, longest_side: int, enlarge: float) -> float:
    """What the decoded picture's sides are multiplied by."""
    height, width = picture.rgb.shape[:2]
    longer, shorter = max(1, height, width), max(1, min(height, width))
    side = longest_side * math.sqrt(max(1.0, longer / shorter / LONG_ASPECT))  # of the same area
    return float(min(side / longer, enlarge))


def _working(picture: Picture, factor: float) -> NDArray[np.uint8]:
    """The grey picture at the size at which keypoints are sought."""
    import cv2

    if picture.rgb.size == 0:
        raise EmptyFeatureError(
            f"a picture of {picture.width}×{picture.height} pixels was decoded to nothing; "
            "local_features needs some dozens of pixels"
        )
    grey = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (width, height):
        return np.asarray(grey, np.uint8)
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, size, interpolation=method), np.uint8)


def _of_the_original(picture: Picture) -> Keypoints:
    """Keypoints as the original picks them, of the picture at up to nine megapixels (Lanczos)."""
    from PIL import Image

    grey = Image.fromarray(_working(picture, 1.0))
    if grey.width * grey.height > ORIGINAL_PIXELS:
        scale = math.sqrt(ORIGINAL_PIXELS / (grey.width * grey.height))
        size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(grey, np.uint8)
    found = OpenCvSift(pixels)
    chosen = as_the_original(found.places - np.float32(PHASE), found.responses, grey.width, grey.height)
    return _described(picture, pixels, found, chosen, directions=1)


def _scale_space(grey: NDArray[np.uint8]) -> ScaleSpace | OpenCvSift:
    """Extrema by our own loops; by OpenCV, in twice the time and nearly alike, where numba is missing."""
    try:
        return ScaleSpace(grey)
    except ImportError:
        return OpenCvSift(grey)


def _described(
    picture: Picture,
    grey: NDArray[np.uint8],
    found: ScaleSpace | OpenCvSift,
    chosen: NDArray[np.intp],
    *,
    directions: int,
) -> Keypoints:
    if len(chosen) == 0:
        raise EmptyFeatureError(
            f"no keypoints in {picture.width}×{picture.height} pixels: the picture is blank, or nearly so, "
            "or very small"
        )
    owners, angles, raw = found.described(chosen, directions)
    working = np.array(grey.shape[::-1], np.float32)
    return Keypoints(
        positions=(found.places[owners] / working).astype(np.float32),
        sizes=found.sizes[owners] * np.float32(picture.width / grey.shape[1]),
        angles=angles,
        descriptors=root_sift(raw),
        width=picture.width,
        height=picture.height,
    )


def root_sift(raw: NDArray[Any]) -> NDArray[np.uint8]:
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
