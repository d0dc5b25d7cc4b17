"""Graphs that are none of an OCR model are refused with the reason; sizes are rounded and cut."""

from pathlib import Path

import numpy as np
import pytest

from ambience.errors import CorruptModelError, MissingModelError, ModelError
from ambience.models.catalog import model_row
from ambience.models.ocr.reader import LINE_HEIGHT, TextReader
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.onnx_bytes import graph, model, node, part, value

SETTINGS = ModelSettings(threads=1)
LINE = np.zeros((LINE_HEIGHT, 100, 3), np.uint8)


def written(place: Path, outputs: int = 1, extra: bytes = b"") -> Path:
    """A graph that answers what it is given."""
    sides = ["n", 3, "h", "w"]
    nodes = [node("Relu", ["x"], [f"y{number}"]) for number in range(outputs)]
    made = [value(f"y{number}", sides) for number in range(outputs)]
    place.write_bytes(model(graph(nodes, inputs=[value("x", sides)], outputs=made)) + extra)
    return place


def reader(tmp_path: Path, *, finder: Path | None = None, read: Path | None = None) -> TextReader:
    usual = written(tmp_path / "usual.onnx")
    return TextReader(model_row("ppocr-v6-small"), finder or usual, read or usual, SETTINGS)


def test_a_graph_that_names_no_characters_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptModelError, match="does not name the characters"):
        reader(tmp_path).read([LINE])


def test_answers_of_another_shape_are_refused(tmp_path: Path) -> None:
    named = written(tmp_path / "named.onnx", extra=part(14, part(1, "character") + part(2, "a\nb")))
    with pytest.raises(CorruptModelError, match=r"names 4 characters"):
        reader(tmp_path, read=named).read([LINE])
    with pytest.raises(CorruptModelError, match="another model's"):
        reader(tmp_path).chances(np.zeros((32, 64, 3), np.uint8))


def test_two_outputs_and_broken_files_are_refused(tmp_path: Path) -> None:
    two = written(tmp_path / "two.onnx", outputs=2)
    with pytest.raises(CorruptModelError, match="one input and one output"):
        reader(tmp_path, finder=two).chances(np.zeros((32, 32, 3), np.uint8))
    two.write_bytes(two.read_bytes()[:-20])
    with pytest.raises(CorruptModelError, match="not used"):
        reader(tmp_path, finder=two).chances(np.zeros((32, 32, 3), np.uint8))
    binary = written(tmp_path / "binary.onnx", extra=part(14, part(1, "character") + part(2, b"\xff\xfe")))
    with pytest.raises(CorruptModelError, match="metadata is broken"):
        reader(tmp_path, read=binary).read([LINE])


def test_models_are_asked_for_by_what_they_do(tmp_path: Path) -> None:
    models = Models(ModelSettings(folder=tmp_path))
    with pytest.raises(MissingModelError, match="ambience models install ppocr-v6-small"):
        models.text_reader("ppocr-v6-small")
    with pytest.raises(ModelError, match="reads no text"):
        models.text_reader("minilm")
    with pytest.raises(ModelError, match="is for ocr; it embeds no pictures"):
        models.embedder("ppocr-v6-small")
