"""SSCD, built from its weights: a ResNet whose last map is pooled by a generalised mean and projected."""

from typing import Any

import numpy as np

from ambience.models._openvino import imported_openvino
from ambience.models.graphs._weights import Weights, checked_weights
from ambience.models.graphs.resnet import IGNORED, prefix_of, shapes, trunk
from ambience.models.row import ModelRow

POWER = 3.0
"""Of the mean."""

SMALLEST = 1e-6
"""Values below it are raised to it first, so that the mean has a root."""


def build(row: ModelRow, weights: Weights) -> Any:
    """The graph of a model.

    Args:
        row: its name, its dimension, and the side of the pictures that it takes.
        weights: tensors by torchvision's names, behind a common prefix or none.

    Returns:
        `openvino.Model` from (B, 3, size, size) float32 to (B, dim) float32, not of unit length.

    Raises:
        CorruptModelError: the weights are another architecture's.

    Source: Pizzi et al., "A Self-Supervised Descriptor for Image Copy Detection", CVPR 2022; Radenović et
    al., "Fine-tuning CNN Image Retrieval with No Human Annotation", TPAMI 2019 (the generalised mean).
    """
    assert row.pixels is not None
    openvino = imported_openvino()
    op = openvino.opset15
    prefix = prefix_of(row.name, weights)
    needed = shapes(weights, prefix)
    widest = needed[f"{prefix}layer4.0.conv3.weight"][0]
    needed |= {f"{prefix}fc.weight": (row.dim, widest), f"{prefix}fc.bias": (row.dim,)}
    checked = checked_weights(row.name, weights, needed, ignored=IGNORED)
    pictures = op.parameter([-1, 3, row.pixels.size, row.pixels.size], np.float32, name="pictures")
    last = op.maximum(trunk(pictures, checked, prefix), _number(op, SMALLEST))
    mean = op.reduce_mean(op.power(last, _number(op, POWER)), np.array([2, 3]), False)
    pooled = op.power(mean, _number(op, 1 / POWER))
    product = op.matmul(pooled, op.constant(checked[f"{prefix}fc.weight"]), False, True)
    made = op.add(product, op.constant(checked[f"{prefix}fc.bias"]))
    return openvino.Model([op.result(made)], [pictures], row.name)


def _number(op: Any, value: float) -> Any:
    return op.constant(np.array(value, np.float32))
