"""Weights of matrix products as whole numbers of eight bits, one scale for each number that comes out.

What comes into a product is made int8 by OpenVINO while it runs, in small groups with a scale each, so that
no sample pictures are needed. Everything else stays float32.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.models._openvino import imported_openvino

LARGEST = 127

MIN_WEIGHTS = 4096
"""Products with fewer weights stay as they are: there is nothing to be saved."""


def shrink_weights(graph: Any) -> int:
    """Makes the weights of a graph's matrix products int8, in place.

    Args:
        graph: `openvino.Model`.

    Returns:
        How many products were changed.
    """
    imported_openvino()
    from openvino import passes

    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())  # OpenVINO 2026.4 cannot fold what is int8
    manager.run_passes(graph)
    changed = 0
    for node in graph.get_ordered_ops():
        weights = _weights(node)
        if weights is not None:
            said = node.get_attributes()
            product = _product(node, weights if said["transpose_b"] else weights.T, said["transpose_a"])
            product.set_friendly_name(node.get_friendly_name())
            for target in node.output(0).get_target_inputs():
                target.replace_source_output(product.output(0))
            changed += 1
    return changed


def _weights(node: Any) -> NDArray[np.float32] | None:
    """The weights of a matrix product, where a node is one of a constant matrix."""
    if node.get_type_name() != "MatMul":
        return None
    source = node.input_value(1).get_node()
    if source.get_type_name() != "Constant" or len(source.get_output_shape(0)) != 2:
        return None
    matrix = np.asarray(source.data)
    return matrix if matrix.dtype == np.float32 and matrix.size >= MIN_WEIGHTS else None


def _product(node: Any, weights: NDArray[np.float32], is_left_turned: bool) -> Any:
    """The same product with weights (out, in) that are int8 times a scale for each row."""
    op = imported_openvino().opset15
    scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True), np.float32(1e-12)) / np.float32(LARGEST)
    whole = np.ascontiguousarray(np.rint(weights / scales), np.int8)
    widened = op.multiply(op.convert(op.constant(whole), "f32"), op.constant(scales.astype(np.float32)))
    return op.matmul(node.input_value(0), widened, is_left_turned, True)
