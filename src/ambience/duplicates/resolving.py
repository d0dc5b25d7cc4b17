"""Copies go to the library's trash, and what people said of them to the one that stays.

Nothing is deleted, and whatever was done can be undone. A copy goes only where the file of the one that stays
was read and has the very bytes that it was found by. Each picture goes in steps, of which the journal of the
trash tells before they are taken: the file is moved, its tags and caption are given to the one that stays,
the image is forgotten. A writer that is opened after one was killed in between finishes or takes back.
"""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ambience.copies import Choice, Outcome, Trashed, TrashPage, TrashRun, TrashStep
from ambience.datatypes import ImageRecord, ImageState
from ambience.decode.image import Decoder
from ambience.duplicates._steps import RefusedError, caption_by, step_of, tags_by
from ambience.duplicates.restoring import Restoring
from ambience.errors import AmbienceError, QueryError
from ambience.ingest import Ingest
from ambience.ingest.uploads import Uploads
from ambience.store.base import PutImported, SetCaption, SetTags
from ambience.store.commit import Store
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.store.files import KeptFiles
from ambience.store.trash import Stage, Trash, sha256_of
from ambience.words import IMPORT, USER, ImageWords

MOST_ENTRIES = 1_000
"""Pictures of one page at most."""

Progress = Callable[[int, int], None]
AreCopies = Callable[[int, Collection[int]], Collection[int]]

_log = logging.getLogger(__name__)


class Resolving:
    """Puts copies away and brings them back; threads may share it, and take turns.

    Args:
        store: of the library, open for writing.
        kept: bytes that the library keeps itself.
        uploads: adds and removes images with such bytes.
        decoder: of the library.
        ingest: makes features of pictures that come back.
        are_copies: of images, those that are known to be copies of one.
    """

    def __init__(
        self,
        store: Store,
        kept: KeptFiles,
        uploads: Uploads,
        decoder: Decoder,
        ingest: Ingest,
        are_copies: AreCopies,
    ) -> None:
        self._store, self._kept, self._uploads = store, kept, uploads
        self._are_copies = are_copies
        self._trash = Trash(store.folder)
        self._restoring = Restoring(store, kept, uploads, decoder, ingest, self._trash)
        self._turn = threading.Lock()

    # --- into the trash -----------------------------------------------------------------------------------

    def resolve(
        self,
        choices: Sequence[Choice],
        *,
        is_dry_run: bool,
        on_progress: Progress | None = None,
        stop: Callable[[], bool],
    ) -> TrashRun:
        """Moves copies to the trash.

        Args:
            choices: what stays and what goes.
            is_dry_run: look at everything, files included, and change nothing.
            on_progress: told (pictures done, pictures in all).
            stop: asked before each picture.

        Returns:
            What became of each picture. One that cannot go is refused with the reason, and the rest goes on.

        Raises:
            QueryError: an image is to stay and to go, or to go twice.
            StoreFullError: the disk is full; what went before is in the trash.
        """
        _check(choices)
        total = sum(len(choice.trash) for choice in choices)
        steps: list[TrashStep] = []
        with self._turn:
            batch = self._trash.next_entry()
            for choice in choices:
                kept: ImageRecord | None = None
                copies = self._are_copies(choice.keep, choice.trash)
                for image_id in choice.trash:
                    if stop():
                        return TrashRun(tuple(steps), is_dry_run, is_whole=False)
                    record = self._store.records.images([image_id]).get(image_id)
                    try:
                        kept = kept or self._sound_keep(choice.keep)
                        movable = self._movable(record, kept, is_copy=image_id in copies)
                        step = self._put_away(movable, kept, batch, is_dry_run=is_dry_run)
                    except RefusedError as exc:
                        step = _refused(image_id, choice.keep, record, str(exc))
                    steps.append(step)
                    if on_progress is not None:
                        on_progress(len(steps), total)
        return TrashRun(tuple(steps), is_dry_run)

    def _sound_keep(self, image_id: int) -> ImageRecord:
        """The image that stays, whose file was read and is what it was."""
        record = self._store.records.images([image_id]).get(image_id)
        if record is None:
            raise RefusedError(f"there is no image {image_id} to keep")
        self._check_file(record, "the file that is to be kept")
        return record

    def _movable(self, record: ImageRecord | None, kept: ImageRecord, *, is_copy: bool) -> ImageRecord:
        """A copy whose file was read, is what it was, and can go."""
        if record is None:
            raise RefusedError("there is no such image")
        if not is_copy:
            raise RefusedError(f"it is not known as a copy of image {kept.image_id}")
        self._check_file(record, "its file")
        if not record.is_upload:
            self._check_movable(Path(record.path or ""), kept)
        return record

    def _put_away(self, record: ImageRecord, kept: ImageRecord, batch: int, *, is_dry_run: bool) -> TrashStep:
        trashed = self._described(record, kept, batch)
        if is_dry_run:
            return replace(step_of(trashed, Outcome.WOULD_TRASH), entry=None)
        self._trash.note(trashed, Stage.GOING)
        if trashed.path is not None:
            self._move_in(trashed, Path(trashed.path))
        self._finish(trashed)
        return step_of(trashed, Outcome.TRASHED)

    def _move_in(self, trashed: Trashed, source: Path) -> None:
        try:
            before = source.stat()
            self._trash.move_in(trashed)
            now = self._trash.place(trashed).stat()
            is_changed = (now.st_mtime_ns, now.st_size) != (before.st_mtime_ns, before.st_size)
            if is_changed:  # somebody wrote to it since it was read
                self._trash.move_back(trashed)
        except OSError as exc:
            self._trash.note(trashed, Stage.OUT)
            if is_disk_full(exc):
                raise disk_full(self._store.folder, exc) from exc
            raise RefusedError(f"its file cannot be moved: {exc.strerror}") from exc
        if is_changed:
            self._trash.note(trashed, Stage.OUT)
            raise RefusedError("its file was changed meanwhile; add it again and find duplicates anew")

    def _finish(self, trashed: Trashed) -> None:
        """What is left once the file is in the trash; harmless where it was done before."""
        images = self._store.records.images([trashed.kept, trashed.image_id])
        if trashed.kept in images:
            words = self._store.records.words([trashed.kept])[trashed.kept]
            if trashed.given_tags:
                own = tags_by(words, USER)
                new = [tag for tag in trashed.given_tags if tag not in own]
                if new:
                    self._store.submit(SetTags(trashed.kept, (*own, *new)))
            if trashed.given_caption and not caption_by(words, USER):
                self._store.submit(SetCaption(trashed.kept, trashed.caption))
            self._give_imported(trashed, words)
        if trashed.image_id in images:
            self._uploads.remove(trashed.image_id, purge=False)
        self._trash.note(trashed, Stage.IN)

    def _give_imported(self, trashed: Trashed, words: ImageWords) -> None:
        tags = tuple(tag for tag in trashed.imported_tags if tag not in tags_by(words, IMPORT))
        caption = "" if caption_by(words, IMPORT) else trashed.imported_caption
        url = "" if words.source_url else trashed.source_url
        if tags or caption or url:
            self._store.submit(PutImported(trashed.kept, tags, caption or None, url or None))

    def _described(self, record: ImageRecord, kept: ImageRecord, batch: int) -> Trashed:
        told = self._store.records.words([record.image_id, kept.image_id])
        own, stays = told[record.image_id], told[kept.image_id]
        tags, caption = tags_by(own, USER), caption_by(own, USER)
        return Trashed(
            entry=self._trash.next_entry(),
            batch=batch,
            image_id=record.image_id,
            kept=kept.image_id,
            name=record.name,
            path=None if record.is_upload else record.path,
            sha256=record.sha256,
            size=record.size,
            mtime_ns=record.mtime_ns,
            trashed_at=datetime.now(UTC).replace(microsecond=0),
            tags=tags,
            caption=caption,
            imported_tags=tags_by(own, IMPORT),
            imported_caption=caption_by(own, IMPORT),
            source_url=own.source_url,
            given_tags=tuple(tag for tag in tags if tag not in tags_by(stays, USER)),
            given_caption=bool(caption) and not caption_by(stays, USER),
        )

    def _check_file(self, record: ImageRecord, what: str) -> None:
        """Reads the file of an image.

        Raises:
            RefusedError: it is not there, or not what it was.
        """
        if record.state is ImageState.FEATURES_ONLY or (record.path is None and not record.is_upload):
            raise RefusedError("the library knows only features of it, and no file")
        path = self._kept.path(record.sha256) if record.is_upload else Path(record.path or "")
        if not path.is_file():
            raise RefusedError(f"{what} is gone")
        try:
            is_sound = sha256_of(path) == record.sha256
        except OSError as exc:
            raise RefusedError(f"{what} cannot be read: {exc.strerror}") from exc
        if not is_sound:
            raise RefusedError(
                f"{what} was changed since it was added; add it again, then find duplicates anew"
            )

    def _check_movable(self, path: Path, kept: ImageRecord) -> None:
        if path.is_symlink():
            raise RefusedError("its file is a symbolic link; remove it yourself")
        stays = self._kept.path(kept.sha256) if kept.is_upload else Path(kept.path or "")
        try:
            is_kept = path.samefile(stays)
        except OSError as exc:
            raise RefusedError("its file, or the one that is to be kept, is gone by now") from exc
        if is_kept:
            raise RefusedError(
                "it is the very file that is to be kept, under another name; nothing would be won"
            )
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise RefusedError("its folder cannot be written to")

    # --- the trash ----------------------------------------------------------------------------------------

    def page(self, *, before: int | None, limit: int) -> TrashPage:
        """What is in the trash, the newest first.

        Args:
            before: `next` of the page before; None for the first.
            limit: most pictures, 1–1000.

        Returns:
            One page, and what there is in all.

        Raises:
            QueryError: the limit is out of range.
        """
        if not 1 <= limit <= MOST_ENTRIES:
            raise QueryError(f"limit = {limit}; it must be 1 to {MOST_ENTRIES}")
        entries = self._trash.entries()[::-1]
        found = [each for each in entries if before is None or each.entry < before][: limit + 1]
        following = found[limit - 1].entry if len(found) > limit else None
        return TrashPage(tuple(found[:limit]), following, len(entries), sum(each.size for each in entries))

    def restore(
        self,
        entries: Sequence[int],
        *,
        is_dry_run: bool = False,
        on_progress: Progress | None = None,
        stop: Callable[[], bool],
    ) -> TrashRun:
        """Brings pictures back to where they were, under their ids; takes back what the kept ones were given.

        Args:
            entries: numbers in the trash. One that is not, or no longer, there is refused.
            is_dry_run: look at everything and change nothing.
            on_progress: told (pictures done, pictures in all).
            stop: asked before each picture.

        Returns:
            What became of each.

        Raises:
            StoreFullError: the disk is full; what came back before stays.
        """
        steps: list[TrashStep] = []
        with self._turn:
            known = {each.entry: each for each in self._trash.entries()}
            for entry in entries:
                if stop():
                    return TrashRun(tuple(steps), is_dry_run, is_whole=False)
                trashed = known.pop(entry, None)
                if trashed is None:
                    step = TrashStep(
                        -1, -1, Outcome.REFUSED, "there is no such entry in the trash", entry=entry
                    )
                else:
                    step = self._restoring.restore(trashed, is_dry_run=is_dry_run)
                steps.append(step)
                if on_progress is not None:
                    on_progress(len(steps), len(entries))
        return TrashRun(tuple(steps), is_dry_run)

    def empty(self, *, older_than: timedelta, is_dry_run: bool) -> TrashPage:
        """Deletes what has been in the trash for some time, for ever.

        Args:
            older_than: what came later stays.
            is_dry_run: delete nothing.

        Returns:
            What was deleted, or would be.

        Raises:
            StoreError: the journal cannot be written; what was deleted is refused when it is asked for.
        """
        before = datetime.now(UTC) - older_than
        with self._turn:
            entries = self._trash.entries()
            old = [each for each in entries if each.trashed_at <= before]
            if is_dry_run:
                gone = old
            else:
                # Uploads of the same bytes share one file, which goes with the last of them.
                stay = {each.sha256 for each in entries if each.is_upload and each.trashed_at > before}
                gone = [each for each in old if self._deleted(each, stay)]
                self._trash.forget({each.entry for each in gone})
        return TrashPage(tuple(gone), None, len(gone), sum(each.size for each in gone))

    def _deleted(self, trashed: Trashed, stay: Collection[bytes]) -> bool:
        try:
            if not (trashed.is_upload and trashed.sha256 in stay):
                self._trash.delete(trashed)
        except OSError as exc:
            _log.warning("entry %d of the trash cannot be deleted: %s", trashed.entry, exc.strerror)
            return False
        return True

    def settle(self) -> None:
        """Finishes or takes back what a killed writer had begun; for the opening of a library for writing.

        What cannot be settled, as on a full disk, waits for the next opening.
        """
        with self._turn:
            for trashed, stage in self._trash.unfinished():
                try:
                    (self._settle if stage is Stage.GOING else self._restoring.settle)(trashed)
                except (AmbienceError, OSError) as exc:
                    _log.warning("entry %d of the trash waits: %s", trashed.entry, exc)

    def _settle(self, trashed: Trashed) -> None:
        if trashed.path is None:
            has_gone = trashed.image_id not in self._store.records.images([trashed.image_id])
        else:
            has_gone = self._trash.is_in(trashed)
        if has_gone:
            self._finish(trashed)
        else:
            self._trash.note(trashed, Stage.OUT)


def _check(choices: Sequence[Choice]) -> None:
    stays = {choice.keep for choice in choices}
    times = Counter(image_id for choice in choices for image_id in choice.trash)
    for image_id, count in times.items():
        if image_id in stays:
            raise QueryError(f"image {image_id} is to be kept and to be put away; decide for one of them")
        if count > 1:
            raise QueryError(f"image {image_id} is to be put away {count} times; name it once")


def _refused(image_id: int, keep: int, record: ImageRecord | None, reason: str) -> TrashStep:
    name, size = ("", 0) if record is None else (record.name, record.size)
    return TrashStep(image_id, keep, Outcome.REFUSED, reason, name, size)
