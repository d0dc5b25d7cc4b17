"""Text in pictures: found and read by PP-OCR, and by Tesseract where a script needs it.

`_text_finding.py` finds lines, `_line_reading.py` has the model read them, `_second_engine.py` gives
Tesseract what the model cannot read, and `_reading_order.py` puts lines into order.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ambience.annotate._line_reading import ReadLine, is_kept, read_lines
from ambience.annotate._reading_order import reading_order
from ambience.annotate._second_engine import read_doubtful
from ambience.annotate._tesseract import LANGUAGES, Tesseract, installed_tesseract
from ambience.annotate._tesseract_page import read_page
from ambience.annotate._text_finding import SIDE_STEP, find_text
from ambience.datatypes import Picture, PixelNeed, RgbImage
from ambience.errors import MissingModelError, SettingsError
from ambience.models.ocr.reader import MAX_SIDE
from ambience.models.runtime import Models
from ambience.phonetics.scripts import RIGHT_TO_LEFT, script_of
from ambience.settings import setting
from ambience.words import Annotation, Corner, TextLine

__all__ = ["TextInPictures"]

MODEL = "ppocr-v6-small"
"""Row of the catalog of models."""

VERSION = 2
"""Raised whenever the same picture would give other lines."""

ENGINES = ("auto", "ppocr", "tesseract")

READ_BY_MODEL = frozenset({"Latn", "Hani", "Jpan"})
"""Scripts for which Tesseract is only asked where its language is named."""


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Settings of reading text."""

    engine: str = setting(
        "auto",
        "",
        "What reads text: auto (PP-OCR, and Tesseract for scripts that it lacks, where Tesseract is "
        "installed), ppocr, or tesseract alone.",
    )
    languages: tuple[str, ...] = setting(
        (),
        "",
        "Languages that Tesseract reads, as BCP 47 codes (ru, el, hi …); empty: all that are installed, of "
        "scripts that PP-OCR lacks.",
    )
    min_confidence: float = setting(
        0.7, "", "Lines that were read less surely than this (0–1) are left out.", minimum=0
    )
    longest_side: int = setting(
        4096, "pixels", "Larger pictures are reduced to it before text is looked for.", minimum=64
    )
    first_pixels: int = setting(
        1_000_000,
        "pixels",
        "Size at which a whole picture is looked at first; what shows small text is looked at closer.",
        minimum=4096,
    )
    tile_side: int = setting(
        1408, "pixels", "Of the largest part of a picture that is looked at at once.", minimum=192
    )


class TextInPictures:
    """Annotator of lines of text.

    Raises:
        SettingsError: an engine or a language that is not known, or a number out of range.

    Source: Liao et al. 2020 for finding (`models/ocr/boxes.py`), Graves et al. 2006 for reading
    (`models/ocr/decoding.py`), with the networks of PP-OCRv6; Smith, "An overview of the Tesseract OCR
    engine", ICDAR 2007.
    """

    options_class: ClassVar[type[TextOptions]] = TextOptions
    batch: ClassVar[int] = 1

    def __init__(self, options: TextOptions, *, models: Models) -> None:
        _check(options)
        self._options, self._models = options, models
        self.name = "text"
        self.need = PixelNeed(options.longest_side)

    @cached_property
    def _tesseract(self) -> Tesseract | None:
        """Asked for at first use: every command makes the annotators, and few of them read."""
        return installed_tesseract() if self._options.engine != "ppocr" else None

    @cached_property
    def fingerprint(self) -> str:
        """Of the engines, their models and languages, and the settings that change what is read."""
        return _fingerprint(self._options, self._tesseract)

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        """Lines of text in pictures, in their order.

        Returns:
            One annotation a picture: its lines in reading order, with corners as fractions of the picture.

        Raises:
            MissingModelError: PP-OCR, or Tesseract where it is asked for alone, is not installed.
            ModelError: the model is unusable.
        """
        return [Annotation(lines=self._lines(picture.rgb)) for picture in pictures]

    def _lines(self, rgb: RgbImage) -> tuple[TextLine, ...]:
        options = self._options
        if options.engine == "tesseract":
            lines = read_page(rgb, self._alone(), self._page_languages())
        else:
            reader = self._models.text_reader(MODEL)
            found = find_text(
                rgb, reader.chances, first_pixels=options.first_pixels, tile_side=options.tile_side
            )
            lines = read_lines(rgb, found, reader)
            if self._tesseract is not None:
                lines = read_doubtful(rgb, lines, self._tesseract, self._scripts(self._tesseract))
        kept = [line for line in lines if is_kept(line.reading, options.min_confidence)]
        return _in_order(kept, rgb.shape[1], rgb.shape[0])

    def _alone(self) -> Tesseract:
        if self._tesseract is None:
            raise MissingModelError(
                "annotate.text.engine = tesseract, and Tesseract is not installed here, or has no language "
                "that is known. On Debian and Ubuntu: apt install tesseract-ocr tesseract-ocr-eng. Or set "
                "engine = auto"
            )
        return self._tesseract

    def _page_languages(self) -> str:
        """What a whole page is read in: the languages asked for, else those of Latin script."""
        by_script = self._alone().by_script(self._options.languages)
        if self._options.languages:
            return "+".join(by_script.values()) or "eng"
        return by_script.get("Latn") or next(iter(by_script.values()))

    def _scripts(self, tesseract: Tesseract) -> dict[str, str]:
        """What Tesseract is asked for, by script."""
        by_script = tesseract.by_script(self._options.languages)
        if self._options.languages:
            return by_script
        return {script: asked for script, asked in by_script.items() if script not in READ_BY_MODEL}


def _in_order(lines: Sequence[ReadLine], width: int, height: int) -> tuple[TextLine, ...]:
    """Lines as others see them."""
    if not lines:
        return ()
    scripts = [script_of(line.reading.text) for line in lines]
    from_right = sum(script in RIGHT_TO_LEFT for script in scripts) * 2 > len(lines)
    order = reading_order(np.stack([line.quad for line in lines]), from_right)
    return tuple(_as_text_line(lines[place], scripts[place], width, height) for place in order)


def _as_text_line(line: ReadLine, script: str, width: int, height: int) -> TextLine:
    places = np.clip((line.quad + 0.5) / (width, height), 0.0, 1.0)
    first, second, third, fourth = (Corner(float(x), float(y)) for x, y in places)
    confidence = min(max(line.reading.confidence, 0.0), 1.0)
    return TextLine(line.reading.text, (first, second, third, fourth), confidence, script, line.language)


def _check(options: TextOptions) -> None:
    if options.engine not in ENGINES:
        raise SettingsError(f"annotate.text.engine = {options.engine!r}; it can be {', '.join(ENGINES)}")
    if options.min_confidence > 1:
        raise SettingsError(f"annotate.text.min_confidence = {options.min_confidence}; it can be 0 to 1")
    if options.tile_side > MAX_SIDE or options.tile_side % SIDE_STEP:
        raise SettingsError(
            f"annotate.text.tile_side = {options.tile_side}; it can be a multiple of {SIDE_STEP} up to "
            f"{MAX_SIDE}"
        )
    known = sorted({language.code.split("-")[0] for language in LANGUAGES.values() if language.code})
    for code in options.languages:
        if code.split("-")[0].lower() not in known:
            raise SettingsError(f"annotate.text.languages holds {code!r}; known are {', '.join(known)}")


def _fingerprint(options: TextOptions, tesseract: Tesseract | None) -> str:
    """All that lines depend on; the languages of Tesseract, of which there may be a hundred, as a digest."""
    parts = ["text", options.engine]
    if options.engine != "tesseract":
        parts.append(MODEL)
    if tesseract is not None:
        asked = "+".join((*sorted(options.languages), "of", *tesseract.models))
        parts += ["tesseract", tesseract.version, hashlib.sha256(asked.encode()).hexdigest()[:8]]
    sizes = (options.longest_side, options.first_pixels, options.tile_side)
    return "-".join((*parts, f"{options.min_confidence:g}", *map(str, sizes), f"v{VERSION}"))
