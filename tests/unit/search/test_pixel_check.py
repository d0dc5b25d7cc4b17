from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ambience.answers import Geometry
from ambience.datatypes import RgbImage
from ambience.search.geometry import applied
from ambience.search.pixel_check import PixelCheck, compare_pixels
from ambience.search.proof import corners
from support.local_library import picture_of


@pytest.fixture(scope="module")
def cat(shipped_photographs: Path) -> RgbImage:
    with Image.open(shipped_photographs / "chelsea.png") as file:
        return np.asarray(file.convert("RGB"))


def _geometry(query: RgbImage, image: RgbImage, transform: NDArray[np.float64]) -> Geometry:
    """A proof without inliers, as if it had been found."""
    to_image = applied(transform, corners(query.shape[1], query.shape[0]))
    to_query = applied(np.linalg.inv(transform), corners(image.shape[1], image.shape[0]))
    return Geometry(
        30,
        -40.0,
        tuple(tuple(row) for row in transform.tolist()),
        tuple(tuple(place) for place in to_image.tolist()),
        tuple(tuple(place) for place in to_query.tolist()),
        1.0,
        1.0,
    )


def _checked(
    query: RgbImage, image: RgbImage, transform: NDArray[np.float64] | None = None
) -> PixelCheck | None:
    transform = np.eye(3) if transform is None else transform
    return compare_pixels(picture_of(query), picture_of(image), _geometry(query, image, transform))


def _warped(image: RgbImage, shift: NDArray[np.float32]) -> RgbImage:
    """Every pixel moved to the right by its own shift."""
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(image, x - shift, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT), np.uint8
    )


def test_a_picture_is_a_copy_of_itself(cat: RgbImage) -> None:
    check = _checked(cat, cat)

    assert check is not None
    assert check.is_copy
    assert check.correlation == pytest.approx(1)


@pytest.mark.parametrize(
    "edit",
    [
        lambda rgb, rng: np.clip(rgb * 0.5 + 60, 0, 255),
        lambda rgb, rng: np.clip(rgb + rng.normal(0, 25, rgb.shape), 0, 255),
        lambda rgb, rng: cv2.GaussianBlur(rgb, (0, 0), 3),
        lambda rgb, rng: 255 - rgb * 0 - np.clip(255 - rgb * 1.2, 0, 255),
    ],
    ids=["flat contrast", "noise", "blur", "brighter"],
)
def test_edits_of_all_pixels_leave_a_copy(cat: RgbImage, edit: object) -> None:
    assert callable(edit)
    changed = np.asarray(edit(cat, np.random.default_rng(0))).astype(np.uint8)
    check = _checked(changed, cat)

    assert check is not None
    assert check.is_copy


def test_half_painted_over_is_still_a_copy(cat: RgbImage) -> None:
    painted = cat.copy()
    height, width = painted.shape[:2]
    for row, column in ((0, 0), (0, 2), (1, 1), (1, 3), (2, 0), (2, 2)):
        painted[
            row * height // 3 : (row + 1) * height // 3, column * width // 4 : (column + 1) * width // 4
        ] = 90
    check = _checked(painted, cat)

    assert check is not None
    assert check.is_copy
    assert check.correlation < 0.7


def test_what_geometry_missed_by_two_pixels_is_made_up_for(cat: RgbImage) -> None:
    off = np.array([[1.01, 0.004, 2.0], [-0.003, 0.99, -1.5], [0, 0, 1]])
    check = _checked(cat, cat, off)

    assert check is not None
    assert check.is_copy
    assert check.correlation > 0.95


def test_a_crop_of_other_resolution_is_a_copy(cat: RgbImage) -> None:
    part = cat[60:240, 100:360]
    small = np.asarray(cv2.resize(part, (130, 90), interpolation=cv2.INTER_AREA))
    check = _checked(small, cat, np.array([[2.0, 0, 100], [0, 2, 60], [0, 0, 1]]))

    assert check is not None
    assert check.is_copy


def test_the_parallax_of_a_step_aside_is_no_copy(cat: RgbImage) -> None:
    """Near things, a checkerboard of patches here, move by three pixels against far ones."""
    height, width = cat.shape[:2]
    near = np.kron(np.indices((6, 8)).sum(axis=0) % 2, np.ones((height // 6 + 1, width // 8 + 1)))
    other = _warped(cat, (3.0 * near[:height, :width]).astype(np.float32))
    check = _checked(cat, other)

    assert check is not None
    assert not check.is_copy


def test_another_picture_is_no_copy(cat: RgbImage, shipped_photographs: Path) -> None:
    with Image.open(shipped_photographs / "coffee.png") as file:
        coffee = np.asarray(file.convert("RGB").resize(cat.shape[1::-1]))
    check = _checked(cat, coffee)

    assert check is not None
    assert not check.is_copy
    assert check.correlation < 0.3


def test_the_two_eyes_of_a_stereo_camera_took_no_copies(shipped_photographs: Path) -> None:
    """Where scikit-image has its stereo pair, that is: it is downloaded when asked for."""
    pair = [shipped_photographs / f"motorcycle_{side}.png" for side in ("left", "right")]
    if not all(path.is_file() for path in pair):
        pytest.skip("scikit-image's stereo pair is not on this machine")
    left, right = (np.asarray(Image.open(path).convert("RGB").resize((500, 333))) for path in pair)
    check = _checked(left, right, np.array([[1, 0, -20.0], [0, 1, 0], [0, 0, 1]]))

    assert check is not None
    assert not check.is_copy


@pytest.mark.parametrize("value", [0, 200])
def test_flat_pictures_tell_nothing(value: int) -> None:
    flat = np.full((200, 300, 3), value, np.uint8)

    assert _checked(flat, flat) is None


def test_an_overlap_of_a_few_pixels_tells_nothing(cat: RgbImage) -> None:
    far = np.array([[1.0, 0, cat.shape[1] - 5], [0, 1, 0], [0, 0, 1]])

    assert _checked(cat, cat, far) is None
    assert _checked(cat[:10, :10], cat[:10, :10]) is None


def test_no_overlap_tells_nothing(cat: RgbImage) -> None:
    away = np.array([[1.0, 0, 5_000], [0, 1, 0], [0, 0, 1]])

    assert _checked(cat, cat, away) is None
