"""BEiT, built from its weights as timm names them: a picture becomes the mean of its patches' tokens.

Depth, width and heads are read off the weights. The classes that the published weights tell apart are left
out, as they are by those who use the network for embeddings.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError
from ambience.models._openvino import imported_openvino
from ambience.models.graphs._weights import Checked, Weights, checked_weights
from ambience.models.row import ModelRow

LAYER_NORM_EPSILON = 1e-6

BEYOND_GRID = 3
"""Entries of a table of relative positions beside those of patches: of the class token, to and from it."""

IGNORED = ("head.weight", "head.bias", "relative_position_index", "k_bias")


def build(row: ModelRow, weights: Weights) -> Any:
    """The graph of a model.

    Args:
        row: its name, and the side of the pictures that it takes.
        weights: tensors by timm's names.

    Returns:
        `openvino.Model` from (B, 3, size, size) float32 to (B, dim) float32.

    Raises:
        CorruptModelError: the weights are another architecture's, or of pictures of another size.

    Source: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", ICLR 2022.
    """
    assert row.pixels is not None
    stem = weights.get("patch_embed.proj.weight")
    table = weights.get("blocks.0.attn.relative_position_bias_table")
    if stem is None or table is None or stem.ndim != 4 or table.ndim != 2 or stem.shape[2] < 1:
        raise CorruptModelError(
            f"weights of {row.name} lack the stem or the positions of a BEiT: another model's?"
        )
    dim, patch, heads = stem.shape[0], stem.shape[2], table.shape[1]
    grid, depth = row.pixels.size // patch, _depth(weights)
    if not heads or dim % heads:
        raise CorruptModelError(
            f"weights of {row.name} have {heads} heads for {dim} numbers: another model's?"
        )
    checked = checked_weights(row.name, weights, _shapes(weights, dim, patch, grid, heads), ignored=IGNORED)
    network = _Network(checked, dim=dim, heads=heads, positions=_relative_positions(grid))
    return network.graph(row.name, row.pixels.size, patch, depth)


def _depth(weights: Weights) -> int:
    return sum(name.startswith("blocks.") and name.endswith(".norm1.weight") for name in weights)


def _shapes(weights: Weights, dim: int, patch: int, grid: int, heads: int) -> dict[str, tuple[int, ...]]:
    hidden = len(weights.get("blocks.0.mlp.fc1.bias", ()))
    needed: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, dim),
        "patch_embed.proj.weight": (dim, 3, patch, patch),
        "patch_embed.proj.bias": (dim,),
        "fc_norm.weight": (dim,),
        "fc_norm.bias": (dim,),
    }
    block: dict[str, tuple[int, ...]] = {
        **{f"{norm}.{part}": (dim,) for norm in ("norm1", "norm2") for part in ("weight", "bias")},
        **{name: (dim,) for name in ("gamma_1", "gamma_2", "attn.q_bias", "attn.v_bias", "attn.proj.bias")},
        "attn.qkv.weight": (3 * dim, dim),
        "attn.relative_position_bias_table": ((2 * grid - 1) ** 2 + BEYOND_GRID, heads),
        "attn.proj.weight": (dim, dim),
        "mlp.fc1.weight": (hidden, dim),
        "mlp.fc1.bias": (hidden,),
        "mlp.fc2.weight": (dim, hidden),
        "mlp.fc2.bias": (dim,),
    }
    for number in range(_depth(weights)):
        needed |= {f"blocks.{number}.{name}": shape for name, shape in block.items()}
    return needed


def _relative_positions(grid: int) -> NDArray[np.int64]:
    """(tokens, tokens): which entry of its table a pair of tokens takes; the class token comes first."""
    rows, columns = np.divmod(np.arange(grid * grid), grid)
    across = 2 * grid - 1
    down = rows[:, None] - rows[None] + grid - 1
    sideways = columns[:, None] - columns[None] + grid - 1
    table = np.empty((grid * grid + 1,) * 2, np.int64)
    table[1:, 1:] = down * across + sideways
    table[0], table[:, 0], table[0, 0] = across**2, across**2 + 1, across**2 + 2
    return table


class _Network:
    """Nodes of the graph."""

    def __init__(self, weights: Checked, *, dim: int, heads: int, positions: NDArray[np.int64]) -> None:
        self._openvino = imported_openvino()
        self._op = self._openvino.opset15
        self._weights = weights
        self._dim, self._heads = dim, heads
        self._positions = positions

    def graph(self, name: str, side: int, patch: int, depth: int) -> Any:
        op = self._op
        pictures = op.parameter([-1, 3, side, side], np.float32, name="pictures")
        kernel = op.constant(self._weights["patch_embed.proj.weight"])
        patches = op.convolution(pictures, kernel, [patch, patch], [0, 0], [0, 0], [1, 1])
        rows = op.reshape(patches, np.array([0, self._dim, -1]), special_zero=True)
        tokens = op.transpose(rows, np.array([0, 2, 1]))
        tokens = op.add(tokens, op.constant(self._weights["patch_embed.proj.bias"]))
        first = op.broadcast(
            op.constant(self._weights["cls_token"]),
            op.concat([op.gather(op.shape_of(pictures), [0], 0), np.array([1, self._dim])], 0),
        )
        tokens = op.concat([first, tokens], 1)
        for number in range(depth):
            tokens = self._block(tokens, f"blocks.{number}.")
        patches = op.slice(tokens, [1], [np.iinfo(np.int64).max], [1], [1])
        pooled = op.reduce_mean(patches, np.array([1]), False)
        made = self._normed(pooled, "fc_norm.")
        return self._openvino.Model([op.result(made)], [pictures], name)

    def _block(self, tokens: Any, prefix: str) -> Any:
        op = self._op
        seen = self._attended(self._normed(tokens, f"{prefix}norm1."), f"{prefix}attn.")
        tokens = op.add(tokens, op.multiply(seen, op.constant(self._weights[f"{prefix}gamma_1"])))
        wide = op.gelu(self._product(self._normed(tokens, f"{prefix}norm2."), f"{prefix}mlp.fc1."), "erf")
        thought = self._product(wide, f"{prefix}mlp.fc2.")
        return op.add(tokens, op.multiply(thought, op.constant(self._weights[f"{prefix}gamma_2"])))

    def _attended(self, tokens: Any, prefix: str) -> Any:
        op, weights = self._op, self._weights
        bias = np.concatenate(
            [weights[f"{prefix}q_bias"], np.zeros(self._dim, np.float32), weights[f"{prefix}v_bias"]]
        )
        product = op.add(
            op.matmul(tokens, op.constant(weights[f"{prefix}qkv.weight"]), False, True), op.constant(bias)
        )
        split = op.reshape(product, np.array([0, 0, 3, self._heads, -1]), special_zero=True)
        turned = op.transpose(split, np.array([2, 0, 3, 1, 4]))
        queries, keys, values = (op.gather(turned, np.array(part), np.array(0)) for part in range(3))
        table = weights[f"{prefix}relative_position_bias_table"][self._positions]  # (tokens, tokens, heads)
        near = op.constant(np.ascontiguousarray(table.transpose(2, 0, 1)[None]))
        seen = op.scaled_dot_product_attention(queries, keys, values, near)
        together = op.reshape(
            op.transpose(seen, np.array([0, 2, 1, 3])), np.array([0, 0, self._dim]), special_zero=True
        )
        return self._product(together, f"{prefix}proj.")

    def _product(self, node: Any, prefix: str) -> Any:
        product = self._op.matmul(node, self._op.constant(self._weights[f"{prefix}weight"]), False, True)
        return self._op.add(product, self._op.constant(self._weights[f"{prefix}bias"]))

    def _normed(self, node: Any, prefix: str) -> Any:
        normed = self._op.mvn(node, np.array([-1]), True, LAYER_NORM_EPSILON, "inside_sqrt")
        scaled = self._op.multiply(normed, self._op.constant(self._weights[f"{prefix}weight"]))
        return self._op.add(scaled, self._op.constant(self._weights[f"{prefix}bias"]))
