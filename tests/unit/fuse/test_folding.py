"""Copies of one picture are one hit."""

from ambience.answers import Match
from ambience.datatypes import UPRIGHT, Verdict
from ambience.fuse.folding import folded


def match(image_id: int, verdict: Verdict = Verdict.LOOK_ALIKE) -> Match:
    return Match(image_id, verdict, 0.9, UPRIGHT, ())


def told(matches: list[Match], contents: dict[int, bytes]) -> list[tuple[int, tuple[int, ...]]]:
    return [(each.image_id, each.copies) for each in folded(matches, contents)]


def test_images_of_the_same_bytes_are_one_hit_the_first() -> None:
    matches = [match(5), match(2), match(9), match(1)]
    assert told(matches, {5: b"a", 2: b"b", 9: b"a", 1: b"a"}) == [(5, (9, 1)), (2, ())]


def test_all_that_are_the_picture_of_the_query_are_one_hit() -> None:
    matches = [match(1, Verdict.SAME_FILE), match(2, Verdict.SAME_PICTURE), match(3, Verdict.SAME_PICTURE)]
    assert told(matches, {1: b"a", 2: b"b", 3: b"c"}) == [(1, (2, 3))]


def test_edits_parts_and_scenes_of_a_picture_are_not_each_other() -> None:
    matches = [
        match(1, Verdict.EDITED),
        match(2, Verdict.EDITED),
        match(3, Verdict.PART),
        match(4, Verdict.PART),
    ]
    assert told(matches, {}) == [(1, ()), (2, ()), (3, ()), (4, ())]


def test_what_is_tied_by_bytes_to_a_copy_of_the_query_goes_with_it() -> None:
    """2 has the bytes of 3, which was called an edit: 3 is the picture that 1 and 2 are."""
    matches = [match(1, Verdict.SAME_PICTURE), match(2, Verdict.SAME_PICTURE), match(3, Verdict.EDITED)]
    assert told(matches, {1: b"a", 2: b"b", 3: b"b"}) == [(1, (2, 3))]


def test_nothing_is_folded_that_nobody_knows_of() -> None:
    assert told([match(1), match(2)], {1: b"a"}) == [(1, ()), (2, ())]
    assert folded([], {}) == ()
