"""The thread that has annotators look at pictures, after everything else: to read a page takes a second.

What is left to do is in the records, so that a run that was killed goes on where it was.
"""

import logging
import threading
import time
from collections.abc import Mapping

from ambience.annotate.base import Annotator
from ambience.errors import AmbienceError
from ambience.ingest import Ingest
from ambience.maintain.jobs import Jobs
from ambience.store.commit import Store

LOOK_EVERY_S = 5.0
RETRY_EVERY_S = 300.0
"""What waits for a model or for a file is tried again after so long, or when woken."""
NEVER = float("-inf")
JOB = "annotate"

_log = logging.getLogger(__name__)


class Annotating:
    """Annotates what is pending, in a thread of its own, while no picture waits for its features.

    Args:
        store: open for writing.
        ingest: decodes.
        annotators: by name.
        retry_every_s: what waits is tried again after so long.

    Attributes:
        reasons: by annotator, why it waits; "" or absent where it does not.
    """

    def __init__(
        self,
        store: Store,
        ingest: Ingest,
        annotators: Mapping[str, Annotator],
        *,
        retry_every_s: float = RETRY_EVERY_S,
    ) -> None:
        self._store, self._ingest, self._annotators = store, ingest, annotators
        self._retry_every_s = retry_every_s
        self._stop, self._wake = threading.Event(), threading.Event()
        self._jobs = Jobs(store.records, self._stop)
        self._tried: dict[str, tuple[float, int]] = {}
        self._enlisted: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self._thread = threading.Thread(target=self._run, name="ambience-annotating", daemon=True)

    def start(self) -> None:
        """Begins, with whatever an earlier process left unfinished."""
        if self._annotators:
            self._thread.start()

    def wake(self) -> None:
        """Looks at once at what there is to do, what waited lately included."""
        self._wake.set()

    def stop(self, timeout_s: float = 30) -> bool:
        """Ends after the pictures in hand.

        Returns:
            Whether it ended in time; where it did not, nothing is lost.
        """
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def enlist(self, stop: threading.Event) -> None:
        """Notes which images annotators have yet to look at, where one is new or depends on other things now.

        Raises:
            StoreFullError: the disk is full; what was noted stays.
        """
        records = self._store.records
        current = {name: each.fingerprint for name, each in self._annotators.items()}
        if current == self._enlisted:
            return
        records.annotators = current  # of new images, too, these are asked
        records.forget_other_annotators()
        for name, fingerprint in current.items():
            while not stop.is_set() and not records.enlist(name, fingerprint):
                continue
        if not stop.is_set():
            self._enlisted = current
            self._tried = {}

    def _run(self) -> None:
        left_over = self._jobs.left_over(frozenset({JOB}))
        seen: tuple[int, Mapping[str, str]] = (-1, {})
        while not self._stop.is_set():
            if self._wake.is_set():  # taken up here, since a pass under way notes what it tried at its end
                self._wake.clear()
                self._tried, seen = {}, (-1, {})
            try:
                self.enlist(self._stop)
                now = (self._store.records.last_seq(), self._enlisted)
                if now != seen or self._is_late():
                    self._annotate()
                    self._jobs.close(left_over)
                    left_over = frozenset()
                    seen = now if not self._is_busy() else (-1, {})
            except AmbienceError as exc:
                _log.warning("annotating: %s", exc)
            except Exception:  # noqa: BLE001 - the thread outlives a fault, which is told
                _log.exception("annotating")
            self._wake.wait(LOOK_EVERY_S)

    def _is_busy(self) -> bool:
        """Whether pictures are added or get features at present, which comes first."""
        return self._ingest.is_busy

    def _is_late(self) -> bool:
        now = time.monotonic()
        return any(left and now - tried >= self._retry_every_s for tried, left in self._tried.values())

    def _annotate(self) -> None:
        if self._is_busy():
            return
        due = {name: each for name, each in self._annotators.items() if self._has_more(name)}
        if not due or self._stop.is_set():
            return
        total = sum(self._store.records.pending_annotation_count(name) for name in due)
        with self._jobs.job(JOB, ", ".join(due), total=total) as tell:
            through: dict[str, int] = {}

            def told(name: str, done: int, _of: int) -> None:
                through[name] = done
                tell(sum(through.values()), max(total, sum(through.values())))

            report = self._ingest.annotate(
                due, on_progress=told, stop=self._stop, is_beside=True, is_paused=self._is_busy
            )
        for name, each in report.items():
            self._tried[name] = (time.monotonic(), each.left)
            self.reasons[name] = each.reason

    def _has_more(self, name: str) -> bool:
        """Whether an annotator has something to do that it did not leave as it was just now."""
        tried, left = self._tried.get(name, (NEVER, 0))
        pending = self._store.records.pending_annotation_count(name)
        return pending > left or (pending > 0 and time.monotonic() - tried >= self._retry_every_s)
