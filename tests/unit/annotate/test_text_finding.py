"""Lines are found at any size: what is small is looked at closer, and no line is cut where tiles meet."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.annotate._text_finding import find_text
from ambience.datatypes import RgbImage

FIRST = 200_000


class Network:
    """Takes red for text; notes what it was shown."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, rgb: RgbImage) -> NDArray[np.float32]:
        self.sizes.append((rgb.shape[0], rgb.shape[1]))
        return np.asarray(rgb[:, :, 0] / 255, np.float32)

    @property
    def pixels(self) -> int:
        return sum(height * width for height, width in self.sizes)


def picture(height: int, width: int, *lines: tuple[int, int, int, int]) -> RgbImage:
    rgb = np.zeros((height, width, 3), np.uint8)
    for left, top, right, bottom in lines:
        rgb[top:bottom, left:right, 0] = 255
    return rgb


def test_a_picture_without_text_costs_one_look() -> None:
    network = Network()
    found = find_text(picture(3000, 4000), network, first_pixels=FIRST, tile_side=960)
    assert len(found.corners) == 0
    assert network.pixels < 1.5 * FIRST


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (30, 20_000), (700, 500)])
def test_any_size_is_looked_at_in_bounded_parts(size: tuple[int, int]) -> None:
    network = Network()
    find_text(picture(*size), network, first_pixels=FIRST, tile_side=960)
    assert all(side % 32 == 0 and side <= 960 for each in network.sizes for side in each)
    assert network.pixels < 12 * FIRST


def test_a_large_line_is_where_it_stands() -> None:
    found = find_text(picture(600, 800, (100, 200, 500, 240)), Network(), first_pixels=10**6, tile_side=960)
    (box,) = found.corners
    np.testing.assert_allclose(box.mean(axis=0), [299.5, 219.5], atol=1.5)
    assert box[:, 0].min() < 100
    assert box[:, 0].max() > 500


def test_small_lines_that_touch_from_afar_are_told_apart_closer() -> None:
    lines = [(400, top, 3600, top + 12) for top in (500, 540, 580)]
    network = Network()
    found = find_text(picture(3000, 4000, *lines), network, first_pixels=FIRST, tile_side=960)
    middles = sorted(found.corners.mean(axis=1)[:, 1])
    np.testing.assert_allclose(middles, [505.5, 545.5, 585.5], atol=3)
    lengths = np.ptp(found.corners[:, :, 0], axis=1)
    assert (lengths > 3150).all(), "no line is cut where tiles meet"
    assert network.pixels < 0.5 * 3000 * 4000, "only where text is, it is looked at closer"


def test_boxes_stay_within_the_picture() -> None:
    found = find_text(picture(100, 400, (0, 0, 400, 30)), Network(), first_pixels=FIRST, tile_side=960)
    assert len(found.corners) == 1
    assert found.corners.min() >= 0
    assert (found.corners.max(axis=(0, 1)) <= [399, 99]).all()
