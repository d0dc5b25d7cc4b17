import numpy as np
import pytest

from ambience.search import matching
from ambience.search.matching import mutual_matches, symmetric_matches
from support.point_samples import random_keypoints


def test_the_same_points_in_another_order_match_each_other() -> None:
    query = random_keypoints(0, 50).descriptors
    order = np.random.default_rng(0).permutation(50)

    (found,) = mutual_matches(query, [query[order]])

    assert sorted(found.query.tolist()) == list(range(50))
    assert (order[found.image] == found.query).all()
    assert (found.ratios == 0).all()


def test_matches_agree_with_plain_loops_over_all_pairs() -> None:
    rng = np.random.default_rng(1)
    base = random_keypoints(1, 40).descriptors
    images = [
        np.clip(base[rng.permutation(40)[:count]].astype(int) + rng.integers(-25, 26, (count, 128)), 0, 255)
        for count in (40, 3, 2, 25)
    ]
    found = mutual_matches(base, [image.astype(np.uint8) for image in images], ratio=0.8)

    for image, matches in zip(images, found, strict=True):
        exact = np.sqrt(((base[:, None].astype(float) - image[None]) ** 2).sum(axis=2))
        expected = set()
        for row in range(40):
            near = int(exact[row].argmin())
            first, second = np.sort(exact[row])[:2]
            if first <= 0.8 * second and exact[:, near].argmin() == row:
                expected.add((row, near))
        assert set(zip(matches.query.tolist(), matches.image.tolist(), strict=True)) == expected
        assert (np.diff(matches.ratios) >= 0).all()
        assert len(expected) > 0 or len(image) == 2


def test_images_are_compared_in_batches_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    query = random_keypoints(2, 30).descriptors
    images = [random_keypoints(seed, 5 + seed).descriptors for seed in range(9)] + [query]
    whole = mutual_matches(query, images)
    monkeypatch.setattr(matching, "BATCH_POINTS", 12)

    for one, other in zip(whole, mutual_matches(query, images), strict=True):
        assert (one.query == other.query).all()
        assert (one.image == other.image).all()


@pytest.mark.parametrize(("points", "others"), [(0, 5), (5, 0), (5, 1), (0, 0)])
def test_too_few_points_match_nothing(points: int, others: int) -> None:
    query, image = random_keypoints(0, points).descriptors, random_keypoints(0, others).descriptors

    assert [len(found.query) for found in mutual_matches(query, [image])] == [0]
    assert [len(found.query) for found in symmetric_matches(query, [image], ratio=0.8)] == [0]


def test_the_ratio_holds_in_both_directions_where_it_should() -> None:
    """A point whose twin stands beside its match is ambiguous from one side only."""
    query = random_keypoints(4, 6).descriptors
    twin = query[:1].copy()
    twin[0, 0] += 1
    doubled = np.concatenate([query, twin])

    (one_way,) = mutual_matches(doubled, [query], ratio=0.8)
    (both_ways,) = symmetric_matches(doubled, [query], ratio=0.8)

    assert sorted(one_way.query.tolist()) == [0, 1, 2, 3, 4, 5]
    assert sorted(both_ways.query.tolist()) == [0, 1, 2, 3, 4, 5]
    (both_ways,) = symmetric_matches(np.clip(doubled, 1, None), [query], ratio=0.8)
    assert 0 not in both_ways.query.tolist()
