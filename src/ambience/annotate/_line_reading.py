"""Lines that were found, read by the model, in the direction in which they make most sense."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ambience.annotate._line_crops import Quad, cut_out, directions, pieces
from ambience.annotate._text_finding import FoundText
from ambience.datatypes import RgbImage
from ambience.models.ocr.decoding import NOTHING, Reading
from ambience.models.ocr.reader import LINE_HEIGHT, TextReader
from ambience.phonetics.scripts import COMMON, script_of

SURE = 0.9
"""Confidence from which a line is read neither in another direction nor by another engine."""

DENSE = 0.4
"""Letters for each height of a line that full lines have at least: Chinese has 0.8, Latin 1.5 to 3. The model
answers letters of scripts that it lacks by spaces, so that what it makes of such lines is sparse."""


WIDE_SIGN = 1.5
"""Length over height from which one letter alone is doubtful: signs of Chinese are square, and whole words of
Devanagari are read as one of them."""

TURNED_LEAST, TURNED_MARGIN = 0.85, 0.1
"""What a line is worth at least in another direction, and by how much more than in its likeliest one, to be
taken so: what the model cannot read at all must stay upright for another engine."""

READS_WELL = frozenset({"Latn", "Hani", "Hira", "Kana", COMMON})
"""Scripts that the model reads. It knows Greek letters as well, of formulas, but none with an accent."""


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line and what was read in it.

    Attributes:
        quad: its corners in pixels of the picture, from the upper left of its text.
        reading: the text, NFC, and its confidence.
        score: how sure the finding network was that it is text.
        aspect: its length over its height.
        language: BCP 47, where an engine was asked for one.
    """

    quad: Quad
    reading: Reading
    score: float
    aspect: float
    language: str = ""

    @property
    def worth(self) -> float:
        """Confidence, less where the text is sparse, 0–1."""
        return self.reading.confidence * min(1.0, letters(self.reading.text) / max(DENSE * self.aspect, 1.0))

    @property
    def is_doubtful(self) -> bool:
        """Whether another direction or engine may make more of it."""
        is_wide_sign = letters(self.reading.text) == 1 and self.aspect >= WIDE_SIGN
        return self.worth < SURE or is_wide_sign or script_of(self.reading.text) not in READS_WELL


def read_lines(rgb: RgbImage, found: FoundText, reader: TextReader) -> list[ReadLine]:
    """Reads every line that was found.

    Each is read in its likeliest direction; what is doubtful then also in its others, of which one is taken
    that makes clearly more sense.

    Args:
        rgb: (H, W, 3) uint8.
        found: in it.
        reader: of the model.

    Returns:
        In the order of the boxes, those in which nothing was read included.

    Raises:
        ModelError: the model is unusable.
    """
    lines = []
    for corners, score in zip(found.corners, found.scores, strict=True):
        first, *others = directions(corners)
        line = _read(rgb, first, float(score), reader)
        for quad in others:
            if not line.is_doubtful:
                break
            turned = _read(rgb, quad, float(score), reader)
            if turned.worth >= max(TURNED_LEAST, line.worth + TURNED_MARGIN):
                line = turned
        lines.append(line)
    return lines


def is_kept(reading: Reading, least: float) -> bool:
    """Whether a reading is told: it holds a letter or digit, and is sure enough for its length.

    Things in photographs are read as single letters with a confidence up to 0.98, and as short words up to
    0.7; so one letter needs 0.99, two 0.85, and more what the settings say.
    """
    count = sum(sign.isalnum() for sign in reading.text)
    return count > 0 and reading.confidence >= max(least, {1: 0.99, 2: 0.85}.get(count, 0.0))


def joined(readings: Sequence[Reading]) -> Reading:
    """Pieces of one line as one, with spaces between them; the confidence weighted by letters."""
    told = [reading for reading in readings if reading.text.strip()]
    if not told:
        return NOTHING
    weights = [letters(reading.text) for reading in told]
    confidence = float(np.average([reading.confidence for reading in told], weights=weights))
    return Reading(tidy(" ".join(reading.text for reading in told)), confidence)


def tidy(text: str) -> str:
    """NFC, each run of white space one space, none at the ends, nothing that is not shown."""
    shown = (" " if sign.isspace() else sign for sign in unicodedata.normalize("NFC", text))
    kept = (sign for sign in shown if unicodedata.category(sign) not in ("Cc", "Cs", "Cn"))
    return " ".join("".join(kept).split())


def letters(text: str) -> int:
    """Characters that are no spaces."""
    return len(text) - sum(map(str.isspace, text))


def _read(rgb: RgbImage, quad: Quad, score: float, reader: TextReader) -> ReadLine:
    line = cut_out(rgb, quad)
    reading = joined(reader.read(pieces(line)))
    return ReadLine(quad, reading, score, line.shape[1] / LINE_HEIGHT)
