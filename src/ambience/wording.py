"""What a library says of pictures in words; `library.Library` adds what changes that."""

from collections.abc import Mapping

from ambience.annotate.base import Annotator
from ambience.errors import QueryError
from ambience.ingest.annotating import FULL_SIZE
from ambience.reading import ReadingLibrary, check_id
from ambience.words import Annotation, ImageWords


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
        side = annotator.need.longest_side
        picture = self._parts.decoder.decode(
            data, name=picture_name, longest_side=FULL_SIZE if side is None else side
        )
        (said,) = annotator.annotate([picture])
        return said

    def _annotator(self, name: str) -> Annotator:
        if name not in self.annotators:
            have = ", ".join(self.annotators) or "none"
            raise QueryError(f"no annotator {name!r} is switched on; have {have}")
        return self.annotators[name]
