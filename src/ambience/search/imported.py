"""One kind searched in two spaces: features that are made here, and those that another system made before.

Each has its own index. An image has its feature in one of the two: where its picture was found, it was made
here. Hits of the other space say so.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from ambience.answers import Expansion, Hit, Ranking
from ambience.datatypes import Feature, FeatureSpec, Ids, Picture, QueryVariant
from ambience.errors import UnknownImageError
from ambience.search.base import KindSearch


class WithImported:
    """The read path of a kind beside which imported features are searched; see `KindSearch`.

    Args:
        search: of the features that are made here.
        imported: of the others, which are compared by the same measure.
    """

    def __init__(self, search: KindSearch, imported: KindSearch) -> None:
        self._search, self._imported = search, imported
        self.spec: FeatureSpec = search.spec

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of both spaces."""
        return self.spec.fingerprint, self._imported.spec.fingerprint

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
        """Images of both spaces near any of the variants of a query, each once, at its nearest.

        Args:
            variants: features of the query, of either space.
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            allowed: only these feature ids, of either space.
            picture: the query's pixels.
            expansion: how embeddings widen the query: in each space by what is found there.

        Returns:
            Hits nearest first, ties by image id; those of the other space are marked.

        Raises:
            QueryError: both or neither of k and radius are given, or k is below 1, or radius below 0.
        """
        started = time.perf_counter()
        here, there = (
            search.by_variants(
                [_of(search.spec, each) for each in variants],
                k=k,
                radius=radius,
                allowed=allowed,
                picture=picture,
                expansion=expansion,
            )
            for search in (self._search, self._imported)
        )
        hits: dict[int, Hit] = {hit.image_id: replace(hit, is_imported=True) for hit in there.hits}
        hits |= {hit.image_id: hit for hit in here.hits}
        ranked = sorted(hits.values(), key=lambda hit: (hit.distance, hit.image_id))
        return replace(
            here,
            hits=tuple(ranked[:k]),
            pending=here.pending + there.pending,
            took_s=time.perf_counter() - started,
        )

    def stored_variant(self, image_id: int) -> QueryVariant:
        """The stored feature of an image, of whichever space, as a query.

        Returns:
            An upright variant.

        Raises:
            UnknownImageError: the image has no feature of this kind.
        """
        try:
            return self._search.stored_variant(image_id)
        except UnknownImageError:
            return self._imported.stored_variant(image_id)


def fingerprints_of(search: KindSearch) -> tuple[str, ...]:
    """The spaces that a read path searches."""
    return search.fingerprints if isinstance(search, WithImported) else (search.spec.fingerprint,)


def _of(spec: FeatureSpec, variant: QueryVariant) -> QueryVariant:
    """A variant in the precision of a space."""
    feature = variant.feature
    return replace(variant, feature=Feature(feature.vector.astype(spec.dtype), feature.quality))
