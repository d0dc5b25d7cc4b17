"""A question is asked twice: the second time together with the best of what it found the first time (αQE)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def expanded(query: NDArray[Any], neighbors: NDArray[Any], alpha: float) -> NDArray[np.float32]:
    """A query and its nearest neighbours as one: q' = l2(q + Σ max(0, q·xᵢ)^α xᵢ).

    The query itself counts fully; a neighbour at a right angle to it or beyond counts nothing, so that no
    power is taken of a negative number, and q·q' never falls below 0.

    Args:
        query: (D,), of any length but 0; it is brought to unit length.
        neighbors: (N, D) its nearest, N from 0; each is brought to unit length, and one of zeros passed over.
        alpha: 0 or more; 0 counts all neighbours alike, a large one the nearest alone.

    Returns:
        (D,) of unit length.

    Source: Radenović, Tolias & Chum, "Fine-tuning CNN image retrieval with no human annotation", TPAMI 41(7),
        2019, section 3.3; with the weights clamped at 0. With α = 0: Chum et al., "Total recall", ICCV 2007.
    """
    one, many = _units(query[np.newaxis])[0], _units(neighbors)
    likeness = many @ one
    weights = np.where(likeness > 0, np.maximum(likeness, 0.0) ** alpha, 0.0)
    total: NDArray[np.float32] = _units((one + weights @ many)[np.newaxis])[0].astype(np.float32)
    return total


def _units(vectors: NDArray[Any]) -> NDArray[np.float64]:
    wide = np.asarray(vectors, np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    units: NDArray[np.float64] = np.divide(wide, lengths, out=np.zeros_like(wide), where=lengths > 0)
    return units
