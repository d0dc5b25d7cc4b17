"""Work in the background of a writing process: one thread tends every index, another one extracts.

Extraction goes on beside the rest, since it may take days: indexes are written, trained and mended meanwhile.
Jobs are durable because the records say what is left to do: a job that was cut off is found again at the next
start, and the row in the table of jobs only tells people about it.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from ambience.errors import AmbienceError
from ambience.ingest import Ingest
from ambience.maintain.live_index import LiveIndex
from ambience.settings import Settings
from ambience.store.base import Job
from ambience.store.commit import Store

LOOK_EVERY_S = 5.0
RETRY_EVERY_S = 300.0
"""What could not be done (an unreadable file, a full disk) is tried again after so long, or when woken."""
TELL_EVERY_S = 0.5
TENDING, FILLING = frozenset({"rebuild", "train", "verify"}), frozenset({"extract"})
"""Names of the jobs of either thread."""

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


class Maintenance:
    """Catch-up, rebuilding, training, snapshots, forgetting in one thread; missing features in another."""

    def __init__(
        self, store: Store, ingest: Ingest, live: Mapping[str, LiveIndex], settings: Settings
    ) -> None:
        """Prepares; nothing runs before `start`.

        Args:
            store: open for writing.
            ingest: extracts what is pending.
            live: index of each kind, opened.
            settings: all of them.
        """
        self._store, self._ingest, self._live, self._settings = store, ingest, dict(live), settings
        self._stop, self._wake, self._lack = threading.Event(), threading.Event(), threading.Event()
        self._snapshot_at = dict.fromkeys(self._live, float("-inf"))
        self._extract_at = dict.fromkeys(self._live, float("-inf"))
        self._left = dict.fromkeys(self._live, 0)
        self._threads = [
            threading.Thread(target=self._run, name="ambience-maintenance", daemon=True),
            threading.Thread(target=self._run_filling, name="ambience-filling", daemon=True),
        ]

    def start(self) -> None:
        """Begins, with whatever an earlier process left unfinished."""
        for live in self._live.values():
            live.source.on_distrust = self._wake.set
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float = 30) -> bool:
        """Ends the step in hand, writes final snapshots where something changed, and ends the thread.

        Returns:
            Whether it ended in time. Where it did not, nothing is lost: the next process goes on.
        """
        self._stop.set()
        self._wake.set()
        self._lack.set()
        deadline = time.monotonic() + timeout_s
        begun = [thread for thread in self._threads if thread.ident is not None]
        for thread in reversed(begun):
            thread.join(max(0.0, deadline - time.monotonic()))
        has_ended = not any(thread.is_alive() for thread in begun)
        if not has_ended:
            _log.warning(
                "background work did not end within %g s; it is taken up at the next start", timeout_s
            )
        return has_ended

    # --- the threads -----------------------------------------------------------------------------------

    def _run(self) -> None:
        left_over = self._left_over(TENDING)
        while not self._stop.is_set():
            self._wake.clear()
            for kind, live in self._live.items():
                with self._reported(f"the index of {kind}"):
                    self._tend(kind, live)
            with self._reported("the copy of the records"):
                self._store.back_up()
            self._close_jobs(left_over)
            left_over = frozenset()
            self._wake.wait(min(LOOK_EVERY_S, max(0.05, self._settings.index.snapshot_interval_s)))
        self._threads[1].join()  # what it committed last belongs into the last snapshots
        for kind, live in self._live.items():
            with self._reported(f"the last snapshot of {kind}"):
                live.catch_up()
                if live.is_changed:
                    live.snapshot()
                    live.forget_removed()
        with self._reported("the copy of the records"):
            self._store.back_up(is_closing=True)

    def _run_filling(self) -> None:
        left_over = self._left_over(FILLING)
        looked_at_seq = -1
        while not self._stop.is_set():
            self._lack.clear()
            seq = self._store.records.last_seq()
            for kind, live in self._live.items():
                if self._store.records.last_seq() != looked_at_seq or self._is_due(kind):
                    with self._reported(f"pictures without {kind}"):
                        self._fill(kind, live)
            looked_at_seq = seq  # as it was before: what was committed meanwhile is looked at again
            self._close_jobs(left_over)
            left_over = frozenset()
            self._lack.wait(min(LOOK_EVERY_S, max(0.05, self._settings.index.snapshot_interval_s)))

    def _is_due(self, kind: str) -> bool:
        return bool(self._left[kind]) and time.monotonic() - self._extract_at[kind] >= RETRY_EVERY_S

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """One step that fails is told, and tried again later; the others go on."""
        try:
            yield
        except AmbienceError as exc:
            _log.warning("%s: %s", what, exc)
        except Exception:  # noqa: BLE001 - a fault in one kind must not end the thread that tends all of them
            _log.exception("%s", what)

    def _tend(self, kind: str, live: LiveIndex) -> None:
        if live.mend():
            self._lack.set()
        if (problem := live.verify_rest(self._stop)) is not None:
            _log.warning("%s", problem.message)
        if live.needs_rebuild:
            with self._job("rebuild", kind) as tell:
                live.rebuild(self._writing_others(kind, tell), stop=self._stop)
        live.catch_up()
        if not self._stop.is_set() and live.is_outgrown():
            with self._job("train", kind) as tell:
                live.rebuild(self._writing_others(kind, tell), stop=self._stop)
        self._write_if_due(kind, live)

    def _write_if_due(self, kind: str, live: LiveIndex) -> None:
        is_due = time.monotonic() - self._snapshot_at[kind] >= self._settings.index.snapshot_interval_s
        if is_due and live.is_changed and not self._stop.is_set():
            self._snapshot_at[kind] = time.monotonic()
            live.snapshot()
            live.forget_removed()

    def _writing_others(self, kind: str, tell: Progress) -> Progress:
        """Progress of an index that takes long to make, and snapshots of the others while it is made."""

        def told(done: int, total: int) -> None:
            tell(done, total)
            for other, live in self._live.items():
                if other != kind:
                    with self._reported(f"the index of {other}"):
                        self._write_if_due(other, live)

        return told

    def _fill(self, kind: str, live: LiveIndex) -> None:
        """Extracts what is pending, unless the last pass left exactly that and no time has passed since."""
        pending = self._store.records.pending_count(live.spec.fingerprint)
        is_new = pending > self._left[kind] or time.monotonic() - self._extract_at[kind] >= RETRY_EVERY_S
        if not pending or not is_new or self._stop.is_set():
            self._left[kind] = min(pending, self._left[kind])
            return
        self._extract_at[kind] = time.monotonic()
        with self._job("extract", kind, total=pending) as tell:
            self._ingest.fill_pending(kind, on_progress=tell, stop=self._stop, is_beside=True)
        self._left[kind] = self._store.records.pending_count(live.spec.fingerprint)

    # --- the table of jobs -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def _job(self, name: str, kind: str, *, total: int = 0) -> Iterator[Progress]:
        """A row in the table of jobs while something runs; what it yields moves the row on."""
        records = self._store.records
        job = replace(records.add_job(name, kind, total), state="running", done=0, total=total, message="")
        records.update_job(_now(job))
        told_at = time.monotonic()

        def tell(done: int, of: int) -> None:
            nonlocal job, told_at
            job = replace(job, done=done, total=of)
            if time.monotonic() - told_at >= TELL_EVERY_S:
                told_at = time.monotonic()
                records.update_job(_now(job))

        try:
            yield tell
        except AmbienceError as exc:
            records.update_job(_now(replace(job, state="failed", message=str(exc))))
            raise
        # One that was cut off stays unfinished: the next process takes it up.
        records.update_job(_now(replace(job, state="waiting" if self._stop.is_set() else "done")))

    def _left_over(self, names: frozenset[str]) -> frozenset[int]:
        """Numbers of jobs that an earlier process did not finish."""
        unfinished = self._store.records.jobs(unfinished=True)
        return frozenset(job.job_id for job in unfinished if job.name in names)

    def _close_jobs(self, left_over: frozenset[int]) -> None:
        """Ends rows of an earlier process whose work had been finished, as the records show by now."""
        if not left_over:
            return
        for job in self._store.records.jobs(unfinished=True):
            if job.job_id in left_over and not self._stop.is_set():
                self._store.records.update_job(
                    _now(replace(job, state="done", message="nothing was left to do"))
                )


def _now(job: Job) -> Job:
    return replace(job, updated_at=datetime.now(UTC).isoformat(timespec="seconds"))
