"""Search of one kind whose features are single vectors: query variants in, ranking out.

Called by the gateway and the services. Ids of the index are feature ids; the records say whose they are, and
a feature whose row is gone is no hit.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Expansion, Hit, Ranking
from ambience.datatypes import Feature, FeatureSpec, Ids, Neighbors, Orientation, Picture, QueryVariant
from ambience.errors import CorruptFeatureError, QueryError, UnknownImageError
from ambience.store.commit import Store
from ambience.store.features import BrokenFeatureError


class SearchableIndex(Protocol):
    """What is asked of an index that follows the store."""

    @property
    def pending(self) -> int:
        """Changes not yet applied."""

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query."""

    def range_search(
        self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None
    ) -> list[tuple[NDArray[np.float32], Ids]]:
        """Everything at `radius` or nearer."""

    def __len__(self) -> int:
        """Vectors held."""


def score(distance: float, spec: FeatureSpec) -> float:
    """A distance as a score: 1 for identical, 0 for what chance gives or for the largest distance.

    Args:
        distance: in the unit of the spec's metric.
        spec: names metric and dimension.

    Returns:
        0–1, greater is better. Hamming: 1 − d / (dim/2), since unrelated hashes differ in half of their bits.
        L1 of histograms that sum to one: 1 − d/2, the share of pixels in common (histogram intersection;
        Swain & Ballard 1991). Cosine distance: 1 − d, the cosine itself; between words and a picture it has
        the scale of the model (of CLIP, 0.3 is a good one), so that scores compare within one answer. Words:
        1 − d. Points, whose distance is an expected number of chance matches: 1 − d^(1/40), half at 10^-12.
        Others: 1 / (1 + d).
    """
    match spec.metric:
        case "hamming":
            value = 1.0 - distance / (spec.dim / 2)
        case "l1":
            value = 1.0 - distance / 2.0
        case "cosine" | "words":
            value = 1.0 - distance
        case "points":
            value = 1.0 - distance ** (1 / 40)
        case _:
            value = 1.0 / (1.0 + max(distance, 0.0))
    return min(max(value, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class VectorSearchOptions:
    """Settings of the search for vectors: none, whose engines have their own."""


class VectorSearch:
    """The read path of one kind.

    Args:
        spec: of the kind.
        index: follows the store.
        store: says whose a feature is, and its quality.
        on_broken: told of the error when stored features prove broken, so that they are made again; answers
            which they are.
    """

    options_class: ClassVar[type[VectorSearchOptions]] = VectorSearchOptions

    def __init__(
        self,
        spec: FeatureSpec,
        index: SearchableIndex,
        store: Store,
        on_broken: Callable[[BrokenFeatureError], Ids],
    ) -> None:
        self.spec = spec
        self._index = index
        self._store = store
        self._on_broken = on_broken

    def by_variants(
        self,
        variants: Sequence[QueryVariant],
        *,
        k: int | None = None,
        radius: float | None = None,
        allowed: Ids | None = None,
        picture: Picture | None = None,
        expansion: Expansion | None = None,
    ) -> Ranking:
        """Images near any of the variants of a query, each once, at its nearest.

        Args:
            variants: features of the query, one for each way in which it is turned.
            k: so many hits at most; all variants are searched in one pass.
            radius: instead of k: everything at this distance or nearer.
            allowed: only these feature ids, chosen before ranking.
            picture: of the query; vectors have no use for it.
            expansion: of embeddings; other vectors have no use for it.

        Returns:
            Hits nearest first, ties by image id.

        Raises:
            QueryError: both or neither of k and radius are given, or k is below 1, or radius below 0.
        """
        check_extent(k, radius)
        started = time.perf_counter()
        queries = np.stack([variant.feature.vector for variant in variants])
        if k is not None:
            distances, ids, which = self._nearest(queries, k, allowed)
        else:
            assert radius is not None
            distances, ids, which = self._within(queries, radius, allowed)
        distances, ids, which = _best_per_id(distances, ids, which)
        hits = self._hits(variants, distances, ids, which, k)
        return Ranking(self.spec.kind, hits, self._index.pending, time.perf_counter() - started)

    def stored_variant(self, image_id: int) -> QueryVariant:
        """The stored feature of an image, as a query.

        Returns:
            An upright variant; its other orientations need the picture.

        Raises:
            UnknownImageError: the image has no feature of this kind.
        """
        return stored_variant(self._store, self.spec, image_id, self._on_broken)

    def _nearest(
        self, queries: NDArray[Any], k: int, allowed: Ids | None
    ) -> tuple[NDArray[np.float32], Ids, NDArray[np.intp]]:
        reach = min(k, max(len(self._index), 1))
        found = self._index.search(queries, reach, allowed=allowed)
        which = np.repeat(np.arange(len(queries)), found.ids.shape[1])
        ids = found.ids.ravel()
        is_hit = ids >= 0
        return found.distances.ravel()[is_hit], ids[is_hit], which[is_hit]

    def _within(
        self, queries: NDArray[Any], radius: float, allowed: Ids | None
    ) -> tuple[NDArray[np.float32], Ids, NDArray[np.intp]]:
        found = self._index.range_search(queries, radius, allowed=allowed)
        which = np.repeat(np.arange(len(queries)), [len(ids) for _, ids in found])
        return (
            np.concatenate([distances for distances, _ in found]),
            np.concatenate([ids for _, ids in found]),
            which,
        )

    def _hits(
        self,
        variants: Sequence[QueryVariant],
        distances: NDArray[np.float32],
        feature_ids: Ids,
        which: NDArray[np.intp],
        k: int | None,
    ) -> tuple[Hit, ...]:
        image_ids = self._store.records.image_ids(self.spec.fingerprint, feature_ids)
        qualities = self._qualities(feature_ids, image_ids >= 0)
        order = np.lexsort((image_ids, distances))
        kept = [i for i in order if image_ids[i] >= 0 and qualities[i] >= 0]
        if self.spec.metric != "inner_product":  # rounding may leave a little less than nothing
            distances = np.maximum(distances, np.float32(0))
        return tuple(
            Hit(
                image_id=int(image_ids[i]),
                distance=float(distances[i]),
                orientation=Orientation(*variants[which[i]].orientation),
                quality=min(float(qualities[i]), variants[which[i]].feature.quality),
            )
            for i in kept[:k]
        )

    def _qualities(self, feature_ids: Ids, is_alive: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Stored qualities; -1 where the row is gone or the stored bytes are broken."""
        qualities = np.full(len(feature_ids), -1.0, np.float32)
        wanted = np.flatnonzero(is_alive)
        while len(wanted):
            try:
                qualities[wanted] = self._store.features.get(self.spec, feature_ids[wanted])[1]
                break
            except (CorruptFeatureError, UnknownImageError) as exc:
                wanted = wanted[~np.isin(feature_ids[wanted], self._on_broken(exc))]
        return qualities


def stored_variant(
    store: Store, spec: FeatureSpec, image_id: int, on_broken: Callable[[BrokenFeatureError], Ids]
) -> QueryVariant:
    """The stored feature of an image, as a query.

    Args:
        store: holds it.
        spec: of the kind.
        image_id: of the library.
        on_broken: told of the error when the stored feature proves broken.

    Returns:
        An upright variant; its other orientations need the picture.

    Raises:
        CorruptFeatureError: the stored bytes are broken.
        UnknownImageError: the image has no feature of this kind.
    """
    feature_ids = store.records.feature_ids(spec.fingerprint, [image_id])
    if feature_ids[0] < 0:
        raise UnknownImageError(f"image {image_id} has no {spec.kind} feature")
    try:
        features, qualities = store.features.get(spec, feature_ids)
    except (CorruptFeatureError, UnknownImageError) as exc:
        on_broken(exc)
        raise
    return QueryVariant(Feature(features[0], float(qualities[0])))


def check_extent(k: int | None, radius: float | None) -> None:
    """Refuses a search that names no extent, two, or one that nothing can lie in.

    Raises:
        QueryError: both or neither of k and radius are given, or k is below 1, or radius below 0.
    """
    if (k is None) == (radius is None):
        seen = "neither" if k is None else "both"
        raise QueryError(f"exactly one of k and distance_threshold is needed; {seen} given")
    if k is not None and k < 1:
        raise QueryError(f"k = {k}; it must be 1 or more")
    if radius is not None and not radius >= 0:
        raise QueryError(f"distance_threshold = {radius}; it must be 0 or more")


def _best_per_id(
    distances: NDArray[np.float32], ids: Ids, which: NDArray[np.intp]
) -> tuple[NDArray[np.float32], Ids, NDArray[np.intp]]:
    """Keeps the nearest entry of each id; the earlier variant where two are as near."""
    order = np.lexsort((which, distances))
    _, first = np.unique(ids[order], return_index=True)
    kept = order[np.sort(first)]
    return distances[kept], ids[kept], which[kept]
