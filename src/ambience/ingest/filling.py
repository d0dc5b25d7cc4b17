"""Features that images still lack: made from their files, for one kind or several."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ambience.datatypes import FeatureState, ImageRecord
from ambience.errors import ModelError, StoreError
from ambience.extract.base import Extractor
from ambience.ingest.extraction import Extraction, Failure, Outcome, Task
from ambience.ingest.known import is_below
from ambience.ingest.pipeline import Pipeline
from ambience.ingest.scan import is_absent
from ambience.settings import IngestSettings, count_or_cores
from ambience.store.base import FeatureDraft, MarkMissing, PutFeatures, PutImage, Write
from ambience.store.commit import Store
from ambience.store.files import upload_path

PAGE_IMAGES = 1000
BATCH_FILES = 16


class Filled(NamedTuple):
    """What one pass over pending images did.

    Attributes:
        done: images that have now what they lacked, or are known to have nothing to give.
        failed: images whose file gave nothing.
        left: of these, images that stay pending, since their file is only away.
    """

    done: int = 0
    failed: int = 0
    left: int = 0


class FillRun:
    """One pass over the images that lack a feature of one kind.

    Attributes:
        done: images that have now what they lacked, or are known to have nothing to give.
        failed: images whose file gave nothing.
        left: of these, images that stay pending, since their file is only away.
    """

    def __init__(
        self,
        store: Store,
        extraction: Extraction,
        settings: IngestSettings,
        *,
        extractor: Extractor,
        stop: threading.Event,
        is_beside: bool = False,
    ) -> None:
        self._is_beside = is_beside
        self.done = 0
        self.failed = 0
        self.left = 0
        self._store, self._extraction, self._settings, self._stop = store, extraction, settings, stop
        self._kind, self._fingerprint = extractor.spec.kind, extractor.spec.fingerprint
        self._extractors = {self._kind: (extractor,)}

    def run(self, on_progress: Callable[[int, int], None] | None) -> Filled:
        """Works until all have been tried once, or `stop` is set.

        Args:
            on_progress: called with how many are done (or failed), and how many there are.

        Returns:
            How many were done, how many failed, and how many of these were left as they were.

        Raises:
            ModelError: the kind's model is missing or unusable, so that no picture can be done.
        """
        total = self._store.records.pending_count(self._fingerprint)
        threads = count_or_cores(self._settings.threads)
        if self._is_beside and not self._settings.threads:
            threads = max(1, threads - 1)
        pipeline = Pipeline(self._batches(), self._work, threads=threads, stop=self._stop)
        waiting: list[Write] = []
        with contextlib.closing(iter(pipeline)) as results:
            for outcomes in results:
                waiting += [write for each in outcomes or () if (write := self._write(each)) is not None]
                if outcomes is None or len(waiting) >= self._settings.commit_images:
                    self._commit(waiting)
                    waiting = []
                if on_progress is not None:
                    on_progress(self.done + self.failed, total)
        self._commit(waiting)
        if on_progress is not None:
            on_progress(self.done + self.failed, total)
        return Filled(self.done, self.failed, self.left)

    def _work(self, tasks: list[Task]) -> list[Outcome]:
        return self._extraction.run(tasks, self._stop, extractors=self._extractors, redo=True)

    def _batches(self) -> Iterator[list[Task]]:
        after = -1
        while ids := self._store.records.pending(self._fingerprint, after=after, limit=PAGE_IMAGES):
            after = ids[-1]
            records = self._store.records.images(ids)
            found = (task_of(record, self._store.folder) for record in records.values())
            tasks = [task for task in found if task is not None]
            for start in range(0, len(tasks), BATCH_FILES):
                yield tasks[start : start + BATCH_FILES]

    def _refusal(self, image_id: int, reason: str) -> PutFeatures:
        draft = FeatureDraft(self._fingerprint, FeatureState.FAILED, reason=reason)
        return PutFeatures(image_id, {self._kind: draft}, renews=True)

    def _write(self, outcome: Outcome) -> Write | None:
        """What to write for one file, if anything."""
        task = outcome.task
        if isinstance(outcome, Failure):
            self.failed += 1
            if outcome.is_gone and is_absent(task.path):
                return MarkMissing(task.image_id)
            if outcome.is_lasting:
                return self._refusal(task.image_id, outcome.file.reason)
            self.left += 1
            return None
        draft = outcome.features.get(self._kind)
        if draft is not None and draft.state is FeatureState.PENDING:
            raise ModelError(draft.reason)
        if outcome.draft.sha256 == task.known_sha256:
            return PutFeatures(task.image_id, outcome.features, renews=True)
        if is_below(task.path, str(self._store.folder)):
            self.failed += 1
            return self._refusal(task.image_id, f"the bytes in {task.path} are not those that were sent")
        # The file has other bytes by now: they are the image, and its other kinds become pending in turn.
        return PutImage(outcome.draft, outcome.features, task.image_id, replaces=True)

    def _commit(self, writes: Sequence[Write]) -> None:
        outcomes = self._store.commit(writes) if writes else []
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                self.failed += 1  # removed meanwhile, for one
            elif isinstance(write, PutFeatures | PutImage) and not _is_refusal(write):
                self.done += 1


def task_of(record: ImageRecord, folder: Path) -> Task | None:
    """The file behind an image; None where only features are kept.

    Uploads lie in the library's own folder, where nothing that is added in place can lie.
    """
    path = str(upload_path(folder, record.sha256)) if record.is_upload else record.path
    return None if path is None else Task(path, record.image_id, record.sha256)


def _is_refusal(write: PutFeatures | PutImage) -> bool:
    return all(draft.state is FeatureState.FAILED for draft in write.features.values())
