"""One bit a value: descriptors as the signs of their rotated difference from a centroid, and two bytes more.

With r the difference and s its signs (±1), ⟨q, r⟩ is estimated by ⟨q, s⟩ · |r|² / ⟨r, s⟩, without bias for
random rotations, with an error of about |q||r| · 0.07 at 128 values. The length of r and the ratio
|r| / ⟨r, s⟩ take a byte each; their rounding is small beside that error.

Source: Gao & Long, "RaBitQ: Quantizing High-Dimensional Vectors with a Theoretical Error Bound for
Approximate Nearest Neighbor Search", SIGMOD 2024; lengths and ratios in bytes, and
query values as odd multiples of one step, in place of their random rounding.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.keypoints import DESCRIPTOR

WORDS = DESCRIPTOR // 64
"""64-bit words of a code."""

PLANES = 4
"""Bits of a query's value: their rounding adds a hundredth to the error of one bit a stored value."""

LEVELS = 2**PLANES - 1

RATIO_START = DESCRIPTOR**-0.5
"""Least that |r| / ⟨r, s⟩ can be, reached where all values have one size."""

RATIO_STEP = RATIO_START / 255
"""Step of stored ratios; more than twice the least never occurs with random rotations."""

Differences = NDArray[np.float32]


class Codes(NamedTuple):
    """Stored descriptors.

    Attributes:
        words: (M, WORDS) uint64 signs.
        factors: (M, 2) uint8: length in steps of the index, and ratio.
    """

    words: NDArray[np.uint64]
    factors: NDArray[np.uint8]


class Probes(NamedTuple):
    """What is left of queries beside the centroids of lists that they visit.

    Attributes:
        planes: (P, PLANES, WORDS) uint64: bits of the values, lowest first.
        terms: (P, 4) float32: squared length; twice the product with the signs where no bit differs; what
            each (weighted) differing bit takes away from it; and the step of stored lengths.
    """

    planes: NDArray[np.uint64]
    terms: NDArray[np.float32]


def encoded(differences: Differences, length_step: float) -> Codes:
    """Codes of (M, 128) rotated differences from their centroids.

    Args:
        differences: float32.
        length_step: what one step of a stored length is.
    """
    lengths = np.sqrt(np.einsum("md,md->m", differences, differences))
    sums = np.abs(differences).sum(axis=1)
    ratios = np.divide(lengths, sums, out=np.full_like(lengths, RATIO_START), where=sums > 0)
    factors = np.empty((len(differences), 2), np.uint8)
    factors[:, 0] = np.minimum(np.rint(lengths / length_step), 255)
    factors[:, 1] = np.clip(np.rint((ratios - RATIO_START) / RATIO_STEP), 0, 255)
    return Codes(_bits(differences > 0), factors)


def probes(differences: Differences, length_step: float) -> Probes:
    """Bit planes and terms of (P, 128) rotated differences between queries and centroids."""
    steps = np.abs(differences).max(axis=1) / LEVELS
    steps = np.maximum(steps, np.float32(1e-6))
    levels = np.rint((differences / steps[:, None] + LEVELS) / 2).astype(np.uint8)
    planes = np.stack([_bits(levels & (1 << plane)) for plane in range(PLANES)], axis=1)
    squares = np.einsum("pd,pd->p", differences, differences)
    terms = np.empty((len(differences), 4), np.float32)
    terms[:, 0], terms[:, 1], terms[:, 2] = squares, 2 * steps * (LEVELS * DESCRIPTOR), 4 * steps
    terms[:, 3] = length_step
    return Probes(planes, terms)


def lengths_and_weights(
    factors: NDArray[np.uint8], length_step: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """|r|² and |r|² / ⟨r, s⟩ of stored factors (M, 2)."""
    lengths = factors[:, 0] * np.float32(length_step)
    ratios = np.float32(RATIO_START) + np.float32(RATIO_STEP) * factors[:, 1]
    return lengths * lengths, lengths * ratios


def estimated(differences: Differences, codes: Codes, length_step: float) -> NDArray[np.float32]:
    """(P, M) estimated squared distances between queries and codes of one list.

    Args:
        differences: (P, 128) of the queries from the centroid of the list.
        codes: M of them.
        length_step: that the codes were made with.
    """
    squares, weights = lengths_and_weights(codes.factors, length_step)
    bits = np.unpackbits(np.ascontiguousarray(codes.words).view(np.uint8), axis=1)
    products = differences @ (2 * bits.astype(np.float32) - 1).T
    own = np.einsum("pd,pd->p", differences, differences)
    distances: NDArray[np.float32] = own[:, None] + squares - 2 * products * weights
    return distances


def _bits(values: NDArray[np.generic]) -> NDArray[np.uint64]:
    """(M, WORDS) words of (M, 128) values: whether they differ from zero."""
    return np.packbits(values.astype(np.bool_), axis=1).view(np.uint64)
