"""Joint RGB histogram of 8×8×8 cells: finds pictures of the same colors, wherever the colors lie.

Under `exact` every pixel of the full-size picture is counted, and the counts scaled to a sum of 1e7 carry the
very bits of OpenCV's. Otherwise the picture is decoded to `LONGEST_SIDE` and about 120,000 pixels are
counted, which drifts by a median L1 of 0.01–0.02 from counting all (the largest possible distance
is 2). Stored histograms sum to 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.answers import SharedColor
from ambience.datatypes import Feature, FeatureSpec, Picture, PixelNeed, QueryVariant, RgbImage, Verdict
from ambience.errors import EmptyFeatureError
from ambience.settings import setting

__all__ = ["Color"]

BINS = 8
"""Cells per channel; not a setting, since the feature's dimension hangs on it."""

ORIGINAL_SUM = 10_000_000
"""What the original system's histograms sum to; its distances are ours times this."""


LONGEST_SIDE = 800
"""Pixels to which a picture is decoded at least, where it has them.

Averaging neighbours, as a JPEG decoder does when it scales, moves colors into cells that the picture lacks.
Over 17 photographs saved at 12, 2 and 0.3 megapixels, 800 gave a median drift of 0.015, 0.016 and 0.009
(largest 0.062), and 1500, of which as many pixels are fewer rows, one of 0.022, 0.018 and 0.009 (largest
0.050) at 1.2 to 1.3 times the cost of decoding.
"""

LEAST_ROWS = 16
"""Rows that are counted at least, so that a panorama is not judged by one of them."""

HALF_SHARED = 1.0
"""L1 distance at which half of the pixels have their like in the other picture: 2 − 2·intersection."""


@dataclass(frozen=True, slots=True)
class ColorOptions:
    """Settings of the histogram."""

    samples: int = setting(
        120_000, "pixels", "Pixels counted of a picture that has half as many again.", minimum=1000
    )


MOST_SHARED = 6
"""Colors that two pictures are told to share."""


class Color:
    """Extractor of the RGB histogram."""

    options_class: ClassVar[type[ColorOptions]] = ColorOptions

    def __init__(self, options: ColorOptions, *, exact: bool = False) -> None:
        self.spec = FeatureSpec(
            kind="color",
            title="RGB histogram of 8×8×8 cells: the same colors",
            dim=BINS**3,
            dtype="float16",
            metric="l1",
            version=1,
            port=33335,
            preprocessing="exact" if exact else "sampled",
            display_scale=float(ORIGINAL_SUM),
            verdicts=((Verdict.SAME_COLORS, HALF_SHARED),),
        )
        self.need = PixelNeed(None if exact else LONGEST_SIDE)
        self._samples = None if exact else options.samples

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        """Histograms of pictures, in their order.

        Returns:
            Features of (512,) float16 that sum to 1, red varying slowest.

        Raises:
            EmptyFeatureError: a picture has no pixels.
        """
        return [self._feature(picture) for picture in pictures]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        """The histogram alone: turning a picture does not move its colors.

        Returns:
            One variant, upright.

        Raises:
            EmptyFeatureError: the picture has no pixels.
        """
        return [QueryVariant(self._feature(picture))]

    def shared_colors(self, query: Picture, image: Picture) -> tuple[SharedColor, ...]:
        """The colors that most pixels of two pictures share.

        Args:
            query: the first picture, decoded.
            image: the second, decoded.

        Returns:
            At most `MOST_SHARED`, the one that most pixels of both have first.

        Raises:
            EmptyFeatureError: a picture has no pixels.
        """
        first, second = (self._feature(each).vector.astype(np.float64) for each in (query, image))
        both = np.minimum(first, second)
        best = [int(cell) for cell in np.argsort(-both, kind="stable")[:MOST_SHARED] if both[cell] > 0]
        return tuple(SharedColor(_middle(cell), float(first[cell]), float(second[cell])) for cell in best)

    def _feature(self, picture: Picture) -> Feature:
        rgb = picture.rgb
        if rgb.size == 0:
            raise EmptyFeatureError(
                f"a picture of {picture.width}×{picture.height} pixels was decoded to nothing; "
                "color needs one pixel"
            )
        counted = rgb if self._samples is None else sampled(rgb, self._samples)
        return Feature((original_histogram(counted) / ORIGINAL_SUM).astype(np.float16))


def sampled(rgb: RgbImage, samples: int) -> RgbImage:
    """About `samples` pixels of a picture: every n-th row; all, where it has under 1.5 times that.

    Pixels are picked, never averaged: mixing neighbours moves colors into cells that the picture lacks. Whole
    rows are picked, since that costs no work per pixel and drifts no more than an even lattice of as many.

    Returns:
        (h, W, 3) uint8, at least 16 rows where there are so many.
    """
    height, width = rgb.shape[:2]
    step = max(1, min(round(height * width / samples), height // LEAST_ROWS))
    return np.ascontiguousarray(rgb[step // 2 :: step])


def original_histogram(rgb: RgbImage) -> NDArray[np.float32]:
    """Joint RGB histogram of an image, summing to ten million as the original system's does.

    Args:
        rgb: (H, W, 3) uint8, at least one pixel.

    Returns:
        (512,) float32, red varying slowest: the counts times 1e7, divided by the number of pixels.

    Source: Swain & Ballard, "Color Indexing", IJCV 7(1), 1991; bins over RGB, not opponent axes.
    """
    import cv2

    counts = cv2.calcHist([rgb], [0, 1, 2], None, [BINS] * 3, [0, 256] * 3).ravel()
    histogram: NDArray[np.float32] = (
        counts * np.float32(ORIGINAL_SUM) / np.float32(rgb.shape[0] * rgb.shape[1])
    )
    return histogram


def _middle(cell: int) -> tuple[int, int, int]:
    """The color in the middle of a cell; red varies slowest."""
    side = 256 // BINS
    red, green, blue = (place * side + side // 2 for place in np.unravel_index(cell, (BINS,) * 3))
    return int(red), int(green), int(blue)
