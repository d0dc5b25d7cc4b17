"""A ResNet that tells classes: the trunk, the mean of its last map, and one number a class."""

from typing import Any

import numpy as np

from ambience.models._openvino import imported_openvino
from ambience.models.graphs._weights import Weights, checked_weights
from ambience.models.graphs.resnet import IGNORED, prefix_of, shapes, trunk
from ambience.models.row import ModelRow


def build(row: ModelRow, weights: Weights) -> Any:
    """The graph of a model.

    Args:
        row: its name, its number of classes, and the side of the pictures that it takes.
        weights: tensors by torchvision's names, behind a common prefix or none.

    Returns:
        `openvino.Model` from (B, 3, size, size) float32 to logits (B, dim) float32.

    Raises:
        CorruptModelError: the weights are another architecture's.

    Source: Zhou et al., "Places: A 10 million Image Database for Scene Recognition", TPAMI 2017, trained
    torchvision's ResNet-50 of He et al., CVPR 2016.
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
    pooled = op.reduce_mean(trunk(pictures, checked, prefix), np.array([2, 3]), False)
    product = op.matmul(pooled, op.constant(checked[f"{prefix}fc.weight"]), False, True)
    logits = op.add(product, op.constant(checked[f"{prefix}fc.bias"]))
    return openvino.Model([op.result(logits)], [pictures], row.name)
