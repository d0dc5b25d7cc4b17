"""The merge: strongest verdict first, nothing certain dropped, flat pictures say nothing."""

import math
from dataclasses import replace

import pytest

from ambience.answers import Geometry, Hit, Ranking
from ambience.datatypes import STRENGTH, FeatureSpec, Orientation, Verdict
from ambience.fuse.calibration import CLAMP, Calibration, Claim, Scale, Witness
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


# --- by a calibration -------------------------------------------------------------------------------------

POINTS = FeatureSpec("points", "Points", 128, "uint8", "points", 1, 4, verdicts=((Verdict.PART, 1e-12),))
ALL = SPECS | {"points": POINTS}


def calibrated(*, fingerprint: str = HASH.fingerprint) -> Calibration:
    """A hash proves a copy up to 12 bits; pixels that differ speak against it more than any hash for it."""
    by_hash = Witness({"distance": Scale((0.0, 12.0, 24.0), (6.0, 3.0, -6.0))}, {"absent": 0.0}, 1.0)
    by_points = Witness({}, {"pixels_agree": 9.0, "pixels_differ": -9.0, "absent": -1.0}, 1.0)
    by_shape = Witness({"deviation": Scale((0.0, 0.2), (1.0, -5.0))}, {}, 1.0)
    scene = Witness({"pixels_differ": Scale((20.0, 40.0), (-3.0, 3.0))}, {}, 1.0)
    return Calibration(
        fingerprints={"hash": fingerprint, "points": POINTS.fingerprint},
        witnesses={
            Claim.COPY: {"hash": by_hash, "points": by_points},
            Claim.UNALTERED: {"frame": by_shape},
            Claim.SCENE: {"chance": scene},
            Claim.ALIKE: {"hash": by_hash},
        },
        offsets={Claim.COPY: -1.0, Claim.UNALTERED: 0.0, Claim.SCENE: 0.0, Claim.ALIKE: -1.0},
        last={},
    )


def proof(*, is_copy: bool, overlap: float = 1.0, score: float = 40.0) -> Geometry:
    """Of two pictures of 100 × 100 pixels that lie on each other, or of a part of the image."""
    side = 100 * overlap**0.5
    whole = ((0.0, 0.0), (side, 0.0), (side, side), (0.0, side))
    scale = side / 100
    back = tuple((x / scale, y / scale) for x, y in ((0, 0), (100, 0), (100, 100), (0, 100)))
    transform = ((scale, 0.0, 0.0), (0.0, scale, 0.0), (0.0, 0.0, 1.0))
    return Geometry(30, -score, transform, whole, back, 1.0, overlap, correlation=0.9, is_copy=is_copy)


def hit(geometry: Geometry, image_id: int = 1, verdict: Verdict = Verdict.SAME_PICTURE) -> Hit:
    return Hit(image_id, 1e-40, geometry=geometry, verdict=verdict)


def test_pixels_that_moved_overrule_a_hash_that_calls_it_the_same_picture() -> None:
    """The next frame of a film: −1 + 4.5 − 9 = −5.5 for a copy; + 3 for the same scene."""
    hashes, points = Ranking("hash", (Hit(1, 6.0),)), Ranking("points", (hit(proof(is_copy=False)),))
    (match,) = merge([hashes, points], ALL, linear, calibration=calibrated())
    assert match.verdict is Verdict.SAME_SCENE
    either = (1 + math.exp(-3)) * (1 + math.exp(-5.5))
    assert match.score == pytest.approx(1 / either)
    assert [each.copy_llr for each in match.evidence] == [pytest.approx(4.5), -9.0]


def test_a_copy_that_one_kind_alone_knows_is_no_look_alike() -> None:
    """−1 + 5 − 1 of points that did not name it = 3; no geometry says that its frame differs."""
    rankings = [Ranking("hash", (Hit(1, 4.0),)), Ranking("points", ())]
    (match,) = merge(rankings, ALL, linear, calibration=calibrated())
    assert match.verdict is Verdict.SAME_PICTURE
    assert match.score == pytest.approx(1 / ((1 + math.exp(-3)) * (1 + math.exp(0))))


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [(1.0, Verdict.SAME_PICTURE), (0.8, Verdict.EDITED), (0.5, Verdict.PART), (0.05, Verdict.PART)],
)
def test_overlaps_tell_the_whole_from_a_part(overlap: float, expected: Verdict) -> None:
    points = Ranking("points", (hit(proof(is_copy=True, overlap=overlap)),))
    (match,) = merge([points], ALL, linear, calibration=calibrated())
    assert match.verdict is expected
    assert 0.5 < match.score < 1


def test_a_text_that_both_share_is_not_the_same_scene_and_is_not_dropped() -> None:
    points = Ranking("points", (hit(proof(is_copy=False, score=22.0), verdict=Verdict.SAME_SCENE),))
    (match,) = merge([points], ALL, linear, calibration=calibrated())
    assert match.verdict is Verdict.LOOK_ALIKE
    assert match.score < 0.5


def test_what_a_hash_alone_calls_a_copy_is_kept_where_others_overrule_it() -> None:
    """12 bits: −1 + 3 − 1 = 1, a copy; 16 bits: −1 + 0 − 1 = −2, none, and not lost."""
    rankings = [Ranking("hash", (Hit(1, 12.0), Hit(2, 16.0))), Ranking("points", ())]
    first, second = merge(rankings, ALL, linear, calibration=calibrated())
    assert (first.image_id, second.image_id) == (1, 2)
    assert STRENGTH[first.verdict] < STRENGTH[Verdict.LOOK_ALIKE]
    assert second.verdict is Verdict.LOOK_ALIKE


@pytest.mark.parametrize(
    ("distances", "expected"),
    [((0.4, 0.4), [1]), ((0.4, None), []), ((0.2, None), []), ((0.2, 0.45), [1])],
)
def test_whether_it_is_a_look_alike_all_kinds_say_together(
    distances: tuple[float, float | None], expected: list[int]
) -> None:
    """0.4 is too far for either alone; 0.2 is near enough for one alone, which is unsure itself."""
    looks, words = (
        FeatureSpec(kind, kind, 8, "float16", "cosine", 1, port, verdicts=((Verdict.LOOK_ALIKE, 0.3),))
        for port, kind in enumerate(("looks", "words"))
    )
    by_looks = Witness({"distance": Scale((0.2, 0.8), (2.0, -2.0))}, {"absent": -1.5}, 1.0)
    known = calibrated()
    calibration = replace(
        known,
        fingerprints={spec.kind: spec.fingerprint for spec in (looks, words)},
        witnesses=known.witnesses | {Claim.ALIKE: {"looks": by_looks, "words": by_looks}},
    )
    rankings = [
        Ranking(kind, () if distance is None else (Hit(1, distance),))
        for kind, distance in zip(("looks", "words"), distances, strict=True)
    ]
    specs = {"looks": looks, "words": words}
    matches = merge(rankings, specs, linear, calibration=calibration)
    assert [match.image_id for match in matches] == expected
    assert all(match.verdict is Verdict.LOOK_ALIKE for match in matches)

    alone = merge(rankings[:1], specs, linear, calibration=calibration)
    assert [match.image_id for match in alone] == ([1] if distances[0] < 0.3 else []), "its own cut-off"


def test_features_that_the_calibration_does_not_know_go_by_their_own_distances() -> None:
    hashes = Ranking("hash", (Hit(1, 6.0),))
    (match,) = merge([hashes], ALL, linear, calibration=calibrated(fingerprint="hash-of-another-model"))
    assert match == merge([hashes], ALL, linear)[0]
    assert match.score == linear(6.0, HASH)


def test_unknown_features_are_not_overruled_by_known_ones_that_saw_nothing() -> None:
    """Points of another model prove a part; the hash, which knows no parts, does not name it."""
    other = replace(POINTS, version=9)
    rankings = [Ranking("hash", ()), Ranking("points", (hit(proof(is_copy=True), verdict=Verdict.PART),))]
    (match,) = merge(rankings, ALL | {"points": other}, lambda distance, spec: 0.7, calibration=calibrated())
    assert (match.verdict, match.score) == (Verdict.PART, 0.7)


def test_equal_bytes_need_no_calibration() -> None:
    (match,) = merge([Ranking("hash", ())], ALL, linear, same_files=[3], calibration=calibrated())
    assert (match.verdict, match.score) == (Verdict.SAME_FILE, 1.0)


def test_the_orientation_is_that_of_the_proof_else_of_the_hash_that_turned() -> None:
    turned = Orientation(90, True)
    hashes = Ranking("hash", (Hit(1, 0.0, turned), Hit(2, 0.0, turned)))
    points = Ranking("points", (replace(hit(proof(is_copy=True)), orientation=Orientation(180)),))
    matches = {m.image_id: m for m in merge([hashes, points], ALL, linear, calibration=calibrated())}
    assert matches[1].orientation == Orientation(180)
    assert matches[2].orientation == turned


def test_odds_tell_how_surely_both_show_the_same_whatever_the_verdict() -> None:
    """A copy by its hash: −1 + 4.5 − 1 = 2.5; the next frame of a film: 3 for the scene, −5.5 for a copy."""
    rankings = [Ranking("hash", (Hit(1, 6.0), Hit(2, 6.0))), Ranking("points", (hit(proof(is_copy=False)),))]
    by_image = {match.image_id: match for match in merge(rankings, ALL, linear, calibration=calibrated())}
    assert by_image[1].odds == pytest.approx(3.0)
    assert by_image[2].odds == pytest.approx(2.5)


def test_the_same_bytes_are_sure_and_without_a_calibration_there_are_no_odds() -> None:
    flat = Ranking("hash", (Hit(2, 0.0, quality=0.0),))
    (match,) = merge([flat], SPECS, linear, same_files=[2], calibration=calibrated())
    assert match.odds == CLAMP
    assert [match.odds for match in merge([flat], SPECS, linear, same_files=[2])] == [None]


def test_of_equally_high_scores_the_surer_comes_first() -> None:
    """Scores level off where the last step does; odds do not."""
    level = replace(calibrated(), last={Verdict.SAME_PICTURE: Scale((0.0,), (3.0,))})
    hashes = Ranking("hash", (Hit(1, 8.0), Hit(2, 2.0)))
    first, second = merge([hashes], SPECS, linear, calibration=level)
    assert first.score == second.score
    assert (first.image_id, second.image_id) == (2, 1)
