"""A query becomes features to search with: the picture is decoded once for all kinds asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ambience.datatypes import Picture, QueryVariant
from ambience.decode.image import Decoder
from ambience.errors import AmbienceError, FeatureError, ImageError, ModelError, UnknownImageError
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
        originals: Originals | None = None,
    ) -> None:
        self._decoder = decoder
        self._extractors = extractors
        self._searches = searches
        self._originals = originals

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
        if self._originals is None:
            return None
        try:
            return self._originals.picture(image_id, 0)
        except (ImageError, UnknownImageError):
            return None
