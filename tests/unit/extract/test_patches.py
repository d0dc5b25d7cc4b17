"""Patches are cut where keypoints are, turned upright, out of the reduction that fits their size."""

import numpy as np
import skimage.data
from numpy.typing import NDArray

from ambience.extract._patches import MAX_ROWS, SIDE, cut_patches, keypoint_frames

CAT = np.ascontiguousarray(skimage.data.chelsea()[:, :, 1])


def frames(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Frames of keypoints x, y, size, angle."""
    table = np.array(rows, np.float32)
    return keypoint_frames(table[:, :2], table[:, 2], table[:, 3])


UNIT = SIDE / 2 / 6.0
"""Size whose patch has the picture's own pixels."""


def test_an_upright_patch_of_the_pictures_own_pixels_is_a_part_of_it() -> None:
    """The centre of 32 pixels lies between two of them."""
    (patch,) = cut_patches(CAT, frames((99.5, 119.5, UNIT, 0)))
    assert np.allclose(patch, CAT[104:136, 84:116] / 255, atol=1e-5)


def test_angles_turn_from_right_to_down() -> None:
    down, left = cut_patches(CAT, frames((99.5, 119.5, UNIT, 90), (99.5, 119.5, UNIT, 180)))
    cut = CAT[104:136, 84:116] / 255
    assert np.allclose(down, np.rot90(cut, 1), atol=1e-4)
    assert np.allclose(left, cut[::-1, ::-1], atol=1e-4)


def test_the_patch_of_a_mirrored_point_is_upside_down() -> None:
    rows = np.array([(120.3, 80.2, 3.1, 33.0), (60.0, 150.0, 9.0, 250.0), (2.0, 3.0, 5.0, 10.0)], np.float32)
    swapped = rows * np.array([-1, 1, 1, -1], np.float32) + np.array(
        [CAT.shape[1] - 1, 0, 0, 180], np.float32
    )
    upright = cut_patches(CAT, keypoint_frames(rows[:, :2], rows[:, 2], rows[:, 3]))
    mirror = cut_patches(
        np.ascontiguousarray(CAT[:, ::-1]), keypoint_frames(swapped[:, :2], swapped[:, 2], swapped[:, 3])
    )
    # The larger two come from reductions of a picture of 451 columns, whose last one a reduction drops.
    assert np.abs(mirror - upright[:, ::-1]).max() < 0.02
    assert np.abs(mirror - upright[:, ::-1])[0].max() < 1e-4


def test_large_points_see_what_small_ones_see_of_the_picture_reduced() -> None:
    import cv2

    half = cv2.resize(CAT[:, :450], (225, 150), interpolation=cv2.INTER_AREA)
    (large,) = cut_patches(CAT[:, :450], frames((199.5, 149.5, 2 * UNIT, 20)))
    (small,) = cut_patches(half, frames((99.5, 74.5, UNIT, 20)))
    assert np.corrcoef(large.ravel(), small.ravel())[0, 1] > 0.995


def test_beyond_the_edge_the_outermost_pixels_go_on() -> None:
    (patch,) = cut_patches(CAT, frames((-20.5, 99.5, UNIT, 0)))
    assert np.allclose(patch[:, :20], CAT[84:116, :1] / 255, atol=1e-5)


def test_pictures_and_batches_of_any_size() -> None:
    assert cut_patches(CAT, np.empty((0, 2, 3), np.float32)).shape == (0, 32, 32)
    assert np.allclose(cut_patches(np.full((1, 1), 51, np.uint8), frames((0, 0, 40, 5))), 0.2, atol=1e-6)
    many = np.repeat(frames((100, 100, 3, 45), (50, 60, 12, 10)), MAX_ROWS // SIDE, axis=0)
    cut = cut_patches(CAT, many)
    assert len(cut) == len(many) > MAX_ROWS // SIDE
    assert np.array_equal(cut[0], cut[MAX_ROWS // SIDE - 1])
    assert np.array_equal(cut[-1], cut[MAX_ROWS // SIDE])
