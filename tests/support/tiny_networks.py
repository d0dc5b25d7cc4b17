"""Small networks of the real architectures, with random weights that are the same on every machine.

`contract/golden/make_embeddings.py` exports them by the reference implementations and keeps the exported
files without their weights, which are drawn again here. This file runs in the reference's environment as
well, so it needs numpy alone.
"""

import json
import math
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parents[1] / "contract" / "golden"

SIDE = 64
"""Pixels of a side of what the small networks take."""

CONTEXT = {"clip-vit-b16": 24, "datacomp-b32-256": 24, "siglip2-b32-256": 20, "siglip2-b16-256": 20}
"""Tokens that they take."""

DIM = {
    "clip-vit-b16": 48,
    "datacomp-b32-256": 40,
    "siglip2-b32-256": 64,
    "siglip2-b16-256": 64,
    "dinov2-s14": 48,
    "beit-b16-224-in22k": 64,
    "sscd-disc": 32,
}
"""Small networks, by the rows whose architecture they have, and the numbers that they answer."""

TEXTS = (
    "a photo of a cat",
    "Dog on the BEACH",
    "Ein Hund am Strand, übermütig & naß – Größe 42",
    "Собака на пляже у моря",
    "海滩上的狗",
    "砂浜を走る犬、夏の日",
    "كلب على الشاطئ",
    "chien à la plage 🏖️🐕‍🦺 👩‍👩‍👧‍👦",
    "Σίσυφος ΣΙΣΥΦΟΣ",
    "nai\u0308ve cafe\u0301 (decomposed), ﬁne ｗｉｄｅ",
    "it's 3'o clock!! we're they'll don't",
    "  spaces   and\ttabs\nand lines  ",
    "control \x00 \x07 \x1b[31m characters \u200b\ufeff",
    "x",
    "<|endoftext|> in the middle",
    "a very long sentence about a red car and a blue house, " * 12,
    "狗" * 200,
    "nospacesatall" * 60,
)


def drawn(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A tensor's weights, by the name of network and tensor."""
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    values = generator.standard_normal(shape)
    last = name.rpartition(".")[2]
    if last == "running_var":
        values = 0.5 + values**2 / 2
    elif last in ("bias", "q_bias", "v_bias", "running_mean", "in_proj_bias"):
        values *= 0.1
    elif last in ("gamma_1", "gamma_2", "lambda1") or (last == "weight" and len(shape) == 1):
        values = 1 + 0.2 * values
    elif len(shape) >= 2 and "embed" not in name.replace("patch_embed", "") and last != "class_token":
        values *= 1.2 / math.sqrt(math.prod(shape[1:]))
    else:
        values *= 0.5
    return values.astype(np.float32)


def assembled(
    pieces: bytes, gaps: list[list[Any]], draw: Callable[[str, tuple[int, ...]], NDArray[np.float32]] = drawn
) -> bytes:
    """An exported file with its weights put back.

    Args:
        pieces: its bytes without them.
        gaps: (place in the whole file, name and shape of a tensor, its first row and the one after its last
            that are there, order of its axes in the file).
        draw: makes a tensor's weights.

    Returns:
        The file.
    """
    whole = bytearray()
    taken = 0
    for place, name, shape, (start, end), axes in gaps:
        missing = place - len(whole)
        whole += pieces[taken : taken + missing]
        taken += missing
        whole += np.ascontiguousarray(draw(name, tuple(shape))[start:end].transpose(axes)).tobytes()
    return bytes(whole + pieces[taken:])


def contents(row: str, golden: Path = GOLDEN, prefix: str = "embeddings") -> dict[str, bytes]:
    """The files of a small network, by the names that its row has for them.

    Args:
        row: whose architecture it has.
        golden: folder of what the references made.
        prefix: of the names of its files.
    """
    gaps = json.loads((golden / f"{prefix}.json").read_text(encoding="utf-8"))
    made = {}
    with np.load(golden / f"{prefix}.npz") as kept:
        for name in (each for each in gaps if each.startswith(f"{row}/")):
            file = name.removeprefix(f"{row}/")
            if file.endswith(".onnx"):
                made[file] = assembled(kept[name].tobytes(), gaps[name])
            else:
                tensors = {each: drawn(f"{row}/{each}", tuple(shape)) for each, shape in gaps[name]}
                made[file] = safetensors(tensors) if file.endswith(".safetensors") else _checkpoint(tensors)
    return made


def _checkpoint(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    from support.checkpoints import checkpoint

    return checkpoint(tensors)


def safetensors(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """A safetensors file of float32 tensors."""
    header, at = {}, 0
    for name, tensor in tensors.items():
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": [at, at + tensor.nbytes]}
        at += tensor.nbytes
    said = json.dumps(header).encode()
    return len(said).to_bytes(8, "little") + said + b"".join(each.tobytes() for each in tensors.values())
