"""EfficientNet-Lite0, built from its weights: a picture becomes 1,000 logits and 1,280 features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError
from ambience.models._openvino import imported_openvino
from ambience.models.catalog import ModelRow

SIDE = 224
"""Pixels of a side of the square that it takes."""

CLASSES = 1000
"""Of ImageNet."""

POOLED = 1280
"""Numbers of the layer below the classes."""

BATCH_NORM_EPSILON = 1e-3
"""What TensorFlow's EfficientNets, of which these weights are a copy, add to variances."""

Weights = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one width.

    Attributes:
        blocks: how many.
        channels: that each of them answers.
        kernel: pixels of a side of the depthwise convolution.
        stride: of the first block, in pixels.
        expansion: times the channels that come in are the channels within.
    """

    blocks: int
    channels: int
    kernel: int = 3
    stride: int = 1
    expansion: int = 6


STEM = 32
"""Channels of the first convolution."""

STAGES = (
    Stage(1, 16, expansion=1),
    Stage(2, 24, stride=2),
    Stage(2, 40, kernel=5, stride=2),
    Stage(3, 80, stride=2),
    Stage(3, 112, kernel=5),
    Stage(4, 192, kernel=5, stride=2),
    Stage(1, 320),
)
"""Lite0: width and depth 1.0."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, and the normalisation behind it.

    Attributes:
        conv: name of its tensor.
        norm: name of the normalisation's tensors, without their endings.
        coming: channels.
        going: channels.
        kernel: pixels of a side.
        stride: in pixels.
        is_depthwise: whether each channel has a kernel of its own.
        is_clipped: whether its values are then brought into 0–6.
        adds: name of the convolution whose input is added to what comes out; "" for none.
    """

    conv: str
    norm: str
    coming: int
    going: int
    kernel: int = 1
    stride: int = 1
    is_depthwise: bool = False
    is_clipped: bool = True
    adds: str = ""


def layers() -> Iterator[Layer]:
    """Every convolution, in the order in which a picture passes it.

    Yields:
        Stem, blocks, head.
    """
    yield Layer("_conv_stem", "_bn0", 3, STEM, kernel=3, stride=2)
    coming, number = STEM, 0
    for stage in STAGES:
        for place in range(stage.blocks):
            yield from _block(f"_blocks.{number}.", stage, coming, stage.stride if place == 0 else 1)
            coming = stage.channels
            number += 1
    yield Layer("_conv_head", "_bn1", coming, POOLED)


def _block(name: str, stage: Stage, coming: int, stride: int) -> Iterator[Layer]:
    """An inverted residual block: wider, seen channel by channel, and narrow again."""
    wide = coming * stage.expansion
    if stage.expansion > 1:
        yield Layer(f"{name}_expand_conv", f"{name}_bn0", coming, wide)
    yield Layer(
        f"{name}_depthwise_conv",
        f"{name}_bn1",
        wide,
        wide,
        kernel=stage.kernel,
        stride=stride,
        is_depthwise=True,
    )
    is_residual = stride == 1 and coming == stage.channels
    yield Layer(
        f"{name}_project_conv",
        f"{name}_bn2",
        wide,
        stage.channels,
        is_clipped=False,
        adds=f"{name}_expand_conv" if is_residual else "",
    )


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors that the model needs.

    Returns:
        Shapes by name.
    """
    needed: dict[str, tuple[int, ...]] = {"_fc.weight": (CLASSES, POOLED), "_fc.bias": (CLASSES,)}
    for layer in layers():
        seen = 1 if layer.is_depthwise else layer.coming
        needed[f"{layer.conv}.weight"] = (layer.going, seen, layer.kernel, layer.kernel)
        for ending in ("weight", "bias", "running_mean", "running_var"):
            needed[f"{layer.norm}.{ending}"] = (layer.going,)
    return needed


def build(row: ModelRow, weights: Weights) -> Any:
    """The graph of the model.

    Args:
        row: "efficientnet-lite0".
        weights: tensors by the names of the published checkpoint.

    Returns:
        `openvino.Model` from (B, 3, 224, 224) float32, (value − 127) / 128 of values of 0–255, to (B, 1000)
        logits and (B, 1280) features, the mean of the last convolution over its places, each 0–6.

    Raises:
        CorruptModelError: a tensor is missing, unknown, of another shape, or holds what is no number.

    Source: Tan & Le, "EfficientNet", ICML 2019; its Lite form of 2020: no squeeze-and-excitation, values
    clipped at 6. Padding is TensorFlow's "same": where it is uneven, the larger part is right and below.
    """
    openvino = imported_openvino()
    op = openvino.opset15
    checked = _checked(row.name, weights)
    pixels = op.parameter([-1, 3, SIDE, SIDE], np.float32, name="pixels")
    node, entered = pixels, {}
    for layer in layers():
        entered[layer.conv] = node
        node = _convolved(op, node, layer, checked)
        if layer.is_clipped:
            node = op.clamp(node, 0.0, 6.0)
        if layer.adds:
            node = op.add(node, entered[layer.adds])
    pooled = op.reduce_mean(node, op.constant(np.array([2, 3], np.int64)), False)
    product = op.matmul(pooled, op.constant(checked["_fc.weight"]), False, True)
    logits = op.add(product, op.constant(checked["_fc.bias"][None]))
    return openvino.Model([op.result(logits), op.result(pooled)], [pixels], row.name)


def _checked(name: str, weights: Weights) -> dict[str, NDArray[np.float32]]:
    """The tensors needed, as float32."""
    needed = shapes()
    known = set(needed) | {tensor for tensor in weights if tensor.endswith(".num_batches_tracked")}
    if missing := sorted(set(needed) - set(weights)):
        raise CorruptModelError(f"weights of {name} lack {', '.join(missing[:3])}: another model's?")
    if unknown := sorted(set(weights) - known):
        raise CorruptModelError(f"weights of {name} hold {', '.join(unknown[:3])}: another model's?")
    found = {}
    for tensor, shape in needed.items():
        if weights[tensor].shape != shape:
            raise CorruptModelError(f"{tensor} of {name} has shape {weights[tensor].shape}, not {shape}")
        found[tensor] = np.ascontiguousarray(weights[tensor], np.float32)
        if not np.isfinite(found[tensor]).all() or (tensor.endswith("_var") and (found[tensor] < 0).any()):
            raise CorruptModelError(f"{tensor} of {name} holds what is no number, or a negative variance")
    return found


def _convolved(op: Any, node: Any, layer: Layer, weights: Weights) -> Any:
    """A convolution with the normalisation behind it folded into its kernel."""
    variance = weights[f"{layer.norm}.running_var"].astype(np.float64)
    scale = weights[f"{layer.norm}.weight"] / np.sqrt(variance + BATCH_NORM_EPSILON)
    kernel = (weights[f"{layer.conv}.weight"] * scale[:, None, None, None]).astype(np.float32)
    shift = weights[f"{layer.norm}.bias"] - weights[f"{layer.norm}.running_mean"] * scale
    stride, none = [layer.stride] * 2, [0, 0]
    if layer.is_depthwise:
        constant = op.constant(kernel[:, None])
        convolved = op.group_convolution(node, constant, stride, none, none, [1, 1], auto_pad="same_upper")
    else:
        constant = op.constant(kernel)
        convolved = op.convolution(node, constant, stride, none, none, [1, 1], auto_pad="same_upper")
    return op.add(convolved, op.constant(shift.astype(np.float32)[None, :, None, None]))
