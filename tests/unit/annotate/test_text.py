"""Text in pictures with the real networks: read, placed, ordered; bad pictures take bounded time."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ambience.annotate._line_reading import is_kept, tidy
from ambience.annotate.text import TextInPictures, TextOptions
from ambience.datatypes import Picture, RgbImage
from ambience.errors import MissingModelError, SettingsError
from ambience.models.ocr.decoding import Reading
from ambience.models.runtime import Models
from ambience.phonetics.scripts import script_of
from ambience.settings import ModelSettings
from ambience.settings_sources import options_from
from ambience.words import TextLine

LINES = ("The quick harbour bridge", "Twelve silver gardens", "Order 4821, 7.50 EUR")


@pytest.fixture(scope="module")
def models(models_folder: Path) -> Models:
    return Models(ModelSettings(folder=models_folder, threads=1))


@pytest.fixture(scope="module")
def annotator(models: Models) -> TextInPictures:
    return TextInPictures(TextOptions(engine="ppocr"), models=models)


def read(annotator: TextInPictures, rgb: RgbImage) -> tuple[TextLine, ...]:
    (annotation,) = annotator.annotate([Picture(rgb, rgb.shape[1], rgb.shape[0], "png")])
    assert annotation.is_empty is not bool(annotation.lines)
    return annotation.lines


def page(lines: tuple[str, ...] = LINES, size: int = 30, width: int = 560) -> RgbImage:
    picture = Image.new("RGB", (width, 30 + len(lines) * size * 2), (240, 235, 225))
    pen = ImageDraw.Draw(picture)
    for number, line in enumerate(lines):
        pen.text((25, 20 + number * size * 2), line, font=ImageFont.load_default(size), fill=(30, 20, 60))
    return np.asarray(picture)


def test_lines_are_read_in_order_with_their_places(annotator: TextInPictures) -> None:
    rgb = page()
    lines = read(annotator, rgb)
    assert tuple(line.text for line in lines) == LINES
    assert {line.script for line in lines} == {"Latn"}
    assert min(line.confidence for line in lines) > 0.9
    for number, line in enumerate(lines):
        middle = np.mean(line.quad, axis=0) * (rgb.shape[1], rgb.shape[0])
        assert middle[1] == pytest.approx(20 + number * 60 + 17, abs=8)
        assert line.quad[0].x < line.quad[1].x
        assert line.quad[0].y < line.quad[3].y


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turned_pictures_are_read_as_well(annotator: TextInPictures, turns: int) -> None:
    lines = read(annotator, np.ascontiguousarray(np.rot90(page(), turns)))
    assert tuple(line.text for line in lines) == LINES
    first, second = lines[0].quad[0], lines[0].quad[1]
    along = {1: second.y < first.y, 2: second.x < first.x, 3: second.y > first.y}
    assert along[turns], "the quad starts at the upper left of the text itself"


def test_pictures_without_text_have_no_lines(annotator: TextInPictures) -> None:
    noise = np.random.default_rng(8).integers(0, 255, (400, 600, 3), dtype=np.uint8)
    for rgb in (noise, np.full((300, 300, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)):
        assert read(annotator, rgb) == ()


def test_a_long_strip_is_read_in_bounded_time(annotator: TextInPictures) -> None:
    strip = np.full((40, 12_000, 3), 255, np.uint8)
    strip[:, 6000:6560] = page(("The quick harbour bridge",))[18:58, :560]
    start = time.process_time()
    lines = read(annotator, strip)
    assert time.process_time() - start < 30
    assert "harbour" in " ".join(line.text for line in lines)


def test_small_text_of_a_large_page_is_read(annotator: TextInPictures) -> None:
    rgb = np.full((2400, 3200, 3), 250, np.uint8)
    block = page(size=18, width=300)
    rgb[1500 : 1500 + len(block), 2000:2300] = block
    assert tuple(line.text for line in read(annotator, rgb)) == LINES


@pytest.mark.slow
def test_a_page_of_thousands_of_words(annotator: TextInPictures) -> None:
    words = [
        "harbour",
        "window",
        "bridge",
        "seven",
        "evening",
        "letter",
        "market",
        "silver",
        "garden",
        "railway",
    ]
    random = np.random.default_rng(4)
    lines = tuple(" ".join(random.choice(words, 14)) for _ in range(120))
    found = " ".join(line.text for line in read(annotator, page(lines, size=14, width=1000))).split()
    right = sum(found.count(word) for word in words)
    assert right > 0.97 * 120 * 14


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_the_second_engine_leaves_alone_what_the_first_reads(
    models: Models, annotator: TextInPictures
) -> None:
    both = TextInPictures(TextOptions(), models=models)
    assert read(both, page()) == read(annotator, page())


def test_the_fingerprint_names_all_that_lines_depend_on(models: Models) -> None:
    made = [
        TextInPictures(options, models=models).fingerprint
        for options in (
            TextOptions(engine="ppocr"),
            TextOptions(engine="ppocr", min_confidence=0.5),
            TextOptions(engine="ppocr", first_pixels=500_000),
            TextOptions(engine="tesseract"),
        )
    ]
    assert len(set(made)) == 4
    assert "ppocr-v6-small" in made[0]
    assert "ppocr-v6-small" not in made[3]


def test_a_missing_model_names_the_command(tmp_path: Path) -> None:
    annotator = TextInPictures(
        TextOptions(engine="ppocr"), models=Models(ModelSettings(folder=tmp_path, threads=1))
    )
    with pytest.raises(MissingModelError, match="ambience models install ppocr-v6-small"):
        read(annotator, page())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("engine", "abbyy", "engine = 'abbyy'; it can be auto, ppocr, tesseract"),
        ("languages", "ru,tlh", "languages holds 'tlh'; known are"),
        ("min_confidence", "1.5", "it can be 0 to 1"),
        ("tile_side", "1000", "a multiple of 64 up to 2048"),
    ],
)
def test_settings_out_of_range_are_refused(models: Models, name: str, value: str, message: str) -> None:
    options = options_from(TextOptions, {name: value}, where="annotate.text")
    with pytest.raises(SettingsError, match=message):
        TextInPictures(options, models=models)


def test_short_readings_must_be_surer() -> None:
    assert is_kept(Reading("Hotel", 0.75), 0.7)
    assert not is_kept(Reading("Hotel", 0.65), 0.7)
    assert not is_kept(Reading("W", 0.97), 0.7)
    assert not is_kept(Reading("—.", 1.0), 0.7)


def test_what_is_shown_of_text() -> None:
    assert tidy("  a\u3000b\n\x00c\u0301 ") == "a b ć"
    assert script_of("Москва 2024") == "Cyrl"
    assert script_of("東京タワー") == "Kana"
    assert script_of("12:30") == "Zyyy"
