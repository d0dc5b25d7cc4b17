"""Weights are checked against the shapes that an architecture needs, before its graph is built of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError

Weights = Mapping[str, NDArray[Any]]
"""Tensors by the names of a published checkpoint."""

Checked = dict[str, NDArray[np.float32]]
"""Those that are needed, as float32."""


def checked_weights(
    name: str, weights: Weights, needed: Mapping[str, tuple[int, ...]], *, ignored: tuple[str, ...] = ()
) -> Checked:
    """The tensors that are needed, as float32.

    Args:
        name: of the model's row, for messages.
        weights: that were read.
        needed: shapes by name.
        ignored: ends of names, or whole ones, that may be there and are not used.

    Returns:
        Tensors by name.

    Raises:
        CorruptModelError: one is missing, unknown, of another shape, or holds what is no number.
    """
    if missing := sorted(set(needed) - set(weights)):
        raise CorruptModelError(f"weights of {name} lack {', '.join(missing[:3])}: another model's?")
    if unknown := sorted(each for each in set(weights) - set(needed) if not each.endswith(ignored)):
        raise CorruptModelError(f"weights of {name} hold {', '.join(unknown[:3])}: another model's?")
    found = {}
    for tensor, shape in needed.items():
        if weights[tensor].shape != shape:
            raise CorruptModelError(f"{tensor} of {name} has shape {weights[tensor].shape}, not {shape}")
        found[tensor] = np.ascontiguousarray(weights[tensor], np.float32).reshape(shape)
        if not np.isfinite(found[tensor]).all() or (tensor.endswith("_var") and (found[tensor] < 0).any()):
            raise CorruptModelError(f"{tensor} of {name} holds what is no number, or a negative variance")
    return found
