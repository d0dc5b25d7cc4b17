"""Published models, installed in a folder and loaded as any is.

Another's files are refused by name, prompts are averaged, memory is given back, and threads that ask at a
time get their own answers.
"""

import gc
import json
import multiprocessing
import re
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from ambience.errors import CorruptModelError, ModelError
from ambience.models.catalog import CATALOG
from ambience.models.row import ModelFile, ModelRow, Pixels, Tower
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.onnx_bytes import graph, model, node, tensor, value
from support.tiny_networks import DIM, GOLDEN, safetensors
from support.tiny_pictures import pictures
from support.tiny_rows import files, put

CLIP, SIGLIP, BEIT, SSCD = "clip-vit-b16", "siglip2-b16-256", "beit-b16-224-in22k", "sscd-disc"
IMAGE = "onnx/vision_model.onnx"
"""The file of pictures of the first two."""

WEIGHTS = {BEIT: "model.safetensors", SSCD: "sscd_disc_mixup.torchvision.pt"}


def models(folder: Path, row: ModelRow, **settings: float) -> Models:
    chosen = ModelSettings(folder=folder, precision="f32", threads=1, device="cpu")
    return Models(replace(chosen, **settings), {row.name: row})  # type: ignore[arg-type]


def refusal(folder: Path, name: str, changed: dict[str, bytes], *, of_texts: bool = False) -> str:
    """What is said of a model some of whose files are others."""
    embedder = models(folder, put(folder, name, changed)).embedder(name)
    with pytest.raises(CorruptModelError) as caught:
        embedder.embed_texts(["a cat"]) if of_texts else embedder.embed_pictures(pictures()[:1])
    assert str(folder / name) in str(caught.value)
    return str(caught.value)


def shapes_of(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a small network that is built from them."""
    gaps = json.loads((GOLDEN / "embeddings.json").read_text(encoding="utf-8"))
    return {tensor_name: tuple(shape) for tensor_name, shape in gaps[f"{name}/{WEIGHTS[name]}"]}


def weights_of(name: str, **changed: "tuple[int, ...] | None") -> bytes:
    """Weights of a small network as safetensors; those of `changed` have another shape, or are not there."""
    shapes = {**shapes_of(name), **changed}
    return safetensors({each: np.ones(shape, np.float32) for each, shape in shapes.items() if shape})


# --- files of another architecture ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "other", "words"),
    [
        (CLIP, (SIGLIP, IMAGE), "an output 'image_embeds' are expected: another model's"),
        (SIGLIP, (CLIP, IMAGE), "an output 'pooler_output' are expected: another model's"),
        (CLIP, (CLIP, "onnx/text_model.onnx"), "an output 'image_embeds' are expected: another model's"),
        (SIGLIP, (SIGLIP, "onnx/text_model.onnx"), "it takes inputs of .* not of 3, 64, 64: another model's"),
        (CLIP, ("dinov2-s14", "onnx/model.onnx"), "last_hidden_state, where .* another model's"),
        ("dinov2-s14", (CLIP, IMAGE), "image_embeds, where .* another model's"),
    ],
)
def test_another_network_in_a_models_folder_is_refused(
    tmp_path: Path, name: str, other: tuple[str, str], words: str
) -> None:
    file = CATALOG[name].image.file  # type: ignore[union-attr]
    said = refusal(tmp_path, name, {file: files(other[0])[other[1]]})
    assert re.search(words, said), said


def test_a_network_of_another_size_is_refused(tmp_path: Path) -> None:
    row = replace(put(tmp_path, CLIP), dim=512)
    with pytest.raises(CorruptModelError, match=r"has shape \(1, 48\) for 1 inputs, not 512 numbers each"):
        models(tmp_path, row).embedder(CLIP).embed_pictures(pictures()[:1])
    row = put(tmp_path, SIGLIP)
    assert row.pixels is not None
    row = replace(row, pixels=replace(row.pixels, size=96), input_size=96)
    with pytest.raises(CorruptModelError, match=str(tmp_path / SIGLIP / IMAGE)):
        models(tmp_path, row).embedder(SIGLIP).embed_pictures(pictures()[:1])


def test_what_is_no_network_or_no_tokenizer_is_refused(tmp_path: Path) -> None:
    whole = files(CLIP)[IMAGE]
    assert "cut off" in refusal(tmp_path, CLIP, {IMAGE: whole[: len(whole) // 2]})
    assert "is not used" in refusal(tmp_path, CLIP, {IMAGE: b"<!DOCTYPE html><title>404</title>"})
    assert "is not used" in refusal(tmp_path, CLIP, {IMAGE: files(BEIT)[WEIGHTS[BEIT]]})
    assert "it is no tokenizer" in refusal(tmp_path, CLIP, {"tokenizer.json": b"{}"}, of_texts=True)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        (BEIT, lambda: weights_of(SSCD), "lack the stem or the positions of a BEiT"),
        (SSCD, lambda: weights_of(BEIT), "lack the stem of a ResNet"),
        (BEIT, lambda: files(SSCD)[WEIGHTS[SSCD]], "lack the stem or the positions of a BEiT"),
        (BEIT, lambda: files(CLIP)[IMAGE], "is not read: it holds"),
        (
            BEIT,
            lambda: weights_of(BEIT, **{"blocks.1.attn.proj.bias": None}),
            "lack blocks.1.attn.proj.bias: another model's",
        ),
        (
            BEIT,
            lambda: weights_of(BEIT, **{"blocks.0.attn.relative_position_bias_table": (52, 5)}),
            "have 5 heads for 64 numbers",
        ),
        (
            BEIT,
            lambda: weights_of(BEIT, **{"blocks.0.attn.relative_position_bias_table": (52, 0)}),
            "lack the stem or the positions",
        ),
        (
            BEIT,
            lambda: weights_of(BEIT, **{"blocks.0.attn.relative_position_bias_table": (732, 4)}),
            r"relative_position_bias_table of .* has shape \(732, 4\), not \(52, 4\)",
        ),
        (BEIT, lambda: weights_of(BEIT, pos_embed=(1, 17, 64)), "hold pos_embed: another model's"),
        (
            SSCD,
            lambda: weights_of(SSCD, **{"backbone.layer3.1.conv2.weight": (32, 16, 3, 3)}),
            r"layer3.1.conv2.weight of sscd-disc has shape \(32, 16, 3, 3\), not \(32, 32, 3, 3\)",
        ),
        (
            SSCD,
            lambda: weights_of(SSCD, **{"backbone.layer4.0.conv3.weight": None}),
            "lack backbone.layer4.0.conv3.weight",
        ),
        (SSCD, lambda: weights_of(SSCD, **{"backbone.fc.weight": (512, 2048)}), r"not \(32, 2048\)"),
    ],
)
def test_weights_of_another_architecture_are_refused(
    tmp_path: Path, name: str, data: Callable[[], bytes], words: str
) -> None:
    said = refusal(tmp_path, name, {WEIGHTS[name]: data()})
    assert re.search(words, said), said


def test_a_model_of_pictures_alone_takes_no_sentences(tmp_path: Path) -> None:
    embedder = models(tmp_path, put(tmp_path, BEIT)).embedder(BEIT)
    with pytest.raises(ModelError, match=r"takes no sentences; it is for image_embedding"):
        embedder.embed_texts(["a cat"])


# --- prompts ----------------------------------------------------------------------------------------------


def test_embeddings_of_prompts_are_averaged(tmp_path: Path) -> None:
    row = put(tmp_path, CLIP)
    plain = models(tmp_path, row).embedder(CLIP)
    prompts = ("{}", "a photo of a {}.", "{} and {{x}} in the snow")
    prompted = models(tmp_path, replace(row, prompts=prompts)).embedder(CLIP)
    texts = ["dog", "x" * 500, "a cat on a beach"]
    made = prompted.embed_texts(texts)
    for text, embedding, note in zip(texts, made.embeddings, made.notes, strict=True):
        each = plain.embed_texts([prompt.replace("{}", text) for prompt in prompts])
        mean = each.embeddings.mean(axis=0)
        assert np.allclose(embedding, mean / np.linalg.norm(mean), atol=1e-5)
        assert note == max(each.notes, key=len)
    assert not np.allclose(made.embeddings, plain.embed_texts(texts).embeddings, atol=1e-2)
    assert prompted.embed_texts([]).embeddings.shape == (0, DIM[CLIP])


# --- batches of many callers ------------------------------------------------------------------------------


def test_threads_that_ask_at_a_time_get_the_answers_they_would_get_alone(tmp_path: Path) -> None:
    embedder = models(tmp_path, put(tmp_path, SIGLIP)).embedder(SIGLIP)
    asked = [pictures()[n % 12 : n % 12 + 1 + n % 3] for n in range(24)]
    alone = [embedder.embed_pictures(each) for each in asked[:12]]
    with ThreadPoolExecutor(8) as pool:
        for number, made in enumerate(pool.map(embedder.embed_pictures, asked)):
            assert np.allclose(made, alone[number % 12], atol=1e-4)


# --- memory -----------------------------------------------------------------------------------------------

WIDE = 50_000
WIDE_BYTES = 4 * (192 + 8) * WIDE
"""Numbers of the wide layer of a network that takes 40 MB."""


def wide_row(folder: Path) -> ModelRow:
    """An installed model: from pictures of 8×8 pixels to 8 numbers through a wide layer."""
    generator = np.random.default_rng(6)
    first = generator.standard_normal((192, WIDE), np.float32)
    nodes = [
        node("Flatten", ["pictures"], ["flat"]),
        node("MatMul", ["flat", "first"], ["wide"]),
        node("Relu", ["wide"], ["kept"]),
        node("MatMul", ["kept", "last"], ["made"]),
    ]
    last = generator.standard_normal((WIDE, 8), np.float32)
    weights = [tensor("first", first.shape, first.tobytes()), tensor("last", last.shape, last.tobytes())]
    data = model(
        graph(nodes, weights, [value("pictures", ["batch", 3, 8, 8])], [value("made", ["batch", 8])])
    )
    place = folder / "wide" / "model.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    return ModelRow(
        name="wide",
        title="A wide layer",
        task="image_embedding",
        repository="someone/wide",
        files=(ModelFile("model.onnx", len(data), None),),
        licence="MIT",
        dim=8,
        input_size=8,
        pixels=Pixels(8),
        image=Tower("model.onnx", "made"),
    )


def memory() -> int:
    """Bytes of this process's own memory, without mapped files, which the system takes back itself."""
    gc.collect()
    said = psutil.Process().memory_info()
    return int(said.rss - said.shared)


def memory_given_back(folder: Path) -> tuple[int, bool]:
    """Bytes that a model which nobody uses gives back, and whether it says the same when loaded again."""
    embedder = models(folder, wide_row(folder), idle_s=0.5).embedder("wide")
    first = embedder.embed_pictures(pictures()[:2])
    loaded = memory()
    deadline = time.monotonic() + 30
    while loaded - memory() < 0.75 * WIDE_BYTES and time.monotonic() < deadline:
        time.sleep(0.05)
    given_back = loaded - memory()
    return given_back, np.allclose(embedder.embed_pictures(pictures()[:2]), first, atol=1e-6)


def test_a_model_that_nobody_uses_gives_its_memory_back_and_is_loaded_again(tmp_path: Path) -> None:
    # In a process of its own: memory that other tests left is taken up by loading, and is not given back.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        given_back, is_same = pool.submit(memory_given_back, tmp_path).result()
    assert given_back > 0.75 * WIDE_BYTES
    assert is_same
