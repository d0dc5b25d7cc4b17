"""Loops over keypoints that no library has, compiled by numba; plain Python, slowly, where it is missing.

Imported by the functions that need them, and only then.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def compiled(function: Callable[..., Any]) -> Any:
    """A function compiled without the interpreter lock, kept on disk where some folder can be written."""
    try:
        import numba
    except ImportError:  # numba supports new Pythons late
        return function
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder that can be written: compile anew in every process
        return numba.njit(nogil=True)(function)


@compiled
def isolation(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squared distance of each point to the nearest one before it.

    Args:
        x: (N,) in pixels.
        y: (N,) in pixels.

    Returns:
        (N,); infinite for the first.
    """
    nearest = np.full(len(x), np.inf, np.float32)
    for n in range(len(x) - 1):
        apart = (x[n + 1 :] - x[n]) ** 2 + (y[n + 1 :] - y[n]) ** 2
        nearest[n + 1 :] = np.minimum(nearest[n + 1 :], apart)
    return nearest


@compiled
def walk_as_the_original(
    places: NDArray[np.float64], middle: NDArray[np.float64], quadrant: int, near: float, crowded: int
) -> NDArray[np.int64]:
    """Candidates that the original keeps; see `_selection.as_the_original`.

    Args:
        places: (N, 2) x, y in pixels, strongest first.
        middle: (2,) of the picture.
        quadrant: points kept in each quarter.
        near: pixels within which points are neighbors.
        crowded: neighbors from which a chosen point lets no other come near.

    Returns:
        (M,) indices into `places`.
    """
    most = 4 * quadrant
    kept = np.empty(most, np.int64)
    counts = np.zeros(most, np.int64)
    shared = np.ones(most, np.int64)
    filled = np.zeros(4, np.int64)
    number = 0
    for candidate in range(len(places)):
        x, y = places[candidate]
        if x == middle[0] or y == middle[1]:
            continue
        quarter = 2 * (y > middle[1]) + (x > middle[0])
        if filled[quarter] == quadrant:
            continue
        is_crowded = False
        same = 1
        for other in range(number):
            apart = np.hypot(places[kept[other], 0] - x, places[kept[other], 1] - y)
            is_crowded |= 0 < apart < near and counts[other] >= crowded
            same += apart == 0
        if is_crowded:
            continue
        for other in range(number):
            apart = np.hypot(places[kept[other], 0] - x, places[kept[other], 1] - y)
            if apart == 0:
                counts[other], shared[other] = 0, same
            elif apart < near:
                counts[other] += shared[other]
        kept[number], shared[number] = candidate, same
        filled[quarter] += 1
        number += 1
        if number == most:
            break
    return kept[:number]
