"""Search of one kind of embeddings: single vectors of which sums mean something, compared by cosine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Expansion, Hit, Ranking
from ambience.datatypes import Feature, FeatureSpec, Ids, Picture, QueryVariant
from ambience.errors import CorruptFeatureError, QueryError, UnknownImageError
from ambience.search.expansion import expanded
from ambience.search.vector import SearchableIndex, VectorSearch, VectorSearchOptions, check_extent
from ambience.settings import setting
from ambience.store.commit import Store
from ambience.store.features import BrokenFeatureError

MOST_EXPANDED = 1_000
"""Nearest pictures that one question is widened by: each is read from the store."""

USUAL = Expansion(7, 3.0)
"""How kinds of pictures alone widen a question. Chosen on 15 classes of scenes of 8 photographs each, among
184 others: with the starter's picture network mean average precision rose from 0.699 to 0.708 (n = 5: 0.711,
n = 10: 0.697, n = 20: 0.658); the larger the groups of like pictures, the larger the n that helps most."""


PLAIN = Expansion(0, USUAL.alpha)
"""A question as it was asked."""


@dataclass(frozen=True, slots=True)
class EmbeddingSearchOptions(VectorSearchOptions):
    """Settings of the search for embeddings."""

    aqe_n: int | None = setting(
        None,
        "pictures",
        "Nearest pictures that widen a question before it is asked again (αQE); 0: none. By default 7, and "
        "none for kinds that take words.",
        minimum=0,
    )
    aqe_alpha: float = setting(
        USUAL.alpha, "", "Power of their likeness by which these count; 0: all alike.", minimum=0
    )


class EmbeddingSearch(VectorSearch):
    """The read path of a kind whose metric is cosine; threads may share it.

    A question may be widened by what it finds first. Distances are then those from the widened question: what
    the answer is ordered by, and what thresholds cut. Verdicts go by the distance from the question as it was
    asked: a widened one comes near to what it was widened by, and would call ten times as many pictures alike
    that are not (measured where none was: 1.4 instead of 0.14 a question).

    Args:
        spec: of the kind.
        index: follows the store.
        store: holds the features as they were extracted, whatever the index makes of them.
        on_broken: told of the error when stored features prove broken; answers which they are.
        options: settings.
    """

    options_class: ClassVar[type[EmbeddingSearchOptions]] = EmbeddingSearchOptions

    def __init__(
        self,
        spec: FeatureSpec,
        index: SearchableIndex,
        store: Store,
        on_broken: Callable[[BrokenFeatureError], Ids],
        options: EmbeddingSearchOptions | None = None,
    ) -> None:
        super().__init__(spec, index, store, on_broken)
        options = options or EmbeddingSearchOptions()
        usual = 0 if spec.accepts_text else USUAL.n
        self._expansion = Expansion(usual if options.aqe_n is None else options.aqe_n, options.aqe_alpha)

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
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            allowed: only these feature ids are answered; the question is widened by all, so that it asks for
                the same whatever is allowed.
            picture: of the query; vectors have no use for it.
            expansion: instead of that of the settings; n = 0 for none. A radius is one around the question as
                it was asked, unless an expansion is given.

        Returns:
            Hits nearest first, ties by image id; distances are those from the question as it was widened.

        Raises:
            QueryError: both or neither of k and radius are given, or k is below 1, or radius below 0, or the
                expansion is out of range.
        """
        check_extent(k, radius)
        started = time.perf_counter()
        if expansion is None:
            expansion = self._expansion if radius is None else PLAIN
        expansion = self._checked(expansion)
        asked = self._widened(variants, expansion) if expansion.n else variants
        ranking = super().by_variants(asked, k=k, radius=radius, allowed=allowed)
        if expansion.n and ranking.hits:
            ranking = replace(ranking, hits=self._with_plain_distances(ranking.hits, variants))
        return replace(ranking, took_s=time.perf_counter() - started)

    def _with_plain_distances(self, hits: Sequence[Hit], variants: Sequence[QueryVariant]) -> tuple[Hit, ...]:
        """Hits of a widened question with their distances from what was asked, in the index's own measure."""
        image_ids = [hit.image_id for hit in hits]
        feature_ids = self._store.records.feature_ids(self.spec.fingerprint, image_ids)
        plain = (
            super().by_variants(variants, k=len(hits), allowed=np.sort(feature_ids[feature_ids >= 0])).hits
        )
        distances = {hit.image_id: hit.distance for hit in plain}
        return tuple(replace(hit, plain_distance=distances.get(hit.image_id)) for hit in hits)

    def _checked(self, expansion: Expansion) -> Expansion:
        """An expansion that asks for no more than there is."""
        n, alpha, held = expansion.n, expansion.alpha, len(self._index)
        if n < 0:
            raise QueryError(f"aqe_n = {n}; it must be 0 or more")
        if not 0 <= alpha < float("inf"):
            raise QueryError(f"aqe_alpha = {alpha}; it must be a finite number of 0 or more")
        if min(n, held) > MOST_EXPANDED:
            raise QueryError(f"aqe_n = {n}; a question is widened by {MOST_EXPANDED:,} pictures at most")
        return replace(expansion, n=min(n, held))

    def _widened(self, variants: Sequence[QueryVariant], expansion: Expansion) -> list[QueryVariant]:
        queries = np.stack([variant.feature.vector for variant in variants])
        found = self._index.search(queries, expansion.n)
        widened = []
        for variant, ids in zip(variants, found.ids, strict=True):
            vector = variant.feature.vector
            if vector.any():  # a question of zeros is near to nothing, and what it finds first is chance
                vector = expanded(vector, self._vectors(ids[ids >= 0]), expansion.alpha).astype(vector.dtype)
            widened.append(replace(variant, feature=Feature(vector, variant.feature.quality)))
        return widened

    def _vectors(self, ids: Ids) -> NDArray[Any]:
        """(N, D) stored vectors of ids; those that are gone or broken are left out."""
        while len(ids):
            try:
                return self._store.features.get(self.spec, ids)[0]
            except (CorruptFeatureError, UnknownImageError) as exc:
                ids = ids[~np.isin(ids, self._on_broken(exc))]
        return np.empty((0, self.spec.entries), self.spec.dtype)
