"""A kind whose model's weights are missing fails alone, says what is missing, and waits for them."""

from dataclasses import replace
from pathlib import Path

import pytest

import ambience
from ambience.answers import Query
from ambience.datatypes import FeatureState
from ambience.errors import MissingModelError
from ambience.settings import ModelSettings, Settings
from support.checkpoints import checkpoint
from support.hardnet import random_weights


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        library=tmp_path / "library",
        models=ModelSettings(folder=tmp_path / "models"),
        kinds={"local_features": {"descriptor": "hardnet"}},
    )


def test_other_kinds_answer_without_it(settings: Settings, photographs: Path) -> None:
    query = Query(data=(photographs / "coffee.png").read_bytes())
    with ambience.open(settings=settings, writer=True) as library:
        library.add_paths([photographs / "coffee.png"])
        (image,) = library.list_images()
        state, reason = image.features["local_features"]
        assert state == FeatureState.PENDING
        assert "ambience models install hardnet" in reason
        answer = library.search(query)
        fared = {status.kind: status for status in answer.kinds}
        assert fared["phash"].state == fared["color"].state == "ok"
        assert fared["local_features"].state == "failed"
        assert "checkpoint_liberty_with_aug.pth is missing" in fared["local_features"].message
        assert len(answer.matches) == 1
        with pytest.raises(MissingModelError, match="models install hardnet"):
            library.search_kind("local_features", query)


def test_another_file_in_its_place_is_told_as_well(settings: Settings, photographs: Path) -> None:
    place = settings.models.folder / "hardnet" / "checkpoint_liberty_with_aug.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes(checkpoint(random_weights("hardnet"), old=True))
    wrong = replace(settings, models=replace(settings.models, threads=1))
    with ambience.open(settings=wrong, writer=True) as library:
        library.add_paths([photographs / "coffee.png"])
        (image,) = library.list_images()
        reason = image.features["local_features"][1]
    assert "5,345,580 are expected" in reason
    assert "To fetch it again: ambience models install hardnet" in reason
