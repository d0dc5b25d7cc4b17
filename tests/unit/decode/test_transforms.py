import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from ambience.decode.transforms import (
    oriented,
    power_of_two_factor,
    rgb_from_pillow,
    scaled_to_eight_bits,
    srgb_transform,
)
from support.picture_samples import encoded, exif, mean_difference, photo

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_agrees_with_pillow(orientation: int) -> None:
    image = photo(31, 20)
    tagged = Image.open(io.BytesIO(encoded(image, "PNG", exif=exif(orientation))))
    turned = oriented(np.asarray(image), orientation)
    assert np.array_equal(turned, np.asarray(ImageOps.exif_transpose(tagged)))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize(
    ("longest", "need", "factor"),
    [
        (4000, 1500, 2),
        (1600, 1500, 1),
        (2999, 1500, 1),
        (3000, 1500, 2),
        (9000, 96, 8),
        (4000, None, 1),
        (10, 96, 1),
    ],
)
def test_jpeg_scale_is_the_smallest_that_reaches_the_need(
    longest: int, need: int | None, factor: int
) -> None:
    assert power_of_two_factor(longest, need) == factor


def test_transparent_pixels_become_white_whatever_color_hides_in_them() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 128))
    assert rgb_from_pillow(image, need=None).tolist() == [[[255, 255, 255], [127, 127, 127]]]


@pytest.mark.parametrize("mode", ["LA", "PA", "La", "RGBa"])
def test_every_mode_with_alpha_is_composited(mode: str) -> None:
    clear = Image.new(mode, (1, 1)) if mode != "PA" else Image.new("RGBA", (1, 1)).convert("PA")
    assert rgb_from_pillow(clear, need=None).tolist() == [[[255, 255, 255]]]


def test_a_palette_with_a_transparent_entry() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    reread = Image.open(io.BytesIO(encoded(image, "PNG", transparency=1)))
    assert rgb_from_pillow(reread, need=None).tolist() == [[[10, 20, 30], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0, 257, 65_535]], np.uint16), [0, 1, 255]),
        (np.array([[0, 32_896, 65_535]], np.int32), [0, 128, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 128.0, 255.0]], np.float32), [0, 128, 255]),
        (np.array([[-100.0, 0.0, 100.0]], np.float32), [0, 128, 255]),
        (np.array([[np.nan, np.inf, 1.0]], np.float32), [0, 0, 255]),
        (np.array([[-1_000_000, 500_000, 1_000_000]], np.int32), [0, 191, 255]),
    ],
)
def test_many_bits_are_scaled_and_not_clipped(values: NDArray[np.generic], expected: list[int]) -> None:
    assert scaled_to_eight_bits(values).tolist() == [expected]


def test_an_srgb_profile_costs_nothing() -> None:
    assert srgb_transform(SRGB, "RGB") is None
    assert srgb_transform(b"", "RGB") is None
    assert srgb_transform(b"no profile at all", "RGB") is None


def test_another_profile_changes_colors() -> None:
    linear = _matrix_profile_with_gamma_one()
    image = photo(60, 40)
    image.info["icc_profile"] = linear
    converted = rgb_from_pillow(image, need=None)
    assert converted.mean() > np.asarray(image).mean() + 20
    assert srgb_transform(linear, "CMYK") is None


def _matrix_profile_with_gamma_one() -> bytes:
    """The sRGB profile with its tone curves replaced by straight lines."""
    data = bytearray(SRGB)
    count = int.from_bytes(data[128:132], "big")
    for i in range(count):
        entry = 132 + 12 * i
        if data[entry : entry + 4] in (b"rTRC", b"gTRC", b"bTRC"):
            offset = int.from_bytes(data[entry + 4 : entry + 8], "big")
            data[offset : offset + 12] = b"curv\0\0\0\0\0\0\0\0"
            data[entry + 8 : entry + 12] = (12).to_bytes(4, "big")
    return bytes(data)


def test_cmyk_and_lab_look_like_what_they_were_made_of() -> None:
    image = photo(60, 40)
    original = np.asarray(image)
    assert mean_difference(rgb_from_pillow(image.convert("CMYK"), need=None), original) < 1
    lab = ImageCms.profileToProfile(
        image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert mean_difference(rgb_from_pillow(lab, need=None), original) < 3


def test_reduction_averages_and_reaches_the_need() -> None:
    image = photo(640, 427)
    reduced = rgb_from_pillow(image, need=200)
    assert reduced.shape == (143, 214, 3)
    assert mean_difference(reduced[:, :213], np.asarray(image.reduce(3))[:, :213]) == 0
    assert rgb_from_pillow(image.convert("1"), need=200).shape == (143, 214, 3)
