"""Orders by ranks alone: nothing is dropped, equal bytes come first, the rest as the methods say."""

import pytest

from ambience.answers import Hit, Match, Ranking
from ambience.datatypes import UPRIGHT, Verdict
from ambience.errors import SettingsError
from ambience.fuse import original, reciprocal_rank
from ambience.fuse.ordering import BY_RANKS, EVIDENCE, check_merge, ordered

LISTS = {"phash": [1, 2, 3, 4], "color": [4, 3, 9, 1], "local_features": [7, 3]}
RANKINGS = [
    Ranking(kind, tuple(Hit(image_id, float(place)) for place, image_id in enumerate(ids)))
    for kind, ids in LISTS.items()
]


def match(image_id: int, verdict: Verdict = Verdict.LOOK_ALIKE) -> Match:
    return Match(image_id, verdict, 0.5, UPRIGHT, (), None)


MATCHES = [match(5, Verdict.SAME_FILE), match(7, Verdict.PART), *map(match, (1, 2, 3, 4))]  # 9: no verdict


def ids(name: str) -> list[int]:
    return [each.image_id for each in ordered(MATCHES, RANKINGS, name)]


def test_evidence_is_the_order_that_there_was() -> None:
    assert ids(EVIDENCE) == [5, 7, 1, 2, 3, 4]


def test_ranks_alone() -> None:
    kept = {kind: [each for each in held if each != 9] for kind, held in LISTS.items()}
    by_ranks = [image_id for image_id, _ in reciprocal_rank.merge(kept)]
    assert ids("reciprocal_rank") == [5, *by_ranks]
    assert by_ranks[0] == 3  # in all three lists
    assert set(by_ranks) == {1, 2, 3, 4, 7}


def test_what_the_original_leaves_out_comes_last_and_is_not_lost() -> None:
    kept = {kind: [each for each in held if each != 9] for kind, held in LISTS.items()}
    named = [image_id for image_id, _ in original.merge(kept)]
    assert ids("original") == [5, *named, 7, 2]
    assert set(named) == {1, 3, 4}


@pytest.mark.parametrize("name", [EVIDENCE, *BY_RANKS])
def test_every_order_keeps_all(name: str) -> None:
    check_merge(name)
    assert sorted(ids(name)) == [1, 2, 3, 4, 5, 7]
    assert ordered([], RANKINGS, name) == ()


def test_another_name_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"search\.merge = 'best'; it can be evidence, reciprocal_rank"):
        check_merge("best")
