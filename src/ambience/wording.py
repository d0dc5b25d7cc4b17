"""What a library says of pictures in words; `library.Library` adds what changes that."""

from collections.abc import Mapping
from functools import partial

from ambience.annotate.base import Annotator
from ambience.answers import Query
from ambience.datatypes import Picture
from ambience.errors import QueryError
from ambience.reading import ReadingLibrary, check_id
from ambience.search.text import TEXT
from ambience.words import Annotation, ImageWords, WordHit


class WordingLibrary(ReadingLibrary):
    """The words of a library, on top of its read path."""

    @property
    def annotators(self) -> Mapping[str, Annotator]:
        """Every annotator that is switched on, by name."""
        return self._parts.annotators

    def words(self, image_id: int) -> ImageWords:
        """All that is said of an image.

        Raises:
            UnknownImageError: no such image.
        """
        check_id(image_id)
        self._parts.store.records.image(image_id)
        return self._parts.store.records.words([image_id])[image_id]

    def annotate_picture(self, name: str, data: bytes, *, picture_name: str = "query") -> Annotation:
        """What an annotator says of a picture, which is not kept.

        Args:
            name: of the annotator.
            data: bytes of a picture file.
            picture_name: for messages.

        Returns:
            Nothing in it where it has nothing to say.

        Raises:
            ImageError: the bytes are no usable picture.
            ModelError: its model is missing or unusable.
            QueryError: no such annotator is switched on.
        """
        annotator = self._annotator(name)
        (said,) = annotator.annotate([self._seen_by(annotator, data, picture_name)])
        return said

    def original_tags(self, data: bytes, *, picture_name: str = "query") -> list[str]:
        """Tags of a picture as the original system's tagger answers them; nothing is kept.

        Raises:
            ImageError: the bytes are no usable picture.
            ModelError: a network of Places365 is missing or unusable.
            QueryError: tags are switched off.
        """
        tagger = self._annotator("tags")
        told = getattr(tagger, "original_tags", None)
        return [] if told is None else list(told(self._seen_by(tagger, data, picture_name)))

    def search_words(
        self, query: Query, *, k: int | None = None, threshold: float | None = None
    ) -> list[WordHit]:
        """Images by the words that stand in them.

        Args:
            query: a sentence; or a picture or a stored image, whose text is looked for.
            k: so many hits at most.
            threshold: instead of k: everything of this score or more, 0–1; at most `search.max_k` hits.

        Returns:
            Best first; a stored image is among its own.

        Raises:
            ImageError: the query's bytes are no usable picture.
            ModelError: the query is a picture, and the model that reads is missing or unusable.
            QueryError: both or neither of k and threshold are given, or out of range; or there is no word.
            UnknownImageError: no such image.
        """
        most = self.settings.search.max_k
        if (k is None) == (threshold is None):
            raise QueryError("give exactly one of k (how many hits) and a threshold (the least score)")
        if k is not None and not 1 <= k <= most:
            raise QueryError(f"k = {k}; it must be 1 to {most} (search.max_k)")
        if threshold is not None and not 0 <= threshold <= 1:
            raise QueryError(f"the threshold is {threshold}; it must be 0 to 1")
        self._annotator(TEXT)
        words = self._parts.words
        by_text, by_lines = partial(words.by_text, k=k or most), partial(words.by_lines, k=k or most)
        if threshold is not None:
            by_text, by_lines = partial(by_text, threshold=threshold), partial(by_lines, threshold=threshold)
        if query.text is not None:
            return by_text(query.text)
        if query.data is not None:
            return by_lines(self.annotate_picture(TEXT, query.data).lines)
        if query.image_id is None:
            raise QueryError("the query is empty; give words, a picture, or the id of a stored image")
        return by_lines(self.words(query.image_id).lines)

    def _seen_by(self, annotator: Annotator, data: bytes, name: str) -> Picture:
        """A picture with the pixels that an annotator wants."""
        return self._parts.decoder.decode(data, name=name, longest_side=annotator.need.longest_side)

    def _annotator(self, name: str) -> Annotator:
        if name not in self.annotators:
            have = ", ".join(self.annotators) or "none"
            raise QueryError(f"no annotator {name!r} is switched on; have {have}")
        return self.annotators[name]
