"""Words that images still lack: said by annotators that look at their files, each decoded once for all."""

import contextlib
import heapq
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from ambience.annotate.base import Annotator, StoredAnnotator
from ambience.datatypes import FeatureState, Picture
from ambience.errors import (
    AmbienceError,
    ImageIdTakenError,
    ModelError,
    OutdatedFeatureError,
    StoreError,
    UnknownImageError,
)
from ambience.ingest.extraction import GROUP_PIXEL_BYTES, Extraction, Failure, Task
from ambience.ingest.filling import task_of
from ambience.ingest.pipeline import Pipeline
from ambience.ingest.scan import is_absent, printable
from ambience.ingest.stored_vectors import stored_vectors
from ambience.settings import IngestSettings, count_or_cores
from ambience.store.base import MarkMissing, PutAnnotation, Write
from ambience.store.commit import Store
from ambience.words import Annotation

PAGE_IMAGES = 500
PAUSE_S = 0.2
_MEANWHILE = (UnknownImageError, ImageIdTakenError, OutdatedFeatureError)
"""Refusals of what is no longer asked: the image went or changed, or the annotator did."""
BATCH_IMAGES = 8


@dataclass(slots=True)
class Annotated:
    """What one annotator did in one pass.

    Attributes:
        done: images of which it said something.
        empty: images of which it has nothing to say.
        failed: images that it could not look at.
        left: images that wait still: for its model, or for their file.
        reason: why, where it waits for its model.
    """

    done: int = 0
    empty: int = 0
    failed: int = 0
    left: int = 0
    reason: str = ""


Report = Mapping[str, Annotated]
"""By name of the annotator."""


@dataclass(frozen=True, slots=True)
class _Look:
    """One image, and who is to look at it."""

    task: Task
    names: frozenset[str]


@dataclass(slots=True)
class _Seen:
    """What came of a batch: what to write, and images that stay as they are."""

    writes: list[Write] = field(default_factory=list)
    left: dict[str, int] = field(default_factory=dict)


class AnnotateRun:
    """One pass over the images that some annotators have yet to look at; made, run once, thrown away."""

    def __init__(
        self,
        store: Store,
        extraction: Extraction,
        settings: IngestSettings,
        *,
        annotators: Mapping[str, Annotator],
        stop: threading.Event,
        is_beside: bool = False,
        is_paused: Callable[[], bool] = lambda: False,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        self._is_paused, self._gives_way = is_paused, gives_way
        self._store, self._extraction, self._settings, self._stop = store, extraction, settings, stop
        self._annotators, self._is_beside = dict(annotators), is_beside
        self._waiting: dict[str, str] = {}
        self.report = {name: Annotated() for name in annotators}

    def run(self, on_progress: Callable[[str, int, int], None] | None = None) -> Report:
        """Works until all images have been tried once, or `stop` is set.

        Args:
            on_progress: called with an annotator, how many images are through, and how many there are.

        Returns:
            By annotator, what it did. One whose model is missing leaves all its images as they were.

        Raises:
            StoreFullError: the disk is full; what was committed stays.
        """
        records = self._store.records
        totals = {name: records.pending_annotation_count(name) for name in self._annotators}
        threads = count_or_cores(self._settings.threads)
        if self._is_beside and not self._settings.threads:
            threads = max(1, threads - 1)
        pipeline = Pipeline(self._batches(), self._work, threads=threads, stop=self._stop)
        waiting: list[Write] = []
        with contextlib.closing(iter(pipeline)) as results:
            for seen in results:
                if seen is not None:
                    waiting += seen.writes
                    for name, count in seen.left.items():
                        self.report[name].left += count
                if seen is None or len(waiting) >= BATCH_IMAGES:  # each took long: little is done twice
                    self._commit(waiting)
                    waiting = []
                    self._tell(on_progress, totals)
                if self._gives_way():
                    break
        self._commit(waiting)
        self._tell(on_progress, totals)
        for name, reason in self._waiting.items():
            self.report[name].reason = reason
            self.report[name].left = records.pending_annotation_count(name)
        return self.report

    def _tell(self, on_progress: Callable[[str, int, int], None] | None, totals: Mapping[str, int]) -> None:
        if on_progress is not None:
            for name, each in self.report.items():
                if name in self._waiting:
                    continue
                through = each.done + each.empty + each.failed + each.left
                on_progress(name, through, max(through, totals[name]))

    # --- in the thread that looks for work -------------------------------------------------------------

    def _batches(self) -> Iterator[list[_Look]]:
        wanted: dict[int, set[str]] = {}
        for image_id, name in heapq.merge(*(self._pending(name) for name in self._annotators)):
            if image_id not in wanted and len(wanted) >= BATCH_IMAGES:
                yield self._looks(wanted)
                wanted = {}
            wanted.setdefault(image_id, set()).add(name)
        if wanted:
            yield self._looks(wanted)

    def _pending(self, name: str) -> Iterator[tuple[int, str]]:
        after = -1
        while name not in self._waiting:
            ids = self._store.records.pending_annotations(name, after=after, limit=PAGE_IMAGES)
            if not ids:
                return
            after = ids[-1]
            for image_id in ids:
                if name in self._waiting:
                    return
                yield image_id, name

    def _looks(self, wanted: Mapping[int, set[str]]) -> list[_Look]:
        records = self._store.records.images(list(wanted))
        found = (task_of(record, self._store.folder) for record in records.values())
        return [_Look(task, frozenset(wanted[task.image_id])) for task in found if task is not None]

    # --- in the threads that work ----------------------------------------------------------------------

    @property
    def _is_over(self) -> bool:
        return self._stop.is_set() or self._gives_way()

    def _work(self, looks: list[_Look]) -> _Seen:
        seen = _Seen()
        opened: list[tuple[_Look, Picture]] = []
        pixel_bytes = 0
        for look in self._not_from_stored(seen, looks):
            names = look.names - self._waiting.keys()
            if not names or self._is_over:
                continue
            sides = [self._annotators[name].need.longest_side for name in names]
            side = None if None in sides else max(filter(None, sides))
            made = self._extraction.opened(look.task, longest_side=side)
            if isinstance(made, tuple) and made[0].sha256 == look.task.known_sha256:
                opened.append((look, made[1]))
                pixel_bytes += made[1].rgb.nbytes
            else:
                self._note_unseen(seen, look, made if isinstance(made, Failure) else None)
            if pixel_bytes >= GROUP_PIXEL_BYTES:  # pictures of full size: not too many at a time
                seen.writes += self._looked(opened)
                opened, pixel_bytes = [], 0
        seen.writes += self._looked(opened)
        return seen

    def _not_from_stored(self, seen: _Seen, looks: Sequence[_Look]) -> list[_Look]:
        """Writes what annotators say by stored embeddings alone; returns who is to look at which file."""
        left = list(looks)
        for name, annotator in self._annotators.items():
            mine = [look for look in left if name in look.names]
            if not mine or name in self._waiting or self._is_over:
                continue
            stored = stored_vectors(self._store, annotator, [look.task.image_id for look in mine])
            if stored is None:
                continue
            fingerprint = annotator.fingerprint
            try:
                said = cast(StoredAnnotator, annotator).annotate_stored(stored)
                writes = [] if said is None else _writes(name, fingerprint, mine, said)
            except Exception:  # noqa: BLE001 - met again over the pictures, and noted there
                continue
            if said is not None:
                seen.writes += writes
                left = [replace(look, names=look.names - {name}) for look in left]
        return left

    def _looked(self, opened: Sequence[tuple[_Look, Picture]]) -> list[Write]:
        """What all annotators say of some pictures, each of those that lack its words."""
        writes: list[Write] = []
        for name, annotator in self._annotators.items():
            mine = [(look, picture) for look, picture in opened if name in look.names]
            for start in range(0, len(mine), annotator.batch):
                while self._is_paused() and not self._is_over:
                    self._stop.wait(PAUSE_S)
                if name in self._waiting or self._is_over:
                    break
                writes += self._said(name, annotator, mine[start : start + annotator.batch])
        return writes

    def _note_unseen(self, seen: _Seen, look: _Look, failure: Failure | None) -> None:
        """A file that is gone, broken, or has other bytes by now: the next run of `add` finds the latter."""
        if failure is not None and failure.is_gone and is_absent(look.task.path):
            seen.writes.append(MarkMissing(look.task.image_id))
        elif failure is not None and failure.is_lasting:
            for name in sorted(look.names):
                fingerprint = self._annotators[name].fingerprint
                reason = failure.file.reason
                seen.writes.append(_write(name, fingerprint, look, FeatureState.FAILED, reason=reason))
        else:
            for name in look.names:
                seen.left[name] = seen.left.get(name, 0) + 1

    def _said(self, name: str, annotator: Annotator, looks: Sequence[tuple[_Look, Picture]]) -> list[Write]:
        """What an annotator says of pictures: all in one call, and one by one where that fails."""
        fingerprint = annotator.fingerprint  # as it is now: it may change while it looks
        try:
            said = self._asked(annotator, looks)
            if len(said) != len(looks):
                raise ValueError(f"{len(said)} annotations of {len(looks)} pictures")
        except ModelError as exc:  # no fault of the pictures: they wait until the model is there
            self._waiting[name] = printable(str(exc))
            return []
        except Exception as exc:  # noqa: BLE001 - the per-image boundary: other pictures go on
            if len(looks) > 1:
                return [write for look in looks for write in self._said(name, annotator, [look])]
            reason = str(exc) if isinstance(exc, AmbienceError) else f"{type(exc).__name__}: {exc}"
            return [_write(name, fingerprint, looks[0][0], FeatureState.FAILED, reason=printable(reason))]
        return _writes(name, fingerprint, [look for look, _ in looks], said)

    def _asked(self, annotator: Annotator, looks: Sequence[tuple[_Look, Picture]]) -> list[Annotation]:
        pictures = [picture for _, picture in looks]
        stored = stored_vectors(self._store, annotator, [look.task.image_id for look, _ in looks])
        if stored is None:
            return annotator.annotate(pictures)
        return cast(StoredAnnotator, annotator).annotate(pictures, stored)

    # --- in the thread that called ---------------------------------------------------------------------

    def _commit(self, writes: Sequence[Write]) -> None:
        outcomes = self._store.commit(writes) if writes else []
        unfit: list[Write] = []
        for write, outcome in zip(writes, outcomes, strict=True):
            if not isinstance(write, PutAnnotation) or isinstance(outcome, _MEANWHILE):
                continue  # its file is gone, or nobody asks for this any more
            if isinstance(outcome, StoreError):
                if write.state is not FeatureState.FAILED:  # else it would be tried for ever
                    failed = replace(
                        write,
                        state=FeatureState.FAILED,
                        annotation=Annotation(),
                        reason=printable(str(outcome)),
                    )
                    unfit.append(failed)
                continue
            mine = self.report[write.annotator]
            if write.state is FeatureState.DONE:
                mine.done += 1
            elif write.state is FeatureState.EMPTY:
                mine.empty += 1
            else:
                mine.failed += 1
        if unfit:
            self._commit(unfit)


def _writes(name: str, fingerprint: str, looks: Sequence[_Look], said: Sequence[Annotation]) -> list[Write]:
    """What was said of some images, which may be nothing."""
    return [
        _write(name, fingerprint, look, FeatureState.EMPTY if each.is_empty else FeatureState.DONE, said=each)
        for look, each in zip(looks, said, strict=True)
    ]


def _write(
    name: str,
    fingerprint: str,
    look: _Look,
    state: FeatureState,
    *,
    said: Annotation | None = None,
    reason: str = "",
) -> PutAnnotation:
    sha256 = look.task.known_sha256 or b""
    return PutAnnotation(look.task.image_id, sha256, name, fingerprint, state, said or Annotation(), reason)
