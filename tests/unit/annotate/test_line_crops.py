"""Lines are laid straight in the direction in which they are read, and long ones cut between words."""

import numpy as np
import pytest

from ambience.annotate._line_crops import PIECE, cut_out, directions, pieces
from ambience.models.ocr.reader import LINE_HEIGHT, MAX_WIDTH

WIDE = np.array([(10, 20), (209, 20), (209, 59), (10, 59)], np.float32)


def marked() -> np.ndarray:
    """A line from 10, 20 to 209, 59 whose left end is red."""
    rgb = np.zeros((100, 300, 3), np.uint8)
    rgb[20:60, 10:210] = 80
    rgb[20:60, 10:60, 0] = 255
    return rgb


def test_a_line_is_48_high_and_keeps_its_aspect() -> None:
    line = cut_out(marked(), WIDE)
    assert line.shape == (LINE_HEIGHT, round(199 * LINE_HEIGHT / 39), 3)
    assert line[24, 20, 0] > 240
    assert line[24, -20, 0] < 100


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_line_is_found_among_its_directions(turns: int) -> None:
    upright = cut_out(marked(), WIDE)
    rgb = np.ascontiguousarray(np.rot90(marked(), turns))
    points = WIDE.copy()
    height, width = 100, 300
    for _ in range(turns):
        points = np.stack((points[:, 1], width - 1 - points[:, 0]), axis=1)
        height, width = width, height
    from ambience.models.ocr.boxes import ordered_corners

    (corners,) = ordered_corners(points[None].astype(np.float32))
    ways = [cut_out(rgb, quad) for quad in directions(corners)]
    assert len(ways) == 2
    errors = [
        np.abs(way.astype(int) - upright).mean() if way.shape == upright.shape else 255.0 for way in ways
    ]
    assert min(errors) < 3


def test_squares_are_read_in_all_four_directions() -> None:
    square = np.array([(0, 0), (20, 0), (20, 20), (0, 20)], np.float32)
    assert len(directions(square)) == 4


def test_large_letters_are_reduced_and_specks_enlarged() -> None:
    rgb = np.random.default_rng(3).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    huge = np.array([(0, 0), (899, 0), (899, 800), (0, 800)], np.float32)
    assert cut_out(rgb, huge).shape[0] == LINE_HEIGHT
    speck = np.array([(5, 5), (5.4, 5), (5.4, 5.3), (5, 5.3)], np.float32)
    assert cut_out(rgb, speck).shape == (LINE_HEIGHT, 48, 3)


def test_long_lines_are_cut_where_nothing_is_to_be_seen() -> None:
    line = np.random.default_rng(4).integers(0, 255, (LINE_HEIGHT, 6000, 3), dtype=np.uint8)
    for gap in (1700, 3500):
        line[:, gap : gap + 30] = 255
    parts = pieces(line)
    assert sum(part.shape[1] for part in parts) == 6000
    assert all(part.shape[1] <= MAX_WIDTH for part in parts)
    assert 1700 <= parts[0].shape[1] <= 1730 <= PIECE
    assert len(pieces(line[:, :MAX_WIDTH])) == 1
