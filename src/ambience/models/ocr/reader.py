"""The two networks of an OCR model, ready to run: one finds text, the other reads a line of it.

Both take pictures of any size. Their runtime prepares itself anew for every size that it has not met, which
takes longer than a run, so sizes are rounded to few.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError
from ambience.models._openvino import imported_openvino
from ambience.models.engine import RUNTIME_ERRORS, brief
from ambience.models.idle import MadeWhenUsed
from ambience.models.ocr.decoding import NOTHING, Reading, decoded
from ambience.models.onnx_files import check_onnx, onnx_metadata
from ambience.models.processor import ProcessorEngine
from ambience.models.row import ModelRow
from ambience.settings import ModelSettings

LINE_HEIGHT = 48
"""Pixels of a line that is read."""

WIDTH_STEP = 64
"""To whose multiples lines are filled up, so that there are at most 40 widths."""

MAX_WIDTH = 2560
"""Of a line that is read at once; some 150 letters."""

MAX_SIDE = 2048
"""Of a picture in which text is looked for at once."""

SIDE_STEP = 32
"""By whose multiples the finding network works."""

_MIDDLE = np.float32(127.5)
_MAX_CHARACTERS = 200_000


class TextReader:
    """Finds and reads text; called from many threads at a time.

    Both run in float32 on the processor, whatever `models.precision` says: in bf16 they are 1.3 times slower,
    also where the processor multiplies matrices of it, since their convolutions are small.

    Args:
        row: of the catalog.
        finder: ONNX file of the network that finds text.
        reader: ONNX file of the network that reads a line, which holds its characters as well.
        settings: threads, and how long unused networks stay.
    """

    def __init__(self, row: ModelRow, finder: Path, reader: Path, settings: ModelSettings) -> None:
        self.row = row
        self._settings = settings
        self._places = finder, reader
        self._finder = MadeWhenUsed(self._made_finder, idle_s=settings.idle_s)
        self._reader = MadeWhenUsed(self._made_reader, idle_s=settings.idle_s)

    def characters(self) -> frozenset[str]:
        """Every character that it can read."""
        with self._reader.use() as (_, characters):
            return frozenset(characters)

    def chances(self, rgb: RgbImage) -> NDArray[np.float32]:
        """How likely each pixel is the core of a line of text.

        Args:
            rgb: (H, W, 3) uint8, sides multiples of 32 up to 2,048.

        Returns:
            (H, W) float32, 0–1.

        Raises:
            CorruptModelError: the network is another one.
            ModelError: the network is unusable.
        """
        pixels = _pixels(rgb)[None]
        with self._finder.use() as engine:
            answer = engine.run([pixels])
        if answer.shape != (1, 1, *rgb.shape[:2]):
            raise CorruptModelError(
                f"{self._places[0]} makes {answer.shape} of {pixels.shape}: another model's?"
            )
        return np.asarray(answer[0, 0])

    def read(self, lines: Sequence[RgbImage]) -> list[Reading]:
        """What stands in lines, each of which is read alone, since several together take no less time.

        Args:
            lines: (48, W, 3) uint8 each; what is behind 2,560 pixels is not read.

        Returns:
            In their order.

        Raises:
            ModelError: the network is unusable.
        """
        with self._reader.use() as (engine, characters):
            return [self._read_one(engine, characters, line) for line in lines]

    def _read_one(self, engine: ProcessorEngine, characters: tuple[str, ...], line: RgbImage) -> Reading:
        width = min(line.shape[1], MAX_WIDTH)
        if not width:
            return NOTHING
        filled = math.ceil(width / WIDTH_STEP) * WIDTH_STEP
        batch = np.zeros((1, 3, LINE_HEIGHT, filled), np.float32)
        batch[0, :, :, :width] = _pixels(line[:, :width])
        answer = engine.run([batch])
        if answer.ndim != 3 or answer.shape[2] != len(characters):
            raise CorruptModelError(
                f"{self._places[1]} makes {answer.shape} where it names {len(characters):,} characters"
            )
        return decoded(answer[0], characters)

    def _made_finder(self) -> ProcessorEngine:
        openvino, place = imported_openvino(), self._places[0]
        side = openvino.Dimension(SIDE_STEP, MAX_SIDE)
        return self._engine(place, [1, 3, side, side])

    def _made_reader(self) -> tuple[ProcessorEngine, tuple[str, ...]]:
        openvino, place = imported_openvino(), self._places[1]
        engine = self._engine(place, [1, 3, LINE_HEIGHT, openvino.Dimension(WIDTH_STEP, MAX_WIDTH)])
        listed = onnx_metadata(place, "character")
        characters = listed.removesuffix("\n").split("\n")
        if not listed or len(characters) > _MAX_CHARACTERS:
            raise CorruptModelError(f"{place} is not used: it does not name the characters that it reads")
        return engine, ("", *characters, " ")

    def _engine(self, place: Path, shape: list[Any]) -> ProcessorEngine:
        check_onnx(place)
        openvino = imported_openvino()
        try:
            graph = openvino.Core().read_model(place)
            if len(graph.inputs) != 1 or len(graph.outputs) != 1:
                raise CorruptModelError(f"{place} is not used: one input and one output are expected")
            graph.reshape(openvino.PartialShape(shape))
        except RUNTIME_ERRORS as exc:
            raise CorruptModelError(f"{place} is not used: OpenVINO says {brief(exc)}") from exc
        return ProcessorEngine(graph, self._settings, "f32")


def _pixels(rgb: RgbImage) -> NDArray[np.float32]:
    """(3, H, W) float32 of −1 to 1, blue first, as both networks were trained."""
    return np.ascontiguousarray((rgb[:, :, ::-1].transpose(2, 0, 1) - _MIDDLE) / _MIDDLE, np.float32)
