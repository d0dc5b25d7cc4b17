"""The 41 transforms: what each does to size and pixels, and that the same call gives the same bytes."""

import io

import numpy as np
import pytest
import skimage.data
from PIL import Image

from transforms import TRANSFORMS, covered, inset, perspective, random_crop, rotated, transformed

BY_NAME = {each.name: each for each in TRANSFORMS}
COFFEE = skimage.data.coffee()[:300, :450]
CAT = skimage.data.chelsea()


def made(name: str, *, seed: int = 1, key: str = "coffee") -> np.ndarray:
    data = transformed(COFFEE, CAT, BY_NAME[name], seed=seed, key=key)
    return np.asarray(Image.open(io.BytesIO(data)))


def test_there_are_26_and_15_harder_ones_with_distinct_names():
    assert [each.is_hard for each in TRANSFORMS] == [False] * 26 + [True] * 15
    assert len(BY_NAME) == 41


@pytest.mark.parametrize("name", BY_NAME)
def test_same_seed_and_picture_give_the_same_bytes(name: str):
    first = transformed(COFFEE, CAT, BY_NAME[name], seed=1, key="coffee")
    assert first == transformed(COFFEE, CAT, BY_NAME[name], seed=1, key="coffee")
    assert Image.open(io.BytesIO(first)).format == "JPEG"


def test_another_seed_or_picture_gives_another_crop():
    crops = {made("crop keeping 15 %", seed=s, key=k).tobytes() for s in (1, 2) for k in "ab"}
    assert len(crops) == 4


@pytest.mark.parametrize(
    ("name", "width", "height"),
    [
        ("half size", 225, 150),
        ("longest side 160", 160, 107),
        ("longest side 48", 48, 32),
        ("crop 5 % off each side", 406, 270),
        ("pad 20 % black", 630, 420),
        ("rotation ± 4°", 450, 300),
        ("rotation 90 or 270°", 300, 450),
        ("text bars", 450, 390),
        ("inset 30 %", 451, 300),
        ("screenshot", 327, 244),
        ("rotation 20–70° middle 39 %", 176, 117),
    ],
)
def test_size(name: str, width: int, height: int):
    assert made(name).shape == (height, width, 3)


@pytest.mark.parametrize("keep", [0.5, 0.3, 0.15])
def test_random_crop_keeps_the_share_and_at_most_the_aspect_change(keep: float):
    for number in range(20):
        crop = random_crop(COFFEE, np.random.default_rng(number), keep, 96)
        height, width = crop.shape[:2]
        assert width * height / (450 * 300) == pytest.approx(keep, rel=0.02)
        assert 0.84 <= width / height / 1.5 <= 1.19


def test_small_crops_keep_their_least_side():
    crop = random_crop(COFFEE, np.random.default_rng(0), 0.01, 48)
    assert crop.shape == (48, 48, 3)


@pytest.mark.parametrize("share", [0.30, 0.12, 0.06])
def test_inset_covers_its_share(share: float):
    canvas = inset(
        np.full((200, 300, 3), 255, np.uint8),
        np.zeros((400, 400, 3), np.uint8),
        np.random.default_rng(3),
        share,
    )
    assert np.mean(canvas == 255) == pytest.approx(share, rel=0.02)


def test_perspective_moves_corners_inward_by_at_least_the_least():
    white = np.full((200, 300, 3), 255, np.uint8)
    moved = perspective(white, np.random.default_rng(0), 0.10, 0.28)
    assert moved.shape == white.shape
    assert not moved[:15].any()
    assert not moved[:, :20].any()
    assert moved[100, 150].all()


def test_covered_leaves_twelve_cells_of_thirty():
    changed = covered(COFFEE, np.random.default_rng(0))
    assert np.mean((changed == COFFEE).all(axis=2)) == pytest.approx(12 / 30, abs=0.01)


def test_growing_rotation_loses_no_pixel():
    turned = rotated(np.full((100, 200, 3), 255, np.uint8), 30, grow=True)
    assert turned.astype(int).sum() / (255 * 3) == pytest.approx(100 * 200, rel=0.01)
