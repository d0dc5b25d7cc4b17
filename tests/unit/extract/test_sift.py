"""The scale space beside OpenCV's: the same extrema, directions and descriptors, from whatever thread."""

import subprocess
import sys
import threading
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

from ambience.extract._opencv_sift import OpenCvSift
from ambience.extract._sift import KEPT_FLOATS, ScaleSpace, _own


def grey(name: str, *, height: int = 300, width: int = 400) -> Any:
    """(H, W) uint8, the upper left of a photograph."""
    return cv2.cvtColor(getattr(skimage.data, name)()[:height, :width], cv2.COLOR_RGB2GRAY)


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_points_are_those_of_opencv(name: str) -> None:
    image = grey(name)
    theirs = OpenCvSift(image)
    every = np.arange(len(theirs.sizes))
    _, their_angles = theirs.directed(every, 1)
    their_raw = theirs.described(every, their_angles)
    ours = ScaleSpace(image)
    points, angles = ours.directed(np.arange(len(ours.sizes)), 6)
    raw = ours.described(points, angles)
    assert np.allclose(np.linalg.norm(raw, axis=1), 1, atol=1e-5)

    apart = np.abs(ours.places[points][None] - theirs.places[:, None]).max(axis=2)
    turned = np.abs((angles[None] - their_angles[:, None] + 180) % 360 - 180)
    larger = np.abs(np.log(ours.sizes[points][None] / theirs.sizes[:, None]))
    is_same = (apart < 0.05) & (turned < 1) & (larger < 0.01)
    found = is_same.any(axis=1)
    assert found.mean() > 0.995, f"{found.sum()} of {len(found)}"
    assert abs(len(points) / len(theirs.sizes) - 1) < 0.03
    ours_of_theirs = raw[is_same.argmax(axis=1)[found]]
    theirs_unit = their_raw[found] / np.linalg.norm(their_raw[found], axis=1, keepdims=True)
    likeness = (ours_of_theirs * theirs_unit).sum(axis=1)
    assert np.median(likeness) > 0.997
    assert np.percentile(likeness, 1) > 0.97
    strong = np.abs(ours.responses[points[is_same.argmax(axis=1)[found]]] / theirs.responses[found])
    assert np.ptp(np.log(strong)) < 0.1, "responses differ by their unit alone"


def test_the_strongest_direction_comes_first() -> None:
    image = grey("astronaut")
    space = ScaleSpace(image)
    chosen = np.arange(0, len(space.sizes), 3)
    one, first = space.directed(chosen, 1)
    all_points, angles = space.directed(chosen, 6)
    assert np.array_equal(one, chosen)
    assert np.array_equal(all_points[: len(chosen)], chosen)
    assert np.array_equal(angles[: len(chosen)], first)
    assert 1.05 < len(all_points) / len(chosen) < 1.5


def test_working_memory_of_other_sizes_leaves_no_trace() -> None:
    """A small picture after a large one, in one thread, and each in a thread of its own."""
    images = [grey("astronaut", height=400), grey("coffee", height=90, width=60), grey("chelsea")]

    def features(image: Any) -> Any:
        space = ScaleSpace(image)
        points, angles = space.directed(np.arange(len(space.sizes)), 2)
        return space.places[points], angles, space.described(points, angles)

    after_others = [features(image) for image in images]
    alone: list[Any] = [None] * len(images)

    def work(number: int) -> None:
        alone[number] = features(images[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one, other in zip(after_others, alone, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_memory_of_a_large_picture_is_not_kept() -> None:
    ScaleSpace(np.zeros((700, 1000), np.uint8))
    assert len(_own.memory if hasattr(_own, "memory") else ()) <= KEPT_FLOATS


def test_pictures_too_small_for_an_octave_have_no_points() -> None:
    for shape in ((1, 1), (5, 300), (300, 5), (0, 0)):
        space = ScaleSpace(np.zeros(shape, np.uint8))
        assert len(space.places) == len(space.sizes) == len(space.responses) == 0


def test_constant_areas_have_no_points_and_weak_texture_has() -> None:
    flat = np.full((200, 200), 77, np.uint8)
    assert len(ScaleSpace(flat).sizes) == 0
    flat[60:140, 60:140] += np.random.default_rng(1).integers(0, 2, (80, 80)).astype(np.uint8)
    space = ScaleSpace(flat)
    assert len(space.sizes) > 20
    assert np.abs(space.places - 100).max() < 60


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = None
import numpy as np, skimage.data
from ambience.datatypes import Picture
from ambience.extract.local_features import LocalFeatures, LocalFeaturesOptions
rgb = skimage.data.chelsea()
found = LocalFeatures(LocalFeaturesOptions()).keypoints(Picture(rgb, 451, 300, "png"), 512, 250)
np.savez(sys.argv[1], positions=found.positions, descriptors=found.descriptors)
"""


def test_without_numba_features_are_nearly_the_same(tmp_path: Any) -> None:
    from ambience.datatypes import Picture
    from ambience.extract.local_features import LocalFeatures, LocalFeaturesOptions

    file = tmp_path / "found.npz"
    subprocess.run([sys.executable, "-c", WITHOUT_NUMBA, str(file)], check=True, timeout=60)
    other = np.load(file)
    ours = LocalFeatures(LocalFeaturesOptions()).keypoints(
        Picture(skimage.data.chelsea(), 451, 300, "png"), 512, 250
    )
    apart = np.abs(ours.positions[:, None] - other["positions"][None]).max(axis=2)
    likeness = ours.descriptors.astype(float) @ other["descriptors"].astype(float).T / 512**2
    same = ((apart < 0.0005) & (likeness > 0.98)).any(axis=1)
    assert same.mean() > 0.7, "OpenCV spends points on second directions of a place"
