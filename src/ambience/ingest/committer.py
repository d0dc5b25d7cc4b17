"""Outcomes become writes, in groups; which image a file is gets decided here, by one thread.

The same path is the same image. New bytes under a new path are a new image, unless an image of the same bytes
lost its file: then that image moved.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ambience.datatypes import ImageRecord
from ambience.errors import OutdatedFeatureError, StoreError
from ambience.ingest.extraction import Extracted, Failure, Outcome, Task
from ambience.ingest.scan import failed_file, is_absent
from ambience.settings import IngestSettings
from ambience.store.base import FailedFile, MarkMissing, MoveImage, PutImage, Write
from ambience.store.commit import Store

Effect = Literal["added", "updated", "moved", "touched", "missing", "back"]


@dataclass(slots=True)
class Tally:
    """Figures of a run.

    Each number is written by one thread and read by any; to `failed`, both the scanning thread and the one
    that commits append.

    Attributes:
        unchanged: files that the scan knew again.
        touched: files that were read, since their time had changed, and have the bytes that they had.
    """

    found: int = 0
    queued: int = 0
    settled: int = 0
    unchanged: int = 0
    touched: int = 0
    skipped_known_failed: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    missing: int = 0
    vanished: int = 0
    same_file: int = 0
    bytes_read: int = 0
    current: str = ""
    is_scanned: bool = False
    failed: list[FailedFile] = field(default_factory=list)


def id_from_name(name: str) -> int | None:
    """The number before the first dot of a file name, None where there is none.

    Returns:
        0 or more.

    Source: the original system's mode 1, which takes `int(file_name.split(".")[0])` for the id.
    """
    text = name.partition(".")[0]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 20 else None


class Committer:
    """Collects what the workers made and commits it by number and by time.

    Args:
        store: open for writing.
        settings: how much one commit holds.
        tally: figures of the run.
        extract: makes features of files anew, where a model was changed before they were committed.
        ids_from_names: the id of an image is the number that its file's name begins with.
    """

    def __init__(
        self,
        store: Store,
        settings: IngestSettings,
        tally: Tally,
        *,
        extract: Callable[[Sequence[Task]], list[Outcome]],
        ids_from_names: bool,
    ) -> None:
        self._store, self._settings, self._tally, self._extract = store, settings, tally, extract
        self._ids_from_names = ids_from_names
        self._fresh: list[Extracted] = []
        self._others: list[tuple[Write, Effect, str]] = []
        self._lasting: list[FailedFile] = []
        self._mended: list[str] = []
        self._waiting_since: float | None = None

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Counts outcomes and keeps what is to be written."""
        for outcome in outcomes:
            self._tally.settled += 1
            self._tally.current = outcome.task.path
            if isinstance(outcome, Failure):
                self._note(outcome)
                continue
            self._tally.bytes_read += outcome.draft.size
            if outcome.task.had_failed:
                self._mended.append(outcome.task.path)
            if outcome.task.image_id < 0:
                self._fresh.append(outcome)
            else:
                self._others.append(_of_known(outcome))

    def mark(self, image_id: int, *, is_missing: bool, path: str) -> None:
        """Keeps that the file of an image is gone, or back."""
        self._others.append((MarkMissing(image_id, is_missing), "missing" if is_missing else "back", path))

    def flush_if_due(self) -> None:
        """Commits once enough waits, or once the oldest has waited long enough."""
        waiting = len(self._fresh) + len(self._others) + len(self._lasting)
        if not waiting:
            return
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        if (
            waiting >= self._settings.commit_images
            or now - self._waiting_since >= self._settings.commit_interval_s
        ):
            self.flush()

    def flush(self) -> None:
        """Commits all that waits.

        Raises:
            StoreFullError: nothing of this group was written; groups before it are safe.
        """
        self._waiting_since = None
        fresh, others, lasting, mended = self._fresh, self._others, self._lasting, self._mended
        self._fresh, self._others, self._lasting, self._mended = [], [], [], []
        if lasting:
            self._store.records.note_failed(lasting)
        # In portions: with many threads on small pictures more than one group may have come together.
        writes = others + self._placed(fresh)
        for start in range(0, len(writes), self._settings.commit_images):
            self._commit(writes[start : start + self._settings.commit_images])
        if mended:
            self._store.records.clear_failed(mended)

    def _note(self, failure: Failure) -> None:
        if failure.is_gone:
            self._tally.vanished += 1
            return
        self._tally.failed.append(failure.file)
        if failure.is_lasting:
            self._lasting.append(failure.file)

    def _commit(self, writes: Sequence[tuple[Write, Effect, str]]) -> None:
        outcomes = self._store.commit([write for write, _, _ in writes])
        for (write, effect, path), outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, OutdatedFeatureError):  # a model changed between extraction and commit
                self._commit_anew(write, effect, path)
            elif isinstance(outcome, StoreError):
                self._tally.failed.append(failed_file(path, outcome.code, outcome))
            elif effect != "back":
                setattr(self._tally, effect, getattr(self._tally, effect) + 1)

    def _commit_anew(self, write: Write, effect: Effect, path: str) -> None:
        assert isinstance(write, PutImage)
        (again,) = self._extract([Task(path)])
        if isinstance(again, Failure):
            self._note(again)
        else:
            self._commit([(replace(write, draft=again.draft, features=again.features), effect, path)])

    def _placed(self, fresh: Sequence[Extracted]) -> list[tuple[Write, Effect, str]]:
        """What to write for files that no image was known at."""
        if not fresh:
            return []
        twins = self._store.records.same_files([each.draft.sha256 for each in fresh])
        records = self._store.records.images(sorted({each for ids in twins.values() for each in ids}))
        taken: set[int] = set()
        seen = {sha256 for sha256, ids in twins.items() if ids}
        writes: list[tuple[Write, Effect, str]] = []
        for each in fresh:
            draft, path = each.draft, each.task.path
            wanted = id_from_name(draft.name) if self._ids_from_names else None
            candidates = [
                records[image_id] for image_id in twins.get(draft.sha256, ()) if image_id in records
            ]
            moved = self._moved(candidates, path, taken, wanted)
            if moved is not None:
                taken.add(moved.image_id)
                writes.append(
                    (MoveImage(moved.image_id, path, draft.name, draft.mtime_ns or 0), "moved", path)
                )
                continue
            if draft.sha256 in seen:
                self._tally.same_file += 1
            seen.add(draft.sha256)
            writes.append((PutImage(draft, each.features, wanted, is_current=True), "added", path))
        return writes

    def _moved(
        self, candidates: Sequence[ImageRecord], path: str, taken: set[int], wanted: int | None
    ) -> ImageRecord | None:
        """The image of these bytes whose own file is gone, if there is one."""
        for record in candidates:
            is_ours = record.path is not None and not record.is_upload and record.image_id not in taken
            if is_ours and wanted in (None, record.image_id) and record.path and is_absent(record.path):
                return record
        return None


def _of_known(outcome: Extracted) -> tuple[Write, Effect, str]:
    task, draft = outcome.task, outcome.draft
    if outcome.is_unchanged:
        return MoveImage(task.image_id, task.path, draft.name, draft.mtime_ns or 0), "touched", task.path
    write = PutImage(draft, outcome.features, task.image_id, replaces=True, is_current=True)
    return write, "updated", task.path
