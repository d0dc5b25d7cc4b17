"""Words that images still lack: said by annotators that look at their files, each decoded once for all."""

import contextlib
import heapq
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ambience.annotate.base import Annotator
from ambience.datatypes import FeatureState, Picture
from ambience.errors import AmbienceError, ModelError, StoreError
from ambience.ingest.extraction import Extraction, Failure, Task
from ambience.ingest.filling import task_of
from ambience.ingest.pipeline import Pipeline
from ambience.ingest.scan import is_absent, printable
from ambience.settings import IngestSettings, count_or_cores
from ambience.store.base import MarkMissing, PutAnnotation, Write
from ambience.store.commit import Store
from ambience.words import Annotation

PAGE_IMAGES = 500
BATCH_IMAGES = 8
FULL_SIZE = 2**31 - 1
"""Longest side that no picture reaches: asks for all pixels."""


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
    ) -> None:
        self._store, self._extraction, self._settings, self._stop = store, extraction, settings, stop
        self._annotators, self._is_beside = dict(annotators), is_beside
        self._sides = {
            name: FULL_SIZE if each.need.longest_side is None else each.need.longest_side
            for name, each in annotators.items()
        }
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

    def _work(self, looks: list[_Look]) -> _Seen:
        seen = _Seen()
        opened: list[tuple[_Look, Picture]] = []
        for look in looks:
            names = look.names - self._waiting.keys()
            if not names or self._stop.is_set():
                continue
            side = max(self._sides[name] for name in names)
            made = self._extraction.opened(look.task, longest_side=side)
            if isinstance(made, tuple) and made[0].sha256 == look.task.known_sha256:
                opened.append((look, made[1]))
            else:
                self._note_unseen(seen, look, made if isinstance(made, Failure) else None)
        for name, annotator in self._annotators.items():
            mine = [(look, picture) for look, picture in opened if name in look.names]
            for start in range(0, len(mine), annotator.batch):
                if name in self._waiting or self._stop.is_set():
                    break
                seen.writes += self._said(name, annotator, mine[start : start + annotator.batch])
        return seen

    def _note_unseen(self, seen: _Seen, look: _Look, failure: Failure | None) -> None:
        """A file that is gone, broken, or has other bytes by now: the next run of `add` finds the latter."""
        if failure is not None and failure.is_gone and is_absent(look.task.path):
            seen.writes.append(MarkMissing(look.task.image_id))
        elif failure is not None and failure.is_lasting:
            for name in sorted(look.names):
                seen.writes.append(self._write(name, look, FeatureState.FAILED, reason=failure.file.reason))
        else:
            for name in look.names:
                seen.left[name] = seen.left.get(name, 0) + 1

    def _said(self, name: str, annotator: Annotator, looks: Sequence[tuple[_Look, Picture]]) -> list[Write]:
        """What an annotator says of pictures: all in one call, and one by one where that fails."""
        try:
            said = annotator.annotate([picture for _, picture in looks])
            if len(said) != len(looks):
                raise ValueError(f"{len(said)} annotations of {len(looks)} pictures")
        except ModelError as exc:  # no fault of the pictures: they wait until the model is there
            self._waiting[name] = printable(str(exc))
            return []
        except Exception as exc:  # noqa: BLE001 - the per-image boundary: other pictures go on
            if len(looks) > 1:
                return [write for look in looks for write in self._said(name, annotator, [look])]
            reason = str(exc) if isinstance(exc, AmbienceError) else f"{type(exc).__name__}: {exc}"
            return [self._write(name, looks[0][0], FeatureState.FAILED, reason=printable(reason))]
        return [
            self._write(name, look, FeatureState.EMPTY if each.is_empty else FeatureState.DONE, said=each)
            for (look, _), each in zip(looks, said, strict=True)
        ]

    def _write(
        self, name: str, look: _Look, state: FeatureState, *, said: Annotation | None = None, reason: str = ""
    ) -> PutAnnotation:
        return PutAnnotation(
            look.task.image_id,
            look.task.known_sha256 or b"",
            name,
            self._annotators[name].fingerprint,
            state,
            said or Annotation(),
            reason,
        )

    # --- in the thread that called ---------------------------------------------------------------------

    def _commit(self, writes: Sequence[Write]) -> None:
        outcomes = self._store.commit(writes) if writes else []
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, StoreError) or not isinstance(write, PutAnnotation):
                continue  # removed or changed meanwhile, or its file is gone
            mine = self.report[write.annotator]
            if write.state is FeatureState.DONE:
                mine.done += 1
            elif write.state is FeatureState.EMPTY:
                mine.empty += 1
            else:
                mine.failed += 1
