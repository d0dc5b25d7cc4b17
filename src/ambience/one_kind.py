"""One kind asked alone, made here or by another process: what services of kinds and their clients share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ambience.answers import OriginalAnswer, Query, Ranking
from ambience.datatypes import FeatureState, Ids
from ambience.errors import (
    AmbienceError,
    EmptyFeatureError,
    QueryError,
    ServiceMismatchError,
    UnknownImageError,
)
from ambience.search.imported import fingerprints_of
from ambience.search.narrowing import Narrowing, narrowed
from ambience.search.question import Question
from ambience.spaces import View
from ambience.store.records import Records


@dataclass(frozen=True, slots=True)
class OneKind:
    """One kind of one view.

    Attributes:
        kind: which, of those that the view has.
        view: what answers, from the beginning of a question to its end.
        records: of the library.
        deadline_s: for a kind that another process serves.
    """

    kind: str
    view: View
    records: Records
    deadline_s: float

    @property
    def knobs(self) -> type[Any]:
        """The parameters that the original's endpoints take: a frozen dataclass."""
        if self.kind in self.view.away:
            return self.view.away[self.kind].knobs
        return self.view.spaces[self.kind].figures.knobs

    def require(self, fingerprint: str) -> None:
        """Refuses to speak of other features than those that are meant.

        Raises:
            ServiceMismatchError: the kind makes others.
        """
        made = self.view.specs[self.kind].fingerprint
        if fingerprint != made:
            raise ServiceMismatchError(
                f"the service of {self.kind} makes {made}, but {fingerprint[:100]} is asked for; run one "
                f"version of both processes, and set kinds.{self.kind}.model alike"
            )

    def search(
        self,
        query: Query,
        *,
        k: int | None,
        radius: float | None,
        turned: bool,
        narrowing: Narrowing | None = None,
        allowed_images: Ids | None = None,
    ) -> Ranking:
        """What the kind answers.

        Args:
            query: settled.
            k: so many hits at most.
            radius: instead of k: everything at this distance or nearer.
            turned: search the query's other orientations as well.
            narrowing: a filter that hits must pass.
            allowed_images: instead of it: only these.

        Returns:
            Hits, nearest first.

        Raises:
            QueryError: both a filter and images that are allowed are given.
            AmbienceError: as `ReadingLibrary.search_kind` does.
        """
        if narrowing is not None and allowed_images is not None:
            raise QueryError("give a filter or the images that are allowed, not both")
        if self.kind in self.view.away:
            return self._elsewhere(query, k, radius, turned, narrowing, allowed_images)
        question = self._question(query, turned=turned)
        variants = question.variants[self.kind]
        assert not isinstance(variants, AmbienceError)
        search = self.view.spaces[self.kind].search
        ask = partial(
            narrowed(search, narrowing),
            variants,
            k=k,
            radius=radius,
            picture=question.picture,
            expansion=query.expansion,
        )
        if allowed_images is not None:
            images = np.unique(allowed_images)
            spaces = [self.records.feature_ids(each, images) for each in fingerprints_of(search)]
            allowed = np.concatenate(spaces)
            ask = partial(ask, allowed=np.sort(allowed[allowed >= 0]))
        return replace(ask(), note=question.notes.get(self.kind, ""))

    def original(self, query: Query, knobs: Any, *, turned: bool) -> OriginalAnswer:
        """What the original's endpoints answer.

        Args:
            query: settled: picture bytes, a stored image, or words.
            knobs: an instance of `knobs`.
            turned: search the query's other orientations as well.

        Returns:
            Images, best first; none where the query holds nothing that this kind could describe.

        Raises:
            AmbienceError: as `search` does.
        """
        if self.kind in self.view.away:
            self._require_stored(query)
            service = self.view.away[self.kind].service
            figure = "matches" if service.spec.is_blob else "distance"
            return service.original_answer(query, knobs, figure=figure, timeout_s=self.deadline_s)
        try:
            question = self._question(query, turned=turned)
            variants = question.variants[self.kind]
        except EmptyFeatureError:
            variants = ()
        assert not isinstance(variants, AmbienceError)
        return self.view.spaces[self.kind].figures.answer(variants, knobs)

    def _elsewhere(
        self,
        query: Query,
        k: int | None,
        radius: float | None,
        turned: bool,
        narrowing: Narrowing | None,
        allowed_images: Ids | None,
    ) -> Ranking:
        service = self.view.away[self.kind].service
        if turned or query.image_id is None or query.region is not None:
            asked, _ = self.view.questions.of(query, kinds=[self.kind])
            refused = asked.variants.get(self.kind)
            if isinstance(refused, AmbienceError):
                raise refused
            query = asked.elsewhere[self.kind]
        ask = partial(service.by_query, query, turned=turned, timeout_s=self.deadline_s)
        if narrowing is None:
            return ask(k=k, radius=radius, allowed_images=allowed_images)
        if k is not None:
            return narrowing.by_images(ask, k=k)
        ranking = ask(radius=radius)
        kept = narrowing.kept([hit.image_id for hit in ranking.hits])
        return replace(ranking, hits=tuple(hit for hit in ranking.hits if hit.image_id in kept))

    def _require_stored(self, query: Query) -> None:
        """Refuses an image that has no such feature here; its service may have yet to forget it.

        Raises:
            UnknownImageError: no such image, or it has no such feature.
        """
        if query.image_id is not None:
            states = self.view.questions.record(query.image_id).features
            state, _ = states.get(self.kind, (FeatureState.PENDING, ""))
            if state in (FeatureState.PENDING, FeatureState.FAILED):
                raise UnknownImageError(f"image {query.image_id} has no {self.kind} feature")

    def _question(self, query: Query, *, turned: bool) -> Question:
        """What the kind searches with, and the query's pixels where they were decoded."""
        if query.image_id is not None and query.region is None and not turned:
            record = self.view.questions.record(query.image_id)
            state, _ = record.features.get(self.kind, (FeatureState.PENDING, ""))
            if state is FeatureState.EMPTY:
                raise EmptyFeatureError(f"image {query.image_id} has nothing that {self.kind} could describe")
            stored = self.view.spaces[self.kind].search.stored_variant(query.image_id)
            return Question({self.kind: [stored]})
        question, _ = self.view.questions.of(query, kinds=[self.kind])
        variants = question.variants[self.kind]
        if isinstance(variants, AmbienceError):
            raise variants
        chosen: Sequence[Any] = variants if turned else variants[:1]
        return replace(question, variants={self.kind: chosen})
