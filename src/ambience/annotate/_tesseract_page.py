"""A whole picture read by Tesseract alone, for those who ask for that engine."""

from collections.abc import Mapping

import numpy as np

from ambience.annotate._line_reading import ReadLine, joined
from ambience.annotate._tesseract import Tesseract, words_of
from ambience.datatypes import RgbImage
from ambience.models.ocr.decoding import Reading

LONGEST_S = 120.0
"""Seconds after which a picture is given up."""

MAX_SIDE = 32_000
"""Pixels; Tesseract itself refuses pictures above 32,767."""


def read_page(rgb: RgbImage, engine: Tesseract, languages: str) -> list[ReadLine]:
    """Lines of a picture, where Tesseract sees them; none where it fails or takes too long.

    Args:
        rgb: (H, W, 3) uint8; what lies beyond 32,000 pixels is not read.
        engine: as it is installed.
        languages: joined by "+".

    Returns:
        Lines with upright boxes.
    """
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(rgb[:MAX_SIDE, :MAX_SIDE]), cv2.COLOR_RGB2GRAY)
    lines: dict[tuple[str, ...], list[Mapping[str, str]]] = {}
    for word in words_of(engine.table(np.asarray(grey, np.uint8), languages, mode=3, longest_s=LONGEST_S)):
        place = tuple(word[part] for part in ("block_num", "par_num", "line_num"))
        lines.setdefault(place, []).append(word)
    return [_line(words) for words in lines.values()]


def _line(words: list[Mapping[str, str]]) -> ReadLine:
    boxes = np.array(
        [[float(word[side]) for side in ("left", "top", "width", "height")] for word in words], np.float32
    )
    left, top = boxes[:, :2].min(axis=0)
    right, bottom = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    quad = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)
    told = [Reading(word["text"], max(0.0, float(word["conf"]) / 100)) for word in words]
    # Letters of such boxes are not sparse for a reason that concerns Tesseract, so the aspect is not told.
    return ReadLine(quad, joined(told), 1.0, 1.0)
