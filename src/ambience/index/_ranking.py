"""From distances to answers, the same for every engine: nearest first, ties by id, padded, checked."""

import math
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Metric, Neighbors
from ambience.errors import QueryError, SettingsError

Distances = NDArray[np.float32]

Answer = tuple[Distances, Ids]
"""(M,) distances and the ids at them: what one query is answered."""


def check_metric(engine: str, spec: FeatureSpec, metrics: Collection[Metric]) -> None:
    """Refuses a kind whose vectors an engine cannot compare.

    Raises:
        SettingsError: the engine does not measure the metric of the spec.
    """
    if spec.metric not in metrics:
        raise SettingsError(
            f"kinds.{spec.kind}.index = {engine!r} cannot measure {spec.metric}; "
            f"it can {', '.join(sorted(metrics))}; choose another, such as exact"
        )


def checked_queries(
    queries: NDArray[Any], spec: FeatureSpec, *, k: int = 1, radius: float = 0.0
) -> NDArray[Any]:
    """Queries as an engine may rely on them.

    Returns:
        (Q, entries) array of the spec's dtype, C-contiguous.

    Raises:
        QueryError: the shape, the dtype, k or the radius is not what the contract says.
    """
    if k < 1:
        raise QueryError(f"k = {k}; ask for 1 or more")
    if math.isnan(radius) or (radius < 0 and spec.metric != "inner_product"):
        raise QueryError(f"radius = {radius}; a distance is 0 or more")
    return checked_vectors(queries, spec)


def checked_vectors(vectors: NDArray[Any], spec: FeatureSpec) -> NDArray[Any]:
    """Vectors as an engine may rely on them.

    Returns:
        (N, entries) array of the spec's dtype, C-contiguous.

    Raises:
        QueryError: the shape or the dtype is another.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or vectors.shape[1] != spec.entries or vectors.dtype != np.dtype(spec.dtype):
        raise QueryError(
            f"{spec.kind} vectors are (N, {spec.entries}) of {spec.dtype}, "
            f"not {vectors.shape} of {vectors.dtype}"
        )
    return np.ascontiguousarray(vectors)


def nearest(distances: Distances, ids: Ids, k: int) -> Answer:
    """The k smallest distances and their ids, nearest first, ties by id.

    Args:
        distances: (N,) of the candidates.
        ids: (N,) of the candidates, in any order.
        k: 1 or more.

    Returns:
        (min(k, N),) each.
    """
    if k < len(distances):
        # Everything at the k-th distance stays, or ties would be cut in the order of the array.
        kept = distances <= np.partition(distances, k - 1)[k - 1]
        distances, ids = distances[kept], ids[kept]
    order = np.lexsort((ids, distances))[:k]
    return distances[order], ids[order]


def within(distances: Distances, ids: Ids, radius: float) -> Answer:
    """Everything at `radius` or nearer, nearest first, ties by id.

    Returns:
        (M,) each.
    """
    kept = distances <= np.float32(radius)
    return nearest(distances[kept], ids[kept], max(1, int(kept.sum())))


def padded(rows: list[Answer], k: int) -> Neighbors:
    """One answer from the rows of all queries.

    Args:
        rows: one (distances, ids) pair per query, k entries at most.
        k: entries of every row of the answer.

    Returns:
        distances (Q, k), +inf pads, and ids (Q, k), -1 pads.
    """
    distances = np.full((len(rows), k), np.inf, np.float32)
    ids = np.full((len(rows), k), -1, np.int64)
    for row, (row_distances, row_ids) in enumerate(rows):
        distances[row, : len(row_ids)] = row_distances
        ids[row, : len(row_ids)] = row_ids
    return Neighbors(distances, ids)
