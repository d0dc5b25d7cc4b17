"""A query becomes features to search with: a picture is decoded once for all kinds asked."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Expansion, Query, QueryPart
from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageRecord, Picture, QueryVariant
from ambience.decode.image import Decoder
from ambience.errors import (
    AmbienceError,
    FeatureError,
    ImageError,
    ModelError,
    QueryError,
    StoreError,
    UnknownImageError,
)
from ambience.extract.base import Extractor, TextExtractor
from ambience.models.catalog import CATALOG
from ambience.search.base import KindSearch
from ambience.search.combination import answering, combined, has_words, refusal, takes, terms
from ambience.search.originals import Originals

BETTER = "siglip2-b32-256"
"""Model of the catalog that understands sentences, and runs well without a graphics card."""

Variants = Mapping[str, Sequence[QueryVariant] | AmbienceError]
"""By kind: features to search with, upright first, or why there are none."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query, ready to be asked of every kind.

    Attributes:
        variants: by kind.
        picture: the query's pixels; None where only stored features of it are left, and of words or
            several terms.
        notes: by kind, what people must know of its answer.
        has_words: whether a sentence is part of the question, so that what is found fits words.
        expansion: how kinds of embeddings widen it; None leaves that to their settings.
        text: what is looked for among the words of pictures; None where that is not asked.
        elsewhere: by kind that another process serves: the query to ask it with.
        making: by kind that is not among the variants: makes them, in the thread that searches with them.
        is_composed: whether it has several terms, so that no distance is that of two pictures.
    """

    variants: Variants
    picture: Picture | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    has_words: bool = False
    expansion: Expansion | None = None
    text: str | None = None
    elsewhere: Mapping[str, Query] = field(default_factory=dict)
    making: Mapping[str, Callable[[], Sequence[QueryVariant]]] = field(default_factory=dict)
    is_composed: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """Those that are asked by features, made here or elsewhere; sorted where they are of both sorts."""
        kinds = (*self.variants, *self.making, *self.elsewhere)
        return tuple(sorted(kinds)) if self.elsewhere or self.making else kinds


class Questions:
    """Turns pictures, stored images and words into query variants.

    Args:
        decoder: shared with the write path, so that queries are decoded as the library's pictures were.
        extractors: by kind.
        searches: by kind; they know the stored features.
        originals: files of stored images, for kinds that look at the query's pixels as well.
        elsewhere: by kind that another process serves, which is asked with the query itself.
    """

    def __init__(
        self,
        decoder: Decoder,
        extractors: Mapping[str, Extractor],
        searches: Mapping[str, KindSearch],
        originals: Originals,
        elsewhere: Mapping[str, FeatureSpec] | None = None,
    ) -> None:
        self._elsewhere = elsewhere or {}
        self._decoder = decoder
        self._extractors = extractors
        self._searches = searches
        self._originals = originals

    def of(
        self, query: Query, *, kinds: Sequence[str], lazily: bool = False
    ) -> tuple[Question, bytes | None]:
        """Variants of a query.

        Args:
            query: settled (`combination.settled`). What is stored of an image serves where its file does not.
            kinds: to ask.
            lazily: leave it to the searching threads to make features of a whole picture, so that a kind that
                takes long keeps no other waiting.

        Returns:
            One entry per kind, and the sha256 of the query's file where the query is one whole picture.

        Raises:
            AmbienceError: words, or several terms together, mean nothing to any of the kinds; with the reason
                of one of them.
            ImageError: the query's bytes are no usable picture.
            QueryError: the query is empty.
            UnknownImageError: an image of the query does not exist.
        """
        away = [kind for kind in kinds if kind in self._elsewhere]
        kinds = [kind for kind in kinds if kind not in self._elsewhere]
        if query.text is not None or query.parts:
            return self._composed_of_both(query, kinds, away), None
        if query.region is not None:  # what is asked with is no file, and nothing is stored of it
            data, name = self.data(query)
            picture = self._decoder.decode(data, name=name, region=query.region)
            elsewhere = dict.fromkeys(away, replace(query, image_id=None, data=data, name=name))
            question = self.from_picture(picture, kinds=kinds)
            return replace(question, elsewhere=elsewhere, expansion=query.expansion), None
        if query.data is not None:
            question = self._of_file(query.data, query.name, kinds, lazily)
            question = replace(question, elsewhere=dict.fromkeys(away, query), expansion=query.expansion)
            return question, hashlib.sha256(query.data).digest()
        if query.image_id is None:
            raise QueryError("the query is empty; give a picture or the id of a stored image")
        record = self._originals.record(query.image_id)
        asked = query
        try:
            data = self._originals.data(record)
            question = self._of_file(data, record.name, kinds, lazily)
            asked = replace(query, image_id=None, data=data, name=record.name)
            variants = {
                kind: self._or_stored(kind, record.image_id, found)
                for kind, found in question.variants.items()
            }
            question = replace(question, variants=variants)
        except (StoreError, ImageError):  # gone, or no longer readable: what was stored of it still is
            question = self.from_store(query.image_id, kinds=kinds)
        elsewhere = dict.fromkeys(away, asked)
        return replace(question, elsewhere=elsewhere, expansion=query.expansion), record.sha256

    def record(self, image_id: int) -> ImageRecord:
        """What is known of a stored image.

        Raises:
            UnknownImageError: no such image.
        """
        return self._originals.record(image_id)

    def data(self, query: Query) -> tuple[bytes, str]:
        """The bytes of the picture that a query names.

        Returns:
            Of the file as it is now, and what to call it.

        Raises:
            ImageError: the file cannot be read.
            QueryError: the query is empty or made of words.
            UnknownImageError: no such image, its file is gone, or only features of it are kept.
        """
        if query.data is not None:
            return query.data, query.name
        if query.image_id is None:
            raise QueryError("give two pictures to compare: files, or ids of stored images")
        record = self._originals.record(query.image_id)
        return self._originals.data(record), record.name

    def from_bytes(self, data: bytes, *, name: str, kinds: Sequence[str]) -> Question:
        """Variants of a picture file, in every orientation that the kinds offer.

        Args:
            data: bytes of a picture file.
            name: for messages.
            kinds: to ask.

        Returns:
            One entry per kind, and the picture.

        Raises:
            ImageError: the bytes are no usable picture.
        """
        return self.from_picture(self._decoder.decode(data, name=name), kinds=kinds)

    def _of_file(self, data: bytes, name: str, kinds: Sequence[str], lazily: bool) -> Question:
        """Variants of a picture file, or how they are made."""
        if not lazily:
            return self.from_bytes(data, name=name, kinds=kinds)
        picture = self._decoder.decode(data, name=name)
        making = {kind: partial(self._extractors[kind].query_variants, picture) for kind in kinds}
        return Question({}, picture, making=making)

    def from_picture(self, picture: Picture, *, kinds: Sequence[str], data: bytes | None = None) -> Question:
        """Variants of a decoded picture, in every orientation that the kinds offer.

        Args:
            picture: decoded.
            kinds: to ask.
            data: its file's bytes, for kinds that other processes serve; without them those are left out.

        Returns:
            One entry per kind, and the picture.
        """
        variants: dict[str, Sequence[QueryVariant] | AmbienceError] = {}
        away = [kind for kind in kinds if kind in self._elsewhere and data is not None]
        for kind in (kind for kind in kinds if kind not in self._elsewhere):
            try:
                variants[kind] = self._extractors[kind].query_variants(picture)
            except (FeatureError, ModelError) as exc:  # of one kind: the others are asked all the same
                variants[kind] = exc
        return Question(variants, picture, elsewhere=dict.fromkeys(away, Query(data=data)))

    def of_nothing(self, *, kinds: Sequence[str]) -> Question:
        """A question that was only made so that whatever makes questions is loaded: pictures and words.

        Args:
            kinds: to ask.

        Returns:
            Variants of a picture that no library holds.
        """
        for kind in kinds:
            if self._extractors[kind].spec.accepts_text:
                with suppress(FeatureError, ModelError):  # one that is missing is told to who asks
                    cast(TextExtractor, self._extractors[kind]).text_features(["a picture"])
        return self.from_picture(picture_of_nothing(), kinds=kinds)

    def from_store(self, image_id: int, *, kinds: Sequence[str]) -> Question:
        """Stored features of an image, upright only.

        Args:
            image_id: of the library.
            kinds: to ask.

        Returns:
            One entry per kind; and the picture, where a kind would look at it and its file is there.
        """
        variants: dict[str, Sequence[QueryVariant] | AmbienceError] = {}
        for kind in kinds:
            try:
                variants[kind] = [self._searches[kind].stored_variant(image_id)]
            except (UnknownImageError, FeatureError) as exc:
                variants[kind] = exc
        looks = any(
            self._extractors[kind].spec.is_blob and not isinstance(found, AmbienceError)
            for kind, found in variants.items()
        )
        return Question(variants, self._pixels(image_id) if looks else None)

    def _composed_of_both(self, query: Query, here: Sequence[str], away: Sequence[str]) -> Question:
        """One vector of all terms, for kinds made here and elsewhere."""
        specs = {kind: self._extractors[kind].spec for kind in here}
        specs |= {kind: self._elsewhere[kind] for kind in away}
        takers = set(answering(specs, query))  # raises where there are none
        refused = {kind: QueryError(refusal(query)) for kind in away if kind not in takers}
        asked = {kind: self._resolved(kind, query) for kind in away if kind in takers}
        if takers.isdisjoint(here):
            given = refused | {kind: QueryError(refusal(query)) for kind in here}
            unasked = Question(given, has_words=has_words(query), expansion=query.expansion, is_composed=True)
            return replace(unasked, elsewhere=asked)
        try:
            question = self._composed(query, here)
        except (FeatureError, ModelError) as exc:  # of the kinds here; those elsewhere may do
            if not asked:
                raise
            question = Question(
                dict.fromkeys(here, exc),
                has_words=has_words(query),
                expansion=query.expansion,
                is_composed=True,
            )
        return replace(question, variants={**question.variants, **refused}, elsewhere=asked)

    def _resolved(self, kind: str, query: Query) -> Query:
        """A query of several terms as another process can read it: it may not have all images yet."""
        parts = []
        for part in query.parts:
            if part.image_id is not None:
                record = self._originals.record(part.image_id)
                state, _ = record.features.get(kind, (FeatureState.PENDING, ""))
                if part.region is not None or state is not FeatureState.DONE:
                    with suppress(ImageError, UnknownImageError):  # then it says itself what it lacks
                        part = replace(part, image_id=None, data=self._originals.data(record))
            parts.append(part)
        return replace(query, parts=tuple(parts))

    def _composed(self, query: Query, kinds: Sequence[str]) -> Question:
        """One vector of all terms, for each kind that has them in one space."""
        answering({kind: self._extractors[kind].spec for kind in kinds}, query)  # raises where none can
        parts = terms(query)
        pictures = {
            place: self._pixels_of(part, name=f"picture {place + 1} of {query.name}")
            for place, part in enumerate(parts)
            if part.data is not None or part.region is not None
        }
        for part in parts:
            if part.image_id is not None:
                self._originals.record(part.image_id)  # raises where there is no such image
        variants: dict[str, Sequence[QueryVariant] | AmbienceError] = {}
        notes: dict[str, str] = {}
        faults: list[AmbienceError] = []
        for kind in kinds:
            if not takes(self._extractors[kind].spec, query):
                variants[kind] = QueryError(refusal(query))
                continue
            try:
                variants[kind], notes[kind] = self._combined(kind, parts, pictures)
            except (FeatureError, ImageError, ModelError, QueryError, UnknownImageError) as exc:
                variants[kind] = exc
                faults.append(exc)
        if not notes:  # no kind can be asked; a model that can be installed says most
            raise next((fault for fault in faults if isinstance(fault, ModelError)), faults[0])
        return Question(variants, None, notes, has_words(query), query.expansion, is_composed=True)

    def _pixels_of(self, part: QueryPart, *, name: str) -> Picture:
        """The pixels of a term that is a picture, or of the region of it."""
        data = part.data
        if data is None:
            data, name = self.data(Query(image_id=part.image_id))
        return self._decoder.decode(data, name=name, region=part.region)

    def _combined(
        self, kind: str, parts: Sequence[QueryPart], pictures: Mapping[int, Picture]
    ) -> tuple[list[QueryVariant], str]:
        """The vector of all terms, upright, and what people must know of it."""
        spec = self._extractors[kind].spec
        made: dict[int, Feature] = {}
        notes: list[str] = []
        worded = [place for place, part in enumerate(parts) if part.text is not None]
        if worded:
            extractor = cast(TextExtractor, self._extractors[kind])
            texts = extractor.text_features([parts[place].text or "" for place in worded])
            made |= {place: text.feature for place, text in zip(worded, texts, strict=True)}
            notes = [text.note for text in texts if text.note]
            notes += filter(None, [model_note(spec)])
        for place, part in enumerate(parts):
            if place in pictures:
                made[place] = self._extractors[kind].query_variants(pictures[place])[0].feature
            elif part.image_id is not None:
                made[place] = self._stored(kind, part.image_id)
        ordered: list[Feature] = [made[place] for place in range(len(parts))]
        vectors: NDArray[Any] = np.stack([feature.vector for feature in ordered])
        vector = combined(vectors, [part.weight for part in parts]).astype(spec.dtype)
        quality = min(feature.quality for feature in ordered)
        return [QueryVariant(Feature(vector, quality))], "; ".join(dict.fromkeys(notes))

    def _or_stored(
        self, kind: str, image_id: int, found: Sequence[QueryVariant] | AmbienceError
    ) -> Sequence[QueryVariant] | AmbienceError:
        """What is stored of an image, where the model that made it is not there any more."""
        if not isinstance(found, ModelError):
            return found
        try:
            return [self._searches[kind].stored_variant(image_id)]
        except (UnknownImageError, FeatureError):
            return found

    def _stored(self, kind: str, image_id: int) -> Feature:
        """The feature of a stored image: as it is stored, or made of its file where it is not yet."""
        try:
            return self._searches[kind].stored_variant(image_id).feature
        except (UnknownImageError, FeatureError):
            return self._extractors[kind].query_variants(self._originals.picture(image_id, 0))[0].feature

    def _pixels(self, image_id: int) -> Picture | None:
        """The picture of a stored image; None where its file is gone or unusable: features answer alone."""
        try:
            return self._originals.picture(image_id, 0)
        except (ImageError, UnknownImageError):
            return None


def model_note(spec: FeatureSpec) -> str:
    """What people must know of a kind's model before they rely on it.

    Returns:
        Of one put together of others, with the commands that take a better one; "" where there is nothing.
    """
    row = CATALOG.get(spec.model)
    if row is None:
        return ""
    if not row.parts or BETTER not in CATALOG:
        return row.note
    return f"{row.note} Better: ambience models install {BETTER}, then ambience models use {BETTER}."


def picture_of_nothing() -> Picture:
    """A picture that no library holds and in which every kind finds something.

    Returns:
        (256, 256, 3) squares of random greys, the same at every call.
    """
    greys = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    rgb = np.repeat(np.kron(greys, np.ones((8, 8), np.uint8))[:, :, None], 3, axis=2)
    return Picture(rgb, 256, 256, "none")
