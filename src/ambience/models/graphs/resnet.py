"""The trunk of ResNets of bottlenecks (50 layers and more), built from weights as torchvision names them.

Depth and widths are read off the weights. What is made of the trunk's last map is another file's to say.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError
from ambience.models._openvino import imported_openvino
from ambience.models.graphs._weights import Checked, Weights

BATCH_NORM_EPSILON = 1e-5
"""What PyTorch adds to variances by default."""

STAGES = (1, 2, 3, 4)

IGNORED = (".num_batches_tracked",)

_BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


def prefix_of(name: str, weights: Weights) -> str:
    """What stands before torchvision's names.

    Args:
        name: of the model's row, for messages.
        weights: that were read.

    Returns:
        "" or something like "backbone.".

    Raises:
        CorruptModelError: there is no ResNet in the weights.
    """
    found = [each.removesuffix("conv1.weight") for each in weights if each.endswith("conv1.weight")]
    stems = [each for each in found if ".layer" not in f".{each}"]
    if len(stems) != 1:
        raise CorruptModelError(f"weights of {name} lack the stem of a ResNet: another model's?")
    return stems[0]


def shapes(weights: Weights, prefix: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the trunk's tensors, for the widths and depths that weights show.

    Args:
        weights: that were read.
        prefix: of the names.

    Returns:
        Shapes by name.
    """
    stem = rows(weights, f"{prefix}conv1.weight")
    needed = layer(prefix, "conv1", "bn1", (stem, 3, 7, 7))
    coming = stem
    for stage in STAGES:
        inner = rows(weights, f"{prefix}layer{stage}.0.conv1.weight")
        going = rows(weights, f"{prefix}layer{stage}.0.conv3.weight")
        for block in range(max(1, blocks(weights, prefix, stage))):
            at = f"{prefix}layer{stage}.{block}."
            needed |= layer(at, "conv1", "bn1", (inner, coming, 1, 1))
            needed |= layer(at, "conv2", "bn2", (inner, inner, 3, 3))
            needed |= layer(at, "conv3", "bn3", (going, inner, 1, 1))
            if block == 0:
                needed |= layer(at, "downsample.0", "downsample.1", (going, coming, 1, 1))
            coming = going
    return needed


def blocks(weights: Weights, prefix: str, stage: int) -> int:
    """Bottlenecks of a stage."""
    start = f"{prefix}layer{stage}."
    return sum(name.startswith(start) and name.endswith(".conv3.weight") for name in weights)


def trunk(pictures: Any, weights: Checked, prefix: str) -> Any:
    """Nodes of the trunk.

    Args:
        pictures: node of (B, 3, H, W).
        weights: checked.
        prefix: of the names.

    Returns:
        Node of (B, C, H / 32, W / 32), none below zero.

    Source: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016; the stride of a bottleneck
    lies in its 3×3 convolution, as torchvision has it.
    """
    op = imported_openvino().opset15
    node = op.relu(convolved(pictures, weights, f"{prefix}conv1", f"{prefix}bn1", stride=2, padding=3))
    node = op.max_pool(node, [2, 2], [1, 1], [1, 1], [1, 1], [3, 3], "floor", None).output(0)
    for stage in STAGES:
        for block in range(blocks(weights, prefix, stage)):
            stride = 2 if block == 0 and stage > 1 else 1
            node = _bottleneck(node, weights, f"{prefix}layer{stage}.{block}.", stride)
    return node


def _bottleneck(node: Any, weights: Checked, at: str, stride: int) -> Any:
    op = imported_openvino().opset15
    kept = node
    if f"{at}downsample.0.weight" in weights:
        kept = convolved(node, weights, f"{at}downsample.0", f"{at}downsample.1", stride=stride)
    inner = op.relu(convolved(node, weights, f"{at}conv1", f"{at}bn1"))
    inner = op.relu(convolved(inner, weights, f"{at}conv2", f"{at}bn2", stride=stride, padding=1))
    return op.relu(op.add(convolved(inner, weights, f"{at}conv3", f"{at}bn3"), kept))


def convolved(node: Any, weights: Checked, conv: str, norm: str, *, stride: int = 1, padding: int = 0) -> Any:
    """A convolution, the batch normalisation behind it folded into its kernel.

    Args:
        node: (B, C, H, W).
        weights: checked.
        conv: name of the convolution.
        norm: name of the batch normalisation.
        stride: of both axes.
        padding: zeros on every side.

    Returns:
        Node of the convolution's channels.
    """
    op = imported_openvino().opset15
    kernel, shift = _folded(weights, conv, norm)
    made = op.convolution(node, op.constant(kernel), [stride] * 2, [padding] * 2, [padding] * 2, [1, 1])
    return op.add(made, op.constant(shift[None, :, None, None]))


def _folded(weights: Checked, conv: str, norm: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    variance = weights[f"{norm}.running_var"].astype(np.float64)
    scale = weights[f"{norm}.weight"] / np.sqrt(variance + BATCH_NORM_EPSILON)
    shift = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    return (weights[f"{conv}.weight"] * scale[:, None, None, None]).astype(np.float32), shift.astype(
        np.float32
    )


def layer(at: str, conv: str, norm: str, kernel: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a convolution and of the batch normalisation behind it.

    Args:
        at: what stands before both names.
        conv: name of the convolution.
        norm: name of the batch normalisation.
        kernel: shape of the convolution's kernel.

    Returns:
        Shapes by name.
    """
    return {f"{at}{conv}.weight": kernel} | {f"{at}{norm}.{part}": kernel[:1] for part in _BATCH_NORM}


def rows(weights: Weights, name: str) -> int:
    """Channels that go out of a convolution; 0 where it is missing, so that its absence is told by name."""
    return int(weights[name].shape[0]) if name in weights and weights[name].ndim else 0
