"""Small networks that describe pictures, of the real architectures, with weights drawn by name.

`contract/golden/make_captions.py` makes them by the reference implementations and keeps the exported files
without their weights, which are drawn again here. This file runs in the reference's environment as well, so
it needs numpy alone.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from support.tiny_networks import GOLDEN, assembled, drawn

ROWS = ("florence-2-base-ft", "vit-gpt2", "ofa-large-caption")

SIDE = {"florence-2-base-ft": 64, "vit-gpt2": 64, "ofa-large-caption": 64}
"""Pixels of a side of what the small networks take."""

TOKENIZER = {"florence-2-base-ft": "bart", "vit-gpt2": "gpt2", "ofa-large-caption": "bart"}

END = {"bart": 2, "gpt2": 399}
VOCABULARY = 400

PROMPT = {
    "florence-2-base-ft": "What does the image describe?",
    "ofa-large-caption": " what does the image describe?",
}

STRENGTH = {"florence-2-base-ft": 1.0, "vit-gpt2": 4.0, "ofa-large-caption": 4.0}
"""Of what the picture adds to every token, so that captions differ from picture to picture."""

OF_PICTURE = (
    "crossattention.c_proj.weight", "encoder_attn.out_proj.weight", "cross_attn_mid_layer_norm.weight",
    "cross_attn_mid_layer_norm.bias",
)  # fmt: skip
"""What it is added by."""

SPREAD = {"florence-2-base-ft": 8.0, "vit-gpt2": 1.0, "ofa-large-caption": 3.0}
"""Length of the embeddings of tokens, so that scores are apart."""

ENDING = {"florence-2-base-ft": 3.0, "vit-gpt2": 2.8, "ofa-large-caption": 9.0}
"""Length of the end token's embedding beside those of others, so that sentences end now and then."""

SEARCHES = {"greedy": (1, 16, 0), "beams": (5, 16, 0), "long": (3, 24, 6)}
"""(beams, most, least) tokens."""


def drawn_captioner(name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A tensor's weights, by the name of network and tensor."""
    row, _, tensor = name.partition("/")
    values = drawn(name, shape)
    if tensor.endswith(OF_PICTURE):
        values *= STRENGTH[row]
    if len(shape) == 2 and VOCABULARY <= shape[0] <= VOCABULARY + 1:
        values *= SPREAD[row]
        values[END[TOKENIZER[row]]] *= ENDING[row]
    return values


def caption_files(row: str, golden: Path = GOLDEN, prefix: str = "captions") -> dict[str, bytes]:
    """The files of a small network, by the names that its row has for them.

    Args:
        row: whose architecture it has.
        golden: folder of what the references made.
        prefix: of the names of its files.
    """
    gaps = json.loads((golden / f"{prefix}.json").read_text(encoding="utf-8"))
    made = {"tokenizer.json": (golden / f"tokenizer_{TOKENIZER[row]}.json").read_bytes()}
    with np.load(golden / f"{prefix}.npz") as kept:
        for name in (each for each in gaps if each.startswith(f"{row}/")):
            made[name.removeprefix(f"{row}/")] = assembled(kept[name].tobytes(), gaps[name], drawn_captioner)
    return made


def expected(golden: Path = GOLDEN, prefix: str = "captions") -> dict[str, list[tuple[int, ...]]]:
    """Tokens that the references' `generate` made, by "row/search", one sentence a picture."""
    with np.load(golden / f"{prefix}.npz") as kept:
        found = {name: kept[name] for name in kept.files if name.rpartition("/")[2] in SEARCHES}
    return {name: [_until_end(each) for each in rows.tolist()] for name, rows in found.items()}


def _until_end(tokens: list[int]) -> tuple[int, ...]:
    """A sentence of a batch, which is filled up by -1."""
    return tuple(token for token in tokens if token >= 0)
