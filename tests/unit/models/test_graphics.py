"""ONNX Runtime makes what OpenVINO makes, refuses what is another model's, and runs on a graphics card.

Its processor provider goes through all of our code for the card but the name of the provider. Tests with the
marker `gpu` are for a machine with a card of NVIDIA and `onnxruntime-gpu` in place of `onnxruntime`.
"""

import time
from pathlib import Path

import numpy as np
import pytest

from ambience.errors import CorruptModelError, ModelError
from ambience.models.engine import OnnxUse
from ambience.models.graphics import CUDA, OnnxRuntimeEngine, has_cuda
from ambience.models.networks import onnx_engine
from ambience.models.row import ModelRow, Tower
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.onnx_bytes import summing
from support.tiny_networks import DIM, TEXTS
from support.tiny_pictures import pictures
from support.tiny_rows import put

PROCESSOR = "CPUExecutionProvider"
ON_PROCESSOR = ModelSettings(precision="f32", threads=1, device="cpu")
USE = OnnxUse("made", (3, 8, 8), 1, 4)
PUBLISHED_AS_ONNX = ("clip-vit-b16", "siglip2-b32-256", "siglip2-b16-256", "datacomp-b32-256", "dinov2-s14")


def tower_of(row: ModelRow, kind: str) -> tuple[Tower, OnnxUse]:
    """A tower of a row, and what is expected of it."""
    tower = row.image if kind == "pictures" else row.text
    assert tower is not None
    assert row.pixels is not None
    side = row.pixels.size
    shape = (3, side, side) if kind == "pictures" else (row.tokens.context if row.tokens else 0,)
    return tower, OnnxUse(tower.output, shape, 1, 16)


@pytest.mark.parametrize("kind", ["pictures", "texts"])
@pytest.mark.parametrize("name", PUBLISHED_AS_ONNX)
def test_both_runtimes_make_the_same_of_a_network(tmp_path: Path, name: str, kind: str) -> None:
    pytest.importorskip("onnxruntime")
    row = put(tmp_path, name)
    if kind == "texts" and row.text is None:
        pytest.skip(f"{name} takes no sentences")
    tower, use = tower_of(row, kind)
    generator = np.random.default_rng(8)
    given = (
        generator.standard_normal((5, *use.shape), np.float32)
        if kind == "pictures"
        else generator.integers(3, 500, (5, *use.shape))
    )
    place = tmp_path / name / tower.file
    other = OnnxRuntimeEngine(place, use, PROCESSOR)
    count = 1 if other.is_of_one else 5
    made = np.concatenate([other.run([given[at : at + count]]) for at in range(0, 5, count)])
    ours = onnx_engine(place, use, ON_PROCESSOR).run([given])
    assert made.dtype == np.float32
    assert np.allclose(made, ours, atol=1e-3 * float(np.abs(ours).max()))


def test_another_network_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    place = tmp_path / "model.onnx"
    place.write_bytes(summing())
    with pytest.raises(CorruptModelError, match=r"makes made, where 1 inputs and an output 'embeds' are"):
        OnnxRuntimeEngine(place, OnnxUse("embeds", (3, 8, 8), 1, 4), PROCESSOR)
    with pytest.raises(CorruptModelError, match=r"it takes 1 inputs .* where 2 inputs"):
        OnnxRuntimeEngine(place, OnnxUse("made", (3, 8, 8), 2, 4), PROCESSOR)
    place.write_bytes(summing()[:-40])
    with pytest.raises(CorruptModelError, match=r"model\.onnx is not used: ONNX Runtime says"):
        OnnxRuntimeEngine(place, USE, PROCESSOR)


def test_what_cannot_run_is_an_error_of_ours(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    place = tmp_path / "model.onnx"
    place.write_bytes(summing())
    engine = OnnxRuntimeEngine(place, USE, PROCESSOR)
    assert engine.run([np.ones((2, 3, 8, 8), np.float32)]).tolist() == [[128.0] * 3] * 2
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot run .*model\.onnx"):
        engine.run([np.ones((2, 3, 9, 8), np.float32)])


@pytest.mark.skipif(has_cuda(), reason="a graphics card is here")
def test_a_card_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    place = tmp_path / "model.onnx"
    place.write_bytes(summing())
    with pytest.raises(ModelError, match=r"models\.device = cuda, and there is no NVIDIA driver or no ONNX"):
        onnx_engine(place, USE, ModelSettings(device="cuda"))
    made = onnx_engine(place, USE, ModelSettings(device="auto", threads=1)).run(
        [np.ones((1, 3, 8, 8), np.float32)]
    )
    assert made.tolist() == [[128.0] * 3]


# --- on a graphics card -----------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("name", PUBLISHED_AS_ONNX)
def test_the_card_puts_pictures_and_sentences_where_the_processor_does(tmp_path: Path, name: str) -> None:
    """Cosine ≥ 0.999 between the card (TF32 where its operators choose so) and the processor in float32."""
    row = put(tmp_path, name)
    made = []
    for device in ("cpu", "cuda"):
        settings = ModelSettings(folder=tmp_path, precision="f32", device=device)
        embedder = Models(settings, {name: row}).embedder(name)
        texts = embedder.embed_texts(TEXTS).embeddings if row.text else np.empty((0, DIM[name]))
        made.append(np.concatenate([embedder.embed_pictures(pictures()), texts]))
    assert (made[0] * made[1]).sum(axis=1).min() > 0.999


@pytest.mark.gpu
def test_the_card_is_the_one_that_runs(tmp_path: Path) -> None:
    """The session has CUDA's provider and is not slower than one core; how fast: `benchmarks/embed.py`."""
    row = put(tmp_path, "clip-vit-b16")
    tower, use = tower_of(row, "pictures")
    place = tmp_path / row.name / tower.file
    given = np.random.default_rng(9).standard_normal((16, *use.shape), np.float32)
    assert has_cuda()
    engine = onnx_engine(place, use, ModelSettings(device="auto"))
    assert isinstance(engine, OnnxRuntimeEngine)
    assert CUDA in engine._session.get_providers()
    engine.run([given])
    started = time.perf_counter()
    for _ in range(20):
        engine.run([given])
    assert 320 / (time.perf_counter() - started) > 100  # pictures a second, of a network this small
