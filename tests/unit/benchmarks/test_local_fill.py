"""Pictures that fill a library: real descriptors, dealt out once, and symmetries that hold in real pixels."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

import report
from ambience.keypoints import unpack
from local_fill import DEALT, SYMMETRIES, Fill, Viewing, negative, view_of
from local_inputs import decoded
from local_library import extractor
from photos import find_photos
from transforms import jpeg_bytes


@pytest.fixture
def photos(tmp_path: Path):
    for name, rgb in (("cat", data.chelsea()), ("cup", data.coffee())):
        Image.fromarray(rgb[:240, :240]).save(tmp_path / f"{name}.png")
    return find_photos(tmp_path)


@pytest.fixture
def fill(photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert str(tmp_path) in str(report.cache_folder("x"))
    return Fill(photos, seed=1)


def test_a_negative_has_the_keypoints_that_re_ordering_says():
    grey = np.repeat(cv2.GaussianBlur(data.camera()[:256, :256], (0, 0), 1.5)[..., None], 3, axis=2)
    plain = extractor().keypoints(decoded(jpeg_bytes(grey, 95)), 256, 200)
    found = extractor().keypoints(decoded(jpeg_bytes(255 - grey, 95)), 256, 200)

    expected = negative(plain)
    near = np.linalg.norm(expected.pixels[:, None] - found.pixels[None], axis=2)
    turned = np.abs((expected.angles[:, None] - found.angles[None] + 180) % 360 - 180)
    first, second = np.nonzero((near < 0.5) & (turned < 3))
    distances = np.linalg.norm(
        expected.descriptors[first].astype(float) - found.descriptors[second].astype(float), axis=1
    )

    assert len(first) > 60
    assert np.median(distances) < 60  # of 512; unrelated descriptors are 200 apart at the least


def test_a_view_keeps_the_area_and_shows_the_photograph_alone():
    view = view_of(300, 200, 0.7)

    assert np.linalg.det(view.matrix[:, :2]) == pytest.approx(1.0)
    corners = np.array([[0, 0], [300, 0], [300, 200], [0, 200]]) @ view.matrix[:, :2].T + view.matrix[:, 2]
    assert (corners >= -1e-6).all() and (corners <= np.array(view.size) + 1e-6).all()
    inside = view.shows(np.float32([corners.mean(axis=0), view.size]))
    assert inside.tolist() == [True, False]


def test_points_of_a_view_are_dealt_once(photos):
    hands = [unpack(blob) for blob in Viewing(photos, 1)(0) if blob is not None]

    assert len(hands) == DEALT
    found = np.concatenate([hand.descriptors for hand in hands])
    assert len(np.unique(found, axis=0)) == len(found) > 2000


def test_pictures_are_the_same_however_they_are_asked_for(fill, photos):
    count = 2 * DEALT * SYMMETRIES + 5
    fill.prepare(count)

    together = list(fill.blobs(0, count))
    apart = [*fill.blobs(0, 31), *fill.blobs(31, count)]

    assert fill.views(count) == 2
    assert all(np.array_equal(first, second) for first, second in zip(together, apart, strict=True))
    assert [fill.photo(n) for n in (0, DEALT, 2 * DEALT)] == [*photos, photos[0]]
    first, mirrored = unpack(together[0]), unpack(together[2 * DEALT])
    assert np.allclose(first.positions[:, 0] + mirrored.positions[:, 0], 1, atol=1e-4)
    assert len({blob.tobytes() for blob in together}) == count
