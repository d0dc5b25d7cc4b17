"""All kinds of one picture at once, as the original's gateway fills and asks them: each has its own outcome.

The picture is decoded once for all kinds that are made here; kinds that other processes serve are given it,
and asked, at the same time.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from ambience.answers import OriginalAnswer, Query
from ambience.datatypes import FeatureState, ImageDraft, QueryVariant
from ambience.errors import (
    AmbienceError,
    EmptyFeatureError,
    FeatureError,
    ImageIdTakenError,
    ModelError,
    OutdatedFeatureError,
    StoreFullError,
    UnknownImageError,
    UnknownKindError,
)
from ambience.one_kind import OneKind
from ambience.placing import Outcome, Placing
from ambience.search.question import Question
from ambience.spaces import View
from ambience.store.base import FeatureDraft, PutFeatures, RemoveFeature

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EveryKind:
    """Every kind of a library as of now; to be used for one picture.

    Attributes:
        view: what answers.
        placing: adds features by id.
        deadline_s: for kinds that other processes serve.
    """

    view: View
    placing: Placing
    deadline_s: float

    def add(self, image_id: int, data: bytes, *, name: str) -> dict[str, Outcome | AmbienceError]:
        """Adds the features of all kinds under a given id, and keeps nothing else.

        Args:
            image_id: given by the caller.
            data: bytes of a picture file; where the image exists, the same bytes as it has.
            name: of the image, where it is new.

        Returns:
            By kind: done; empty or pending, with the reason; or why there is none, such as an
            ImageIdTakenError where the image has this feature already. What one kind lacks keeps no other
            from being added, and is durable on return like it.

        Raises:
            ImageError: the bytes are no usable picture.
            StoreFullError: the disk is full.
        """
        placing = self.placing
        picture = placing.decoder.decode(data, name=name)
        while True:
            here = list(placing.spaces.view.spaces)
            draft, features = placing.ingest.extract(data, picture, name=name, kinds=here)
            draft = replace(draft, path=None, mtime_ns=None)
            try:
                outcomes = self._written(image_id, draft, features)
                break
            except OutdatedFeatureError:  # a model was changed meanwhile
                continue
        deliver = partial(placing.delivery.add, image_id=image_id, data=data, draft=draft)
        return outcomes | _at_once(deliver, self.view.away)

    def remove(self, image_id: int) -> dict[str, bool]:
        """Forgets the features of all kinds, and the image itself where nothing else is kept of it.

        Args:
            image_id: whose.

        Returns:
            By kind, whether there was a feature.

        Raises:
            UnknownImageError: no such image.
        """
        self.placing.store.records.image(image_id)
        return {kind: self._is_removed(kind, image_id) for kind in self.view.specs}

    def original(
        self, data: bytes, knobs: Mapping[str, Any], *, name: str = "query"
    ) -> dict[str, OriginalAnswer | AmbienceError]:
        """What the original's endpoints answer of several kinds, in whichever orientation a picture stands.

        Args:
            data: bytes of a picture file.
            knobs: by kind to ask, an instance of the knobs that it takes.
            name: for messages.

        Returns:
            By kind: images, best first, or why it could not be asked.

        Raises:
            ImageError: the bytes are no usable picture.
        """
        here = [kind for kind in knobs if kind in self.view.spaces]
        question = self.view.questions.from_bytes(data, name=name, kinds=here)
        ask = partial(self._answer, question=question, query=Query(data=data, name=name), knobs=knobs)
        return _at_once(ask, knobs)

    def _answer(
        self, kind: str, *, question: Question, query: Query, knobs: Mapping[str, Any]
    ) -> OriginalAnswer:
        if kind in self.view.away:
            asked = OneKind(kind, self.view, self.placing.store.records, self.deadline_s)
            return asked.original(query, knobs[kind], turned=True)
        if kind not in self.view.spaces:
            raise UnknownKindError(f"no kind {kind!r}; have {', '.join(self.view.specs)}")
        variants: Sequence[QueryVariant] | AmbienceError = question.variants[kind]
        if isinstance(variants, EmptyFeatureError):  # a picture of nothing is like no other
            variants = ()
        if isinstance(variants, AmbienceError):
            raise variants
        return self.view.spaces[kind].figures.answer(variants, knobs[kind])

    def _written(
        self, image_id: int, draft: ImageDraft, features: Mapping[str, FeatureDraft]
    ) -> dict[str, Outcome | AmbienceError]:
        """Commits what was made, all at once where that goes."""
        outcomes: dict[str, Outcome | AmbienceError] = {}
        made: dict[str, FeatureDraft] = {}
        for kind, feature in features.items():
            if feature.state is FeatureState.FAILED:
                outcomes[kind] = FeatureError(feature.reason)
            elif feature.state is FeatureState.PENDING:  # no file is kept of which it could be made later
                outcomes[kind] = ModelError(feature.reason)
            else:
                made[kind] = feature
        if not made:
            return outcomes
        submit = self.placing.store.submit
        try:
            submit(PutFeatures(image_id, made, draft=draft, is_current=True))
            return outcomes | {kind: (feature.state, feature.reason) for kind, feature in made.items()}
        except ImageIdTakenError:  # by one of them, perhaps: the others are added none the less
            pass
        for kind, feature in made.items():
            try:
                submit(PutFeatures(image_id, {kind: feature}, draft=draft, is_current=True))
                outcomes[kind] = feature.state, feature.reason
            except (ImageIdTakenError, OutdatedFeatureError) as exc:
                outcomes[kind] = exc
        return outcomes

    def _is_removed(self, kind: str, image_id: int) -> bool:
        try:
            self.placing.store.submit(RemoveFeature(image_id, kind))
        except UnknownImageError:
            return False
        return True


def _at_once(ask: Callable[[str], T], kinds: Iterable[str]) -> dict[str, T | AmbienceError]:
    """What comes of every kind, each in a thread of its own; errors of ours are among the results."""
    kinds = list(kinds)

    def tried(kind: str) -> T | AmbienceError:
        try:
            return ask(kind)
        except StoreFullError:
            raise
        except AmbienceError as exc:
            return exc

    if not kinds:
        return {}
    with ThreadPoolExecutor(len(kinds), thread_name_prefix="every-kind") as pool:
        return dict(zip(kinds, pool.map(tried, kinds), strict=True))
