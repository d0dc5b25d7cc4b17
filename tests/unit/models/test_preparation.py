"""Pictures become inputs as Pillow and the references' processors make them, whatever their shape."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from ambience.models.preparation import fitted, prepared
from ambience.models.row import Pixels
from support.tiny_pictures import pictures


def test_values_are_normalised_by_channel() -> None:
    pixels = Pixels(4, mean=(0.1, 0.2, 0.3), std=(0.5, 0.25, 1.0))
    (made,) = prepared([np.full((9, 5, 3), (51, 102, 255), np.uint8)], pixels)
    assert made.shape == (3, 4, 4)
    assert made.dtype == np.float32
    assert made[:, 0, 0].tolist() == pytest.approx([0.2, 0.8, 0.7], abs=1e-6)
    assert prepared([], pixels).shape == (0, 3, 4, 4)


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", "lanczos"])
def test_a_squashed_picture_is_pillows(resample: str) -> None:
    filters = {"bilinear": 2, "bicubic": 3, "lanczos": 1}
    for picture in pictures():
        wanted = Image.fromarray(picture).resize((48, 48), filters[resample])
        assert np.array_equal(fitted(picture, Pixels(48, resample=resample)), np.asarray(wanted))  # type: ignore[arg-type]


def test_a_crop_is_that_of_the_reduced_picture() -> None:
    """Reducing the middle alone differs by rounding only from reducing all and cutting it out."""
    pixels = Pixels(48, "crop", "bicubic", resize=56)
    for picture in pictures():
        height, width = picture.shape[:2]
        short = min(height, width)
        size = (56 * width // short, 56 * height // short)
        whole = np.asarray(Image.fromarray(picture).resize(size, 3))
        left, top = (size[0] - 48) // 2, (size[1] - 48) // 2
        cut = whole[top : top + 48, left : left + 48].astype(int)
        assert np.abs(fitted(picture, pixels).astype(int) - cut).max() <= 1


def test_the_middle_of_a_crop_is_rounded_as_it_is_said() -> None:
    picture = np.zeros((48, 51, 3), np.uint8)
    picture[:, 1] = 200  # margins of 3 pixels: the middle begins at 1, or at 2
    assert fitted(picture, Pixels(48, "crop", "bilinear", middle="floor"))[0, 0, 0] == 200
    assert fitted(picture, Pixels(48, "crop", "bilinear", middle="rounded")).max() == 0


def test_a_letterboxed_picture_lies_whole_on_black() -> None:
    made = fitted(np.full((30, 60, 3), 90, np.uint8), Pixels(40, "letterbox"))
    assert np.unique(made[10:30]).tolist() == [90]
    assert made[:10].max() == made[30:].max() == 0
    thin = fitted(np.full((1, 5000, 3), 90, np.uint8), Pixels(40, "letterbox"))
    assert (thin > 0).any(axis=(1, 2)).sum() == 1


def test_a_strip_takes_no_more_memory_than_a_square() -> None:
    strip = np.full((1, 100_000, 3), 7, np.uint8)
    tracemalloc.start()
    made = fitted(strip, Pixels(224, "crop", resize=256))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.unique(made).tolist() == [7]
    assert peak < 10_000_000


def test_the_middle_of_a_squashed_picture_is_that_of_the_whole_one() -> None:
    """Making the middle alone differs by rounding only from squashing all and cutting it out."""
    pixels = Pixels(48, "squash_crop", "bilinear", resize=55, middle="rounded")
    for picture in pictures():
        whole = np.asarray(Image.fromarray(picture).resize((55, 55), 2))
        cut = whole[4:52, 4:52].astype(int)  # of 3.5 pixels the even number, as torchvision has it
        assert np.abs(fitted(picture, pixels) - cut).max() <= 1
