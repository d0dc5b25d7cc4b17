"""How much an index finds of what an exact search would, by the two searches that every index offers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.index.base import Index

NEIGHBORS = 10


def recall_by_radius(index: Index, queries: NDArray[Any]) -> float:
    """Share of the ten nearest that `search` answers, since `range_search` is exact in every index.

    Args:
        index: searched with `search` and, as far as its last answer lies, with `range_search`.
        queries: (Q, entries).

    Returns:
        0 to 1; a neighbor at the distance of the true tenth counts, whichever of those it is. 1 where nothing
        is held or asked.
    """
    shares: list[float] = []
    for query in queries:
        found = index.search(query[None], NEIGHBORS).distances[0]
        found = found[np.isfinite(found)]
        if not len(found):
            continue
        ((true, _),) = index.range_search(query[None], float(found[-1]))
        farthest = true[min(NEIGHBORS, len(true)) - 1]
        shares.append(float((found <= farthest).mean()))
    return float(np.mean(shares)) if shares else 1.0
