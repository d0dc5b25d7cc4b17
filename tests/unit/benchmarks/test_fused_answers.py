"""All kinds together as the benchmark asks them: a copy is found, and not where its picture is masked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ambience.answers import Match
from ambience.datatypes import UPRIGHT, Verdict
from fused_answers import FusedPlan, in_order, scores
from photos import find_photos
from transforms import jpeg_bytes


def match(image_id: int, odds: float) -> Match:
    return Match(image_id, Verdict.PART, 0.9, UPRIGHT, (), odds)


def test_a_score_is_minus_the_logarithm_of_the_probability_of_nothing_in_common() -> None:
    """ln(1 + e^0) = ln 2; ln(1 + e^ln 9) = ln 10: one in ten shows nothing."""
    found = [value for _, value in scores([match(1, 0.0), match(2, float(np.log(9)))])]
    assert found == pytest.approx([np.log(2), np.log(10)])


def test_what_stands_behind_another_scores_below_it() -> None:
    (_, first), (_, second), (_, third) = in_order([match(1, 2.0), match(2, 5.0), match(3, 1.0)])
    assert first == pytest.approx(np.log1p(np.exp(2.0)))
    assert first > second > 0.999 * first
    assert third == pytest.approx(np.log1p(np.exp(1.0)))


def test_a_copy_finds_its_picture_and_not_where_that_is_masked(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plan = FusedPlan(find_photos(photographs))
    plan.prepare()
    searcher = plan.open()
    photo = next(each for each in plan.photos if each.path.name == "coffee.png")
    with Image.open(photo.path) as file:
        smaller = np.asarray(file.convert("RGB").resize((300, 200)))
    answer = searcher.ask(jpeg_bytes(smaller, 80), photo.key)
    assert answer.found[0].key == photo.key
    assert answer.found[0].score > np.log(2)
    assert photo.key not in {hit.key for hit in answer.masked}
    assert all(hit.score < np.log(2) for hit in answer.masked)
    assert {hit.key for hit in searcher.ask(jpeg_bytes(smaller, 80), None).masked} >= {photo.key}
