"""The nearest others of features that were asked for in several ways."""

from typing import Any

import numpy as np

from ambience.duplicates.nearest import nearest_others

ROWS = list[tuple[int, int, float, int]]


def around(*rows: dict[int, float]) -> list[tuple[Any, Any]]:
    """What an index answers: of each feature {id: distance}, nearest first, ties by id."""
    ordered = [sorted((distance, other) for other, distance in row.items()) for row in rows]
    return [
        (np.array([d for d, _ in row], np.float32), np.array([i for _, i in row], np.int64))
        for row in ordered
    ]


def near(ids: list[int], *found: list[tuple[Any, Any]], most: int = 100) -> ROWS:
    answer = nearest_others(np.array(ids), found, most)
    return list(zip(*(each.tolist() for each in answer), strict=True))


def test_each_other_once_at_its_nearest() -> None:
    upright = around({7: 0, 8: 30, 9: 5}, {8: 0, 7: 30})
    turned = around({8: 10, 9: 5}, {7: 12})
    assert near([7, 8], upright, turned) == [(7, 9, 5, 0), (7, 8, 10, 1), (8, 7, 12, 1)]


def test_a_symmetric_picture_is_no_copy_of_itself() -> None:
    upright, mirrored = around({7: 0}), around({7: 2})
    assert near([7], upright, mirrored) == []


def test_nothing_near() -> None:
    assert near([7, 8], around({}, {})) == []
    assert near([7, 8], around({7: 0}, {8: 0}), around({}, {})) == []


def test_the_nearest_of_all_ways_are_kept_whichever_way_they_are_near() -> None:
    """As when everything is sorted at once, though of each way no more than `most` + 1 are looked at."""
    random = np.random.default_rng(0)
    for most in (1, 3, 10):
        ids = [0, 1, 2, 3]
        ways = [
            [{int(i): float(random.integers(9)) for i in random.permutation(30)[:12]} for _ in ids]
            for _ in range(8)
        ]
        wanted: ROWS = []
        for row, own in enumerate(ids):
            every = [(way[row][i], n, i) for n, way in enumerate(ways) for i in way[row] if i != own]
            best = {i: min((d, n) for d, n, other in every if other == i) for _, _, i in every}
            nearest = sorted((d, i, n) for i, (d, n) in best.items())[:most]
            wanted += [(own, i, d, n) for d, i, n in nearest]
        assert near(ids, *(around(*way) for way in ways), most=most) == wanted
