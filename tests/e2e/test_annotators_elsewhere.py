"""Annotators of other processes: shown the pixels, and what they say is kept here."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ambience
from ambience.annotate.tags import Tags, TagsOptions
from ambience.datatypes import Picture
from ambience.errors import MissingModelError, ModelError, SettingsError
from ambience.models.runtime import Models
from ambience.search.remote_annotator import AnnotationDocument, RemoteAnnotator
from ambience.serve.topology import alone
from ambience.settings import ModelSettings, Settings
from ambience.words import Annotation, Caption, Corner, Tag, TextLine
from support.fake_service import Script, answering, problem, told
from support.services import only, served, wait_until
from support.silent import SILENT

QUAD = (Corner(0, 0), Corner(1, 0), Corner(1, 0.5), Corner(0, 0.5))
SAID = Annotation(
    (TextLine("Straße", QUAD, 0.5, "Latn", "de"),), (Tag("street", "starter", 0.9),), Caption("a", "m", -1.5)
)
PICTURE = Picture(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), 4, 4, "png")


def remote(url: str) -> RemoteAnnotator:
    return RemoteAnnotator(Tags(TagsOptions(), models=Models(ModelSettings())), url, connections=1)


def test_what_is_said_comes_back_as_it_was() -> None:
    sent = AnnotationDocument.of("tags", SAID).model_dump_json()
    with answering(Script(lambda *_: told(json.loads(sent)))) as script:
        annotator = remote(script.url)
        assert annotator.annotate([PICTURE, PICTURE]) == [SAID, SAID]
        assert script.asked == [("POST", "/v1/annotators/tags")] * 2
        annotator.close()


@pytest.mark.parametrize(
    "answer",
    [
        problem(500, "store_failed"),
        problem(503, "model_missing"),
        told({"name": "text", "protocol": 1}),
        told({"name": "tags", "protocol": 2}),
        told({"name": "tags", "protocol": 1, "tags": [{"text": ""}]}),
        (200, b"<html>", ""),
    ],
)
def test_pictures_wait_while_a_service_cannot_be_used(answer: Any) -> None:
    with answering(Script(lambda *_: answer)) as script:
        annotator = remote(script.url)
        with pytest.raises(ModelError):
            annotator.annotate([PICTURE])
        with pytest.raises(ModelError):
            annotator.original_tags(PICTURE)
        annotator.close()


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    annotate = {**SILENT, "tags": {"url": "tags:33341"}}
    with pytest.raises(SettingsError, match=r"annotate\.tags\.url"):
        ambience.open(settings=Settings(library=tmp_path, annotate=annotate), writer=True)


def test_a_gateway_keeps_what_a_service_says(tmp_path: Path, photographs: Path) -> None:
    service = alone(Settings(library=tmp_path / "tags"), "tags")
    with ambience.open(settings=service, writer=True) as tagger, served(tagger, kind="tags") as port:
        url = f"http://127.0.0.1:{port}"
        settings = only(tmp_path / "gateway", {"phash": {}})
        settings = Settings(
            library=settings.library, kinds=settings.kinds, annotate={**SILENT, "tags": {"url": url}}
        )
        picture = (photographs / "chelsea.png").read_bytes()
        expected = tagger.annotate_picture("tags", picture)
        assert not expected.is_empty
        with ambience.open(settings=settings, writer=True) as gateway:
            image_id = gateway.add_image(picture).image_id
            wait_until(lambda: bool(gateway.words(image_id).tags), timeout_s=60)
            assert {tag.text for tag in gateway.words(image_id).tags} == {tag.text for tag in expected.tags}
            with pytest.raises(MissingModelError, match="places365-wideresnet18"):
                gateway.original_tags(picture)
