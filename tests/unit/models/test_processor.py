"""What OpenVINO makes of a graph is what the graph says."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.models._openvino import imported_openvino
from ambience.models.processor import ProcessorEngine
from ambience.settings import ModelSettings

WIDTH = 16
"""Numbers of a head."""


def attention_graph(tokens: int, heads: int, *, is_whole: bool) -> Any:
    """Attention of one example of a fixed size, as exporters write it out: (1, tokens, 3 · heads · WIDTH)."""
    openvino = imported_openvino()
    op = openvino.opset15
    given = op.parameter([1, tokens, 3 * heads * WIDTH], np.float32)
    split = op.reshape(given, np.array([1, tokens, 3, heads, WIDTH]), special_zero=False)
    turned = op.transpose(split, np.array([2, 0, 3, 1, 4]))
    queries, keys, values = (op.gather(turned, np.array(part), np.array(0)) for part in range(3))
    if is_whole:
        seen = op.scaled_dot_product_attention(queries, keys, values)
    else:
        near = op.matmul(op.multiply(queries, np.float32(WIDTH**-0.5)), keys, False, True)
        seen = op.matmul(op.softmax(near, -1), values, False, False)
    order = op.transpose(seen, np.array([0, 2, 1, 3]))
    made = op.reshape(order, np.array([1, tokens, heads * WIDTH]), special_zero=False)
    return openvino.Model([op.result(made)], [given], "attention")


def attention(given: NDArray[np.float32], heads: int) -> NDArray[np.float64]:
    """The same in NumPy."""
    _, tokens, _ = given.shape
    parts = given.astype(np.float64).reshape(tokens, 3, heads, WIDTH).transpose(1, 2, 0, 3)
    queries, keys, values = parts
    near = np.exp(queries @ keys.transpose(0, 2, 1) * WIDTH**-0.5)
    seen = near / near.sum(axis=-1, keepdims=True) @ values
    return np.asarray(seen.transpose(1, 0, 2).reshape(1, tokens, heads * WIDTH))


@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize(("tokens", "heads"), [(4, 4), (5, 4), (12, 12)])
def test_attention_of_as_many_tokens_as_heads_is_not_confused(
    tokens: int, heads: int, precision: str, is_whole: bool
) -> None:
    given = np.random.default_rng(7).standard_normal((1, tokens, 3 * heads * WIDTH), np.float32)
    settings = ModelSettings(threads=1, precision=precision)
    made = ProcessorEngine(attention_graph(tokens, heads, is_whole=is_whole), settings).run([given])
    wanted = attention(given, heads)
    lengths = np.linalg.norm(made, axis=-1) * np.linalg.norm(wanted, axis=-1)
    assert ((made * wanted).sum(axis=-1) / lengths).min() > 0.9999
