"""Which points to ask again where a library holds more copies of a picture than lists have places.

A list of ten neighbours that is full of proven copies says nothing of the eleventh. A few dozen such points
are asked for eight times as many neighbours, until their lists end in something else. So the cost grows
with the copies that there are, not with the library, and searches without many copies pay nothing.
"""

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids

GROWTH = 8
"""Factor by which lists of neighbours grow."""

ROWS = 64
"""Query points that are asked again: enough to know an image by, few enough to ask for thousands each."""

LEAST_ROWS = 4
"""Fewer full lists than this show a repeated pattern, not a repeated picture."""


def full_rows(features: Ids, proven: Ids) -> NDArray[np.intp]:
    """Query points whose lists are so full of proven images that further copies may be cut off.

    Args:
        features: (Q, K) feature ids of neighbours, nearest first; -1 pads.
        proven: feature ids.

    Returns:
        At most `ROWS` rows, spread evenly over all that are full; empty where fewer than `LEAST_ROWS` are.
    """
    is_proven = np.isin(features, proven) & (features >= 0)
    is_cut = features[:, -1] >= 0  # a list with padding at its end holds all that there is
    rows = np.flatnonzero(is_cut & (is_proven.sum(axis=1) * 2 >= features.shape[1]))
    if len(rows) < LEAST_ROWS:
        return np.empty(0, np.intp)
    evenly = np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(np.intp)
    return rows[evenly]
