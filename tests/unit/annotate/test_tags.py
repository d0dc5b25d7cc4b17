"""The annotator of tags: who speaks, what a changed list or a new model changes, when pixels are needed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skimage.data

import ambience
from ambience.annotate._scene_tags import ATTRIBUTES, CLASSES
from ambience.annotate._vocabularies import Vocabularies
from ambience.annotate.base import Stored
from ambience.annotate.tags import Tags, TagsOptions
from ambience.datatypes import Picture
from ambience.errors import EmptyFeatureError, MissingModelError, SettingsError, VocabularyError
from ambience.models.catalog import CATALOG
from ambience.models.runtime import Models
from ambience.models.scenes import attributes, places
from ambience.settings import ModelSettings, Settings
from support import mirror, tiny_rows
from support.scene_models import SCENE_MODELS, scene_files, tiny_scene_row

MODEL = "datacomp-b32-256"

Maker = Callable[..., Tags]


def picture(rgb: np.ndarray) -> Picture:
    return Picture(rgb, rgb.shape[1], rgb.shape[0], "png")


PICTURES = [picture(getattr(skimage.data, name)()) for name in ("coffee", "chelsea", "rocket")]


@pytest.fixture
def models(tmp_path: Path) -> Models:
    """Small networks of the scenes, of which no file is there yet; one for words, which is there."""
    folder = tmp_path / "models"
    rows = {**CATALOG, MODEL: tiny_rows.put(folder, MODEL)}
    for name in SCENE_MODELS:
        sizes = {file: len(data) for file, data in scene_files(name).items()}
        row = tiny_scene_row(name)
        rows[name] = replace(
            row, files=tuple(replace(each, size=sizes[each.name], sha256=None) for each in row.files)
        )
    return Models(ModelSettings(folder=folder, threads=1, precision="f32"), rows)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "library").mkdir()
    return tmp_path / "library"


@pytest.fixture
def make(models: Models, library: Path) -> Maker:
    def made(**options: object) -> Tags:
        return Tags(TagsOptions(**options), models=models, folder=library)  # type: ignore[arg-type]

    return made


def install(tmp_path: Path, name: str) -> None:
    mirror.put(tmp_path / "models" / name, scene_files(name))


def test_the_starter_tags_what_it_knows(make: Maker) -> None:
    tags = make(sources=("starter",))
    coffee, cat, rocket = tags.annotate(PICTURES)
    assert [tag.text for tag in coffee.tags] == ["espresso"]
    assert [tag.text for tag in cat.tags] == ["Egyptian Mau"]
    assert [tag.text for tag in rocket.tags] == []
    assert {tag.source for tag in (*coffee.tags, *cat.tags)} == {"starter"}
    assert all(0.45 < tag.score <= 1 for tag in (*coffee.tags, *cat.tags))
    assert make(sources=("starter",), starter_threshold=0.99).annotate(PICTURES[2:])[0].is_empty


def test_places_speak_once_they_are_installed(make: Maker, tmp_path: Path) -> None:
    tags = make(sources=("places365", "starter"), places365_threshold=0.0)
    (alone,) = tags.annotate(PICTURES[:1])
    before = tags.fingerprint
    assert {tag.source for tag in alone.tags} == {"starter"}
    install(tmp_path, CLASSES)
    between = tags.fingerprint
    install(tmp_path, ATTRIBUTES)
    assert len({before, between, tags.fingerprint}) == 3
    (together,) = tags.annotate(PICTURES[:1])
    assert {tag.source for tag in together.tags} == {"starter", CLASSES, ATTRIBUTES}
    assert {tag.text for tag in together.tags if tag.source == CLASSES} <= {
        "indoor",
        "outdoor",
        *(place.name for place in places()),
    }
    assert {tag.text for tag in together.tags if tag.source == ATTRIBUTES} <= set(attributes())


def test_what_is_switched_on_alone_and_missing_says_how_it_is_had(make: Maker) -> None:
    tags = make(sources=("places365",))
    assert tags.fingerprint.startswith("tags-")
    with pytest.raises(MissingModelError, match="ambience models install places365-resnet50"):
        tags.annotate(PICTURES)
    with pytest.raises(MissingModelError, match="ambience models install places365-wideresnet18"):
        tags.original_tags(PICTURES[0])


def test_the_originals_list_is_always_the_same(make: Maker, models: Models, tmp_path: Path) -> None:
    for name in SCENE_MODELS:
        install(tmp_path, name)
    found = make(sources=(), places365_threshold=0.9).original_tags(PICTURES[0])
    assert found == make().original_tags(PICTURES[0])
    assert len(found) == len(set(found))
    responses = models.classifier(ATTRIBUTES).responses([PICTURES[0].rgb])[0]
    shown = [attributes()[each] for each in np.argsort(-responses) if responses[each] > 0]
    assert found[: len(shown)] == shown
    assert found[len(shown)] in ("indoor", "outdoor")
    assert set(found[len(shown) + 1 :]) <= {place.name for place in places()}
    assert len(found) > len(shown) > 0


def test_words_of_lists_need_no_pixels_where_embeddings_are_stored(make: Maker, models: Models) -> None:
    tags = make(sources=("vocabulary",), model=MODEL, vocabulary_threshold=0.0005)
    vectors = models.embedder(MODEL).embed_pictures([each.rgb for each in PICTURES]).astype(np.float16)
    of_stored, of_pixels = tags.annotate_stored(Stored(MODEL, vectors)), tags.annotate(PICTURES)
    assert of_stored is not None
    assert any(not each.is_empty for each in of_stored)
    for one, other in zip(of_stored, of_pixels, strict=True):
        scores = [tag.score for tag in one.tags]
        assert scores == sorted(scores, reverse=True)
        assert {tag.source for tag in one.tags} <= {"general"}
        assert {tag.text for tag in one.tags[:3]} == {tag.text for tag in other.tags[:3]}
    assert tags.annotate(PICTURES, Stored(MODEL, vectors)) == of_stored


def test_embeddings_of_another_model_say_nothing(make: Maker) -> None:
    tags = make(sources=("vocabulary",), model=MODEL, vocabulary_threshold=0.0005)
    others = Stored("starter", np.eye(len(PICTURES), 384, dtype=np.float16))
    assert tags.annotate_stored(others) is None
    assert tags.annotate(PICTURES, others) == tags.annotate(PICTURES)


def test_sources_that_look_do_not_do_without_pictures(make: Maker) -> None:
    stored = Stored(MODEL, np.zeros((1, 40), np.float16))
    assert make(sources=("starter", "vocabulary"), model=MODEL).annotate_stored(stored) is None
    assert make(sources=()).annotate_stored(stored) is None


def test_a_changed_list_changes_the_fingerprint_and_the_tags(make: Maker, library: Path) -> None:
    tags = make(sources=("vocabulary",), model=MODEL, vocabulary_threshold=0.0, vocabularies=("pets",))
    missing = tags.fingerprint  # which a library needs before anything else
    with pytest.raises(SettingsError, match="'pets'"):
        tags.annotate(PICTURES)
    Vocabularies(library).add("pets", ("my cat", "{} braces"))
    before = tags.fingerprint
    assert before != missing
    (found,) = tags.annotate(PICTURES[1:2])
    assert {(tag.text, tag.source) for tag in found.tags} <= {("my cat", "pets"), ("{} braces", "pets")}
    assert found.tags
    Vocabularies(library).add("pets", ("my dog",))
    assert tags.fingerprint != before
    assert {tag.text for tag in tags.annotate(PICTURES[1:2])[0].tags} <= {"my dog"}
    (library / "vocabularies" / "pets.txt").write_bytes(b"\xff")
    assert tags.fingerprint not in (before, missing)
    with pytest.raises(VocabularyError, match="no text in UTF-8"):
        tags.annotate(PICTURES)


def test_thresholds_and_the_followed_model_are_part_of_the_fingerprint(make: Maker) -> None:
    usual = make()
    before = usual.fingerprint
    assert before == make().fingerprint
    assert make(vocabulary_threshold=0.5).fingerprint != before
    usual.follow(lambda: MODEL)
    assert usual.fingerprint == make(model=MODEL).fingerprint != before
    usual.follow(lambda: "")
    assert usual.fingerprint == before
    fixed = make(model=MODEL)
    fixed.follow(lambda: "starter")
    assert fixed.fingerprint == make(model=MODEL).fingerprint


def test_what_cannot_be_is_refused(make: Maker) -> None:
    with pytest.raises(SettingsError, match=r"names 'imagenet'; have places365, starter, vocabulary"):
        make(sources=("imagenet",))
    with pytest.raises(SettingsError, match=r"annotate\.tags\.model: no model 'clip'"):
        make(model="clip")
    with pytest.raises(SettingsError, match="is for image_embedding"):
        make(model="dinov2-s14")
    with pytest.raises(EmptyFeatureError, match="tags need one pixel"):
        make().annotate([picture(np.empty((0, 4, 3), np.uint8))])
    assert make().annotate([]) == []
    assert make(sources=()).annotate(PICTURES[:2])[1].is_empty


def test_a_library_tags_by_its_model_and_its_lists(library: Path, photographs: Path) -> None:
    """People's tags stay theirs, a list that came is used by the next pass, and images wait for neither."""
    settings = Settings(library=library, annotate={"tags": {"vocabularies": "general,cats"}})
    Vocabularies(library).add("cats", ("my cat",))
    with ambience.open(settings=settings, writer=True) as opened:
        added = opened.add_image((photographs / "chelsea.png").read_bytes(), tags=["cat", "mine"])
        opened.annotate(["tags"])
        first = opened.words(added.image_id).tags
        Vocabularies(library).add("cats", ("ginger cat",))
        opened.annotate(["tags"])
        second = opened.words(added.image_id).tags
    assert [(tag.text, tag.source) for tag in first[:2]] == [("cat", "user"), ("mine", "user")]
    assert {("my cat", "cats"), ("cat", "general"), ("Egyptian Mau", "starter")} <= {
        (tag.text, tag.source) for tag in first
    }
    assert second[:2] == first[:2]
    assert [tag.text for tag in second if tag.source == "cats"] == ["ginger cat"]
