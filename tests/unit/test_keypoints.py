"""What the heads of blobs tell, and that no bytes at all are taken for more than hints."""

import numpy as np
import pytest

from ambience.keypoints import HEAD_BYTES, MAX_POINTS, pack, unpack, unpack_places
from support.point_samples import head_of, random_keypoints


@pytest.mark.parametrize("count", [1, 250, MAX_POINTS])
def test_a_head_tells_sizes_and_angles_as_the_whole_blob_does(count: int) -> None:
    samples = [random_keypoints(0, 3), random_keypoints(1, count)]
    places = unpack_places(np.stack([head_of(each) for each in samples]))
    sizes, angles = places.at(np.ones(count, np.int64), np.arange(count))

    whole = unpack(pack(samples[1]))
    assert places.counts.tolist() == [3, count]
    assert np.array_equal(sizes, whole.sizes)
    assert np.array_equal(angles, whole.angles)


def test_a_point_that_is_not_there_has_no_size() -> None:
    head = head_of(random_keypoints(0, 3))
    head[12 + 4 : 12 + 6] = 255  # of the first point: no number
    sizes, _ = unpack_places(head[None]).at(np.zeros(4, np.int64), np.array([0, 2, 3, MAX_POINTS - 1]))

    assert (sizes > 0).tolist() == [False, True, False, False]


@pytest.mark.parametrize(("place", "byte"), [(0, 0), (0, 2), (3, 255), (3, 3)])
def test_a_head_of_another_form_or_of_too_many_points_has_none(place: int, byte: int) -> None:
    head = head_of(random_keypoints(0, 300))
    head[place] = byte

    assert unpack_places(head[None]).counts.tolist() == [0]


def test_any_bytes_are_borne() -> None:
    heads = np.random.default_rng(0).integers(0, 256, (200, HEAD_BYTES), np.uint8)
    heads[:, 0], heads[:, 3] = 1, heads[:, 3] % 2
    places = unpack_places(heads)
    sizes, angles = places.at(*(each.ravel() for each in np.indices((200, MAX_POINTS))))

    assert (places.counts > 0).any()
    assert np.isfinite(sizes).all()
    assert ((angles >= 0) & (angles < 360)).all()
