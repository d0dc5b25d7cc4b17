"""A library that can be changed, and how one is opened: what command line, HTTP and programs talk to."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ambience.answers import AddedImage
from ambience.clearing import ClearingLibrary
from ambience.datatypes import FeatureState, Verdict
from ambience.errors import ImageIdTakenError, OutdatedFeatureError
from ambience.every_kind import EveryKind
from ambience.fuse.verdict import tells_copies
from ambience.ingest import IngestProgress, IngestReport
from ambience.ingest.annotating import Annotated
from ambience.inventory import ModelUse, UnusedFeatures
from ambience.moving.moving_in import MovingIn
from ambience.placing import Placing
from ambience.reading import check_id
from ambience.search.text import TEXT
from ambience.settings import Settings, count_or_cores
from ambience.settings_sources import load_settings
from ambience.store.base import (
    RemoveAnnotation,
    RemoveFeature,
    SetCaption,
    SetTags,
)
from ambience.store.lock import WriterLock

COPIES = (Verdict.SAME_FILE, Verdict.SAME_PICTURE, Verdict.EDITED)
"""Verdicts that an added picture's duplicates are reported with."""


def open(
    path: Path | str | None = None,
    *,
    settings: Settings | None = None,
    writer: bool = False,
    purpose: str = "library",
    timeout_s: float = 0.0,
) -> "Library":
    """Opens a library; a writer makes the folder where there is none.

    Args:
        path: folder of the library; by default what the settings say.
        settings: by default from environment and TOML.
        writer: take the library's writer lock, so that it can be changed.
        purpose: what the lock file tells others ("serve", "add" …).
        timeout_s: how long to wait for the lock.

    Returns:
        A library, ready to search; background work runs where it is the writer.

    Raises:
        LibraryLockedError: another process writes; the message names it.
        NewerLibraryError: made by a newer version.
        StoreError: there is no library to read, or it cannot be opened.
        SettingsError: a setting is unknown or out of range.
    """
    settings = settings or load_settings()
    if path is not None:
        settings = replace(settings, library=Path(path).expanduser().absolute())
    lock = None
    if writer:
        lock = WriterLock.acquire(settings.library, purpose=purpose, timeout_s=timeout_s)
    try:
        return Library(settings, lock)
    except BaseException:
        if lock is not None:
            lock.release()
        raise


class Library(ClearingLibrary):
    """A library as its faces see it; what changes it needs the writer lock."""

    def __init__(self, settings: Settings, lock: WriterLock | None) -> None:
        """Composes the parts; use `open`."""
        super().__init__(settings, lock)
        if self.is_writer:
            self._parts.background.start()

    def add_paths(
        self,
        paths: Sequence[Path],
        *,
        on_progress: Callable[[IngestProgress], None] | None = None,
        stop: threading.Event | None = None,
        ids_from_names: bool = False,
    ) -> IngestReport:
        """Adds files and folders, referenced in place; a second run passes over what is known.

        Args:
            paths: files, or folders with everything below them.
            on_progress: told about ten times a second.
            stop: set to stop after the pictures in work; what is done stays.
            ids_from_names: an image's id is the number before the first dot of its file's name.

        Returns:
            What was added, updated, moved, missing and failed, and why.

        Raises:
            LibraryLockedError: opened for reading.
            StoreFullError: the disk is full; what was committed stays.
        """
        self._require_writer()
        return self._parts.ingest.add_paths(
            paths, on_progress=on_progress, stop=stop, ids_from_names=ids_from_names
        )

    def watch(
        self,
        paths: Sequence[Path],
        *,
        stop: threading.Event,
        on_report: Callable[[IngestReport], None],
    ) -> None:
        """Adds what appears, changes or goes below folders, until `stop` is set."""
        self._require_writer()
        self._parts.ingest.watch(paths, stop=stop, on_report=on_report)

    def add_image(
        self, data: bytes, *, name: str = "", image_id: int | None = None, tags: Sequence[str] = ()
    ) -> AddedImage:
        """Adds an uploaded picture, whose bytes the library keeps; durable when it returns.

        Adding the same bytes under the same id again changes nothing and is no error, so that a caller who
        had no answer may ask again.

        Args:
            data: bytes of a picture file.
            name: what people call it.
            image_id: None assigns the next one.
            tags: of the source "user".

        Returns:
            Its id, and the copies that the library held before.

        Raises:
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: `image_id` belongs to other bytes, or to no upload.
            LibraryLockedError: opened for reading.
            StoreFullError: the disk is full; nothing was added.
        """
        self._require_writer()
        if image_id is not None:
            check_id(image_id)
        name = name or "upload"
        picture = self._parts.decoder.decode(data, name=name)
        draft, features = self._parts.ingest.extract(data, picture, name=name)
        draft = replace(draft, path=None, mtime_ns=None, is_upload=True)
        same_files = tuple(
            each for each in self._parts.store.records.same_file(draft.sha256) if each != image_id
        )
        view = self._parts.spaces.view
        # Kinds that never tell a copy would only be made to look at the picture a second time.
        asked = tuple(kind for kind, spec in view.specs.items() if tells_copies(spec))
        question = view.questions.from_picture(picture, kinds=asked, data=data)
        answer = view.gateway.search(question, k=self.settings.search.k, same_files=same_files)
        while True:
            try:
                written = self._parts.uploads.add(data, draft, features, image_id=image_id, tags=tags)
                break
            except ImageIdTakenError:
                known = None if image_id is None else self._parts.uploads.known(image_id, draft.sha256)
                if known is None:
                    raise
                written = known
                break
            except OutdatedFeatureError:  # a model was changed meanwhile
                _, features = self._parts.ingest.extract(data, picture, name=name)
        states = {kind: (made.state, made.reason) for kind, made in features.items()}
        return AddedImage(
            written.image_id,
            same_files,
            tuple(
                match
                for match in answer.matches
                if match.verdict in COPIES and match.image_id != written.image_id
            ),
            states | self._parts.background.delivery.deliver(written.image_id),
            answer.kinds,
            written.is_new,
        )

    def add_feature(
        self, kind: str, image_id: int, data: bytes, *, name: str = ""
    ) -> tuple[FeatureState, str]:
        """Adds the feature of one kind under a given id and keeps nothing else, as the original system does.

        Args:
            kind: whose feature.
            image_id: given by the caller.
            data: bytes of a picture file; where the image exists, the same bytes as it has.
            name: "<id>.online" by default, as the original calls it.

        Returns:
            How the feature came about: done, or empty with the reason; or pending, where another process
            serves the kind and cannot be used now: it gets the picture later.

        Raises:
            FeatureError: the feature could not be made.
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: the feature exists already, or the id belongs to other bytes.
            ModelError: the kind's model is missing or unusable; nothing is kept.
            UnknownKindError: no such kind.
        """
        self._check_kind(kind)
        check_id(image_id)
        return self.placing.add(kind, image_id, data, name=name or f"{image_id}.online")

    @property
    def placing(self) -> Placing:
        """Adds and removes features of one kind by id, for callers that checked kind and id.

        Raises:
            LibraryLockedError: opened for reading.
        """
        self._require_writer()
        return self._parts.placing

    @property
    def moving_in(self) -> MovingIn:
        """Takes over collections of other systems.

        Raises:
            LibraryLockedError: opened for reading.
        """
        self._require_writer()
        parts = self._parts
        return MovingIn(
            parts.store,
            parts.decoder,
            parts.ingest,
            specs=lambda: parts.spaces.view.specs,
            search_imported=parts.spaces.search_imported,
            remove=self.remove,
            threads=count_or_cores(self.settings.ingest.threads),
        )

    @property
    def every_kind(self) -> EveryKind:
        """All kinds as of now, for one picture that the original's gateway adds, removes or asks about.

        Raises:
            LibraryLockedError: opened for reading.
        """
        return EveryKind(self._now(), self.placing, self.settings.search.deadline_s)

    def remove(self, image_id: int, *, purge: bool = False) -> None:
        """Forgets an image. Files that were added in place are never touched.

        Args:
            image_id: of the library.
            purge: delete the bytes of an upload, instead of moving them to the library's trash.

        Raises:
            StoreError: it is forgotten, but the bytes of an upload could not be moved; `check` names them.
            UnknownImageError: no such image.
        """
        self._require_writer()
        check_id(image_id)
        self._parts.uploads.remove(image_id, purge=purge)

    def remove_feature(self, kind: str, image_id: int) -> None:
        """Forgets the feature of one kind; the others stay.

        Raises:
            UnknownImageError: the image has no such feature.
            UnknownKindError: no such kind.
        """
        self._require_writer()
        self._check_kind(kind)
        self._parts.store.submit(RemoveFeature(image_id, kind))

    def set_tags(self, image_id: int, tags: Sequence[str]) -> None:
        """Replaces the tags that people gave an image.

        Raises:
            UnknownImageError: no such image.
        """
        self._require_writer()
        self._parts.store.submit(SetTags(image_id, tuple(tags)))

    def add_text(self, image_id: int, data: bytes, *, name: str = "") -> tuple[FeatureState, str]:
        """Keeps the text of a picture under a given id and nothing else, as the original system does.

        Args:
            image_id: given by the caller.
            data: bytes of a picture file; where the image exists, the same bytes as it has.
            name: "<id>.online" by default, as the original calls it.

        Returns:
            Done, or empty with the reason.

        Raises:
            ImageError: the bytes are no usable picture.
            ImageIdTakenError: its text is known already, or the id belongs to other bytes.
            ModelError: the model that reads is missing or unusable; nothing is kept.
            QueryError: reading is switched off.
        """
        check_id(image_id)
        return self.placing.add_text(self._annotator(TEXT), image_id, data, name=name or f"{image_id}.online")

    def remove_annotation(self, name: str, image_id: int) -> None:
        """Forgets what an annotator says of an image; the rest stays.

        Raises:
            UnknownImageError: it says nothing of this image.
        """
        self._require_writer()
        check_id(image_id)
        self._parts.store.submit(RemoveAnnotation(image_id, name))

    def set_caption(self, image_id: int, text: str) -> None:
        """Gives an image a caption, in place of the one that people gave it before; "" takes that away.

        Raises:
            UnknownImageError: no such image.
        """
        self._require_writer()
        self._parts.store.submit(SetCaption(image_id, text))

    def annotate(
        self,
        names: Sequence[str] | None = None,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> dict[str, Annotated]:
        """Has annotators look at the images that they have yet to look at, and waits for it.

        Args:
            names: of annotators; all by default.
            on_progress: told (name, images through, images in all).
            stop: ends it after the pictures in hand; what is left is done in the background.

        Returns:
            By annotator, what it did, and why it left something.

        Raises:
            LibraryLockedError: opened for reading.
            QueryError: no such annotator is switched on.
            StoreFullError: the disk is full; what was committed stays.
        """
        self._require_writer()
        stop = stop or threading.Event()
        annotators = {name: self._annotator(name) for name in names or self.annotators}
        self._parts.background.annotating.enlist(stop)
        found = self._parts.ingest.annotate(annotators, on_progress=on_progress, stop=stop)
        self._parts.background.word_following.catch_up(
            stop.is_set
        )  # so that what was read is found from now on
        return dict(found)

    def rebuild(
        self,
        kinds: Sequence[str] | None = None,
        *,
        features: bool = False,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Makes indexes anew from the store, and features anew from the pictures.

        Args:
            kinds: all by default. Those that other processes serve get all pictures once more, in the
                background, where they are named, or with `features`.
            features: before that, mend whatever `check` finds: records that do not add up, features and files
                that belong to nothing, features that are broken, missing or pending.
            on_progress: told (kind, done, total).
            stop: ends it early.

        Raises:
            IndexRecallError: a new index finds too little; the old one serves on.
            StoreError: `stop` was set before the end.
            StoreFullError: the disk is full.
            UnknownKindError: no such kind.
        """
        self._require_writer()
        kinds = list(kinds or (self.specs if features else self.kinds))
        for kind in kinds:
            self._check_kind(kind)
        stop = stop or threading.Event()
        for kind in (kind for kind in kinds if kind not in self.kinds):
            self._parts.background.delivery.queue_again(kind)
        kinds = [kind for kind in kinds if kind in self.kinds]
        self._parts.upkeep.renew(kinds, features=features, on_progress=on_progress, stop=stop)

    def train(
        self,
        kind: str,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Trains the index of a kind for as many vectors as it holds now; the old one answers meanwhile.

        Args:
            kind: which.
            on_progress: told (kind, done, total).
            stop: ends it early; another call goes on from what is on disk by then.

        Raises:
            IndexRecallError: the new index finds too little; the old one serves on.
            StoreError: `stop` was set before the end.
            UnknownKindError: no such kind.
        """
        self._check_kind(kind)
        self._parts.spaces.in_use(kind)  # one that another process serves is trained there
        self.rebuild([kind], on_progress=on_progress, stop=stop)

    def use_model(
        self,
        model: str,
        kind: str = "",
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> ModelUse:
        """Has a kind use another model, and waits until it does.

        Features of that model are made beside the old ones, which are searched until all new ones are there.
        Going back is done at once where the features of the model before are all there still.

        Args:
            model: by its name in the catalog.
            kind: "" takes the kind that the model is made for.
            on_progress: told (kind, images done, images in all).
            stop: ends the waiting; the change goes on in the background, and in the next process that opens
                the library for writing.

        Returns:
            Whether the model is in use by now, and how many images it leaves behind.

        Raises:
            LibraryLockedError: opened for reading.
            MissingModelError: the model is not installed; the message says how it is.
            ModelError: there is no such model, or it does not fit.
            SettingsError: settings name the model of this kind, and win.
            StoreError: another model was chosen meanwhile, or features cannot be made at present.
            UnknownKindError: no such kind.
        """
        self._require_writer()
        return self._parts.changes.use(model, kind, on_progress=on_progress, stop=stop or threading.Event())

    def clean(self, *, stop: threading.Event | None = None) -> list[UnusedFeatures]:
        """Deletes features and indexes that no kind uses any more, as `info` names them.

        Args:
            stop: ends it after the fingerprint in hand.

        Returns:
            What was deleted. Features of images that have no file are kept.

        Raises:
            StoreFullError: the disk is full; what is left is deleted another time.
        """
        self._require_writer()
        deleted = []
        for each in self._parts.store.unused():
            if stop is not None and stop.is_set():
                break
            count = self._parts.store.delete_unused(each.fingerprint)
            if count:
                deleted.append(replace(each, features=count))
        return deleted
