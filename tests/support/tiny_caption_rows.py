"""Rows of the catalog, for small networks that describe pictures."""

from collections.abc import Mapping
from dataclasses import replace

from ambience.models.catalog import CATALOG
from ambience.models.row import ModelRow
from support.tiny_captioners import END, SIDE, TOKENIZER


def tiny_captioner(name: str, made: Mapping[str, bytes]) -> ModelRow:
    """The row of a small network: that of the catalog, but for sizes and GPT-2's only special token.

    Args:
        name: of the row.
        made: its files.
    """
    row = CATALOG[name]
    assert row.pixels is not None
    assert row.captioning is not None
    captioning = row.captioning
    if TOKENIZER[name] == "gpt2":
        captioning = replace(captioning, start=END["gpt2"], end=END["gpt2"])
    files = tuple(
        replace(file, size=len(made[file.name]), sha256=None, is_size_exact=True) for file in row.files
    )
    return replace(
        row,
        files=files,
        input_size=SIDE[name],
        pixels=replace(row.pixels, size=SIDE[name]),
        captioning=captioning,
    )
