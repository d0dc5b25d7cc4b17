"""A query becomes features to search with: the picture is decoded once for all kinds asked."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ambience.datatypes import Picture, Query, QueryVariant
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
from ambience.extract.base import Extractor
from ambience.search.base import KindSearch
from ambience.search.originals import Originals

Variants = Mapping[str, Sequence[QueryVariant] | AmbienceError]
"""By kind: features to search with, upright first, or why there are none."""


@dataclass(frozen=True, slots=True)
class Question:
    """A query, ready to be asked of every kind.

    Attributes:
        variants: by kind.
        picture: the query's pixels; None where only stored features of it are left.
    """

    variants: Variants
    picture: Picture | None = None


class Questions:
    """Turns picture bytes or stored images into query variants.

    Args:
        decoder: shared with the write path, so that queries are decoded as the library's pictures were.
        extractors: by kind.
        searches: by kind; they know the stored features.
        originals: files of stored images, for kinds that look at the query's pixels as well.
    """

    def __init__(
        self,
        decoder: Decoder,
        extractors: Mapping[str, Extractor],
        searches: Mapping[str, KindSearch],
        originals: Originals,
    ) -> None:
        self._decoder = decoder
        self._extractors = extractors
        self._searches = searches
        self._originals = originals

    def of(self, query: Query, *, kinds: Sequence[str]) -> tuple[Question, bytes]:
        """Variants of a query.

        Args:
            query: picture bytes or a stored image; what is stored of it serves where its file does not.
            kinds: to ask.

        Returns:
            One entry per kind, and the sha256 of the query's file.

        Raises:
            ImageError: the query's bytes are no usable picture.
            QueryError: the query is empty or made of words.
            UnknownImageError: the query's image does not exist.
        """
        if query.data is not None:
            question = self.from_bytes(query.data, name=query.name, kinds=kinds)
            return question, hashlib.sha256(query.data).digest()
        if query.text is not None:
            raise QueryError(f"none of the kinds {', '.join(kinds)} is searched by words; give a picture")
        if query.image_id is None:
            raise QueryError("the query is empty; give a picture or the id of a stored image")
        record = self._originals.record(query.image_id)
        try:
            question = self.from_bytes(self._originals.data(record), name=record.name, kinds=kinds)
        except (StoreError, ImageError):  # gone, or no longer readable: what was stored of it still is
            question = self.from_store(query.image_id, kinds=kinds)
        return question, record.sha256

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

    def from_picture(self, picture: Picture, *, kinds: Sequence[str]) -> Question:
        """Variants of a decoded picture, in every orientation that the kinds offer.

        Args:
            picture: decoded.
            kinds: to ask.

        Returns:
            One entry per kind, and the picture.
        """
        variants: dict[str, Sequence[QueryVariant] | AmbienceError] = {}
        for kind in kinds:
            try:
                variants[kind] = self._extractors[kind].query_variants(picture)
            except (FeatureError, ModelError) as exc:  # of one kind: the others are asked all the same
                variants[kind] = exc
        return Question(variants, picture)

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

    def _pixels(self, image_id: int) -> Picture | None:
        """The picture of a stored image; None where its file is gone or unusable: features answer alone."""
        try:
            return self._originals.picture(image_id, 0)
        except (ImageError, UnknownImageError):
            return None


def picture_of_nothing() -> Picture:
    """A picture that no library holds and in which every kind finds something.

    Returns:
        (256, 256, 3) squares of random greys, the same at every call.
    """
    greys = np.random.default_rng(0).integers(0, 256, (32, 32), dtype=np.uint8)
    rgb = np.repeat(np.kron(greys, np.ones((8, 8), np.uint8))[:, :, None], 3, axis=2)
    return Picture(rgb, 256, 256, "none")
