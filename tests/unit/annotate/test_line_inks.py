"""A line's ink is shown alone, whatever it stands on."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.annotate._line_inks import HEIGHTS, inks, plain

WORD, PLACE = "bridge", (34, 33)


def word(thickness: int) -> NDArray[np.uint8]:
    """A mask of a word, (48, 180)."""
    mask = np.zeros((48, 180), np.uint8)
    cv2.putText(mask, WORD, PLACE, cv2.FONT_HERSHEY_DUPLEX, 0.9, 255, thickness, cv2.LINE_AA)
    return mask


def photograph() -> NDArray[np.uint8]:
    """Something uneven in many colors, (48, 180, 3)."""
    small = np.random.default_rng(5).integers(90, 170, (4, 12, 3), np.uint8)
    return cv2.resize(small, (180, 48), interpolation=cv2.INTER_CUBIC)


def mixed(
    below: NDArray[np.uint8], mask: NDArray[np.uint8], color: tuple[int, int, int]
) -> NDArray[np.uint8]:
    share = mask[..., None].astype(np.float32) / 255
    return (below * (1 - share) + np.array(color) * share).round().astype(np.uint8)


def shown_as(mask: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    """What a mask looks like as dark ink on white, cut to the ink."""
    rows, columns = np.flatnonzero((mask > 127).any(axis=1)), np.flatnonzero((mask > 127).any(axis=0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = round(cut.shape[1] * height / cut.shape[0])
    return 255 - cv2.resize(cut, (width, height), interpolation=cv2.INTER_AREA)


def likeness(ink: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Correlation of a picture of ink with that of a mask."""
    wanted = shown_as(mask, ink.shape[0])
    same = cv2.resize(ink, (wanted.shape[1], wanted.shape[0]), interpolation=cv2.INTER_AREA)
    return float(np.corrcoef(same.ravel(), wanted.ravel())[0, 1])


def boxed() -> NDArray[np.uint8]:
    line = photograph()
    line[5:44, 15:166] = (245, 240, 225)
    return mixed(line, word(2), (25, 25, 40))


def outlined() -> NDArray[np.uint8]:
    return mixed(mixed(photograph(), word(8), (10, 10, 10)), word(2), (255, 255, 255))


@pytest.mark.parametrize("line", [boxed(), outlined(), 255 - boxed()], ids=["boxed", "outlined", "dark box"])
def test_one_of_the_inks_is_the_word(line: NDArray[np.uint8]) -> None:
    found = inks(line)
    assert {ink.shape[0] for ink in found} == set(HEIGHTS)
    assert max(likeness(ink, word(2)) for ink in found) > 0.8


def test_what_reaches_in_from_outside_is_no_ink() -> None:
    line = np.full((48, 180, 3), 12, np.uint8)  # as dark as the letters, all around the box
    line[5:44, 15:166] = (245, 240, 225)
    dark = inks(mixed(line, word(2), (12, 12, 12)))[-1]
    assert likeness(dark, word(2)) > 0.9


def test_one_line_gives_the_same_ink_each_time() -> None:
    first, second = inks(outlined()), inks(outlined())
    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_line_has_no_ink(value: int) -> None:
    line = np.full((48, 120, 3), value, np.uint8)
    assert inks(line) == []
    assert plain(line).shape == (48, 120)


def test_grey_is_dark_on_bright_either_way() -> None:
    line = mixed(np.full((48, 180, 3), 250, np.uint8), word(2), (9, 9, 9))
    for shown in (plain(line), plain(255 - line)):
        assert np.median(shown) > 200
        assert shown.min() == 0
