from collections.abc import Mapping

import numpy as np
import pytest

from ambience.datatypes import FeatureSpec, Ids
from ambience.errors import QueryError
from ambience.index.descriptors import DescriptorOptions
from ambience.keypoints import Keypoints, pack
from ambience.search.original_local import DESCRIPTOR_NORM, OriginalKnobs, matches_by_image
from support.local_library import FollowingIndex
from support.point_samples import chosen, moved, random_keypoints, similarity

SPEC = FeatureSpec("local_features", "points", 128, "uint8", "points", 1, 1)


class _Gallery:
    """Features 0, 1, 2 …, whose images have ids a hundred greater."""

    def __init__(self, *images: Keypoints) -> None:
        self.images = images
        self.index = FollowingIndex(SPEC, DescriptorOptions())
        blobs = np.empty(len(images), object)
        blobs[:] = [pack(image) for image in images]
        self.index.add(np.arange(len(images)), blobs)

    def keypoints(self, features: Ids) -> Mapping[int, Keypoints]:
        return {int(each): self.images[int(each)] for each in features}

    def ask(self, query: Keypoints, **knobs: float | bool | None) -> list[tuple[int, int]]:
        made = OriginalKnobs(**knobs)  # type: ignore[arg-type]
        return matches_by_image(query, made, self.index, self.keypoints, lambda features: features + 100)


QUERY = random_keypoints(0, 80)
COPY = moved(QUERY, similarity(0.8, 10, (60, 30)), 640, 480)
SCRAMBLED = Keypoints(
    random_keypoints(5, 80).positions, QUERY.sizes, QUERY.angles, QUERY.descriptors, 640, 480
)
"""The query's descriptors at other places."""


def test_images_are_ranked_by_how_many_neighbors_they_have() -> None:
    gallery = _Gallery(random_keypoints(1, 80), chosen(QUERY, np.arange(30)), QUERY)
    found = gallery.ask(QUERY, k_clusters=1, matching_threshold=0.05)

    assert [image for image, _ in found] == [102, 101] or dict(found) == {102: 80}
    assert sum(count for _, count in found) == 80


def test_the_threshold_is_inclusive() -> None:
    one = chosen(QUERY, np.arange(1))
    other = Keypoints(one.positions, one.sizes, one.angles, one.descriptors.copy(), 640, 480)
    other.descriptors[0, :16] ^= 16
    squared = float(((one.descriptors.astype(int) - other.descriptors) ** 2).sum())
    gallery = _Gallery(other)

    assert gallery.ask(one, matching_threshold=squared / DESCRIPTOR_NORM**2) == [(100, 1)]
    assert gallery.ask(one, matching_threshold=squared / DESCRIPTOR_NORM**2 * 0.999) == []


def test_few_neighbors_are_left_out_where_more_are_asked_for() -> None:
    gallery = _Gallery(QUERY, chosen(random_keypoints(2, 80), np.arange(5)))

    assert [image for image, _ in gallery.ask(QUERY, knn_min_matches=20, k_clusters=2)] == [100]


def test_the_ratio_test_drops_what_only_lies_near() -> None:
    gallery = _Gallery(COPY, random_keypoints(3, 80))
    found = gallery.ask(QUERY, matching_threshold=2.0, use_smnn_matching=True)

    assert found == [(100, len(COPY))]


def test_a_homography_counts_its_inliers_and_noise_none() -> None:
    gallery = _Gallery(COPY, SCRAMBLED)
    found = gallery.ask(QUERY, use_smnn_matching=True, use_ransac=True)

    assert [image for image, _ in found] == [100]
    assert found[0][1] >= 0.95 * len(COPY)
    assert len(gallery.ask(QUERY, use_smnn_matching=True)) == 2
    assert len(gallery.ask(QUERY, use_ransac=True)) == 2  # without the ratio test it does nothing, as ever


def test_k_cuts_after_verifying() -> None:
    gallery = _Gallery(SCRAMBLED, COPY)

    assert gallery.ask(QUERY, use_smnn_matching=True, use_ransac=True, k=1)[0][0] == 101


@pytest.mark.parametrize("smnn", [False, True])
def test_images_and_queries_without_keypoints_match_nothing(smnn: bool) -> None:
    none = random_keypoints(0, 0)

    assert _Gallery(none, QUERY).ask(none, use_smnn_matching=smnn, use_ransac=smnn) == []
    assert [i for i, _ in _Gallery(none, QUERY).ask(QUERY, use_smnn_matching=smnn)] == [101]
    assert _Gallery().ask(QUERY) == []


@pytest.mark.parametrize("count", [1, 2, 3])
def test_images_of_a_few_points_never_fail(count: int) -> None:
    few = chosen(QUERY, np.arange(count))

    assert _Gallery(few).ask(QUERY, use_smnn_matching=True, use_ransac=True) == []
    assert _Gallery(QUERY).ask(few, use_smnn_matching=True, use_ransac=True) == []


@pytest.mark.parametrize(
    "knobs", [{"k_clusters": 0}, {"k": 0}, {"matching_threshold": -0.1}, {"knn_min_matches": -1}]
)
def test_knobs_out_of_range_are_named(knobs: dict[str, float]) -> None:
    with pytest.raises(QueryError, match=next(iter(knobs))):
        _Gallery(QUERY).ask(QUERY, **knobs)


def test_images_whose_row_is_gone_are_left_out() -> None:
    gallery = _Gallery(QUERY)
    answer = matches_by_image(
        QUERY, OriginalKnobs(), gallery.index, gallery.keypoints, lambda features: features * 0 - 1
    )

    assert answer == []
