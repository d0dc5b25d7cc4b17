"""The fit of a calibration to answers of which the truth is known, without asking anything."""

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest

from ambience.answers import Hit, Ranking
from ambience.datatypes import FeatureSpec, Verdict
from ambience.fuse.calibration import Claim, logistic
from kept_rankings import Answered, Asked
from labelled_pairs import Labelled

HASH = FeatureSpec("hash", "", 64, "uint8", "hamming", 1, 1, verdicts=((Verdict.SAME_PICTURE, 30.0),))
PICTURES = 60


@pytest.fixture(scope="module")
def fit() -> ModuleType:
    tool = Path(__file__).parents[3] / "tools" / "fit_calibration.py"
    spec = importlib.util.spec_from_file_location("fit_calibration", tool)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found() -> Asked:
    """Each picture was asked for eight times: copies at distances about 10, five others each about 40."""
    draw = random.Random(1)
    keys = [f"picture {number}" for number in range(PICTURES)]
    answers = []
    for number in range(8 * PICTURES):
        own = number % PICTURES
        others = draw.sample([place for place in range(PICTURES) if place != own], 5)
        hits = [Hit(own, max(0.0, draw.gauss(10, 8)))]
        hits += [Hit(place, max(0.0, draw.gauss(40, 8))) for place in others]
        is_kept = number // PICTURES % 2 == 0
        group, truth = ("half size", "same_picture") if is_kept else ("watermark", "edited")
        query = Labelled(str(number).encode(), group, {keys[own]: truth})
        ranking = Ranking("hash", tuple(sorted(hits, key=lambda hit: hit.distance)))
        answers.append(Answered(query, (), (ranking,)))
    return Asked(keys, [""] * PICTURES, {"hash": HASH}, answers)


def test_a_near_hash_proves_a_copy_and_a_far_one_none(fit: ModuleType, found: Asked) -> None:
    calibration = fit.fitted([found])
    witness = calibration.witnesses[Claim.COPY]["hash"]
    assert witness.llr("distance", 5.0) > 2 > -2 > witness.llr("distance", 45.0)
    assert calibration.provenance["copy"]["pairs"] == 6 * 8 * PICTURES
    assert calibration.provenance["copy"]["of which it holds for"] == 8 * PICTURES
    assert calibration.fingerprints == {"hash": HASH.fingerprint}


def test_a_verdict_says_how_often_it_was_right(fit: ModuleType, found: Asked) -> None:
    """The hash cannot tell a re-saved picture from one with a watermark: whatever it says, half are right."""
    last, facts = fit.last_of([found])
    assert set(last) == set(facts)
    many = [verdict for verdict, fact in facts.items() if fact["pairs"] > 100]
    assert set(many) & {"same_picture", "edited"}
    for verdict in many:
        assert facts[verdict]["of which right"] == pytest.approx(0.5, abs=0.12)
        assert logistic(last[verdict].at(2.0)) == pytest.approx(facts[verdict]["of which right"], abs=0.12)


def test_pairs_of_one_photograph_are_in_one_group(fit: ModuleType, found: Asked) -> None:
    groups = [group for _, _, group in fit.grouped([found])]
    assert groups == [number % PICTURES for number in range(8 * PICTURES)]
