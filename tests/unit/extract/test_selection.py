"""Which keypoints are kept: by hand, and beside slow readings of the same rules."""

import math
from typing import Any

import numpy as np
import pytest

from ambience.extract._selection import BANDS, as_the_original, most_isolated, spread_over_bands


def random_points(seed: int, count: int, width: int, height: int) -> tuple[Any, Any]:
    """(N, 2) places, some of them twice, and responses, some of them tied."""
    generator = np.random.default_rng(seed)
    places = (generator.random((count, 2)) * (width, height)).astype(np.float32)
    places[::7] = np.rint(places[::7])
    places[1::5] = places[::5][: len(places[1::5])]
    return places, generator.integers(1, count, count).astype(np.float32)


def the_original_slowly(places: Any, responses: Any, width: int, height: int) -> list[int]:
    """The rule as its description reads, with a table of counts by place."""
    chosen: list[int] = []
    counts: dict[tuple[float, float], int] = {}
    quarters = {"left above": 0, "right above": 0, "left below": 0, "right below": 0}
    for candidate in sorted(range(len(places)), key=lambda number: -responses[number]):
        x, y = map(float, places[candidate])
        near = []
        for other in chosen:
            apart = math.dist((x, y), tuple(map(float, places[other])))
            if 0 < apart < 50:
                near.append(tuple(map(float, places[other])))
        if any(counts[place] >= 3 for place in near):
            continue
        if len(chosen) == 200:
            break
        across = "left" if x < width // 2 else "right" if x > width // 2 else None
        along = "above" if y < height // 2 else "below" if y > height // 2 else None
        quarter = f"{across} {along}"
        if quarters.get(quarter, 50) >= 50:
            continue
        quarters[quarter] += 1
        chosen.append(candidate)
        for place in near:
            counts[place] += 1
        counts[x, y] = 0
    return chosen


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("width", "height"), [(3000, 2000), (640, 427), (90, 1200)])
def test_the_original_selection_is_its_description(seed: int, width: int, height: int) -> None:
    places, responses = random_points(seed, 900, width, height)
    expected = the_original_slowly(places, responses, width, height)
    assert as_the_original(places, responses, width, height).tolist() == expected
    assert len(expected) == 200 or (width, height) != (3000, 2000)


def test_the_original_by_hand() -> None:
    """The middle is lost; the fifth of a crowd goes, since the first has three neighbors by then."""
    crowd = [(10.0, 10.0), (12.0, 10.0), (10.0, 12.0), (12.0, 12.0), (11.0, 11.0)]
    places = np.array([(100.0, 30.0), *crowd, (300.0, 10.0)], np.float32)
    responses = np.arange(len(places), 0, -1).astype(np.float32)
    assert as_the_original(places, responses, 200, 200).tolist() == [1, 2, 3, 4, 6]


def test_the_most_isolated_by_hand() -> None:
    places = np.array([(0, 0), (1, 0), (10, 0), (4, 0), (10, 0)], np.float32)
    # Distances to the nearest stronger one: none, 1, 9, 3, 0.
    assert most_isolated(places, 4).tolist() == [0, 2, 3, 1]
    assert most_isolated(places, 5).tolist() == [0, 1, 2, 3, 4]


def test_each_band_gives_its_share_and_a_poor_one_leaves_it_to_the_next() -> None:
    places, responses = random_points(1, 4000, 512, 384)
    sizes = np.random.default_rng(2).choice([2.5, 4.0, 9.0, 30.0], 4000).astype(np.float32)
    kept = spread_over_bands(places, sizes, responses, 200)
    assert len(set(kept.tolist())) == 200
    assert np.bincount(np.searchsorted(BANDS, sizes[kept])).tolist() == [60, 60, 50, 30]
    few = np.where(sizes == 30.0, 2.5, sizes)
    assert len(spread_over_bands(places, few, responses, 200)) == 200
    only_small = spread_over_bands(places[:90], np.full(90, 2.0, np.float32), responses[:90], 200)
    assert sorted(only_small.tolist()) == list(range(90))
    assert len(spread_over_bands(places[:0], sizes[:0], responses[:0], 200)) == 0


def test_points_are_spread_where_the_strongest_crowd() -> None:
    """A hundred cells: nearly all hold one of 200 points, though half of the strongest lie in one corner."""
    generator = np.random.default_rng(3)
    places = np.concatenate([generator.random((300, 2)) * 80, generator.random((400, 2)) * 400])
    responses = np.concatenate([np.full(300, 2.0), np.ones(400)]).astype(np.float32)
    kept = most_isolated(places.astype(np.float32), 200)
    cells = np.unique(places[kept] // 40, axis=0)
    strongest = np.unique(places[:200] // 40, axis=0)
    assert len(cells) >= 90
    assert len(strongest) < 10
    assert responses[kept].min() == 1
