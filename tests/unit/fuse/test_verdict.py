"""The merge: strongest verdict first, nothing certain dropped, flat pictures say nothing."""

import math
from dataclasses import replace

import pytest

from ambience.datatypes import FeatureSpec, Hit, Orientation, Ranking, Verdict
from ambience.fuse.verdict import merge, supported_verdict, tells_copies

HASH = FeatureSpec(
    "hash", "Hash", 64, "uint8", "hamming", 1, 1,
    verdicts=((Verdict.SAME_PICTURE, 8.0), (Verdict.EDITED, 16.0)), min_quality=0.1,
)  # fmt: skip
COLOR = FeatureSpec("color", "Color", 8, "float16", "l1", 1, 2, verdicts=((Verdict.SAME_COLORS, 1.0),))
SPECS = {"hash": HASH, "color": COLOR}


def linear(distance: float, spec: FeatureSpec) -> float:
    return 1 - distance / (32 if spec is HASH else 2)


@pytest.mark.parametrize(
    ("distance", "quality", "expected"),
    [
        (0.0, 1.0, Verdict.SAME_PICTURE),
        (8.0, 1.0, Verdict.SAME_PICTURE),
        (8.5, 1.0, Verdict.EDITED),
        (17.0, 1.0, None),
        (0.0, 0.05, None),
        (math.inf, 1.0, None),
    ],
)
def test_a_distance_means_a_verdict(distance: float, quality: float, expected: Verdict | None) -> None:
    assert supported_verdict(Hit(1, distance, quality=quality), HASH) is expected


def test_order_is_verdict_then_score_then_id() -> None:
    hashes = Ranking("hash", (Hit(5, 2.0), Hit(4, 2.0), Hit(3, 12.0)))
    colors = Ranking("color", (Hit(9, 0.1), Hit(3, 0.0)))
    matches = merge([hashes, colors], SPECS, linear, same_files=[7])
    assert [(m.image_id, m.verdict) for m in matches] == [
        (7, Verdict.SAME_FILE),
        (4, Verdict.SAME_PICTURE),
        (5, Verdict.SAME_PICTURE),
        (3, Verdict.EDITED),
        (9, Verdict.SAME_COLORS),
    ]


def test_a_match_carries_all_evidence_and_the_orientation_of_the_strongest() -> None:
    turned = Orientation(90, True)
    hashes = Ranking("hash", (Hit(3, 4.0, turned),))
    colors = Ranking("color", (Hit(8, 0.0), Hit(3, 0.5)))
    match = next(m for m in merge([colors, hashes], SPECS, linear) if m.image_id == 3)
    assert match.orientation == turned
    assert match.score == linear(4.0, HASH)
    assert {(e.kind, e.rank) for e in match.evidence} == {("color", 2), ("hash", 1)}


def test_an_image_that_no_kind_vouches_for_is_no_match() -> None:
    hashes = Ranking("hash", (Hit(1, 30.0), Hit(2, 0.0, quality=0.0)))
    assert merge([hashes], SPECS, linear) == ()


def test_a_flat_picture_is_still_found_by_its_bytes() -> None:
    hashes = Ranking("hash", (Hit(2, 0.0, quality=0.0),))
    (match,) = merge([hashes], SPECS, linear, same_files=[2])
    assert match.verdict is Verdict.SAME_FILE
    assert [each.kind for each in match.evidence] == ["sha256", "hash"]


def test_kinds_that_say_look_alike_count_together() -> None:
    """By hand: 1 − 0.4·0.3 = 0.88, before 0.75 of one kind alone; another kind adds nothing."""
    look, meaning = (
        FeatureSpec(kind, kind, 8, "float16", "cosine", 1, port, verdicts=((Verdict.LOOK_ALIKE, 0.5),))
        for kind, port in (("look", 3), ("meaning", 4))
    )
    specs = {"look": look, "meaning": meaning, "color": COLOR}
    rankings = [
        Ranking("look", (Hit(1, 0.25), Hit(2, 0.4))),
        Ranking("meaning", (Hit(2, 0.3), Hit(1, 0.7))),
        Ranking("color", (Hit(2, 0.2),)),
    ]
    matches = merge(rankings, specs, lambda distance, spec: 1 - distance)
    assert [(m.image_id, m.verdict) for m in matches] == [(2, Verdict.LOOK_ALIKE), (1, Verdict.LOOK_ALIKE)]
    assert [m.score for m in matches] == pytest.approx([0.88, 0.75])


def test_copies_keep_the_score_of_their_best_evidence() -> None:
    other = replace(HASH, kind="other")
    rankings = [Ranking("hash", (Hit(1, 4.0),)), Ranking("other", (Hit(1, 8.0),))]
    (match,) = merge(rankings, {"hash": HASH, "other": other}, linear, same_files=[])
    assert (match.verdict, match.score) == (Verdict.SAME_PICTURE, linear(4.0, HASH))


def test_only_what_shows_the_same_tells_copies() -> None:
    assert tells_copies(HASH)
    assert not tells_copies(COLOR)
    assert not tells_copies(replace(COLOR, verdicts=((Verdict.LOOK_ALIKE, 0.4),)))
