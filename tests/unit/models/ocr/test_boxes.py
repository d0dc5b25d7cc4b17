"""Cores of lines become boxes: widened by the stated rule, rotated, ordered; specks and noise become none."""

import numpy as np
import pytest

from ambience.models.ocr.boxes import WIDENING, ordered_corners, text_boxes


def test_an_upright_core_is_widened_by_the_rule() -> None:
    chances = np.zeros((100, 200), np.float32)
    chances[40:50, 30:130] = 0.9
    corners, scores = text_boxes(chances)
    assert corners.shape == (1, 4, 2)
    assert scores[0] == pytest.approx(0.9, abs=0.12)  # a row and a column of dilation count as well
    width, height = 100.0, 10.0  # between centres of pixels, after a dilation by one
    more = width * height * WIDENING / (width + height)
    low, high = corners[0].min(axis=0), corners[0].max(axis=0)
    np.testing.assert_allclose(high - low, [width + more, height + more], atol=1.5)
    np.testing.assert_allclose((low + high) / 2, [79.5, 44.5], atol=1)


def test_a_turned_core_keeps_its_angle() -> None:
    import cv2

    chances = np.zeros((200, 200), np.float32)
    cv2.line(chances, (40, 60), (150, 120), 1.0, 9)
    corners, _ = text_boxes(chances)
    (box,) = corners
    along = box[1] - box[0]
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(28.6, abs=2)


def test_specks_and_faint_spots_are_no_text() -> None:
    chances = np.zeros((64, 64), np.float32)
    chances[5:7, 5:7] = 1.0
    chances[20:40, 20:40] = 0.35
    assert len(text_boxes(chances)[0]) == 0
    assert len(text_boxes(np.zeros((32, 32), np.float32))[0]) == 0


def test_corners_start_at_the_upper_left_and_run_clockwise() -> None:
    square = np.array([[10, 0], [10, 5], [0, 5], [0, 0]], np.float32)
    expected = [[0, 0], [10, 0], [10, 5], [0, 5]]
    for turn in range(4):
        for sense in (1, -1):
            made = ordered_corners(np.roll(square, turn, axis=0)[None, ::sense])
            np.testing.assert_array_equal(made[0], expected)
