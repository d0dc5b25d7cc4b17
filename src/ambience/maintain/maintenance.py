"""Work in the background of a writing process: one thread tends every index, another one extracts.

Extraction goes on beside the rest, since it may take days: indexes are written, trained and mended meanwhile.
Jobs are durable because the records say what is left to do: a job that was cut off is found again at the next
start, and the row in the table of jobs only tells people about it.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ambience.errors import AmbienceError, IndexRecallError, StoreError
from ambience.ingest import Ingest
from ambience.maintain.jobs import Jobs, Progress
from ambience.maintain.live_index import LiveIndex
from ambience.settings import Settings
from ambience.store.commit import Store

LOOK_EVERY_S = 5.0
RETRY_EVERY_S = 300.0
"""What could not be done (an unreadable file, a full disk) is tried again after so long, or when woken."""
TRIES = 2
"""Passes over pictures that cannot be read, after which a change of models waits for them no longer."""
NEVER = float("-inf")
TENDING, FILLING = frozenset({"rebuild", "train", "verify"}), frozenset({"extract"})
"""Names of the jobs of either thread."""

_log = logging.getLogger(__name__)

Switch = Callable[[LiveIndex, int], bool]
"""Makes the index of a model that was coming the one that is searched, though so many images lack a feature
that nothing can make at present; answers whether it was done."""


@dataclass(slots=True)
class _Progress:
    """How far one index is, by this process.

    Attributes:
        snapshot_at: when its last snapshot was due.
        extract_at: when what is pending was last tried.
        left: images that lacked their feature after that.
        fruitless: passes in a row that ended with images left.
        refused_at: when it was last refused to take the place of another.
    """

    snapshot_at: float = NEVER
    extract_at: float = NEVER
    left: int = 0
    fruitless: int = 0
    refused_at: float = NEVER


class Maintenance:
    """Catch-up, rebuilding, training, snapshots, forgetting in one thread; missing features in another."""

    def __init__(
        self,
        store: Store,
        ingest: Ingest,
        lives: Callable[[], Sequence[LiveIndex]],
        settings: Settings,
        *,
        switch: Switch = lambda live, pending: False,
        retry_every_s: float = RETRY_EVERY_S,
    ) -> None:
        """Prepares; nothing runs before `start`.

        Args:
            store: open for writing; its records say which spaces are coming.
            ingest: extracts what is pending.
            lives: the indexes that are kept up to date, opened; others at another time.
            settings: all of them.
            switch: called for an index that is coming once it is complete.
            retry_every_s: what could not be done is tried again after so long.
        """
        self._store, self._ingest, self._lives, self._settings = store, ingest, lives, settings
        self._switch, self._retry_every_s = switch, retry_every_s
        self._stop, self._wake, self._lack = threading.Event(), threading.Event(), threading.Event()
        self._jobs = Jobs(store.records, self._stop)
        self._progress: dict[str, _Progress] = {}
        self._threads = [
            threading.Thread(target=self._run, name="ambience-maintenance", daemon=True),
            threading.Thread(target=self._run_filling, name="ambience-filling", daemon=True),
        ]

    def start(self) -> None:
        """Begins, with whatever an earlier process left unfinished."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Looks at once at what there is to do, what failed lately included."""
        for progress in list(self._progress.values()):
            progress.extract_at = progress.refused_at = NEVER
        self._wake.set()
        self._lack.set()

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
        left_over = self._jobs.left_over(TENDING)
        while not self._stop.is_set():
            self._wake.clear()
            for live in self._lives():
                with self._reported(f"the index of {self._subject(live)}"):
                    self._tend(live)
                    self._switch_if_complete(live)
            with self._reported("the copy of the records"):
                self._store.back_up()
            self._jobs.close(left_over)
            left_over = frozenset()
            self._wake.wait(min(LOOK_EVERY_S, max(0.05, self._settings.index.snapshot_interval_s)))
        self._threads[1].join()  # what it committed last belongs into the last snapshots
        for live in self._lives():
            with self._reported(f"the last snapshot of {self._subject(live)}"):
                live.catch_up()
                if live.is_changed:
                    live.snapshot()
                    live.forget_removed()
        with self._reported("the copy of the records"):
            self._store.back_up(is_closing=True)

    def _run_filling(self) -> None:
        left_over = self._jobs.left_over(FILLING)
        looked_at_seq = -1
        while not self._stop.is_set():
            was_woken = self._lack.is_set()  # what is coming may be known only after its change was seen
            self._lack.clear()
            seq = self._store.records.last_seq()
            for live in self._lives():
                if was_woken or self._store.records.last_seq() != looked_at_seq or self._is_due(live):
                    with self._reported(f"pictures without {self._subject(live)}"):
                        self._fill(live)
            looked_at_seq = seq  # as it was before: what was committed meanwhile is looked at again
            self._jobs.close(left_over)
            left_over = frozenset()
            self._lack.wait(min(LOOK_EVERY_S, max(0.05, self._settings.index.snapshot_interval_s)))

    def _of(self, live: LiveIndex) -> _Progress:
        return self._progress.setdefault(live.spec.fingerprint, _Progress())

    def _is_coming(self, live: LiveIndex) -> bool:
        return live.spec in self._store.records.coming.values()

    def _subject(self, live: LiveIndex) -> str:
        """What a job is about: the kind; of a space that is coming, also its model."""
        return f"{live.spec.kind} ({live.spec.model})" if self._is_coming(live) else live.spec.kind

    def _is_late(self, since: float) -> bool:
        return time.monotonic() - since >= self._retry_every_s

    def _is_due(self, live: LiveIndex) -> bool:
        return bool(self._of(live).left) and self._is_late(self._of(live).extract_at)

    @contextlib.contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        """One step that fails is told, and tried again later; the others go on."""
        try:
            yield
        except AmbienceError as exc:
            _log.warning("%s: %s", what, exc)
        except Exception:  # noqa: BLE001 - a fault in one kind must not end the thread that tends all of them
            _log.exception("%s", what)

    def _tend(self, live: LiveIndex) -> None:
        live.source.on_distrust = self._wake.set
        if live.mend():
            self._lack.set()
        if (problem := live.verify_rest(self._stop)) is not None:
            _log.warning("%s", problem.message)
        if live.needs_rebuild:
            with self._jobs.job("rebuild", self._subject(live)) as tell:
                live.rebuild(self._writing_others(live, tell), stop=self._stop)
        live.catch_up()
        if not self._stop.is_set() and live.is_outgrown():
            with self._jobs.job("train", self._subject(live)) as tell:
                live.rebuild(self._writing_others(live, tell), stop=self._stop)
        self._write_if_due(live)

    def _write_if_due(self, live: LiveIndex) -> None:
        progress, interval_s = self._of(live), self._settings.index.snapshot_interval_s
        is_due = time.monotonic() - progress.snapshot_at >= interval_s
        if is_due and live.is_changed and not self._stop.is_set():
            progress.snapshot_at = time.monotonic()
            live.snapshot()
            live.forget_removed()

    def _writing_others(self, made: LiveIndex, tell: Progress) -> Progress:
        """Progress of an index that takes long to make, and snapshots of the others while it is made."""

        def told(done: int, total: int) -> None:
            tell(done, total)
            for live in self._lives():
                if live is not made:
                    with self._reported(f"the index of {self._subject(live)}"):
                        self._write_if_due(live)

        return told

    def _fill(self, live: LiveIndex) -> None:
        """Extracts what is pending, unless the last pass left exactly that and no time has passed since."""
        kind, fingerprint, progress = live.spec.kind, live.spec.fingerprint, self._of(live)
        pending = self._store.records.pending_count(fingerprint)
        is_new = pending > progress.left or self._is_late(progress.extract_at)
        if not pending or not is_new or self._stop.is_set():
            progress.left = min(pending, progress.left)
            return
        progress.extract_at = time.monotonic()
        with self._jobs.job("extract", self._subject(live), total=pending) as tell:

            def told(done: int, total: int) -> None:
                tell(done, total)
                if live not in self._lives():
                    raise StoreError(f"given up: {live.spec.model} is not to be used for {kind} any more")

            progress.left = pending  # as long as it is not known better: a model may be missing
            filled = self._ingest.fill_pending(
                kind, fingerprint=fingerprint, on_progress=told, stop=self._stop, is_beside=True
            )
            progress.left = filled.left  # what came meanwhile is none of it, and is looked at again
        progress.fruitless = progress.fruitless + 1 if progress.left else 0
        if self._is_coming(live):
            self._wake.set()

    # --- changing the model of a kind ------------------------------------------------------------------

    def _switch_if_complete(self, live: LiveIndex) -> None:
        """Has an index that is coming take the place of the one in use, once it finds all that it ever will.

        Images whose file is gone are not waited for, and those that cannot be read at present no longer than
        for a second try, as long as they are the smaller part.
        """
        progress = self._of(live)
        if not self._is_coming(live) or self._stop.is_set() or not self._is_late(progress.refused_at):
            return
        pending = self._store.records.pending_count(live.spec.fingerprint)
        is_given_up = progress.fruitless >= TRIES and pending <= progress.left
        if pending and not (is_given_up and 2 * pending <= self._store.records.count()):
            return
        try:
            self._switch(live, pending)
        except IndexRecallError:
            progress.refused_at = time.monotonic()
            raise
