import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.answers import Geometry
from ambience.datatypes import Orientation
from ambience.keypoints import Keypoints, mirrored
from ambience.search.geometry import applied, pairs
from ambience.search.matching import mutual_matches
from ambience.search.proof import corners, frame_on_frame, orientation_of, overlap, proof
from support.point_samples import moved, random_keypoints, similarity

QUARTERS = [0, 90, 180, 270]


def _proof(query: Keypoints, image: Keypoints, *, is_mirrored: bool = False) -> Geometry | None:
    (matches,) = mutual_matches(query.descriptors, [image.descriptors])
    return proof(pairs(query, image, matches), query, image, is_mirrored=is_mirrored, accept=14)


def _cut(left: float, top: float) -> NDArray[np.float64]:
    """From a picture to a part of it whose upper left corner lies there."""
    return similarity(1, 0, (-left, -top))


def test_a_crop_lies_where_it_was_cut_out() -> None:
    whole = random_keypoints(0, 400, width=800, height=600)
    crop = moved(whole, _cut(200, 150), 400, 300, noise=0.2)
    geometry = _proof(crop, whole)

    assert geometry is not None
    expected = np.array([[200, 150], [600, 150], [600, 450], [200, 450]])
    assert np.abs(np.array(geometry.query_in_image) - expected).max() < 3
    assert geometry.query_overlap == pytest.approx(1.0, abs=0.01)
    assert geometry.image_overlap == pytest.approx(0.25, abs=0.01)
    assert np.abs(applied(np.array(geometry.transform), np.array([[10.0, 20.0]])) - [210, 170]).max() < 3
    assert orientation_of(geometry) == Orientation(0, False)


def test_a_picture_that_holds_the_image_as_its_inset() -> None:
    small = random_keypoints(1, 300, width=400, height=300)
    page = moved(small, similarity(0.5, 0, (300, 200)), 800, 600, noise=0.2)
    geometry = _proof(page, small)

    assert geometry is not None
    assert geometry.image_overlap == pytest.approx(1.0, abs=0.01)
    assert geometry.query_overlap == pytest.approx(1 / 16, rel=0.05)
    assert np.abs(np.array(geometry.image_in_query)[0] - (300, 200)).max() < 2


def test_pictures_of_any_size_are_measured_in_their_own_pixels() -> None:
    huge = random_keypoints(2, 300, width=12_000, height=9_000)
    thumbnail = moved(huge, similarity(0.01, 0, (0, 0)), 120, 90)
    geometry = _proof(thumbnail, huge)

    assert geometry is not None
    assert np.abs(np.array(geometry.query_in_image) - corners(12_000, 9_000)).max() < 120


@pytest.mark.parametrize("degrees", QUARTERS)
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_orientation_is_how_the_query_must_be_turned(degrees: int, is_mirrored: bool) -> None:
    """A square picture turned counter-clockwise by so much lies on itself."""
    query = random_keypoints(3, 200, width=500, height=500)
    turned = mirrored(query) if is_mirrored else query
    # In pixels y points down, so that a counter-clockwise turn is a negative one; about the middle.
    angle = -np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    about = np.eye(3)
    about[:2, :2], about[:2, 2] = turn, (250, 250) - turn @ (250, 250)
    image = moved(turned, about, 500, 500)
    geometry = _proof(turned, image, is_mirrored=is_mirrored)

    assert geometry is not None
    assert orientation_of(geometry) == Orientation(degrees, is_mirrored)


def test_a_mirrored_proof_takes_the_query_as_it_was_given() -> None:
    query = random_keypoints(4, 300)
    image = moved(mirrored(query), np.eye(3), 640, 480)
    geometry = _proof(mirrored(query), image, is_mirrored=True)

    assert geometry is not None
    assert geometry.is_mirrored
    taken = applied(np.array(geometry.transform), np.array([[0.0, 0.0], [640.0, 480.0]]))
    assert np.abs(taken - [[640, 0], [0, 480]]).max() < 2
    assert geometry.query_overlap == pytest.approx(1, abs=0.01)


def test_unrelated_pictures_have_no_proof() -> None:
    assert _proof(random_keypoints(5, 400), random_keypoints(6, 400)) is None


def test_one_common_object_of_a_few_points_has_no_proof() -> None:
    query, image = random_keypoints(7, 100), random_keypoints(8, 100)
    image.descriptors[:3] = query.descriptors[:3]

    assert _proof(query, image) is None


@pytest.mark.parametrize(
    "transform",
    [
        np.array([[1, 0, 0], [0, 1, 0], [4e-3, 0, 1]]),  # corners at 3.6 times the distance of others
        np.diag([1.0, 0.1, 1.0]),
    ],
    ids=["steep", "flattened"],
)
def test_what_no_camera_does_is_no_proof_or_a_sane_one(transform: NDArray[np.float64]) -> None:
    query = random_keypoints(9, 300)
    geometry = _proof(query, moved(query, transform.astype(float), 640, 480))

    if geometry is not None:
        places = np.array(geometry.query_in_image)
        sides = np.roll(places, -1, axis=0) - places
        turns = np.cross(
            np.column_stack([sides, np.zeros(4)]), np.roll(np.column_stack([sides, np.zeros(4)]), -1, 0)
        )
        assert (turns[:, 2] > 0).all()
        assert 0 <= geometry.query_overlap <= 1


def test_overlap_by_hand() -> None:
    assert overlap(corners(50, 100), 100, 100) == pytest.approx(0.5)
    assert overlap(corners(100, 100) + 50, 100, 100) == pytest.approx(0.25)
    assert overlap(corners(100, 100) + 200, 100, 100) == 0
    assert overlap(corners(300, 300) - 100, 100, 100) == pytest.approx(1)
    assert overlap(corners(100, 100)[::-1], 100, 100) == pytest.approx(1)  # a mirrored one runs the other way


@pytest.mark.parametrize("seed", range(20))
def test_overlap_of_nearly_coincident_quadrilaterals(seed: int) -> None:
    places = corners(640, 480) + np.random.default_rng(seed).uniform(-0.5, 0.5, (4, 2))

    assert overlap(places, 640, 480) == pytest.approx(1, abs=0.003)


@pytest.mark.parametrize("seed", range(10))
def test_overlap_agrees_with_counting_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = corners(100, 100) + rng.uniform(-25, 25, (4, 2))
    x, y = np.meshgrid(np.arange(0.25, 100, 0.5), np.arange(0.25, 100, 0.5))
    inside = np.ones(x.shape, bool)
    for (ax, ay), (bx, by) in zip(places, np.roll(places, -1, axis=0), strict=True):
        inside &= (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0

    assert _turns_one_way(places)
    assert overlap(places, 100, 100) == pytest.approx(inside.mean(), abs=0.01)


def _turns_one_way(places: NDArray[np.float64]) -> bool:
    sides = np.roll(places, -1, axis=0) - places
    following = np.roll(sides, -1, axis=0)
    return bool((sides[:, 0] * following[:, 1] > sides[:, 1] * following[:, 0]).all())


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_lie_on_each_other_as_the_turned_picture_does(rotation: int, mirrored: bool) -> None:
    """A white pixel goes where mirroring, then turning by NumPy, takes it; the image is twice as large."""
    picture = np.zeros((30, 50), np.uint8)
    picture[4, 11] = 255
    turned = np.rot90(picture[:, ::-1] if mirrored else picture, rotation // 90)
    image = np.kron(turned, np.ones((2, 2), np.uint8))
    ys, xs = np.nonzero(image)
    transform = frame_on_frame(Orientation(rotation, mirrored), (50, 30), image.shape[::-1])
    assert np.array(transform) @ (11.5, 4.5, 1) == pytest.approx((xs.mean() + 0.5, ys.mean() + 0.5, 1))
