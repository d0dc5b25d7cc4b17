"""Pictures with known text: those of a manifest, and copies of ICDAR 2015 and SROIE given by path."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ambience.datatypes import Picture, PixelNeed
from ambience.decode.image import Decoder
from ambience.settings import DecodeSettings

NEED = PixelNeed(4096)
TESSERACT = {
    "en": "eng", "la": "eng", "sr": "srp", "ru": "rus", "el": "ell", "hi": "hin", "ta": "tam", "fa": "ara",
    "ko": "kor", "zh": "chi_sim", "ja": "jpn", "mul": "eng+deu",
}  # fmt: skip
"""What Tesseract alone is asked for, by the language that a manifest names."""


@dataclass(frozen=True)
class Sample:
    """A picture and what stands in it.

    Attributes:
        source: which set it is of.
        name: of its file.
        picture: decoded.
        text: that stands in it.
        ignored: (N, 4, 2) corners in pixels of what nobody could read and what is read there does not count.
        languages: that Tesseract alone is asked for.
    """

    source: str
    name: str
    picture: Picture
    text: str
    ignored: np.ndarray
    languages: str


def manifest_samples(folder: Path) -> Iterator[Sample]:
    """Pictures of a folder's `manifest.json` whose text is known and not empty."""
    for entry in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        if not entry.get("text"):
            continue
        boxes = [word["box"] for word in entry.get("words", ()) if word.get("ignore")]
        yield Sample(
            entry["source"],
            entry["path"],
            _decoded(folder / entry["path"]),
            entry["text"],
            np.array(boxes, np.float64).reshape(-1, 4, 2),
            TESSERACT.get(entry["lang"], "eng"),
        )


def annotated_samples(folder: Path, title: str) -> Iterator[Sample]:
    """Pictures of a copy of ICDAR 2015 or SROIE: beside each lies `gt_NAME.txt` or `NAME.txt`.

    Its lines are eight numbers, the corners, and the text; "###" is what nobody could read.
    """
    for file in sorted([*folder.rglob("*.jpg"), *folder.rglob("*.png")]):
        truths = [file.with_name(f"gt_{file.stem}.txt"), file.with_suffix(".txt")]
        truth = next((each for each in truths if each.is_file()), None)
        if truth is None:
            continue
        rows = [row.split(",", 8) for row in truth.read_text(encoding="utf-8-sig").splitlines()]
        rows = [row for row in rows if len(row) == 9]
        ignored = [[float(number) for number in row[:8]] for row in rows if row[8] == "###"]
        text = "\n".join(row[8] for row in rows if row[8] != "###")
        boxes = np.array(ignored, np.float64).reshape(-1, 4, 2)
        yield Sample(title, file.name, _decoded(file), text, boxes, "eng")


def text_counted(sample: Sample, lines: Sequence[tuple[str, float, float]]) -> str:
    """What was read, without lines whose middle stands where nothing counts.

    Args:
        sample: the picture.
        lines: text, and x and y of the middle as fractions of the picture.
    """
    return "\n".join(text for text, x, y in lines if not _is_ignored(sample, x, y))


def _is_ignored(sample: Sample, x: float, y: float) -> bool:
    import cv2

    point = (x * sample.picture.width, y * sample.picture.height)
    return any(cv2.pointPolygonTest(box.astype(np.float32), point, False) >= 0 for box in sample.ignored)


def _decoded(file: Path) -> Picture:
    return Decoder(DecodeSettings(), [NEED]).decode(file.read_bytes(), name=file.name)
