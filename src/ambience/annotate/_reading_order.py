"""In which order people read the lines of a picture."""

import numpy as np
from numpy.typing import NDArray

SAME_ROW = 0.5
"""Share of the lower line's height by which two lines overlap in height to stand in one row."""


WIDE = 0.6
"""Share of the width of a part of a page, above which a line does not belong to one of several columns."""


def reading_order(quads: NDArray[np.float32], is_right_to_left: bool = False) -> NDArray[np.intp]:
    """The order of lines: columns from left to right, in each its rows from top to bottom.

    The picture is cut recursively. A gap that runs through from top to bottom, at least as wide as the lines
    are high, parts columns, where both sides hold two rows or more that begin alike; else a gap that runs
    through from left to right parts what is above from what is below; what no gap parts is put into rows by
    the heights of the lines: one belongs to a row where it shares half of the lower one's height with the
    row's first. Where most lines run down (columns of Chinese or Japanese), they are read from the right.
    Before, all is turned by the direction of most lines, so that a picture on its side is read as people
    would turn it.

    Args:
        quads: (N, 4, 2) float32, corners from the upper left of each line's text, clockwise, in pixels.
        is_right_to_left: whether rows and columns begin at the right.

    Returns:
        (N,) places of the lines, as they are read.

    Source: Nagy & Seth, "Hierarchical representation of optically scanned documents", ICPR 1984 (XY-cut);
    the conditions on columns are ours, so that a price beside its product stays in the same row.
    """
    if len(quads) < 2:
        return np.arange(len(quads))
    along = quads[:, 1] - quads[:, 0]
    lengths = np.linalg.norm(along, axis=1)
    turns = np.round(np.arctan2(along[:, 1], along[:, 0]) / (np.pi / 2)).astype(int) % 4
    turn = int(np.bincount(turns, weights=lengths, minlength=4).argmax())
    points = quads.astype(np.float64)
    for _ in range(turn):  # back by a quarter: what ran down runs right
        points = np.stack((points[..., 1], -points[..., 0]), axis=-1)
    boxes = np.concatenate((points.min(axis=1), points.max(axis=1)), axis=1)
    if is_right_to_left:
        boxes = np.stack((-boxes[:, 2], boxes[:, 1], -boxes[:, 0], boxes[:, 3]), axis=1)
    ordered: list[int] = []
    waiting = [np.arange(len(quads))]
    while waiting:  # depth first, without recursion: thousands of lines nest deeply
        part = waiting.pop()
        groups = _columns(boxes, part) or _bands(boxes, part)
        if groups:
            waiting.extend(reversed(groups))
        else:
            ordered.extend(_rows(boxes, part))
    return np.array(ordered, np.intp)


def _columns(boxes: NDArray[np.float64], part: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Both sides of the widest gap from top to bottom, where both are columns of text."""
    order = part[np.argsort(boxes[part, 0], kind="stable")]
    reach = np.maximum.accumulate(boxes[order, 2])
    gaps = boxes[order[1:], 0] - reach[:-1]
    heights = np.median(boxes[part, 3] - boxes[part, 1])
    for place in np.argsort(-gaps, kind="stable")[:8]:
        if gaps[place] < heights:
            return []
        sides = [order[: place + 1], order[place + 1 :]]
        if all(_is_column(boxes, side, heights) for side in sides) and not _share_rows(boxes, sides, heights):
            return sides
    return []


def _is_column(boxes: NDArray[np.float64], side: NDArray[np.intp], height: float) -> bool:
    """Whether lines are text of its own: three or more, most of them as long as several words."""
    lengths = boxes[side, 2] - boxes[side, 0]
    return len(side) >= 3 and float(np.median(lengths)) >= 6 * height


def _share_rows(boxes: NDArray[np.float64], sides: list[NDArray[np.intp]], height: float) -> bool:
    """Whether nearly every line of the smaller side stands in a row with one of the other: a table."""
    few, many = sorted(sides, key=len)
    middles = [(boxes[side, 1] + boxes[side, 3]) / 2 for side in (few, many)]
    nearest = np.abs(middles[0][:, None] - middles[1]).min(axis=1)
    is_same_count = len(few) * 2 > len(many)
    return not is_same_count and bool((nearest < height / 3).mean() > 0.8)


def _bands(boxes: NDArray[np.float64], part: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """What gaps from left to right part, from top to bottom; nothing where there is no gap.

    Where some bands hold a line that is nearly as wide as all (a title) and others none, the others stay
    together, since they may be columns.
    """
    order = part[np.argsort(boxes[part, 1], kind="stable")]
    reach = np.maximum.accumulate(boxes[order, 3])
    gaps = np.flatnonzero(boxes[order[1:], 1] >= reach[:-1])
    if not len(gaps):
        return []
    bands = [order[start:stop] for start, stop in zip([0, *gaps + 1], [*gaps + 1, len(order)], strict=True)]
    width = boxes[part, 2].max() - boxes[part, 0].min()
    is_wide = [bool((boxes[band, 2] - boxes[band, 0]).max() > WIDE * width) for band in bands]
    if all(is_wide) or not any(is_wide):
        return bands
    groups: list[NDArray[np.intp]] = []
    for number, band in enumerate(bands):
        if number and not is_wide[number] and not is_wide[number - 1]:
            groups[-1] = np.concatenate((groups[-1], band))
        else:
            groups.append(band)
    return groups


def _rows(boxes: NDArray[np.float64], part: NDArray[np.intp]) -> list[int]:
    """Lines that no gap parts: in rows, each from left to right."""
    ordered: list[int] = []
    row: list[int] = []
    for line in part[np.argsort(boxes[part, 1] + boxes[part, 3], kind="stable")]:
        if row:
            shared = min(boxes[row[0], 3], boxes[line, 3]) - max(boxes[row[0], 1], boxes[line, 1])
            low = min(boxes[each, 3] - boxes[each, 1] for each in (row[0], line))
            if shared < SAME_ROW * low:
                ordered.extend(sorted(row, key=lambda each: boxes[each, 0]))
                row = []
        row.append(int(line))
    return ordered + sorted(row, key=lambda each: boxes[each, 0])
