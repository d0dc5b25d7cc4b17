"""What the text annotator reads in pictures, kept between runs: reading costs far more than searching.

Kept by the sha256 of the picture and the fingerprint of the annotator, in the user's cache folder, a file
each, so that a run that was stopped goes on where it was.
"""

import hashlib
import importlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ambience.decode.image import Decoder
from ambience.models.runtime import Models
from ambience.settings import DecodeSettings, ModelSettings
from ambience.words import Corner, TextLine
from report import cache_folder


@dataclass(frozen=True)
class Reading:
    """What was read in one picture.

    Attributes:
        lines: in reading order.
        cpu_s: that reading took, decoding included.
    """

    lines: tuple[TextLine, ...]
    cpu_s: float


class Readings:
    """Reads pictures, or remembers what it read."""

    def __init__(self, models: Path | None = None) -> None:
        """Makes the annotator with its usual settings.

        Args:
            models: folder of models; None for the usual one.
        """
        module: Any = importlib.import_module("ambience.annotate.text")
        self._annotator: Any = module.TextInPictures(
            module.TextOptions(), models=Models(ModelSettings(folder=models, threads=1))
        )
        mark = hashlib.sha256(self._annotator.fingerprint.encode()).hexdigest()[:16]
        self._decoder = Decoder(DecodeSettings(), [self._annotator.need])
        self._folder = cache_folder("text") / mark
        self._folder.mkdir(exist_ok=True)
        (self._folder / "fingerprint").write_text(self._annotator.fingerprint, encoding="utf-8")

    @property
    def fingerprint(self) -> str:
        """Of the annotator."""
        return str(self._annotator.fingerprint)

    def of(self, pictures: Sequence[bytes]) -> list[Reading]:
        """What stands in pictures, in their order."""
        return [self._of(data) for data in pictures]

    def _of(self, data: bytes) -> Reading:
        file = self._folder / f"{hashlib.sha256(data).hexdigest()}.json"
        if not file.exists():
            started = time.process_time()
            picture = self._decoder.decode(data, name="picture")
            (found,) = self._annotator.annotate([picture])
            row = {"cpu_s": time.process_time() - started, "lines": [asdict(line) for line in found.lines]}
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(row), encoding="utf-8")
            partial.replace(file)
        return _reading(file)


def _reading(file: Path) -> Reading:
    row = json.loads(file.read_text(encoding="utf-8"))
    return Reading(tuple(_line(each) for each in row["lines"]), row["cpu_s"])


def _line(row: dict[str, Any]) -> TextLine:
    first, second, third, fourth = (Corner(*corner) for corner in row.pop("quad"))
    return TextLine(quad=(first, second, third, fourth), **row)
