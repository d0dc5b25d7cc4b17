"""Where text stands in a picture: looked at as a whole first, and closer where it is small.

A map of the whole picture is made at a size that costs a quarter of a second. It shows lines of five pixels
already, but runs those together that stand close, and shows few of them as more than specks where most of the
picture is blank; so what it shows of small text, and specks, are mapped anew at twice the size, in tiles,
until the text is large enough or the picture is at its full size.
"""

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.models.ocr.boxes import THRESHOLD, text_boxes

Chances = Callable[[RgbImage], NDArray[np.float32]]
"""The network: (H, W, 3) uint8 with sides of multiples of 32 to (H, W) float32 of 0–1."""

MARGIN = 16
"""Pixels around a picture that repeat its border: text that touches it is not found otherwise."""

CONTEXT = 32
"""Pixels around a tile that are looked at and not kept."""

SIDE_STEP = 64
"""To whose multiples sides are filled up, so that the network meets few sizes."""

SMALL = 14
"""Pixels of the short side of a box, widened, below which it is looked at closer."""

LARGEST_SCALE = 2.0
"""Small pictures are enlarged up to this."""

CLOSER_TILE = 704
"""Pixels of the side of tiles that are looked at closer: small, since only where text is they are made."""


class FoundText(NamedTuple):
    """Boxes around lines of text.

    Attributes:
        corners: (N, 4, 2) float32, x and y in pixels of the picture, clockwise.
        scores: (N,) float32, how sure the network is, 0–1.
    """

    corners: NDArray[np.float32]
    scores: NDArray[np.float32]


class _Span(NamedTuple):
    """A tile along one side: what is kept of it, in pixels of a map."""

    start: int
    stop: int


def find_text(rgb: RgbImage, chances: Chances, *, first_pixels: int, tile_side: int) -> FoundText:
    """Boxes around lines.

    Args:
        rgb: (H, W, 3) uint8, at least one pixel.
        chances: the network.
        first_pixels: of the whole picture as it is looked at first.
        tile_side: of the largest tile, a multiple of 64.

    Returns:
        Lines in no order.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, math.sqrt(first_pixels / (height * width)))
    chosen, looked, specks = _at_scale(rgb, chances, scale, tile_side, None)
    wanted = specks & ~_covered((height, width), chosen.corners)
    if scale == 1.0:
        wanted[:] = False  # there is nothing closer to be seen of specks
    found, largest = chosen, LARGEST_SCALE if height * width <= first_pixels else 1.0
    while True:
        is_small = _short_sides(found.corners) * scale < SMALL
        wanted |= looked & _covered((height, width), found.corners[is_small])
        following = min(2 * scale, largest)
        if following <= scale or not wanted.any():
            return chosen
        times, scale = following / scale, following
        found, looked, _ = _at_scale(rgb, chances, scale, min(tile_side, CLOSER_TILE), wanted)
        chosen = _merged(chosen, found, looked, scale / times)
        wanted[:] = False


def _at_scale(
    rgb: RgbImage, chances: Chances, scale: float, tile_side: int, wanted: NDArray[np.bool_] | None
) -> tuple[FoundText, NDArray[np.bool_], NDArray[np.bool_]]:
    """Boxes in pixels of the picture, cells of the picture that were looked at, and cells that show anything.

    The map is put together of tiles before boxes are made of it, so that no line is cut at their borders.
    """
    import cv2

    height, width = rgb.shape[:2]
    size = max(1, round(height * scale)), max(1, round(width * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = rgb if size == (height, width) else cv2.resize(rgb, size[::-1], interpolation=way)
    padded = np.asarray(cv2.copyMakeBorder(scaled, *(MARGIN,) * 4, cv2.BORDER_REPLICATE), np.uint8)
    whole = np.zeros(padded.shape[:2], np.float32)
    looked = np.zeros(_cells((height, width)), bool)
    for rows, columns in _tiles(padded.shape[:2], tile_side):
        spans = [
            _Span(int((span.start - MARGIN) / scale), math.ceil((span.stop - MARGIN) / scale))
            for span in (rows, columns)
        ]
        cells = tuple(slice(max(0, span.start) // _CELL, -(-max(1, span.stop) // _CELL)) for span in spans)
        if wanted is not None and not wanted[cells].any():
            continue
        looked[cells] = True
        whole[rows.start : rows.stop, columns.start : columns.stop] = _tile(padded, chances, rows, columns)
    corners, scores = text_boxes(whole)
    limits = np.array([width, height], np.float32)
    corners = np.clip((corners - MARGIN + 0.5) / scale - 0.5, 0, limits - 1).astype(np.float32)
    is_something = _short_sides(corners) >= 2
    shown = np.zeros(looked.shape, bool)
    inner = whole[MARGIN : MARGIN + size[0], MARGIN : MARGIN + size[1]]
    places = (np.argwhere(inner > THRESHOLD) / scale).astype(int) // _CELL
    shown[places[:, 0].clip(0, len(shown) - 1), places[:, 1].clip(0, shown.shape[1] - 1)] = True
    return FoundText(corners[is_something], scores[is_something]), looked, shown


def _tile(padded: RgbImage, chances: Chances, rows: _Span, columns: _Span) -> NDArray[np.float32]:
    """The map of a tile, made with what is around it."""
    import cv2

    top, left = max(0, rows.start - CONTEXT), max(0, columns.start - CONTEXT)
    seen = padded[top : rows.stop + CONTEXT, left : columns.stop + CONTEXT]
    fill = [-(-side // SIDE_STEP) * SIDE_STEP - side for side in seen.shape[:2]]
    filled = cv2.copyMakeBorder(seen, 0, fill[0], 0, fill[1], cv2.BORDER_REPLICATE)
    answer = chances(np.asarray(filled, np.uint8))
    return answer[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _tiles(size: tuple[int, int], tile_side: int) -> Iterator[tuple[_Span, _Span]]:
    """Tiles of about one size that cover a map; one alone where it is small enough."""
    sides = []
    for length in size:
        most = tile_side if length <= tile_side else tile_side - 2 * CONTEXT
        count = -(-length // most)
        edges = [round(length * number / count) for number in range(count + 1)]
        sides.append([_Span(*pair) for pair in pairwise(edges)])
    yield from ((rows, columns) for rows in sides[0] for columns in sides[1])


_CELL = 32
"""Pixels of the picture of a side of the cells by which is noted where was looked."""


def _cells(size: tuple[int, int]) -> tuple[int, int]:
    return -(-size[0] // _CELL), -(-size[1] // _CELL)


def _covered(size: tuple[int, int], corners: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Cells that boxes touch."""
    cells = np.zeros(_cells(size), bool)
    low = np.maximum(corners.min(axis=1) // _CELL, 0).astype(int)
    high = (corners.max(axis=1) // _CELL).astype(int) + 1
    for (left, top), (right, bottom) in zip(low, high, strict=True):
        cells[top:bottom, left:right] = True
    return cells


def _merged(before: FoundText, now: FoundText, looked: NDArray[np.bool_], scale_before: float) -> FoundText:
    """What is known after a closer look: small boxes of the look before give way where was looked again.

    Large ones stay, since large letters fall apart when they are looked at closely, and keep boxes of the
    closer look from standing within them.
    """
    if not len(before.corners):
        return now
    was_small = _short_sides(before.corners) * scale_before < SMALL
    seen_again = _at(looked, before.corners.mean(axis=1))
    stays = ~(was_small & seen_again)
    kept = before.corners[stays]
    is_within = _within_any(now.corners.mean(axis=1), kept)
    return FoundText(
        np.concatenate((kept, now.corners[~is_within])),
        np.concatenate((before.scores[stays], now.scores[~is_within])),
    )


def _at(cells: NDArray[np.bool_], points: NDArray[np.float32]) -> NDArray[np.bool_]:
    columns, rows = (points // _CELL).astype(int).T
    return np.asarray(cells[rows.clip(0, len(cells) - 1), columns.clip(0, cells.shape[1] - 1)], bool)


def _within_any(points: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether each of (N, 2) points lies in one of (M, 4, 2) convex boxes."""
    if not len(points) or not len(boxes):
        return np.zeros(len(points), bool)
    is_within = np.zeros(len(points), bool)
    sides = np.roll(boxes, -1, axis=1) - boxes
    for box, side in zip(boxes, sides, strict=True):
        away = points[:, None] - box
        is_within |= (side[:, 0] * away[..., 1] - side[:, 1] * away[..., 0] >= 0).all(axis=1)
    return is_within


def _short_sides(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) shorter sides of (N, 4, 2) boxes."""
    sides = np.linalg.norm(corners[:, [1, 2]] - corners[:, [0, 1]], axis=2)
    return np.asarray(sides.min(axis=1), np.float32)
