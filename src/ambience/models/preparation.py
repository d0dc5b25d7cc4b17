"""Pictures become the input of a network, pixel for pixel as the network's authors prepare theirs.

Reductions are Pillow's, antialiased, because the processors of the reference implementations are made of
them; faster filters of other libraries differ by several grey levels at edges.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ambience.datatypes import RgbImage
from ambience.models.row import Pixels

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

_WHITE = 255.0


class _Cut(NamedTuple):
    """What of a picture is seen, and how large it becomes.

    Attributes:
        box: left, top, right, bottom in pixels of the picture, which need not be whole.
        size: width and height that the box becomes.
        at: column and row of the input at which it lies.
    """

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    at: tuple[int, int]


def prepared(pictures: Sequence[RgbImage], pixels: Pixels) -> NDArray[np.float32]:
    """The input of a network.

    Args:
        pictures: (H, W, 3) uint8 each, of any size.
        pixels: what the network takes.

    Returns:
        (N, 3, size, size) float32: red, green, blue planes, (value / 255 − mean) / std.
    """
    scale = [1 / (_WHITE * std) for std in pixels.std]
    shift = [-mean / std for mean, std in zip(pixels.mean, pixels.std, strict=True)]
    batch = np.empty((len(pictures), 3, pixels.size, pixels.size), np.float32)
    for planes, picture in zip(batch, pictures, strict=True):
        square = fitted(picture, pixels)
        for channel in range(3):
            np.multiply(square[..., channel], np.float32(scale[channel]), out=planes[channel])
            planes[channel] += np.float32(shift[channel])
    return batch


def fitted(picture: RgbImage, pixels: Pixels) -> RgbImage:
    """A picture in the square that a network takes.

    Args:
        picture: (H, W, 3) uint8.
        pixels: how it is fitted: squash (aspect ignored), letterbox (the whole picture in the middle of a
            black square), crop (the short side brought to `resize`, the middle cut out), squash_crop (brought
            to a square of `resize`, the middle cut out).

    Returns:
        (size, size, 3) uint8.
    """
    height, width = picture.shape[:2]
    cut = _CUTS[pixels.fit](width, height, pixels)
    reduced = Image.fromarray(picture).resize(cut.size, _FILTERS[pixels.resample], box=cut.box)
    if cut.size == (pixels.size, pixels.size):
        return np.asarray(reduced)
    square = np.zeros((pixels.size, pixels.size, 3), np.uint8)
    column, row = cut.at
    square[row : row + cut.size[1], column : column + cut.size[0]] = np.asarray(reduced)
    return square


def _squashed(width: int, height: int, pixels: Pixels) -> _Cut:
    return _Cut((0, 0, width, height), (pixels.size, pixels.size), (0, 0))


def _letterboxed(width: int, height: int, pixels: Pixels) -> _Cut:
    factor = pixels.size / max(width, height)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    at = ((pixels.size - size[0]) // 2, (pixels.size - size[1]) // 2)
    return _Cut((0, 0, width, height), size, at)


def _cropped(width: int, height: int, pixels: Pixels) -> _Cut:
    """The middle alone is reduced: a strip of 1 × 100,000 pixels never becomes 224 × 22,400,000."""
    short = pixels.resize or pixels.size
    whole = [
        short if side <= other else int(short * side / other)
        for side, other in ((width, height), (height, width))
    ]
    left, top = (_middle(side - pixels.size, pixels) for side in whole)
    across, down = width / whole[0], height / whole[1]
    right, bottom = (left + pixels.size) * across, (top + pixels.size) * down
    box = (left * across, top * down, min(right, width), min(bottom, height))
    return _Cut(box, (pixels.size, pixels.size), (0, 0))


def _squash_cropped(width: int, height: int, pixels: Pixels) -> _Cut:
    """Of the square that the whole picture would become, the middle alone is made."""
    side = pixels.resize or pixels.size
    start = _middle(side - pixels.size, pixels)
    across, down, end = width / side, height / side, start + pixels.size
    return _Cut((start * across, start * down, end * across, end * down), (pixels.size, pixels.size), (0, 0))


def _middle(margin: int, pixels: Pixels) -> int:
    """Pixels before the middle; Python's `round` is torchvision's as well: halves go to the even number."""
    return round(margin / 2) if pixels.middle == "rounded" else margin // 2


_CUTS = {
    "squash": _squashed,
    "letterbox": _letterboxed,
    "crop": _cropped,
    "squash_crop": _squash_cropped,
}
