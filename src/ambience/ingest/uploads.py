"""Pictures that the library keeps itself: file and row come together, and go together.

The file is written before its row is committed, and moved to the trash after the row is gone, so that a crash
leaves at worst a file without a row, which the next opening settles. The file is held all the time: an upload
never loses its file to a removal of the same bytes at the same time.
"""

import contextlib
from collections.abc import Mapping, Sequence

from ambience.datatypes import ImageDraft, ImageState
from ambience.errors import AmbienceError
from ambience.store.base import FeatureDraft, MarkMissing, PutImage, RemoveImage, Written
from ambience.store.commit import Store
from ambience.store.files import KeptFiles


class Uploads:
    """Adds and removes images whose bytes the library keeps; threads may share it."""

    def __init__(self, store: Store, kept: KeptFiles) -> None:
        self._store, self._kept = store, kept

    def add(
        self,
        data: bytes,
        draft: ImageDraft,
        features: Mapping[str, FeatureDraft],
        *,
        image_id: int | None,
        tags: Sequence[str],
    ) -> Written:
        """Keeps bytes and commits their image; durable when it returns.

        Args:
            data: bytes of a picture file.
            draft: made of them, `is_upload`.
            features: by kind.
            image_id: None assigns the next one.
            tags: of the source "user".

        Returns:
            The image.

        Raises:
            ImageIdTakenError: `image_id` exists.
            OutdatedFeatureError: a model was changed meanwhile; make the features again.
            StoreFullError: the disk is full; nothing was added.
        """
        with self._kept.holding(draft.sha256):
            is_new = self._kept.put(draft.sha256, data)
            try:
                written = self._store.submit(_put(draft, features, image_id, tags))
            except BaseException:
                if is_new:
                    self._take_back(draft.sha256)
                raise
            if is_new:
                self._note_back(draft.sha256)
        return written

    def known(self, image_id: int, sha256: bytes) -> Written | None:
        """The upload of these bytes under this id, as if it were written again.

        Returns:
            None where the id is free, of other bytes, or of no upload.
        """
        record = self._store.records.images([image_id]).get(image_id)
        if record is None or not record.is_upload or record.sha256 != sha256:
            return None
        return Written(image_id, self._store.records.last_seq(), is_new=False)

    def remove(self, image_id: int, *, purge: bool) -> None:
        """Forgets an image, and its bytes where it was the last upload of them.

        Args:
            image_id: of any image; files added in place are never touched.
            purge: delete the bytes, instead of moving them to the trash.

        Raises:
            UnknownImageError: no such image.
            StoreError: it is forgotten, but the bytes could not be moved.
        """
        record = self._store.records.image(image_id)
        if not record.is_upload:
            self._store.submit(RemoveImage(image_id))
            return
        with self._kept.holding(record.sha256, purge=purge):
            self._store.submit(RemoveImage(image_id))
            if not self._store.records.uploaded([record.sha256]):
                self._kept.discard(record, purge=purge)

    def _take_back(self, sha256: bytes) -> None:
        with contextlib.suppress(AmbienceError, OSError):  # it is an orphan then, which `check` names
            if not self._store.records.uploaded([sha256]):
                self._kept.path(sha256).unlink(missing_ok=True)

    def _note_back(self, sha256: bytes) -> None:
        """Older uploads of the same bytes that had lost their file have it back."""
        records = self._store.records
        for record in records.images(records.same_file(sha256)).values():
            if record.is_upload and record.state is ImageState.MISSING:
                self._store.submit(MarkMissing(record.image_id, is_missing=False))


def _put(
    draft: ImageDraft, features: Mapping[str, FeatureDraft], image_id: int | None, tags: Sequence[str]
) -> PutImage:
    return PutImage(draft, features, image_id=image_id, tags=tuple(tags), is_current=True)
