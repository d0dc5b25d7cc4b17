"""Pictures of which one kind keeps the feature under a given id: for gateways and the original's clients."""

import contextlib
import hashlib
from dataclasses import dataclass, replace

from ambience.annotate.base import Annotator
from ambience.datatypes import FeatureState, ImageDraft
from ambience.decode.image import Decoder
from ambience.errors import (
    FeatureError,
    ImageIdTakenError,
    ModelError,
    OutdatedFeatureError,
    UnknownImageError,
)
from ambience.ingest import Ingest
from ambience.ingest.uploads import Uploads
from ambience.maintain import Delivery
from ambience.spaces import Spaces
from ambience.store.base import FeatureDraft, PutAnnotation, PutFeatures, RemoveFeature
from ambience.store.commit import Store

Outcome = tuple[FeatureState, str]
"""How the feature came about, and why there is none."""

_SETTLED = (FeatureState.DONE, FeatureState.EMPTY)


@dataclass(frozen=True, slots=True)
class Placing:
    """Adds and removes features of one kind by id; threads may share it.

    Attributes:
        store: open for writing.
        decoder: of the library.
        ingest: makes features.
        uploads: keeps bytes of kinds that look at pixels again.
        spaces: what is made here, and what elsewhere.
        delivery: to the services of kinds that are made elsewhere.
    """

    store: Store
    decoder: Decoder
    ingest: Ingest
    uploads: Uploads
    spaces: Spaces
    delivery: Delivery

    def add(self, kind: str, image_id: int, data: bytes, *, name: str, keep: bool = False) -> Outcome:
        """Adds the feature of one kind.

        Args:
            kind: of the library.
            image_id: given by the caller.
            data: bytes of a picture file; where the image exists, the same bytes as it has.
            name: of the image, where it is new.
            keep: keep the bytes of a new image as well, not only the feature.

        Returns:
            Done, or empty with the reason; or pending with the reason, where another process serves the kind
            and cannot be used now.

        Raises:
            FeatureError: the feature could not be made.
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: the feature exists already, or the id belongs to other bytes.
            ModelError: the kind's model is missing or unusable; nothing is kept.
        """
        picture = self.decoder.decode(data, name=name)
        while True:
            is_away = kind in self.spaces.view.away
            draft, features = self.ingest.extract(data, picture, name=name, kinds=[] if is_away else [kind])
            draft = replace(draft, path=None, mtime_ns=None)
            if is_away:
                return self.delivery.add(kind, image_id, data, draft)
            made = features[kind]
            if made.state is FeatureState.FAILED:
                raise FeatureError(made.reason)
            if made.state is FeatureState.PENDING:  # no file is kept of which it could be made later
                raise ModelError(made.reason)
            with contextlib.suppress(OutdatedFeatureError):  # a model was changed meanwhile
                self._write(kind, image_id, data, draft, made, keep=keep)
                return made.state, made.reason

    def put(self, kind: str, image_id: int, data: bytes, *, name: str, keep: bool) -> Outcome:
        """The same for callers that may come twice: what is there already of the same bytes counts as added.

        Returns:
            Done, or empty with the reason.

        Raises:
            AmbienceError: as `add` does.
        """
        try:
            return self.add(kind, image_id, data, name=name, keep=keep)
        except ImageIdTakenError:
            record = self.store.records.images([image_id]).get(image_id)
            state, reason = (FeatureState.PENDING, "") if record is None else record.features.get(kind, _NONE)
            is_same = record is not None and record.sha256 == _sha256(data)
            if not is_same or state not in _SETTLED:
                raise
            return state, reason

    def add_text(self, reader: Annotator, image_id: int, data: bytes, *, name: str) -> Outcome:
        """Adds the text of a picture, and keeps nothing else.

        Args:
            reader: the annotator that reads.
            image_id: given by the caller.
            data: bytes of a picture file; where the image exists, the same bytes as it has.
            name: of the image, where it is new.

        Returns:
            Done, or empty with the reason.

        Raises:
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: its text is known already, or the id belongs to other bytes.
            ModelError: the model that reads is missing or unusable; nothing is kept.
        """
        state, _ = self.store.records.words([image_id])[image_id].states.get(reader.name, ("", ""))
        if state in _SETTLED:
            raise ImageIdTakenError(f"the text of image {image_id} is known already; remove it first")
        picture = self.decoder.decode(data, name=name, longest_side=reader.need.longest_side)
        (said,) = reader.annotate([picture])
        made = FeatureState.EMPTY if said.is_empty else FeatureState.DONE
        reason = "there is no text in the picture" if said.is_empty else ""
        draft = ImageDraft(_sha256(data), len(data), name)
        self.store.submit(
            PutAnnotation(
                image_id, draft.sha256, reader.name, reader.fingerprint, made, said, reason, draft=draft
            )
        )
        return made, reason

    def take_away(self, kind: str, image_id: int, *, sha256: bytes | None) -> None:
        """Forgets the feature of one kind, and the image with its last feature.

        Args:
            kind: of the library.
            image_id: whose.
            sha256: only where the image has these bytes.

        Raises:
            UnknownImageError: no such image, or it has other bytes or no such feature.
        """
        record = self.store.records.image(image_id)
        if sha256 is not None and record.sha256 != sha256:
            raise UnknownImageError(f"image {image_id} has other bytes than those that are to be forgotten")
        others = [state for other, (state, _) in record.features.items() if other != kind]
        if record.is_upload and FeatureState.DONE not in others:
            self.uploads.remove(image_id, purge=True)  # bytes that a gateway holds, or has removed itself
        else:
            self.store.submit(RemoveFeature(image_id, kind))

    def _write(
        self, kind: str, image_id: int, data: bytes, draft: ImageDraft, made: FeatureDraft, *, keep: bool
    ) -> None:
        if keep and not self.store.records.images([image_id]):
            draft = replace(draft, is_upload=True)
            self.uploads.add(data, draft, {kind: made}, image_id=image_id, tags=())
            return
        self.store.submit(PutFeatures(image_id, {kind: made}, draft=draft, is_current=True))


_NONE = (FeatureState.PENDING, "")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
