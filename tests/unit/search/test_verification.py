from dataclasses import replace

import numpy as np
import pytest

from ambience.keypoints import mirrored
from ambience.search.verification import Candidate, both_ways, proven
from support.point_samples import moved, random_keypoints, similarity

QUERY = random_keypoints(0, 150)
BOTH = [Candidate(7, 0), Candidate(7, 1)]


def test_the_view_that_matches_tells_whether_the_query_is_mirrored() -> None:
    upright = moved(QUERY, similarity(0.7, 20, (100, 30)), 640, 480)

    assert not proven(both_ways(QUERY), BOTH, {7: upright}, accept=14)[7].is_mirrored
    assert proven(both_ways(QUERY), BOTH, {7: mirrored(upright)}, accept=14)[7].is_mirrored


def test_candidates_without_keypoints_are_passed_over() -> None:
    assert proven(both_ways(QUERY), BOTH, {}, accept=14) == {}


def test_alike_features_share_one_proof() -> None:
    candidates = [Candidate(number, 0) for number in range(50)]
    found = proven(both_ways(QUERY), candidates, dict.fromkeys(range(50), QUERY), accept=14)

    assert sorted(found) == list(range(50))
    assert all(found[number] is found[0] for number in range(50))


def test_pictures_of_different_size_with_the_same_points_are_not_alike() -> None:
    larger = replace(QUERY, width=1280, height=960, sizes=QUERY.sizes * np.float32(2))
    found = proven(both_ways(QUERY), [Candidate(0, 0), Candidate(1, 0)], {0: QUERY, 1: larger}, accept=14)

    assert found[0].query_in_image[2] == pytest.approx((640, 480), abs=1)
    assert found[1].query_in_image[2] == pytest.approx((1280, 960), abs=2)


def test_proofs_below_what_is_accepted_are_none() -> None:
    score = -proven(both_ways(QUERY), BOTH, {7: QUERY}, accept=14)[7].log10_chance

    assert proven(both_ways(QUERY), BOTH, {7: QUERY}, accept=score + 1) == {}
