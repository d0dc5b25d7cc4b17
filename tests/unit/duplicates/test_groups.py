"""Groups stand around the best picture, hold its direct copies alone, and say why it is the best."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.copies import GROUPED, PAIRED, CopyFacts, CopyGroup, CopyPair
from ambience.datatypes import UPRIGHT, Orientation, Verdict
from ambience.duplicates.groups import grouped


def content(number: int) -> bytes:
    return number.to_bytes(32, "big")


def image(image_id: int, *, of: int | None = None, side: int = 100, **facts: object) -> CopyFacts:
    """An image whose content is that of its own number, or of another."""
    usual: dict[str, object] = {"width": side, "height": side, "size": 1000, "format": "jpeg"}
    return CopyFacts(image_id, content(image_id if of is None else of), **(usual | facts))  # type: ignore[arg-type]


def pair(
    one: int,
    other: int,
    verdict: Verdict = Verdict.SAME_PICTURE,
    score: float = 0.9,
    turned: Orientation = UPRIGHT,
) -> CopyPair:
    low, high = sorted((content(one), content(other)))
    return CopyPair(low, high, verdict, score, "phash", turned)


def groups(
    pairs: Sequence[CopyPair], images: Sequence[CopyFacts], *verdicts: Verdict, **given: object
) -> list[CopyGroup]:
    return grouped(pairs, images, verdicts=verdicts or GROUPED, **given)  # type: ignore[arg-type]


def members(group: CopyGroup) -> dict[int, str]:
    return {each.image_id: each.verdict.value for each in group.members}


def test_the_best_is_kept_and_the_strongest_copies_come_first() -> None:
    images = [image(1), image(2, side=300), image(3), image(4)]
    pairs = [pair(1, 2, Verdict.EDITED), pair(2, 3, score=0.8), pair(2, 4, score=0.95)]
    (group,) = groups(pairs, images)
    assert (group.group_id, group.keep, group.reason) == (1, 2, "most pixels (300×300)")
    assert [each.image_id for each in group.members] == [4, 3, 1]
    assert members(group) == {4: "same_picture", 3: "same_picture", 1: "edited"}


@pytest.mark.parametrize(
    ("better", "reason"),
    [
        ({"is_present": True}, "its file is there"),
        ({"side": 101}, "most pixels (101×101)"),
        ({"size": 1001}, "largest file"),
        ({"format": "png"}, "a format without loss (png)"),
        ({"taken_at": "2024-05-01T12:00:00"}, "it says when it was taken"),
    ],
)
def test_each_reason(better: dict[str, object], reason: str) -> None:
    rest = {"is_present": False} if "is_present" in better else {}
    kept, other = image(9, **better), image(2, **rest)  # type: ignore[arg-type]
    (group,) = groups([pair(2, 9)], [other, kept])
    assert (group.keep, group.reason) == (9, reason)


def test_who_surpasses_each_of_the_others_in_another_thing_has_a_reason_all_the_same() -> None:
    images = [image(1, side=90), image(2, size=900), image(9)]
    (group,) = groups([pair(1, 9), pair(2, 9)], images)
    assert (group.keep, group.reason) == (9, "largest file")


def test_of_equals_the_one_added_first_is_kept() -> None:
    (group,) = groups([pair(2, 9)], [image(9), image(2)])
    assert (group.keep, group.reason) == (2, "added first")


def origins(group: CopyGroup) -> dict[int, int]:
    return {each.image_id: each.copy_of for each in group.members}


def test_a_copy_of_a_member_alone_comes_in_beside_it_and_is_no_loser() -> None:
    """Two altered copies of one picture: neither is found to be a copy of the other."""
    images = [image(1, side=300), image(2, side=200), image(3), image(4)]
    pairs = [pair(1, 2, Verdict.EDITED), pair(2, 3, score=0.99), pair(1, 4, Verdict.EDITED, score=0.8)]
    (group,) = groups(pairs, images)
    assert (group.keep, origins(group)) == (1, {2: 1, 4: 1, 3: 2})
    assert [each.image_id for each in group.members] == [2, 4, 3], "who can go comes first"
    assert group.losers == (2, 4)


def test_of_several_members_it_is_a_copy_of_the_closest() -> None:
    images = [image(1, side=300), image(2, side=200), image(3, side=200), image(4)]
    pairs = [pair(1, 2), pair(1, 3), pair(2, 4, Verdict.EDITED), pair(3, 4, score=0.7)]
    (group,) = groups(pairs, images)
    assert origins(group) == {2: 1, 3: 1, 4: 3}


def test_a_chain_is_no_group_and_nobody_who_has_copies_is_left_alone() -> None:
    images = [image(number, side=400 - number) for number in range(1, 6)]
    both = groups([pair(1, 2), pair(2, 3), pair(3, 4), pair(4, 5)], images)
    assert [(each.keep, origins(each)) for each in both] == [(1, {2: 1}), (3, {4: 3, 5: 4})]


def test_who_has_copies_of_its_own_founds_a_group() -> None:
    """2 is a part of both: the copies of 3 are no copies of 1, and 3 is not to be lost among them."""
    images = [image(number, side=400 - number) for number in (1, 2, 3, 4, 5)]
    both = groups([pair(1, 2), pair(2, 3), pair(2, 4), pair(3, 4), pair(3, 5)], images)
    assert [(each.keep, origins(each)) for each in both] == [(1, {2: 1}), (3, {4: 3, 5: 3})]


def test_who_was_told_apart_from_the_kept_one_does_not_come_back_beside_another() -> None:
    images = [image(1, side=300), image(2, side=200), image(3)]
    different = [(content(1), content(3))]
    (group,) = groups([pair(1, 2), pair(2, 3), pair(1, 3)], images, different=different)
    assert (group.keep, origins(group)) == (1, {2: 1})


def test_images_of_the_same_bytes_go_together() -> None:
    images = [image(5, of=1, side=300), image(1, side=300), image(7, of=2), image(2)]
    (group,) = groups([pair(1, 2)], images)
    assert (group.keep, group.reason) == (1, "most pixels (300×300)")
    assert members(group) == {5: "same_file", 2: "same_picture", 7: "same_picture"}
    alone = groups([], images)
    assert [(each.keep, members(each)) for each in alone] == [(1, {5: "same_file"}), (2, {7: "same_file"})]
    (without,) = groups([pair(1, 2)], images, Verdict.SAME_PICTURE)
    assert members(without) == {2: "same_picture"}


def test_only_the_verdicts_asked_for_count() -> None:
    images = [image(1), image(2), image(3)]
    pairs = [pair(1, 2, Verdict.PART), pair(1, 3, Verdict.EDITED)]
    assert [members(each) for each in groups(pairs, images)] == [{3: "edited"}]
    assert [members(each) for each in groups(pairs, images, *PAIRED)] == [{3: "edited", 2: "part"}]
    assert [members(each) for each in groups(pairs, images, Verdict.PART)] == [{2: "part"}]


def test_what_people_told_apart_is_no_pair() -> None:
    images = [image(1, side=300), image(2), image(3)]
    pairs = [pair(1, 2), pair(1, 3)]
    apart = {(content(1), content(2))}
    assert [members(each) for each in groups(pairs, images, different=apart)] == [{3: "same_picture"}]
    assert groups(pairs[:1], images, different=apart) == []


def test_pairs_of_images_that_are_gone_are_passed_over() -> None:
    assert groups([pair(1, 2), pair(3, 4)], [image(1), image(3)]) == []


def test_every_image_is_in_one_group_at_most() -> None:
    images = [image(number, side=100 + number) for number in range(1, 30)]
    pairs = [pair(one, other) for one in range(1, 30) for other in range(one + 1, 30) if other % one == 0]
    found = [image_id for each in groups(pairs, images) for image_id in (each.keep, *members(each))]
    assert len(found) == len(set(found))
    assert len(found) > 20


@pytest.mark.parametrize(
    "turned", [Orientation(90), Orientation(270), Orientation(180), Orientation(90, True)]
)
@pytest.mark.parametrize("keep", [2, 9])
def test_members_are_turned_as_seen_from_the_kept_one(turned: Orientation, keep: int) -> None:
    images = [image(2), image(9, side=200)] if keep == 9 else [image(2, side=200), image(9)]
    (group,) = groups([pair(2, 9, turned=turned)], images)
    assert group.keep == keep
    from_low_to_high = group.members[0].orientation if keep == 2 else group.members[0].orientation.inverse
    assert from_low_to_high == turned


def test_what_undoes_an_orientation() -> None:
    picture = np.arange(6).reshape(2, 3)
    for rotation in (0, 90, 180, 270):
        for mirrored in (False, True):
            there = Orientation(rotation, mirrored)
            assert np.array_equal(turned_by(turned_by(picture, there), there.inverse), picture)


def turned_by(picture: NDArray[np.int64], orientation: Orientation) -> NDArray[np.int64]:
    return np.rot90(picture[:, ::-1] if orientation.mirrored else picture, orientation.rotation // 90)
