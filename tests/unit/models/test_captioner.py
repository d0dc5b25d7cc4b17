"""Captioners whose files are another's are refused by name; memory is given back, and threads do not mix."""

import gc
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambience.errors import CorruptModelError, DownloadError, ModelError
from ambience.models.catalog import CATALOG
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.models.runtime import Models
from ambience.models.text_decoder import TextDecoder
from ambience.settings import ModelSettings
from support.caption_pictures import caption_pictures
from support.mirror import put
from support.onnx_bytes import floats, graph, model, node, value
from support.tiny_caption_rows import tiny_captioner
from support.tiny_captioners import ROWS, caption_files
from support.tiny_networks import GOLDEN

FLORENCE, GPT2, OFA = ROWS
MERGED = "onnx/decoder_model_merged.onnx"
PICTURES = caption_pictures()[:9]


def models(folder: Path, name: str, changed: dict[str, bytes] | None = None, **settings: float) -> Models:
    """A small model in a folder, some of whose files are others."""
    made = caption_files(name) | (changed or {})
    put(folder / name, made)
    chosen = ModelSettings(folder=folder, precision="f32", threads=1, device="cpu")
    return Models(replace(chosen, **settings), {name: tiny_captioner(name, made)})  # type: ignore[arg-type]


def refusal(folder: Path, name: str, changed: dict[str, bytes]) -> str:
    with pytest.raises(CorruptModelError) as caught:
        models(folder, name, changed).captioner(name).describe(PICTURES[:1])
    return str(caught.value)


def network(inputs: list[str], outputs: list[str]) -> bytes:
    """A network of these inputs and outputs, each (batch, 4, 1, 12)."""
    nodes = [node("Add", [inputs[n % len(inputs)], "one"], [name]) for n, name in enumerate(outputs)]
    nodes += [node("Add", [name, "one"], [f"unused {name}"]) for name in inputs]
    sides = ["batch", 4, 1, 12]
    return model(
        graph(
            nodes,
            [floats("one", [1], [1.0])],
            [value(name, sides) for name in inputs],
            [value(name, sides) for name in outputs],
        )
    )


PAST = [f"past_key_values.0.{what}" for what in ("key", "value")]
PRESENT = [f"present.0.{what}" for what in ("key", "value")]


@pytest.mark.parametrize(
    ("inputs", "outputs", "words"),
    [
        (["input_ids", "encoder_hidden_states"], ["logits"], "takes no past_key_values"),
        (["input_ids", *PAST], ["logits", *PRESENT], "lacks the inputs encoder_hidden_states"),
        (["input_ids", "encoder_hidden_states", *PAST], PRESENT, "lacks the outputs logits"),
        (
            ["input_ids", "encoder_hidden_states", *PAST],
            ["logits", PRESENT[0]],
            "lacks the outputs present.0.value",
        ),
        (
            ["input_ids", "encoder_hidden_states", "token_type_ids", *PAST],
            ["logits", *PRESENT],
            "takes inputs that are not known: token_type_ids; it takes encoder_hidden_states, input_ids",
        ),
        (["pixel_values", *PAST], ["logits", *PRESENT], "lacks the inputs encoder_hidden_states, input_ids"),
        (
            ["input_ids", "past_key_values.0.encoder.key", *PAST],
            ["logits", *PRESENT],
            "keys and values of the picture that nothing makes",
        ),
        (["inputs_embeds", "encoder_hidden_states", *PAST], ["logits", *PRESENT], "it takes inputs_embeds"),
        (["use_cache_branch", "input_ids"], ["logits"], "chooses 0 times by it"),
    ],
)
def test_a_decoder_of_another_form_is_refused(
    tmp_path: Path, inputs: list[str], outputs: list[str], words: str
) -> None:
    said = refusal(tmp_path, GPT2, {MERGED: network(inputs, outputs)})
    assert words in said
    assert str(tmp_path / GPT2 / MERGED) in said


@pytest.mark.parametrize(
    ("file", "other", "words"),
    [
        (MERGED, (GPT2, MERGED), "it takes input_ids, which the model does not have"),
        (MERGED, (FLORENCE, "onnx/encoder_model.onnx"), "takes no past_key_values"),
        ("onnx/encoder_model.onnx", (FLORENCE, "onnx/embed_tokens.onnx"), "lacks the inputs attention_mask"),
        ("onnx/embed_tokens.onnx", (FLORENCE, "onnx/encoder_model.onnx"), "lacks the inputs input_ids"),
        ("onnx/vision_encoder.onnx", (GPT2, "onnx/encoder_model.onnx"), "an output 'image_features'"),
    ],
)
def test_another_network_in_the_folder_is_refused(
    tmp_path: Path, file: str, other: tuple[str, str], words: str
) -> None:
    assert words in refusal(tmp_path, FLORENCE, {file: caption_files(other[0])[other[1]]})


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    made = caption_files(GPT2)
    name = "tokenizer.json"
    put(tmp_path / GPT2, made)
    row = tiny_captioner(GPT2, made)
    assert row.captioning is not None
    row = replace(row, captioning=replace(row.captioning, end=50256))
    settings = ModelSettings(folder=tmp_path, precision="f32", threads=1, device="cpu")
    with pytest.raises(CorruptModelError, match=r"knows 400 tokens, and the model uses token 50,256"):
        Models(settings, {GPT2: row}).captioner(GPT2).describe(PICTURES[:1])
    assert "it is no tokenizer" in refusal(tmp_path, FLORENCE, {name: b'{"version": 1}'})


def test_what_is_kept_of_pictures_is_counted(tmp_path: Path) -> None:
    """Keys and values of two layers, whether the file gives them or we take them out of it."""
    for name, file in ((FLORENCE, MERGED), (GPT2, MERGED), (OFA, "decoder_model.onnx")):
        put(tmp_path / name, caption_files(name))
        settings = ModelSettings(precision="f32", threads=1, device="cpu")
        embed = (lambda tokens: np.zeros((*tokens.shape, 48), np.float32)) if name == FLORENCE else None
        assert TextDecoder(tmp_path / name / file, settings, embed).kept == 4


def test_memory_is_given_back_when_nobody_asks(tmp_path: Path) -> None:
    captioner = models(tmp_path, GPT2, idle_s=0.2).captioner(GPT2)
    first = captioner.describe(PICTURES[:1])
    assert captioner.is_loaded
    until = time.monotonic() + 20
    while captioner.is_loaded and time.monotonic() < until:
        time.sleep(0.05)
        gc.collect()
    assert not captioner.is_loaded
    assert captioner.describe(PICTURES[:1]) == first


def test_threads_that_ask_at_a_time_get_their_own_answers(tmp_path: Path) -> None:
    captioner = models(tmp_path, FLORENCE, threads=2).captioner(FLORENCE)
    alone = [captioner.describe([picture])[0] for picture in PICTURES]
    assert len({each.decoded.tokens for each in alone}) > 5
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda picture: captioner.describe([picture])[0], PICTURES))
    assert [each.decoded.tokens for each in made] == [each.decoded.tokens for each in alone]


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_shorter_numbers_describe_pictures_as_well(tmp_path: Path, precision: str) -> None:
    made = models(tmp_path, GPT2, precision=precision).captioner(GPT2).describe(PICTURES)  # type: ignore[arg-type]
    assert len({each.decoded.tokens for each in made}) > 5


def test_captioners_embed_nothing_and_embedders_describe_nothing(tmp_path: Path) -> None:
    here = Models(ModelSettings(folder=tmp_path))
    with pytest.raises(ModelError, match="vit-gpt2 is for caption; it embeds no pictures"):
        here.embedder("vit-gpt2")
    with pytest.raises(ModelError, match="dinov2-s14 describes no pictures in words"):
        here.captioner("dinov2-s14")
    with pytest.raises(ModelError, match="no model 'blip'; have "):
        here.captioner("blip")
    assert here.named("caption") == ROWS
    assert not here.is_installed(GPT2)


def test_what_nobody_publishes_is_not_fetched(tmp_path: Path) -> None:
    installer = Installer(ModelFolder(tmp_path))
    with pytest.raises(DownloadError, match=r"nobody publishes .* python tools/export_ofa\.py .* --from DIR"):
        installer.from_hub(CATALOG[OFA], ModelSettings())
    assert (GOLDEN / "captions.npz").stat().st_size < 300_000
