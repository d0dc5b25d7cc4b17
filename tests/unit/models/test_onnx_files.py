"""ONNX files that are broken, hostile or another model's are refused by name; right ones run in any batch."""

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from ambience.errors import CorruptModelError, ModelError
from ambience.models.engine import OnnxUse
from ambience.models.networks import OneByOne, onnx_engine
from ambience.models.onnx_files import check_onnx, read_onnx
from ambience.models.processor import ProcessorEngine
from ambience.settings import ModelSettings
from support.onnx_bytes import INT64, floats, graph, model, node, part, summing, tensor, value, whole
from support.tiny_rows import files

SETTINGS = ModelSettings(precision="f32", threads=1, device="cpu")
USE = OnnxUse("made", (3, 8, 8), 1, 4)
PICTURES = np.random.default_rng(1).standard_normal((4, 3, 8, 8), np.float32)
OUTSIDE = part(13, part(1, "location") + part(2, "/etc/passwd")) + part(14, 1)


def written(folder: Path, data: bytes) -> Path:
    place = folder / "model.onnx"
    place.write_bytes(data)
    return place


def only(tensors: list[bytes], nodes: list[bytes] | None = None) -> bytes:
    """A model that holds these tensors, and copies its input."""
    nodes = nodes or [node("Identity", ["pictures"], ["made"])]
    shape = ["batch", 3, 8, 8]
    return model(graph(nodes, tensors, [value("pictures", shape)], [value("made", shape)]))


def test_a_right_one_runs_in_batches_of_any_length(tmp_path: Path) -> None:
    engine = onnx_engine(written(tmp_path, summing()), USE, SETTINGS)
    assert isinstance(engine, ProcessorEngine)
    for count in (1, 3, 4):
        made = engine.run([PICTURES[:count]])
        assert np.allclose(made, 2 * PICTURES[:count].sum(axis=(2, 3)), atol=1e-4)


def widened(rows: int) -> bytes:
    """A network for any number of pictures, as it says, to which a plane is added for `rows` of them."""
    nodes = [
        node("Concat", ["pictures", "plane"], ["wide"], part(1, "axis") + part(3, 1) + part(20, 2)),
        node("ReduceSum", ["wide", "axes"], ["made"], part(1, "keepdims") + part(3, 0) + part(20, 2)),
    ]
    tensors = [whole("axes", [2, 3]), floats("plane", [rows, 1, 8, 8], [1.0] * rows * 64)]
    inputs, outputs = [value("pictures", ["batch", 3, 8, 8])], [value("made", ["batch", 4])]
    return model(graph(nodes, tensors, inputs, outputs))


def test_a_number_of_examples_that_an_exporter_wrote_into_it_is_seen(tmp_path: Path) -> None:
    engine = onnx_engine(written(tmp_path, widened(1)), USE, SETTINGS)
    made = engine.run([PICTURES])
    assert isinstance(engine, OneByOne)
    assert np.allclose(made[:, :3], PICTURES.sum(axis=(2, 3)), atol=1e-4)
    assert made[:, 3].tolist() == [64.0] * 4
    with pytest.raises(CorruptModelError, match=r"makes 2 rows of any number of examples"):
        onnx_engine(written(tmp_path, widened(2)), USE, SETTINGS)


def test_one_published_for_single_pictures_takes_several_where_it_can(tmp_path: Path) -> None:
    place = written(tmp_path, summing((1, 3, 8, 8)))
    assert read_onnx(place, USE)[1]
    engine = onnx_engine(place, USE, SETTINGS)
    assert isinstance(engine, ProcessorEngine)
    assert np.allclose(engine.run([PICTURES]), 2 * PICTURES.sum(axis=(2, 3)), atol=1e-4)


@pytest.mark.parametrize(
    "sizes",
    [[1, 192], [192]],  # what does not fit several, and what would mix them up
)
def test_one_that_only_takes_single_pictures_is_given_them(tmp_path: Path, sizes: list[int]) -> None:
    nodes = [
        node("Reshape", ["pictures", "sizes"], ["flat"]),
        node("ReduceSum", ["flat", "axes"], ["sums"], part(1, "keepdims") + part(3, 0) + part(20, 2)),
        node("Reshape", ["sums", "single"], ["made"]),
    ]
    inside = graph(
        nodes,
        [whole("sizes", sizes), whole("axes", [len(sizes) - 1]), whole("single", [1, 1])],
        [value("pictures", [1, 3, 8, 8])],
        [value("made", [1, 1])],
    )
    engine = onnx_engine(written(tmp_path, model(inside)), USE, SETTINGS)
    assert isinstance(engine, OneByOne)
    assert np.allclose(engine.run([PICTURES])[:, 0], PICTURES.sum(axis=(1, 2, 3)), atol=1e-4)


def test_what_mixes_pictures_up_is_found_out(tmp_path: Path) -> None:
    """Several pictures pass through, but each is made of all of them."""
    nodes = [node("ReduceMean", ["pictures"], ["mean"]), node("Sub", ["pictures", "mean"], ["made"])]
    data = model(graph(nodes, [], [value("pictures", [1, 3, 8, 8])], [value("made", [1, 3, 8, 8])]))
    assert isinstance(onnx_engine(written(tmp_path, data), USE, SETTINGS), OneByOne)


LOOP = node("Loop", ["", ""], ["made"], part(1, "body") + part(6, graph([])) + part(20, 5))
HIDDEN = (
    part(1, "then_branch") + part(6, graph([], [tensor("inner", [4], None, extra=OUTSIDE)])) + part(20, 5)
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\x00" * 64, "no graph"),
        (b"PK\x03\x04 an archive of some kind, and not a network", "it holds"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "it holds"),
        (part(1, 8), "no graph"),
        (
            only([tensor("secret", [4], None, extra=OUTSIDE)]),
            "tensor secret, whose numbers are in another file",
        ),
        (only([], [node("If", ["x"], ["made"], HIDDEN)]), "tensor inner, whose numbers are in another file"),
        (
            only([], [node("Constant", [], ["made"], part(1, "value") + part(5, tensor("c", [9], b"1")))]),
            "tensor c",
        ),
        (only([], [LOOP]), "the operation Loop"),
        (only([tensor("large", [2**40], b"1234")]), "tensor large of"),
        (only([tensor("many", [2**31, 2**31, 2**31], None)]), "tensor many of"),
        (only([tensor("below", [-1], struct.pack("<f", 1.0))]), "tensor below of"),
        (only([tensor("short", [3], b"\0" * 8, INT64)]), "tensor short of"),
        (model(graph([]), part(25, part(7, node("Scan", [], [])))), "the operation Scan"),
    ],
)
def test_what_nobody_should_be_given_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    place = written(tmp_path, data)
    with pytest.raises(CorruptModelError, match=r"is not used|is empty") as caught:
        onnx_engine(place, USE, SETTINGS)
    assert words in str(caught.value)
    assert str(place) in str(caught.value)


@pytest.mark.parametrize(
    ("nodes", "tensors", "use"),
    [
        ([node("NoSuchThing", ["pictures"], ["made"])], [], USE),
        ([node("MatMul", ["pictures", "w"], ["made"])], [floats("w", [5, 2], range(10))], USE),
        ([node("Identity", ["absent"], ["made"])], [], USE),
        ([node("Identity", ["pictures"], ["made"])], [], OnnxUse("image_embeds", (3, 8, 8), 1, 4)),
        ([node("Identity", ["pictures"], ["made"])], [], OnnxUse("made", (3, 8, 8), 2, 4)),
        ([node("Identity", ["pictures"], ["made"])], [], OnnxUse("made", (3, 9, 9), 1, 4)),
        (
            [node("Expand", ["one", "sizes"], ["made"])],
            [floats("one", [1], [1]), whole("sizes", [2**20] * 3)],
            USE,
        ),
        (
            [node("ConstantOfShape", ["sizes"], ["all"]), node("ReduceSum", ["all"], ["made"])],
            [whole("sizes", [2**20] * 2)],
            USE,
        ),
    ],
)
def test_other_networks_are_refused(
    tmp_path: Path, nodes: list[bytes], tensors: list[bytes], use: OnnxUse
) -> None:
    place = written(tmp_path, only(tensors, nodes))
    with pytest.raises(CorruptModelError) as caught:
        onnx_engine(place, use, SETTINGS)
    assert str(place) in str(caught.value)


def test_deep_graphs_and_many_nodes_end(tmp_path: Path) -> None:
    inner = graph([])
    for _ in range(60):
        inner = graph([node("If", [], [], part(1, "then_branch") + part(6, inner))])
    with pytest.raises(CorruptModelError, match="graphs in graphs"):
        check_onnx(written(tmp_path, model(inner)))
    many = part(1, node("Identity", ["a"], ["b"])) * 200_001
    with pytest.raises(CorruptModelError, match="more than 200,000 nodes"):
        check_onnx(written(tmp_path, model(many)))


def test_cut_and_damaged_files_never_end_the_process(tmp_path: Path) -> None:
    """Every one is refused with the file's name, or still runs: a flipped bit of a weight is no crime."""
    whole_file = files("clip-vit-b16")["onnx/vision_model.onnx"]
    use = OnnxUse("image_embeds", (3, 64, 64), 1, 4)
    engine = onnx_engine(written(tmp_path, whole_file), use, SETTINGS)
    assert engine.run([np.zeros((1, 3, 64, 64), np.float32)]).shape == (1, 48)
    draw = random.Random(7)
    refused = 0
    for turn in range(60):
        data = bytearray(whole_file)
        if turn < 20:
            del data[draw.randrange(len(data)) :]
        else:
            for _ in range(1 + turn % 4):
                data[draw.randrange(3000 if turn % 2 else len(data))] ^= 1 << draw.randrange(8)
        place = written(tmp_path, bytes(data))
        try:
            onnx_engine(place, use, SETTINGS)
        except ModelError as exc:
            refused += 1
            assert str(place) in str(exc)
    assert refused >= 30


def test_a_network_that_does_not_compile_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"models\.device = cuda, and there is no NVIDIA driver"):
        onnx_engine(written(tmp_path, summing()), USE, ModelSettings(device="cuda"))
