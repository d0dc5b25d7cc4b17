"""Small networks of the scene models' architectures, in the form in which the real ones are published."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from ambience.models.catalog import CATALOG
from ambience.models.row import ModelRow
from support.checkpoints import checkpoint, python2_checkpoint
from support.tiny_networks import GOLDEN, SIDE, drawn

SCENE_MODELS = ("places365-resnet50", "places365-wideresnet18")


def tiny_scene_row(name: str) -> ModelRow:
    """The row of a small network: that of the catalog, but for the side of its pictures."""
    row = CATALOG[name]
    assert row.pixels is not None
    resize = SIDE * 8 // 7 if row.pixels.resize else 0
    return replace(
        row,
        pixels=replace(row.pixels, size=SIDE, resize=resize),
        input_size=SIDE,
        repository="someone/model",
    )


def scene_files(name: str, golden: Path = GOLDEN) -> dict[str, bytes]:
    """The files of a small network: one as PyTorch 0.2 wrote it under Python 2, one as Python 3 did.

    Args:
        name: of the row whose architecture it has.
        golden: folder of what the references made.
    """
    shapes = json.loads((golden / "places365.json").read_text(encoding="utf-8"))[name]
    tensors = {
        each: drawn(f"{name}/{each.replace('.', '/', 1)}", tuple(shape))
        for each, shape in shapes.items()
        if shape  # neither version of PyTorch counted batches yet
    }
    weights, *others = (file.name for file in CATALOG[name].files)
    if not others:
        return {weights: python2_checkpoint(tensors)}
    widest = shapes["module.fc.weight"][1]
    matrix = io.BytesIO()
    np.save(matrix, drawn(f"{name}/matrix", (CATALOG[name].dim, widest)).astype(np.float64))
    return {weights: checkpoint(tensors, old=True), others[0]: matrix.getvalue()}
