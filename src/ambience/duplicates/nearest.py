"""Of what lies around many features, however they are turned, the nearest others of each. Pure functions."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Ids

Around = Sequence[tuple[NDArray[np.float32], Ids]]
"""For each feature: distances and ids of what lies around it, nearest first, ties by id."""


class Near(NamedTuple):
    """Pairs of features.

    Attributes:
        own: (N,) int64, ids of those that were asked for, in their order.
        others: (N,) int64, ids of what lies near them: by each the nearest first, ties by id.
        distances: (N,) float32.
        ways: (N,) int64, number of the way in which `own` is turned to be as near as that.
    """

    own: Ids
    others: Ids
    distances: NDArray[np.float32]
    ways: NDArray[np.int64]


def nearest_others(ids: Ids, found: Iterable[Around], most: int) -> Near:
    """Of each feature the nearest others, each once, at its nearest.

    A feature is no other of itself: a symmetric picture, which turned lies near to itself, is no copy.

    Args:
        ids: (F,) of the features.
        found: one for each way in which all features were turned; taken one at a time.
        most: others of one feature.

    Returns:
        Pairs by feature, distance and id; of ways that are as near as each other, the first.
    """
    parts = [_flat(ids, around, most, way) for way, around in enumerate(found)]
    rows, others, distances, ways = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.lexsort((ways, distances, others, rows))
    rows, others, distances, ways = rows[order], others[order], distances[order], ways[order]
    is_first = np.ones(len(rows), np.bool_)
    is_first[1:] = (rows[1:] != rows[:-1]) | (others[1:] != others[:-1])
    kept = np.flatnonzero(is_first)
    kept = kept[np.lexsort((others[kept], distances[kept], rows[kept]))]
    rank = np.arange(len(kept)) - np.searchsorted(rows[kept], rows[kept])
    kept = kept[rank < most]
    return Near(ids[rows[kept]], others[kept], distances[kept], ways[kept])


def _flat(
    ids: Ids, around: Around, most: int, way: int
) -> tuple[NDArray[np.int64], Ids, NDArray[np.float32], NDArray[np.int64]]:
    """What lies around features turned in one way: row of the feature, id, distance, way.

    No more of each than could be among its nearest in all ways: what is nearer in this one is so in all.
    """
    lengths = [min(len(others), most + 1) for _, others in around]
    rows = np.repeat(np.arange(len(ids)), lengths)
    others = np.concatenate([others[: most + 1] for _, others in around])
    distances = np.concatenate([distances[: most + 1] for distances, _ in around])
    is_other = others != ids[rows]
    rows = rows[is_other]
    return rows, others[is_other], distances[is_other], np.full(len(rows), way)
