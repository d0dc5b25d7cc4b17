"""Square patches around keypoints, turned and scaled upright: what learned descriptors look at."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

SIDE = 32
"""Pixels of a side of a patch."""

REACH = 6.0
"""Half a patch's side, in sizes (OpenCV's `KeyPoint.size`) of its keypoint: the original system's choice."""

MAX_ROWS = 32_000
"""Rows that OpenCV maps in one call at most."""

Patches = NDArray[np.float32]
"""(N, 32, 32) float32, 0–1."""

_BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16


def keypoint_frames(
    places: NDArray[np.float32], sizes: NDArray[np.float32], angles: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Affine frames of keypoints.

    Args:
        places: (N, 2) x, y in pixels, whole numbers at the centres of pixels.
        sizes: (N,) diameters in pixels.
        angles: (N,) degrees, 0 to the right, 90 down.

    Returns:
        (N, 2, 3): where the middle of the right side of the patch lies from its centre, where the middle of
        its lower side does, and its centre.
    """
    turned = np.deg2rad(angles)
    along = REACH * sizes * np.cos(turned)
    across = REACH * sizes * np.sin(turned)
    rows = [np.stack([along, -across, places[:, 0]], axis=1), np.stack([across, along, places[:, 1]], axis=1)]
    return np.stack(rows, axis=1).astype(np.float32)


def cut_patches(grey: NDArray[np.uint8], frames: NDArray[np.float32]) -> Patches:
    """Patches of a picture, each from the reduction of it whose pixels are as large as the patch's.

    Beyond the picture's edge its outermost pixels go on.

    Args:
        grey: (H, W) uint8.
        frames: (N, 2, 3), as `keypoint_frames` makes them.

    Returns:
        Patches, in the order of the frames.

    Source: Riba et al., "Kornia", WACV 2020: `extract_patches_from_pyramid` of version 0.9, the same
    reductions and the same places. Earlier versions, which the original system used, cut patches up to half a
    pixel off and left those blank that want a smaller reduction than there is.
    """
    patches = np.empty((len(frames), SIDE, SIDE), np.float32)
    if not len(frames):
        return patches
    levels = _pyramid(grey)
    size = 2 * np.sqrt(np.abs(np.linalg.det(frames[:, :, :2]))) / SIDE
    chosen = np.clip(np.floor(np.log2(np.maximum(size, 1e-6))), 0, len(levels) - 1).astype(np.intp)
    for number in np.unique(chosen):
        members = np.flatnonzero(chosen == number)
        patches[members] = _sampled(levels[number], frames[members], grey.shape)
    return patches


def _pyramid(grey: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """The picture, and its halves for as long as a patch fits in."""
    import cv2

    levels: list[NDArray[np.float32]] = [np.asarray(grey / np.float32(255), np.float32)]
    while min(levels[-1].shape) >= 2 * SIDE:
        blurred = cv2.sepFilter2D(levels[-1], -1, _BLUR, _BLUR, borderType=cv2.BORDER_REFLECT_101)
        height, width = blurred.shape
        half = cv2.resize(blurred, (width // 2, height // 2), interpolation=cv2.INTER_LINEAR)
        levels.append(np.asarray(half, np.float32))
    return levels


def _sampled(level: NDArray[np.float32], frames: NDArray[np.float32], shape: tuple[int, ...]) -> Patches:
    """Patches out of one reduction of a picture of `shape`."""
    import cv2

    places = (frames @ _grid()).reshape(len(frames), 2, SIDE, SIDE)
    factor_y, factor_x = level.shape[0] / shape[0], level.shape[1] / shape[1]
    x = ((places[:, 0] + 0.5) * np.float32(factor_x) - 0.5).reshape(-1, SIDE)
    y = ((places[:, 1] + 0.5) * np.float32(factor_y) - 0.5).reshape(-1, SIDE)
    parts = [
        cv2.remap(
            level,
            x[start : start + MAX_ROWS],
            y[start : start + MAX_ROWS],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for start in range(0, len(x), MAX_ROWS)
    ]
    return np.asarray(np.concatenate(parts), np.float32).reshape(-1, SIDE, SIDE)


@cache
def _grid() -> NDArray[np.float32]:
    """(3, 1024): x, y and 1 of every pixel's centre of a patch that reaches from −1 to 1, row by row."""
    steps = (2 * np.arange(SIDE, dtype=np.float32) + 1) / SIDE - 1
    down, right = np.meshgrid(steps, steps, indexing="ij")
    return np.stack([right.ravel(), down.ravel(), np.ones(SIDE * SIDE, np.float32)])
