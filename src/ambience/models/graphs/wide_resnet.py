"""A ResNet of basic blocks without the first pooling, and a matrix from its pooled features to properties.

Depth and widths are read off the weights.
"""

from typing import Any

import numpy as np

from ambience.models._openvino import imported_openvino
from ambience.models.graphs._weights import Checked, Weights, checked_weights
from ambience.models.graphs.resnet import IGNORED, STAGES, convolved, layer, prefix_of, rows
from ambience.models.row import ModelRow

MATRIX = "matrix"
"""Name of the tensor that no checkpoint holds."""


def build(row: ModelRow, weights: Weights) -> Any:
    """The graph of a model.

    Args:
        row: its name, its number of properties, and the side of the pictures that it takes.
        weights: tensors by torchvision's names, behind a common prefix or none, and `matrix` (dim, widest);
            the layer of classes is passed over.

    Returns:
        `openvino.Model` from (B, 3, size, size) float32 to matrix · pooled features (B, dim) float32.

    Raises:
        CorruptModelError: the weights are another architecture's.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; that the first pooling is
    left out, and what the matrix is applied to, is the published code of Zhou et al., "Places", TPAMI 2017.
    """
    assert row.pixels is not None
    openvino = imported_openvino()
    op = openvino.opset15
    prefix = prefix_of(row.name, weights)
    needed = _shapes(weights, prefix) | {MATRIX: (row.dim, rows(weights, f"{prefix}layer4.0.conv1.weight"))}
    passed_over = (*IGNORED, f"{prefix}fc.weight", f"{prefix}fc.bias")
    checked = checked_weights(row.name, weights, needed, ignored=passed_over)
    pictures = op.parameter([-1, 3, row.pixels.size, row.pixels.size], np.float32, name="pictures")
    node = op.relu(convolved(pictures, checked, f"{prefix}conv1", f"{prefix}bn1", stride=2, padding=3))
    for stage in STAGES:
        for block in range(_blocks(weights, prefix, stage)):
            stride = 2 if block == 0 and stage > 1 else 1
            node = _basic(node, checked, f"{prefix}layer{stage}.{block}.", stride)
    pooled = op.reduce_mean(node, np.array([2, 3]), False)
    responses = op.matmul(pooled, op.constant(checked[MATRIX]), False, True)
    return openvino.Model([op.result(responses)], [pictures], row.name)


def _shapes(weights: Weights, prefix: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the trunk's tensors, for the widths and depths that weights show."""
    coming = rows(weights, f"{prefix}conv1.weight")
    needed = layer(prefix, "conv1", "bn1", (coming, 3, 7, 7))
    for stage in STAGES:
        going = rows(weights, f"{prefix}layer{stage}.0.conv1.weight")
        for block in range(max(1, _blocks(weights, prefix, stage))):
            at = f"{prefix}layer{stage}.{block}."
            needed |= layer(at, "conv1", "bn1", (going, coming, 3, 3))
            needed |= layer(at, "conv2", "bn2", (going, going, 3, 3))
            if block == 0 and (stage > 1 or coming != going):
                needed |= layer(at, "downsample.0", "downsample.1", (going, coming, 1, 1))
            coming = going
    return needed


def _blocks(weights: Weights, prefix: str, stage: int) -> int:
    start = f"{prefix}layer{stage}."
    return sum(name.startswith(start) and name.endswith(".conv2.weight") for name in weights)


def _basic(node: Any, weights: Checked, at: str, stride: int) -> Any:
    op = imported_openvino().opset15
    kept = node
    if f"{at}downsample.0.weight" in weights:
        kept = convolved(node, weights, f"{at}downsample.0", f"{at}downsample.1", stride=stride)
    inner = op.relu(convolved(node, weights, f"{at}conv1", f"{at}bn1", stride=stride, padding=1))
    return op.relu(op.add(convolved(inner, weights, f"{at}conv2", f"{at}bn2", padding=1), kept))
