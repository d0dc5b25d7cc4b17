"""Captions as pictures get them: which model is used, and what is said where there is none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambience.annotate.caption import CaptionAnnotator, CaptionOptions
from ambience.datatypes import Picture
from ambience.errors import CorruptModelError, MissingModelError, SettingsError
from ambience.models.row import ModelRow
from ambience.models.runtime import Models
from ambience.registry import load, names
from ambience.settings import ModelSettings
from support.caption_pictures import caption_pictures
from support.mirror import put
from support.tiny_caption_rows import tiny_captioner
from support.tiny_captioners import ROWS, caption_files

FLORENCE, GPT2, OFA = ROWS
PICTURES = [Picture(rgb, rgb.shape[1], rgb.shape[0], "png") for rgb in caption_pictures()[:6]]


@pytest.fixture(scope="module")
def rows() -> dict[str, ModelRow]:
    return {name: tiny_captioner(name, caption_files(name)) for name in ROWS}


def annotator(
    folder: Path, rows: dict[str, ModelRow], *installed: str, options: CaptionOptions | None = None
) -> CaptionAnnotator:
    for name in installed:
        put(folder / name, caption_files(name))
    settings = ModelSettings(folder=folder, precision="f32", threads=1, device="cpu")
    return CaptionAnnotator(options or CaptionOptions(), models=Models(settings, rows))


def test_it_is_found_by_its_name() -> None:
    assert "caption" in names("ambience.annotate")
    assert load("ambience.annotate", "caption") is CaptionAnnotator


def test_a_picture_gets_one_line_with_its_source_and_score(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    made = annotator(tmp_path, rows, OFA).annotate(PICTURES)
    assert len(made) == len(PICTURES)
    captions = [each.caption for each in made if each.caption is not None]
    assert len(captions) == len(PICTURES)
    assert all(each.source == OFA and each.text == " ".join(each.text.split()) for each in captions)
    assert all(-20 < each.score < 0 for each in captions)
    assert len({each.text for each in captions}) >= 4
    assert not any(each.lines or each.tags for each in made)


def test_one_picture_is_described_at_once(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    described = annotator(tmp_path, rows, FLORENCE)
    (made,) = described.annotate(PICTURES[:1])
    assert made.caption is not None
    assert described.caption(PICTURES[0]) == made.caption.text != ""


def test_without_a_model_it_says_how_to_get_one(tmp_path: Path) -> None:
    settings = ModelSettings(folder=tmp_path)
    described = CaptionAnnotator(CaptionOptions(), models=Models(settings))
    words = r"1,088\.2 MB, licence MIT, from https.*\): ambience models install florence-2-base-ft"
    with pytest.raises(MissingModelError, match=words):
        described.annotate(PICTURES[:1])
    with pytest.raises(MissingModelError, match=words):
        described.caption(PICTURES[0])


def test_a_model_that_nobody_publishes_says_how_it_is_made(tmp_path: Path) -> None:
    options = CaptionOptions(model=OFA)
    described = CaptionAnnotator(options, models=Models(ModelSettings(folder=tmp_path)))
    with pytest.raises(MissingModelError, match=r"Nobody publishes .* tools/export_ofa\.py .* --from DIR"):
        described.annotate(PICTURES[:1])


def test_the_model_that_is_there_is_used_and_the_better_one_of_two(
    tmp_path: Path, rows: dict[str, ModelRow]
) -> None:
    described = annotator(tmp_path, rows)
    assert described.model == FLORENCE
    before = described.fingerprint
    put(tmp_path / GPT2, caption_files(GPT2))
    assert described.model == GPT2
    assert described.fingerprint != before
    put(tmp_path / FLORENCE, caption_files(FLORENCE))
    assert described.model == FLORENCE
    assert described.fingerprint == before
    named = annotator(tmp_path, rows, options=CaptionOptions(model=GPT2))
    assert named.model == GPT2


def test_whatever_changes_captions_changes_the_fingerprint(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    plain = CaptionOptions()
    others = (
        plain,
        replace(plain, model=GPT2),
        replace(plain, beams=1),
        replace(plain, max_tokens=20),
        replace(plain, min_tokens=3),
    )
    made = {annotator(tmp_path, rows, options=options).fingerprint for options in others}
    assert len(made) == len(others)


def test_settings_are_heeded(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    longest = annotator(tmp_path, rows, OFA, options=CaptionOptions(max_tokens=24, min_tokens=23))
    shortest = annotator(tmp_path, rows, options=CaptionOptions(max_tokens=2))
    for long, short in zip(longest.annotate(PICTURES), shortest.annotate(PICTURES), strict=True):
        assert long.caption is not None
        assert short.caption is None or len(short.caption.text) < len(long.caption.text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (CaptionOptions(model="dinov2-s14"), "'dinov2-s14', which describes no pictures; have florence"),
        (CaptionOptions(model="blip"), "'blip'"),
        (CaptionOptions(beams=21), r"annotate\.caption\.beams = 21; at most 20"),
        (CaptionOptions(max_tokens=101), r"max_tokens = 101; at most 100"),
        (CaptionOptions(min_tokens=16), r"min_tokens = 16; at most 15"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, options: CaptionOptions, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        CaptionAnnotator(options, models=Models(ModelSettings(folder=tmp_path)))


def test_a_broken_model_is_named(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    described = annotator(tmp_path, rows, GPT2)
    place = tmp_path / GPT2 / "onnx" / "decoder_model_merged.onnx"
    place.write_bytes(bytes(place.stat().st_size))
    with pytest.raises(CorruptModelError, match=r"decoder_model_merged\.onnx is not used"):
        described.annotate(PICTURES[:1])


def test_a_model_that_says_nothing_leaves_nothing(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    """A caption of spaces or of special tokens alone is none."""
    said = rows[GPT2].captioning
    assert said is not None
    silent = {GPT2: replace(rows[GPT2], captioning=replace(said, first=said.end))}
    (made,) = annotator(tmp_path, silent, GPT2).annotate(PICTURES[:1])
    assert made.is_empty
    assert annotator(tmp_path, silent).caption(PICTURES[0]) == ""


def test_pictures_of_one_pixel_and_of_one_row(tmp_path: Path, rows: dict[str, ModelRow]) -> None:
    odd = [np.zeros((1, 1, 3), np.uint8), np.full((1, 500, 3), 9, np.uint8)]
    made = annotator(tmp_path, rows, FLORENCE).annotate([Picture(rgb, 1, 1, "png") for rgb in odd])
    assert [each.caption is not None for each in made] == [True, True]
