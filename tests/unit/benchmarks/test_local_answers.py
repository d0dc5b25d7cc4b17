"""A library of the benchmark: a crop is found, and not where its picture is masked."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from local_answers import LocalPlan, accepts_from
from photos import find_photos
from transforms import jpeg_bytes, random_crop


@pytest.fixture
def plan(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalPlan:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return LocalPlan(find_photos(photographs))


def test_a_crop_finds_its_picture_and_nothing_where_that_is_masked(plan: LocalPlan):
    plan.prepare()
    searcher = plan.open()
    photo = next(each for each in plan.photos if each.path.name == "coffee.png")
    with Image.open(photo.path) as file:
        crop = random_crop(np.asarray(file.convert("RGB")), np.random.default_rng(1), 0.4, 96)
    answer = searcher.ask(jpeg_bytes(crop, 90), photo.key)
    assert answer.found[0].key == photo.key
    assert answer.found[0].score > accepts_from()
    assert photo.key not in {hit.key for hit in answer.masked}
    assert answer.cpu_s > 0
    assert searcher.ask(jpeg_bytes(crop, 90), None).masked == answer.found
    assert searcher.among(jpeg_bytes(crop, 90), [photo.key]).found[0].key == photo.key


def test_a_blank_query_finds_nothing(plan: LocalPlan):
    plan.prepare()
    assert plan.open().ask(jpeg_bytes(np.full((64, 64, 3), 200, np.uint8), 90), None).found == ()


def test_a_library_is_made_once(plan: LocalPlan):
    plan.prepare()
    made = (plan.library / "ready").stat().st_mtime_ns
    plan.prepare()
    assert (plan.library / "ready").stat().st_mtime_ns == made
    assert plan.folder.parent == plan.library
    assert LocalPlan(plan.photos[1:]).library != plan.library
