"""Bringing pictures back from the trash, as they were.

The image is committed before its file moves, so that whoever watches the folder meets a file that is known.
The journal of the trash tells of it before; what a killed writer left is finished or taken back.
"""

import contextlib
import os
from collections.abc import Mapping
from dataclasses import replace

from ambience.copies import Outcome, Trashed, TrashStep
from ambience.datatypes import ImageDraft, ImageState
from ambience.decode.image import Decoder
from ambience.duplicates._steps import RefusedError, caption_by, step_of, tags_by
from ambience.errors import AmbienceError, StoreFullError
from ambience.ingest import Ingest
from ambience.ingest.uploads import Uploads
from ambience.store.base import (
    FeatureDraft,
    MarkMissing,
    PutImage,
    PutImported,
    RemoveImage,
    SetCaption,
    SetTags,
)
from ambience.store.commit import Store
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.files import KeptFiles
from ambience.store.trash import Stage, Trash
from ambience.words import USER


class Restoring:
    """Brings pictures back, one caller at a time.

    Args:
        store: of the library, open for writing.
        kept: bytes that the library keeps itself.
        uploads: adds images with such bytes.
        decoder: of the library.
        ingest: makes their features anew.
        trash: of the library.
    """

    def __init__(
        self,
        store: Store,
        kept: KeptFiles,
        uploads: Uploads,
        decoder: Decoder,
        ingest: Ingest,
        trash: Trash,
    ) -> None:
        self._store, self._kept, self._uploads = store, kept, uploads
        self._decoder, self._ingest, self._trash = decoder, ingest, trash

    def restore(self, trashed: Trashed, *, is_dry_run: bool) -> TrashStep:
        """Brings one picture back.

        Args:
            trashed: which.
            is_dry_run: only look whether it can come back.

        Returns:
            What became of it; refused with the reason where it cannot come back, and then in the trash still.

        Raises:
            StoreFullError: the disk is full; it is in the trash still.
        """
        try:
            data = self._ready(trashed)
            if is_dry_run:
                return step_of(trashed, Outcome.WOULD_RESTORE)
            self._bring_back(trashed, data)
        except RefusedError as exc:
            return step_of(trashed, Outcome.REFUSED, str(exc))
        return step_of(trashed, Outcome.RESTORED)

    def _ready(self, trashed: Trashed) -> bytes:
        """The bytes of a picture that can come back.

        Raises:
            RefusedError: it cannot.
        """
        if trashed.image_id in self._store.records.images([trashed.image_id]):
            raise RefusedError(f"there is another image {trashed.image_id} by now")
        if trashed.path is not None and os.path.lexists(trashed.path):
            raise RefusedError("there is another file in its place by now")
        place = self._trash.place(trashed)
        if trashed.is_upload and not place.exists():
            place = self._kept.path(trashed.sha256)  # another image with these bytes was there, or came
        try:
            data = self._decoder.read(place) if place.exists() else None
        except AmbienceError as exc:
            raise RefusedError("its file in the trash cannot be read") from exc
        if data is None:
            raise RefusedError("its file is gone from the trash")
        return data

    def _bring_back(self, trashed: Trashed, data: bytes) -> None:
        try:
            picture = self._decoder.decode(data, name=trashed.name)
            draft, features = self._ingest.extract(data, picture, name=trashed.name)
        except AmbienceError as exc:
            raise RefusedError(f"its file in the trash is no usable picture any more: {exc.code}") from exc
        if draft.sha256 != trashed.sha256:
            raise RefusedError("its file in the trash was changed")
        self._trash.note(trashed, Stage.COMING)
        try:
            self._put_image(trashed, data, draft, features)
        except AmbienceError as exc:
            self._trash.note(trashed, Stage.IN)
            if isinstance(exc, StoreFullError):
                raise
            raise RefusedError(f"it cannot be brought back: {exc.code}") from exc
        if trashed.path is not None:
            try:
                self._trash.move_back(trashed)
            except OSError as exc:
                self._take_back(trashed)
                if is_disk_full(exc):
                    raise disk_full(self._store.folder, exc) from exc
                raise RefusedError(f"its file cannot be moved back: {exc.strerror}") from exc
        self._finish_back(trashed)

    def _put_image(
        self, trashed: Trashed, data: bytes, draft: ImageDraft, features: Mapping[str, FeatureDraft]
    ) -> None:
        image_id, tags = trashed.image_id, trashed.tags
        if trashed.path is None:
            self._uploads.add(data, replace(draft, is_upload=True), features, image_id=image_id, tags=tags)
            return
        # Before its file: whoever watches the folder then meets a file that is known.
        draft = replace(draft, path=trashed.path, mtime_ns=trashed.mtime_ns)
        self._store.submit(PutImage(draft, features, image_id=image_id, tags=tags, is_current=True))

    def _take_back(self, trashed: Trashed) -> None:
        """Forgets an image whose file did not come back."""
        if self._is_known(trashed) and not trashed.is_upload:
            self._store.submit(RemoveImage(trashed.image_id))
        self._trash.note(trashed, Stage.IN)

    def _is_known(self, trashed: Trashed) -> bool:
        """Whether its image was committed; another that came under its id does not count."""
        record = self._store.records.images([trashed.image_id]).get(trashed.image_id)
        if record is None or record.sha256 != trashed.sha256:
            return False
        return record.is_upload if trashed.path is None else record.path == trashed.path

    def _finish_back(self, trashed: Trashed) -> None:
        """What is left once file and image are back; harmless where it was done before."""
        records = self._store.records
        image = records.images([trashed.image_id]).get(trashed.image_id)
        if image is not None:
            if image.state is ImageState.MISSING:  # somebody looked between the commit and the move
                self._store.submit(MarkMissing(trashed.image_id, is_missing=False))
            if trashed.caption:
                self._store.submit(SetCaption(trashed.image_id, trashed.caption))
            tags, caption, url = trashed.imported_tags, trashed.imported_caption, trashed.source_url
            if tags or caption or url:
                self._store.submit(PutImported(trashed.image_id, tags, caption or None, url or None))
        if trashed.kept in records.images([trashed.kept]):
            self._take_from_kept(trashed)
        self._trash.note(trashed, Stage.OUT)
        others = {each.sha256 for each in self._trash.entries() if each.is_upload}
        if trashed.is_upload and trashed.sha256 not in others:
            with contextlib.suppress(OSError):  # its bytes are back; what is left here is one copy too many
                self._trash.delete(trashed)

    def _take_from_kept(self, trashed: Trashed) -> None:
        """The image that was kept loses what it was given, unless others in the trash gave it as well."""
        words = self._store.records.words([trashed.kept])[trashed.kept]
        others = [
            each
            for each in self._trash.entries()
            if each.kept == trashed.kept and each.entry != trashed.entry
        ]
        still = {tag for each in others for tag in each.tags}
        own = tags_by(words, USER)
        left = tuple(tag for tag in own if tag not in trashed.given_tags or tag in still)
        if left != own:
            self._store.submit(SetTags(trashed.kept, left))
        if trashed.given_caption and caption_by(words, USER) == trashed.caption:
            self._store.submit(SetCaption(trashed.kept, ""))

    def settle(self, trashed: Trashed) -> None:
        """Finishes what a killed writer had begun, or takes it back.

        Raises:
            OSError: a file cannot be moved.
        """
        if self._is_known(trashed) and (trashed.is_upload or self._trash.is_back(trashed)):
            self._finish_back(trashed)
        else:
            self._take_back(trashed)
