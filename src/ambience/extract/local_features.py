"""Local features: keypoints spread over a picture and over scales, for crops, insets and turned copies.

SIFT keypoints of the grey picture at a working size, picked for even spread inside of four bands of size,
each described by RootSIFT, or by a network where its weights are at hand. A few hundred such points find a
picture again by a twentieth of its area.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, Orientation, Picture, PixelNeed, QueryVariant, Verdict
from ambience.errors import EmptyFeatureError, SettingsError
from ambience.extract._describers import Describer, LearnedDescriptor, Points, RootSift
from ambience.extract._opencv_sift import OpenCvSift
from ambience.extract._selection import as_the_original, spread_over_bands
from ambience.extract._sift import PHASE, ScaleSpace
from ambience.keypoints import DESCRIPTOR, MAX_POINTS, Keypoints, mirrored, pack
from ambience.models.runtime import Models
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

QUERY_DIRECTIONS = 2
"""Directions along which a query's point is seen: an image keeps the strongest alone, which noise and
stretching may make the query's second."""

QUERY_PLACES = 0.9
"""Share of a query's points that are places of their own; the others are second directions."""

ROOT_SIFT = "rootsift"
LEARNED = ("hardnet8", "hardnet")
"""Rows of the catalog of models that describe patches."""


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
    descriptor: str = setting(
        ROOT_SIFT,
        "",
        "How keypoints are described: rootsift, or by a network whose weights are put in place first: "
        "hardnet8 (the original system's) or hardnet.",
    )


class LocalFeatures:
    """Extractor of SIFT keypoints with descriptors.

    Source: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 60(2), 2004.

    Raises:
        SettingsError: an option is out of range.
    """

    options_class: ClassVar[type[LocalFeaturesOptions]] = LocalFeaturesOptions
    uses_models: ClassVar[bool] = True

    def __init__(
        self, options: LocalFeaturesOptions, *, exact: bool = False, models: Models | None = None
    ) -> None:
        _check(options)
        self._describer: Describer = RootSift()
        if options.descriptor != ROOT_SIFT:
            self._describer = LearnedDescriptor(options.descriptor, models or Models())
        self._is_original = options.selection == "original"
        recipe = "original" if self._is_original else f"{options.longest_side}-{options.points}"
        self.spec = FeatureSpec(
            kind="local_features",
            title="SIFT keypoints: crops, insets, turned and mirrored copies, with proof",
            dim=DESCRIPTOR,
            dtype="uint8",
            metric="points",
            version=4,
            port=33333,
            preprocessing=f"sift-{recipe}{'-exact' if exact else ''}",
            model=self._describer.model,
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
        points = self._options.points
        return [
            self._feature(self._described(picture, self._points(picture, points, directions=1)))
            for picture in pictures
        ]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        """Keypoints of a query, and those of the query mirrored; rotations need none of their own.

        Returns:
            Two variants.

        Raises:
            EmptyFeatureError: the picture has no keypoints.
        """
        points = self._points(picture, self._options.query_points, directions=QUERY_DIRECTIONS)
        upright, swapped = self._both(picture, points)
        return [
            QueryVariant(self._feature(upright)),
            QueryVariant(self._feature(swapped), Orientation(mirrored=True)),
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
        factor = _factor(picture, longest_side, enlarge)
        return self._described(picture, _spread(picture, factor, points, directions=1))

    def both_ways(
        self, picture: Picture, longest_side: int, points: int, *, enlarge: float = 1.0
    ) -> tuple[Keypoints, Keypoints]:
        """Keypoints as `keypoints` finds them, and those of the picture mirrored, in the same order.

        Returns:
            Upright, mirrored.

        Raises:
            EmptyFeatureError: there are none.
        """
        factor = _factor(picture, longest_side, enlarge)
        return self._both(picture, _spread(picture, factor, points, directions=1))

    def _points(self, picture: Picture, points: int, *, directions: int) -> Points:
        if self._is_original:
            return _of_the_original(picture)
        longest = max(picture.rgb.shape[:2])
        enlarge = min(2.0, SMALL_SIDE / longest) if 0 < longest < SMALL_SIDE else 1.0
        factor = _factor(picture, self._options.longest_side, enlarge)
        return _spread(picture, factor, points, directions=directions)

    def _described(self, picture: Picture, points: Points) -> Keypoints:
        height, width = points.grey.shape
        return Keypoints(
            positions=(points.places / np.array([width, height], np.float32)).astype(np.float32),
            sizes=points.sizes * np.float32(picture.width / width),
            angles=points.angles,
            descriptors=self._describer.describe(points),
            width=picture.width,
            height=picture.height,
        )

    def _both(self, picture: Picture, points: Points) -> tuple[Keypoints, Keypoints]:
        upright = self._described(picture, points)
        return upright, mirrored(upright, self._describer.describe_mirrored(points, upright.descriptors))

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
    if options.descriptor not in (ROOT_SIFT, *LEARNED):
        raise SettingsError(
            f"kinds.local_features.descriptor = {options.descriptor!r} is not one of "
            f"{', '.join((ROOT_SIFT, *LEARNED))}"
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


def _spread(picture: Picture, factor: float, points: int, *, directions: int) -> Points:
    """Keypoints spread over a picture and over sizes; as many as asked for, with all their directions."""
    grey = _working(picture, factor)
    found = _scale_space(grey)
    places = points if directions == 1 else math.ceil(QUERY_PLACES * points)
    chosen = spread_over_bands(found.places, found.sizes, found.responses, places)
    return _directed(picture, grey, found, chosen, directions=directions, most=points)


def _of_the_original(picture: Picture) -> Points:
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
    return _directed(picture, pixels, found, chosen, directions=1, most=len(chosen))


def _scale_space(grey: NDArray[np.uint8]) -> ScaleSpace | OpenCvSift:
    """Extrema by our own loops; by OpenCV, in twice the time and nearly alike, where numba is missing."""
    try:
        return ScaleSpace(grey)
    except ImportError:
        return OpenCvSift(grey)


def _directed(
    picture: Picture,
    grey: NDArray[np.uint8],
    found: ScaleSpace | OpenCvSift,
    chosen: NDArray[np.intp],
    *,
    directions: int,
    most: int,
) -> Points:
    """What was chosen, each along its strongest directions."""
    if len(chosen) == 0:
        raise EmptyFeatureError(
            f"no keypoints in {picture.width}×{picture.height} pixels: the picture is blank, or nearly so, "
            "or very small"
        )
    numbers, angles = found.directed(chosen, directions)
    numbers, angles = numbers[:most], angles[:most]
    raw = found.described(numbers, angles)
    return Points(grey, found.places[numbers], found.sizes[numbers], angles, raw)
