"""Scales, log-odds and files of a calibration: expected values by hand."""

import json
import math
from pathlib import Path

import pytest

from ambience.datatypes import FeatureSpec
from ambience.errors import SettingsError
from ambience.fuse.calibration import (
    CLAMP,
    Calibration,
    Claim,
    Scale,
    Witness,
    from_document,
    logistic,
    read_calibration,
    shipped,
    to_document,
)
from ambience.making import make_extractors
from ambience.settings import Settings


def made() -> Calibration:
    witness = Witness({"distance": Scale((0.0, 10.0), (4.0, -2.0))}, {"absent": -1.0}, 0.5)
    return Calibration(
        {"hash": "hash-scaled-v1"},
        {claim: {"hash": witness} for claim in Claim},
        dict.fromkeys(Claim, -3.0),
        {"part": Scale((-10.0, 10.0), (-19.0, 21.0))},
        {"fitted": "by hand"},
    )


@pytest.mark.parametrize(
    ("figure", "expected"), [(-5.0, 4.0), (0.0, 4.0), (5.0, 1.0), (7.5, -0.5), (10.0, -2.0), (99.0, -2.0)]
)
def test_a_scale_is_linear_between_knots_and_level_beyond(figure: float, expected: float) -> None:
    assert Scale((0.0, 10.0), (4.0, -2.0)).at(figure) == pytest.approx(expected)


def test_a_scale_of_one_knot_is_level() -> None:
    assert [Scale((1.0,), (2.0,)).at(figure) for figure in (0.0, 1.0, 2.0)] == [2.0, 2.0, 2.0]


def test_a_witness_tells_by_level_and_nothing_of_what_no_fit_has_seen() -> None:
    witness = made().witnesses[Claim.COPY]["hash"]
    assert witness.llr("distance", 5.0) == pytest.approx(1.0)
    assert witness.llr("absent", None) == -1.0
    assert witness.llr("pixels_agree", 20.0) == 0.0


def test_log_odds_are_the_offset_and_the_weighted_sum() -> None:
    """−3 + 0.5 · 4 = −1; a kind that the calibration has no witness of says nothing."""
    assert made().log_odds(Claim.COPY, {"hash": 4.0, "other": 9.0}) == pytest.approx(-1.0)
    assert made().log_odds(Claim.COPY, {}) == -3.0


def test_a_level_that_pixels_part_is_read_as_the_whole_one_where_no_fit_has_seen_it() -> None:
    whole = made().witnesses[Claim.COPY]["hash"]
    assert whole.llr("distance pixels differ", 5.0) == pytest.approx(1.0)
    assert whole.llr("absent pixels differ", None) == -1.0
    parted = Witness({**whole.scales, "distance pixels differ": Scale((0.0,), (-7.0,))}, {}, 0.5)
    assert parted.llr("distance pixels differ", 5.0) == -7.0


def test_the_last_step_is_there_for_some_verdicts() -> None:
    assert made().probability("part", 1.0) == pytest.approx(1 / (1 + math.exp(-3)))
    assert made().probability("part", 99.0) == pytest.approx(1 / (1 + math.exp(-21)))
    assert made().probability("edited", 1.0) == pytest.approx(1 / (1 + math.exp(-1)))


def test_the_logistic_function_overflows_on_neither_side() -> None:
    assert (logistic(0.0), logistic(1e6), logistic(-1e6)) == (0.5, 1.0, 0.0)


def test_it_knows_the_features_that_it_was_fitted_to_wherever_they_are_kept() -> None:
    spec = FeatureSpec("hash", "", 64, "uint8", "hamming", 1, 1)
    other = FeatureSpec("hash", "", 64, "uint8", "hamming", 2, 1)
    away = FeatureSpec("hash", "", 64, "uint8", "hamming", 1, 1, is_elsewhere=True)
    assert [made().knows(each) for each in (spec, away, other)] == [True, True, False]


def test_a_calibration_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps(to_document(made())), encoding="utf-8")
    assert read_calibration(file) == made()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 1}', '{"form": 2}', '{"form": 2, "claims": []}'])
def test_a_file_that_is_none_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    file = tmp_path / "own.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"own\.json .*fit_calibration"):
        read_calibration(file)
    with pytest.raises(SettingsError, match="fit_calibration"):
        read_calibration(tmp_path / "absent.json")


def test_figures_that_do_not_rise_and_numbers_that_are_none_are_refused() -> None:
    document = to_document(made())
    scales = document["claims"]["copy"]["witnesses"]["hash"]["scales"]
    scales["distance"] = [[1.0, 0.0], [1.0, 2.0]]
    with pytest.raises(ValueError, match="must rise"):
        from_document(document)
    scales["distance"] = [[1.0, math.nan]]
    with pytest.raises(ValueError, match="finite"):
        from_document(document)


def test_the_one_that_ships_knows_the_kinds_as_they_are_by_default() -> None:
    """Raised versions need a new fit: tools/fit_calibration.py."""
    calibration = shipped()
    kinds = {kind: each.spec for kind, each in make_extractors(Settings()).items()}
    assert [kind for kind, spec in kinds.items() if not calibration.knows(spec)] == []
    assert calibration.provenance["fitted"]


def test_what_ships_proves_no_more_than_its_pairs_can_and_rises_or_falls_throughout() -> None:
    for witnesses in shipped().witnesses.values():
        for witness in witnesses.values():
            assert 0 <= witness.weight <= 1
            for scale in witness.scales.values():
                assert max(map(abs, scale.llrs)) <= CLAMP + 1e-3
                assert list(scale.llrs) in (sorted(scale.llrs), sorted(scale.llrs, reverse=True))
    assert set(shipped().last) == {"same_picture", "edited", "part", "same_scene", "look_alike"}
    for scale in shipped().last.values():
        assert list(scale.llrs) == sorted(scale.llrs)
