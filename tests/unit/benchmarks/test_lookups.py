"""From points to pictures: every way answers the same, and the peers are told apart from ours."""

from pathlib import Path

import numpy as np
import pytest

import lookups
from ambience.keypoints import MAX_POINTS


def test_ranges_hold_all_points_without_a_gap():
    held = lookups.ranges(10_000, seed=1)

    assert held.starts[0] == 0 and held.stops[-1] == 10_000
    assert (held.starts[1:] == held.stops[:-1]).all()
    counts = (held.stops - held.starts)[:-1]
    assert counts.min() >= lookups.POINTS_OF_IMAGE[0] and counts.max() < lookups.POINTS_OF_IMAGE[1]


def test_points_asked_for_lie_in_the_ranges_of_their_rows():
    held = lookups.ranges(10_000, seed=1)

    numbers, ordinals, rows = held.asked(500, seed=3)

    assert (held.starts[rows] <= numbers).all() and (numbers < held.stops[rows]).all()
    assert (ordinals == numbers - held.starts[rows]).all() and ordinals.max() < MAX_POINTS


@pytest.mark.parametrize("way", [lookups._ours, lookups._sqlite, lookups._interval_tree])
def test_every_way_finds_the_pictures_of_its_points(way, tmp_path: Path):
    pytest.importorskip("intervaltree" if way is lookups._interval_tree else "sqlite3")

    found = list(way(lookups.ranges(5_000, seed=1), tmp_path, 1, 0.0))  # raises where an answer is wrong

    assert all(each.per_second > 0 for each in found)


def test_a_wrong_answer_is_no_lookup():
    held = lookups.ranges(5_000, seed=1)

    with pytest.raises(RuntimeError, match="another picture"):
        lookups.rate(np.zeros_like, lookups.numbered(held, 1), budget_s=0.0, batch=10)


def test_figures_leave_out_what_was_not_measured():
    ours = lookups.Way(lookups.WHOLE_WAY, 700.0, 0, 0, "")
    gist = lookups.Way(lookups.GIST, 7.0, 0, 0, "")

    assert lookups.figures_of([ours]) == {}
    assert lookups.figures_of([ours, gist]) == {"lookups_over_gist": 100.0}
