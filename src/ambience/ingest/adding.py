"""One run over files and folders: scan, skip what is known, extract the rest, commit, note what is gone."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ambience.datatypes import MAX_IMAGE_ID
from ambience.ingest.committer import Committer, Tally, id_from_name
from ambience.ingest.extraction import Extraction, Outcome, Task
from ambience.ingest.known import KnownTable, batches, is_below, topmost
from ambience.ingest.pipeline import Pipeline
from ambience.ingest.progress import IngestProgress, IngestReport, Meter
from ambience.ingest.scan import Found, Scan, failed_file, is_absent
from ambience.settings import IngestSettings, count_or_cores
from ambience.store.base import FailedFile, KnownFile
from ambience.store.commit import Store

BATCH_FILES = 16
"""Files that one thread takes at once: extractors get small batches, a stop waits for one file."""
LOOKUP_IMAGES = 1000


class AddRun:
    """One run of `Ingest.add_paths`; made, run once, thrown away."""

    def __init__(
        self,
        store: Store,
        extraction: Extraction,
        settings: IngestSettings,
        roots: Sequence[str],
        *,
        stop: threading.Event,
        ids_from_names: bool = False,
        is_explicit: bool = True,
    ) -> None:
        self._store, self._extraction, self._settings, self._stop = store, extraction, settings, stop
        self._roots, self._ids_from_names = roots, ids_from_names
        self._tally = Tally()
        self._committer = Committer(
            store, settings, self._tally, extract=self._extract_anew, ids_from_names=ids_from_names
        )
        self._scan = Scan(
            roots, hidden=settings.hidden, library=store.folder, is_explicit=is_explicit, stop=stop
        )
        self._known = KnownTable(())
        self._failed_before: dict[str, tuple[int, int]] = {}
        self._outdated_failures: list[str] = []
        self._back: deque[tuple[int, str]] = deque()

    def run(self, on_progress: Callable[[IngestProgress], None] | None) -> IngestReport:
        """Works until everything is done or `stop` is set, and says what was done.

        Returns:
            Figures of the whole run, and every file that failed.

        Raises:
            StoreFullError: the disk is full; what was committed stays, the rest is added by a later run.
        """
        began = time.monotonic()
        meter = Meter(on_progress)
        pipeline = Pipeline(
            self._batches(), self._work, threads=count_or_cores(self._settings.threads), stop=self._stop
        )
        with contextlib.closing(iter(pipeline)) as results:
            try:
                for outcomes in results:
                    self._committer.take(outcomes or ())
                    self._note_back()
                    self._committer.flush_if_due()
                    self._tell(meter)
            except KeyboardInterrupt:
                self._committer.flush()
                raise
        self._note_back()
        if not self._stop.is_set():
            self._note_gone()
        self._committer.flush()
        self._tell(meter, is_last=True)
        return self._report(time.monotonic() - began)

    def _work(self, tasks: list[Task]) -> list[Outcome]:
        return self._extraction.run(tasks, self._stop)

    def _extract_anew(self, tasks: Sequence[Task]) -> list[Outcome]:
        return self._extraction.run(tasks, threading.Event(), redo=True)

    # --- in the scanning thread ------------------------------------------------------------------------

    def _batches(self) -> Iterator[list[Task]]:
        """Files that must be read, in batches; everything else is settled on the way."""
        self._known = KnownTable(self._known_files())
        for root in topmost(self._roots):
            for failed in self._store.records.failed_files(root):
                self._failed_before[failed.path] = (failed.size, failed.mtime_ns)
        batch: list[Task] = []
        for chunk in self._scan:
            self._tally.failed += [each for each in chunk if isinstance(each, FailedFile)]
            for task in self._unknown([each for each in chunk if isinstance(each, Found)]):
                batch.append(task)
                if len(batch) >= BATCH_FILES:
                    self._tally.queued += len(batch)
                    yield batch
                    batch = []
        if batch:
            self._tally.queued += len(batch)
            yield batch
        self._tally.is_scanned = not self._stop.is_set()

    def _known_files(self) -> Iterator[KnownFile]:
        # A shell names thousands of files: one question for all of them. What is gone may have been a folder.
        roots = topmost(self._roots)
        files = [root for root in roots if Path(root).is_file()]
        yield from self._store.records.files_at(files)
        for root in sorted(set(roots).difference(files)):
            yield from self._store.records.known_files(root)

    def _unknown(self, found: Sequence[Found]) -> Iterator[Task]:
        """Tasks for the files of a chunk that are new or changed."""
        self._tally.found += len(found)
        changed: list[tuple[Found, int]] = []
        for each, row in zip(found, self._known.rows([each.path for each in found]), strict=True):
            before = self._failed_before.pop(each.path, None)
            if row >= 0 and self._known.is_same(row, each.size, each.mtime_ns):
                self._tally.unchanged += 1
                if self._known.is_missing(row):
                    self._back.append((self._known.image_id(row), each.path))
                if before is not None:
                    self._outdated_failures.append(each.path)
            elif before == (each.size, each.mtime_ns):
                self._tally.skipped_known_failed += 1
            elif row >= 0:
                changed.append((each, self._known.image_id(row)))
            elif self._has_usable_name(each):
                yield Task(each.path, had_failed=before is not None)
        if changed:
            yield from self._changed(changed)

    def _changed(self, changed: Sequence[tuple[Found, int]]) -> Iterator[Task]:
        records = self._store.records.images([image_id for _, image_id in changed])
        for each, image_id in changed:
            record = records.get(image_id)
            if record is not None and record.path == each.path:
                yield Task(each.path, image_id, record.sha256, had_failed=True)
            else:  # removed meanwhile, or two paths of one hash
                yield Task(each.path)

    def _has_usable_name(self, found: Found) -> bool:
        if not self._ids_from_names:
            return True
        name = found.path.rpartition("/")[2]
        image_id = id_from_name(name)
        if image_id is not None and image_id <= MAX_IMAGE_ID:
            return True
        self._tally.failed.append(
            failed_file(
                found.path,
                "id_not_in_name",
                f"{found.path}: ids are taken from names, but {name!r} does not begin with a number from 0 "
                f"to {MAX_IMAGE_ID} before its first dot; rename it, or add it without ids from names",
            )
        )
        return False

    # --- in the thread that called ---------------------------------------------------------------------

    def _note_back(self) -> None:
        while self._back:
            image_id, path = self._back.popleft()
            self._committer.mark(image_id, is_missing=False, path=path)

    def _note_gone(self) -> None:
        """Marks images below the paths of this run whose file is no longer there."""
        self._committer.flush()  # what moved must be known to have moved
        emptied: set[str] = set()
        for ids in batches(self._known.not_met(), LOOKUP_IMAGES):
            for record in self._store.records.images(ids).values():
                root = next(
                    (each for each in self._scan.empty_roots if is_below(record.path or "", each)), None
                )
                if root is not None:
                    emptied.add(root)
                elif record.path is not None and self._is_gone(record.path):
                    self._committer.mark(record.image_id, is_missing=True, path=record.path)
            self._committer.flush()
        for root in sorted(emptied):
            reason = (
                f"{root} is empty, though the library knows pictures in it; taken for the place of a drive "
                "that is not plugged in: nothing was marked missing"
            )
            self._tally.failed.append(failed_file(root, "folder_empty", reason))
        gone = [path for path in self._failed_before if self._is_gone(path)]
        if gone or self._outdated_failures:
            self._store.records.clear_failed(gone + self._outdated_failures)

    def _is_gone(self, path: str) -> bool:
        return not any(is_below(path, folder) for folder in self._scan.unreadable) and is_absent(path)

    def _tell(self, meter: Meter, *, is_last: bool = False) -> None:
        tally = self._tally
        meter.tell(
            found=tally.found,
            worked=tally.settled,
            waiting=tally.queued - tally.settled,
            added=tally.added,
            failed=len(tally.failed),
            bytes_done=tally.bytes_read,
            current=tally.current,
            scan_finished=tally.is_scanned,
            is_last=is_last,
        )

    def _report(self, took_s: float) -> IngestReport:
        tally = self._tally
        return IngestReport(
            found=tally.found,
            added=tally.added,
            updated=tally.updated,
            moved=tally.moved,
            unchanged=tally.unchanged + tally.touched,
            missing=tally.missing,
            vanished=tally.vanished,
            failed=tuple(tally.failed),
            skipped_known_failed=tally.skipped_known_failed,
            same_file=tally.same_file,
            skipped_files=self._scan.skipped_files,
            bytes_read=tally.bytes_read,
            took_s=took_s,
            was_stopped=self._stop.is_set(),
        )
