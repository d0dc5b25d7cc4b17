"""The files of stored images: where they are, their bytes, and their pixels at the size that is wanted."""

from pathlib import Path

from ambience.datatypes import ImageRecord, Picture
from ambience.decode.image import Decoder
from ambience.errors import UnknownImageError
from ambience.store.files import KeptFiles
from ambience.store.records import Records


class Originals:
    """Reads the files behind images; thread-safe.

    Args:
        records: say where a file is.
        kept: bytes that the library keeps itself.
        decoder: shared with the write path.
    """

    def __init__(self, records: Records, kept: KeptFiles, decoder: Decoder) -> None:
        self._records, self._kept, self._decoder = records, kept, decoder

    def record(self, image_id: int) -> ImageRecord:
        """What is known of an image.

        Raises:
            UnknownImageError: no such image.
        """
        return self._records.image(image_id)

    def path(self, record: ImageRecord) -> Path:
        """Where the bytes of an image are.

        Returns:
            An absolute path, which may be gone by now.

        Raises:
            UnknownImageError: only features of it are kept.
        """
        if record.is_upload:
            return self._kept.path(record.sha256)
        if record.path is None:
            raise UnknownImageError(
                f"image {record.image_id} ({record.name}): only its features are kept, no file"
            )
        return Path(record.path)

    def data(self, record: ImageRecord) -> bytes:
        """The bytes of an image.

        Returns:
            Of its file as it is now.

        Raises:
            ImageError: the file cannot be read.
            UnknownImageError: its file is gone, or only features of it are kept.
        """
        path = self.path(record)
        if not path.is_file():
            raise UnknownImageError(f"the file of image {record.image_id} is gone: {path}")
        return self._decoder.read(path)

    def picture(self, image_id: int, longest_side: int) -> Picture:
        """The pixels of an image.

        Args:
            image_id: of the library.
            longest_side: wanted at least, where the file has so many.

        Returns:
            Decoded, upright.

        Raises:
            ImageError: the file is no usable picture any more.
            UnknownImageError: no such image, its file is gone, or only features of it are kept.
        """
        record = self.record(image_id)
        return self._decoder.decode(self.data(record), name=record.name, longest_side=longest_side)
