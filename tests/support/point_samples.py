"""Made-up keypoints whose geometry is known: points of a picture, and the same points under a transform."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ambience.keypoints import HEAD_BYTES, Keypoints, pack


def random_keypoints(seed: int, count: int, *, width: int = 640, height: int = 480) -> Keypoints:
    """Points anywhere, of any size and angle, with descriptors of norm 512 that have nothing in common."""
    rng = np.random.default_rng(seed)
    raw = rng.random((count, 128)) ** 4
    return Keypoints(
        positions=rng.random((count, 2)).astype(np.float32),
        sizes=np.exp2(rng.uniform(1, 5, count)).astype(np.float32),
        angles=rng.uniform(0, 360, count).astype(np.float32),
        descriptors=np.rint(512 * raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.uint8),
        width=width,
        height=height,
    )


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> NDArray[np.float64]:
    """(3, 3): turned clockwise (y points down), scaled, shifted, in pixels."""
    turn = scale * np.exp(1j * np.deg2rad(degrees))
    return np.array([[turn.real, -turn.imag, shift[0]], [turn.imag, turn.real, shift[1]], [0, 0, 1.0]])


def moved(
    points: Keypoints, transform: NDArray[np.float64], width: int, height: int, *, noise: float = 0.0
) -> Keypoints:
    """The same points in a picture of another size, those that lie in it; positions off by `noise` pixels.

    Sizes and angles turn as the transform does at each point.
    """
    places = np.column_stack([points.pixels, np.ones(len(points))]) @ transform.T
    pixels = places[:, :2] / places[:, 2:]
    linear = (transform[None, :2, :2] - pixels[:, :, None] * transform[2, :2][None, None]) / places[
        :, 2, None, None
    ]
    ahead = np.deg2rad(points.angles)
    heading = np.einsum("nij,nj->ni", linear, np.column_stack([np.cos(ahead), np.sin(ahead)]))
    pixels = pixels + np.random.default_rng(0).normal(0, noise, pixels.shape)
    inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
    made = replace(
        points,
        positions=(pixels / (width, height)).astype(np.float32),
        sizes=(points.sizes * np.sqrt(np.abs(np.linalg.det(linear)))).astype(np.float32),
        angles=(np.rad2deg(np.arctan2(heading[:, 1], heading[:, 0])) % 360).astype(np.float32),
        width=width,
        height=height,
    )
    return chosen(made, inside)


def chosen(points: Keypoints, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Keypoints:
    """Some of the points."""
    return replace(
        points,
        positions=points.positions[kept],
        sizes=points.sizes[kept],
        angles=points.angles[kept],
        descriptors=points.descriptors[kept],
    )


def head_of(points: Keypoints) -> NDArray[np.uint8]:
    """(`HEAD_BYTES`,) the first bytes of their blob, zeros behind its end."""
    head = np.zeros(HEAD_BYTES, np.uint8)
    blob = pack(points)[:HEAD_BYTES]
    head[: len(blob)] = blob
    return head
