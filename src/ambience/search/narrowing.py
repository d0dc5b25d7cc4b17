"""A filter beside a question: only images that it keeps are answered, and as many of them as were asked for.

A filter that keeps few images is evaluated once, and its features are what indexes may answer. One that keeps
many would cost more to list than to search: hits are looked at instead, and more are asked for than wanted.
"""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np

from ambience.answers import Expansion, Hit, Ranking
from ambience.datatypes import Ids, Picture, QueryVariant
from ambience.expression import Expression
from ambience.search.base import KindSearch, TextSearch
from ambience.search.imported import fingerprints_of
from ambience.store.selection import Selections

WIDE: Final = 0.25
"""Share of all images from which a filter is wide."""

SPARE: Final = 1.5
"""So many times the hits that should do are asked for."""


GROWTH: Final = 4
"""So many times more hits of words are asked for where too few are kept."""


class Narrowing:
    """One filter beside one question, for all kinds that are asked; threads may share it.

    An image is judged once, so that every kind sees the same filter, whatever changes meanwhile.

    Args:
        selections: answer which images a filter keeps.
        expression: the filter.
    """

    def __init__(self, selections: Selections, expression: Expression) -> None:
        self._selections, self._expression = selections, expression
        self._lock = threading.Lock()
        share = selections.share(expression)
        self._share = 0.0 if share is None else share
        self._image_ids: Ids | None = None
        self._judged: dict[int, bool] = {}

    @property
    def is_empty(self) -> bool:
        """Whether no image at all is kept."""
        return not self._share and not len(self._all())

    def kept(self, image_ids: Sequence[int]) -> set[int]:
        """Those of some images that the filter keeps.

        Returns:
            Their ids.
        """
        with self._lock:
            unknown = [each for each in image_ids if each not in self._judged]
            if unknown:
                kept = self._selections.kept(self._expression, unknown)
                self._judged |= {each: each in kept for each in unknown}
            return {each for each in image_ids if self._judged[each]}

    def by_variants(
        self,
        search: KindSearch,
        variants: Sequence[QueryVariant],
        *,
        k: int | None = None,
        radius: float | None = None,
        picture: Picture | None = None,
        expansion: Expansion | None = None,
    ) -> Ranking:
        """What one kind answers, of the images that the filter keeps; see `KindSearch.by_variants`.

        Returns:
            Hits nearest first, ties by image id.

        Raises:
            QueryError: both or neither of k and radius are given, or out of range.
        """

        def asked(reach: int | None, allowed: Ids | None = None) -> Ranking:
            return search.by_variants(
                variants, k=reach, radius=radius, allowed=allowed, picture=picture, expansion=expansion
            )

        if self._share >= WIDE:
            reach = None if k is None else math.ceil(k / self._share * SPARE)
            ranking = asked(reach)
            hits = self._hits(ranking)
            if k is None or reach is None or len(hits) >= k or len(ranking.hits) < reach:
                return Ranking(ranking.kind, hits[:k], ranking.pending, ranking.took_s)
        spaces = [self._selections.feature_ids(each, self._all()) for each in fingerprints_of(search)]
        allowed = np.sort(np.concatenate(spaces))
        return asked(k, allowed)

    def by_text(self, search: TextSearch, text: str, *, k: int) -> Ranking:
        """What a search for words answers, of the images that the filter keeps; see `TextSearch.by_text`.

        Returns:
            Hits best first; more are asked for until enough of them are kept, or there are no more.

        Raises:
            QueryError: there is no word in the text.
        """
        return self.by_images(partial(search.by_text, text), k=k)

    def by_images(self, ask: Callable[..., Ranking], *, k: int) -> Ranking:
        """What is answered of the images that the filter keeps, by whoever takes `allowed_images` and `k`.

        Args:
            ask: takes these two by name.
            k: hits wanted.

        Returns:
            Hits best first; more are asked for until enough of them are kept, or there are no more.
        """
        if self._share < WIDE:
            return ask(k=k, allowed_images=self._all())
        reach = k
        while True:
            ranking = ask(k=reach)
            hits = self._hits(ranking)
            if len(hits) >= k or len(ranking.hits) < reach:
                return replace(ranking, hits=hits[:k])
            reach *= GROWTH

    def _hits(self, ranking: Ranking) -> tuple[Hit, ...]:
        kept = self.kept([hit.image_id for hit in ranking.hits])
        return tuple(hit for hit in ranking.hits if hit.image_id in kept)

    def _all(self) -> Ids:
        """Everything that the filter keeps, looked up once."""
        with self._lock:
            if self._image_ids is None:
                self._image_ids = self._selections.image_ids(self._expression)
            return self._image_ids


def narrowed(search: KindSearch, narrowing: Narrowing | None) -> Callable[..., Ranking]:
    """What one kind is asked by: its own `by_variants`, or that of a filter beside the question."""
    return search.by_variants if narrowing is None else partial(narrowing.by_variants, search)
