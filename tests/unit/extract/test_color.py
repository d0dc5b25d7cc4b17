"""The histogram: its cells by hand, and how far counting some pixels drifts from counting all."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg
import skimage.data
from PIL import Image

from ambience.datatypes import Picture
from ambience.extract.color import Color, original_histogram, sampled

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")
CAMERAS = Path(__file__).parents[4] / "shared" / "data" / "gallery" / "cameras"
MEDIAN_DRIFT = 0.02
"""Largest median L1 distance from counting every pixel of the full decode; 2 is the largest possible."""


def histogram(rgb: Any, *, exact: bool = False) -> Any:
    """What is stored of these pixels, as float64."""
    rgb = np.ascontiguousarray(rgb[..., :3])
    picture = Picture(rgb, rgb.shape[1], rgb.shape[0], "png", is_exact=exact)
    return Color(Color.options_class(), exact=exact).extract([picture])[0].vector.astype(np.float64)


def drift(one: Any, other: Any) -> float:
    """L1 distance."""
    return float(np.abs(one - other).sum())


def test_cells_by_hand() -> None:
    rgb = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [31, 32, 64]]], np.uint8)
    found = histogram(rgb)
    assert {int(cell): found[cell] for cell in np.flatnonzero(found)} == {
        7 * 64: 0.25,
        7 * 8: 0.25,
        7: 0.25,
        0 * 64 + 1 * 8 + 2: 0.25,
    }


def test_original_values_are_counts_times_ten_million_over_pixels() -> None:
    rgb = np.zeros((3, 1, 3), np.uint8)
    rgb[0] = 255
    found = original_histogram(rgb)
    assert found.dtype == np.float32
    assert found[511] == np.float32(10_000_000) / np.float32(3)
    assert found[0] == np.float32(20_000_000) / np.float32(3)


@pytest.mark.parametrize("name", PHOTOS)
def test_it_sums_to_one_within_the_rounding_to_float16(name: str) -> None:
    assert abs(histogram(getattr(skimage.data, name)()).sum() - 1) < 1e-3


def test_few_pixels_are_all_counted() -> None:
    rgb = skimage.data.chelsea()
    assert np.array_equal(sampled(rgb, 150_000), rgb)
    assert drift(histogram(rgb), histogram(rgb, exact=True)) == 0


def test_sampled_pixels_are_pixels_of_the_picture() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (900, 1100, 3), dtype=np.uint8)
    assert np.array_equal(sampled(rgb, 99_000), rgb[5::10])


def test_a_panorama_is_sampled_by_many_rows() -> None:
    rgb = np.zeros((40, 30_000, 3), np.uint8)
    assert sampled(rgb, 1_000).shape[0] >= 16
    assert sampled(rgb[:5], 1_000).shape[0] == 5


def drift_of_default_decoding(rgb: Any, side: int) -> float:
    """Drift of scaled decoding and sampling, of a JPEG of this longest side."""
    size = (side, round(side * rgb.shape[0] / rgb.shape[1]))
    saved = io.BytesIO()
    Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC).save(saved, "jpeg", quality=88)
    full = simplejpeg.decode_jpeg(saved.getvalue(), "RGB")
    need = Color(Color.options_class()).need.longest_side
    fewer = simplejpeg.decode_jpeg(saved.getvalue(), "RGB", min_width=need, min_height=1, min_factor=1)
    return drift(histogram(fewer), histogram(full, exact=True))


@pytest.mark.parametrize("side", [640, 1600, 3200])
def test_default_decoding_drifts_little(side: int) -> None:
    photos = [np.ascontiguousarray(getattr(skimage.data, name)()[..., :3]) for name in PHOTOS[:4]]
    assert np.median([drift_of_default_decoding(rgb, side) for rgb in photos]) <= MEDIAN_DRIFT


@pytest.mark.skipif(not CAMERAS.is_dir(), reason="no folder of camera files beside the checkout")
@pytest.mark.slow
@pytest.mark.parametrize("side", [1600, 4000])
def test_camera_files_drift_little(side: int) -> None:
    photos = [np.asarray(Image.open(file).convert("RGB")) for file in sorted(CAMERAS.glob("*.jpg"))]
    assert len(photos) >= 5
    assert np.median([drift_of_default_decoding(rgb, side) for rgb in photos]) <= MEDIAN_DRIFT
