import numpy as np

from ambience.datatypes import Neighbors
from ambience.keypoints import HEAD_BYTES, MAX_POINTS, unpack_places
from ambience.search.votes import LEAST_WEIGHT, cast_votes, consistency, most_voted
from support.point_samples import head_of, moved, random_keypoints, similarity


def _found(distances: list[list[float]], ids: list[list[int]]) -> Neighbors:
    return Neighbors(np.array(distances, np.float32), np.array(ids, np.int64))


def test_a_vote_weighs_its_distance_against_the_end_of_its_own_list() -> None:
    votes = cast_votes(_found([[1.0, 2.0, 4.0]], [[7 * MAX_POINTS + 3, 8 * MAX_POINTS, 9 * MAX_POINTS + 1]]))

    assert votes.features.tolist() == [7, 8, 9]
    assert votes.ordinals.tolist() == [3, 0, 1]
    assert votes.weights.tolist() == [0.75, 0.5, LEAST_WEIGHT]


def test_a_point_votes_once_for_an_image_by_its_nearest_point_there() -> None:
    votes = cast_votes(_found([[1.0, 2.0, 4.0]], [[512 + 5, 512 + 4, 1024]]))

    assert votes.features.tolist() == [1, 2]
    assert votes.ordinals.tolist() == [5, 0]


def test_padding_casts_no_vote() -> None:
    votes = cast_votes(_found([[1.0, np.inf], [np.inf, np.inf]], [[512, -1], [-1, -1]]))

    assert votes.rows.tolist() == [0]
    assert np.isfinite(votes.weights).all()


def test_a_list_full_of_one_distance_still_votes() -> None:
    votes = cast_votes(_found([[0.0, 0.0]], [[512, 1024]]))

    assert (votes.weights >= LEAST_WEIGHT).all()


def test_variants_of_a_query_are_counted_apart() -> None:
    votes = cast_votes(_found([[0, 9], [0, 9], [0, 9]], [[512, 1024], [512, 1025], [1024, 512]]))
    features, variants = most_voted(votes, np.array([0, 0, 1]), 2)

    assert features.tolist() == [1, 2]
    assert variants.tolist() == [0, 1]


def test_no_neighbors_no_candidates() -> None:
    votes = cast_votes(_found([[np.inf]], [[-1]]))
    features, _ = most_voted(votes, np.array([0]), 5)

    assert features.tolist() == []
    places = unpack_places(np.empty((0, HEAD_BYTES), np.uint8))
    assert consistency(votes, np.array([0]), [random_keypoints(0, 1)], features, features, places).size == 0


def test_votes_that_agree_in_turn_and_scale_beat_as_many_that_do_not() -> None:
    query = random_keypoints(1, 60)
    copy = moved(query, similarity(0.5, 70, (200, 20)), 640, 480)
    stranger = random_keypoints(2, len(copy))
    rows = np.arange(len(copy))
    ids = np.stack([512 + rows, 1024 + rows, 1536 + rows], axis=1)
    votes = cast_votes(_found([[1.0, 1.0, 4.0]] * len(copy), ids.tolist()))
    # Rows of the copy are in the order of the query's points that remained in it.
    kept = np.flatnonzero(np.isin(query.descriptors[:, :8].tolist(), copy.descriptors[:, :8]).all(axis=1))
    votes = type(votes)(kept[votes.rows], votes.features, votes.ordinals, votes.weights)
    features = np.array([1, 2])

    places = unpack_places(np.stack([head_of(copy), head_of(stranger)]))
    agreeing = consistency(votes, np.zeros(60, np.int64), [query], features, np.zeros(2, np.int64), places)

    assert agreeing[0] > 0.9 * 0.75 * len(copy) / 2
    assert agreeing[0] > 3 * agreeing[1]


def test_angles_wrap_around() -> None:
    """Half of the votes turned by 359°, half by 1°: the same cells."""
    query = random_keypoints(3, 20)
    image = moved(query, similarity(1.0, 0.0, (0, 0)), 640, 480)
    image.angles[:] = query.angles + np.where(np.arange(20) % 2, 1, 359)
    votes = cast_votes(_found([[0.0, 1.0]] * 20, [[512 + row, 5120] for row in range(20)]))

    places = unpack_places(head_of(image)[None])
    agreeing = consistency(
        votes, np.zeros(20, np.int64), [query], np.array([1]), np.zeros(1, np.int64), places
    )

    assert agreeing[0] > 19


def test_votes_for_points_that_a_lying_head_lacks_do_not_count() -> None:
    query = random_keypoints(4, 20)
    heads = np.stack([head_of(query)] * 3)
    heads[1, 2:4] = np.array([5], "<u2").view(np.uint8)  # five points, it says
    heads[2] = 255
    ids = [[512 + row, 1024 + row, 1536 + row, 5120] for row in range(20)]
    votes = cast_votes(_found([[0.0, 0.0, 0.0, 1.0]] * 20, ids))

    agreeing = consistency(
        votes,
        np.zeros(20, np.int64),
        [query],
        np.array([1, 2, 3]),
        np.zeros(3, np.int64),
        unpack_places(heads),
    )

    assert agreeing[0] > 19
    assert 4 < agreeing[1] <= 5
    assert agreeing[2] == 0
