"""HardNet and HardNet8, built from their weights: square grey patches become unit vectors of 128 numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.models._openvino import imported_openvino
from ambience.models.graphs._weights import Weights, checked_weights
from ambience.models.row import ModelRow

SIDE = 32
"""Pixels of a side of a patch."""

BATCH_NORM_EPSILON = 1e-5
"""What PyTorch adds to variances by default."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, and the normalisation whose tensors follow it.

    Attributes:
        index: of the convolution among `features`.
        channels: that come in, and that go out.
        kernel: pixels of a side.
        stride: in pixels.
        padding: pixels on each side.
    """

    index: int
    channels: tuple[int, int]
    kernel: int = 3
    stride: int = 1
    padding: int = 1


_SHARED = (
    Layer(0, (1, 32)),
    Layer(3, (32, 32)),
    Layer(6, (32, 64), stride=2),
    Layer(9, (64, 64)),
    Layer(12, (64, 128), stride=2),
    Layer(15, (128, 128)),
)
LAYERS: Mapping[str, tuple[Layer, ...]] = {
    "hardnet": (*_SHARED, Layer(19, (128, 128), kernel=8, padding=0)),
    "hardnet8": (*_SHARED, Layer(18, (128, 256)), Layer(22, (256, 512), kernel=8, padding=0)),
}
"""Convolutions of each model; all but the last are followed by max(x, 0)."""

PATCH_EPSILON: Mapping[str, float] = {"hardnet": 1e-6, "hardnet8": 1e-7}
"""What is added to a patch's deviation before it is divided by it."""


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that a model needs.

    Args:
        name: of the model's row.

    Returns:
        Shapes by name.
    """
    needed: dict[str, tuple[int, ...]] = {}
    for layer in LAYERS[name]:
        coming, going = layer.channels
        needed[f"features.{layer.index}.weight"] = (going, coming, layer.kernel, layer.kernel)
        needed[f"features.{layer.index + 1}.running_mean"] = (going,)
        needed[f"features.{layer.index + 1}.running_var"] = (going,)
    if name == "hardnet8":
        needed |= {"components": (512, 128), "mean": (512,)}
    return needed


def prepared(row: ModelRow, patches: NDArray[np.float32]) -> NDArray[np.float32]:
    """Patches of mean 0 and deviation 1, so that brightness and contrast do not matter.

    Not a part of the graph: calculated in bf16, patches of little contrast would lose it (cosines of 0.97).

    Args:
        row: "hardnet" or "hardnet8".
        patches: (N, 32, 32) float32, 0–1.

    Returns:
        (N, 1, 32, 32) float32.
    """
    flat = patches.reshape(-1, SIDE * SIDE)
    centered = flat - flat.mean(axis=1, keepdims=True)
    deviation = np.sqrt(np.square(centered).sum(axis=1, keepdims=True) / (SIDE * SIDE - 1))
    scaled = centered / (deviation + np.float32(PATCH_EPSILON[row.name]))
    return np.asarray(scaled, np.float32).reshape(-1, 1, SIDE, SIDE)


def build(row: ModelRow, weights: Weights) -> Any:
    """The graph of a model.

    Args:
        row: "hardnet" or "hardnet8".
        weights: tensors by the names of the published checkpoints.

    Returns:
        `openvino.Model` from (B, 1, 32, 32) float32, as `prepared` makes them, to (B, 128) float32 of unit
        length.

    Raises:
        CorruptModelError: a tensor is missing, unknown, of another shape, or holds what is no number.

    Source: Mishchuk et al., "Working hard to know your neighbor's margins", NIPS 2017 (HardNet); Pultar,
    "Improving the HardNet descriptor", 2020 (HardNet8: unit vectors of 512 numbers, projected to 128 by PCA
    and brought to unit length again).
    """
    openvino = imported_openvino()
    op = openvino.opset15
    checked = checked_weights(row.name, weights, shapes(row.name), ignored=(".num_batches_tracked",))
    patches = op.parameter([-1, 1, SIDE, SIDE], np.float32, name="patches")
    *layers, last = LAYERS[row.name]
    node = patches
    for layer in layers:
        node = op.relu(_convolved(op, node, layer, checked))
    node = _unit_length(op, _summed(op, node, last, checked))
    if row.name == "hardnet8":
        centered = op.subtract(node, op.constant(checked["mean"][None]))
        node = _unit_length(op, op.matmul(centered, op.constant(checked["components"]), False, False))
    return openvino.Model([op.result(node)], [patches], row.name)


def _convolved(op: Any, node: Any, layer: Layer, weights: Weights) -> Any:
    kernel, shift = _folded(layer, weights)
    padding = [layer.padding, layer.padding]
    stride = [layer.stride, layer.stride]
    convolved = op.convolution(node, op.constant(kernel), stride, padding, padding, [1, 1])
    return op.add(convolved, op.constant(shift[None, :, None, None]))


def _summed(op: Any, node: Any, layer: Layer, weights: Weights) -> Any:
    """A convolution whose kernel is as large as what it sees: a matrix product, in a third of the time."""
    kernel, shift = _folded(layer, weights)
    going = layer.channels[1]
    flat = op.reshape(node, np.array([-1, kernel[0].size]), special_zero=False)
    product = op.matmul(flat, op.constant(kernel.reshape(going, -1)), False, True)
    return op.add(product, op.constant(shift[None]))


def _folded(layer: Layer, weights: Weights) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel and shift of a convolution, the batch normalisation behind it included."""
    variance = weights[f"features.{layer.index + 1}.running_var"].astype(np.float64)
    scale = 1 / np.sqrt(variance + BATCH_NORM_EPSILON)
    kernel = (weights[f"features.{layer.index}.weight"] * scale[:, None, None, None]).astype(np.float32)
    return kernel, (-weights[f"features.{layer.index + 1}.running_mean"] * scale).astype(np.float32)


def _unit_length(op: Any, node: Any) -> Any:
    length = op.reduce_l2(node, op.constant(np.array([1], np.int64)), True)
    return op.divide(node, op.maximum(length, _number(op, 1e-12)))


def _number(op: Any, value: float) -> Any:
    return op.constant(np.array(value, np.float32))
