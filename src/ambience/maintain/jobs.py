"""The table of jobs: it tells people what goes on in the background. What is left to do, other rows say."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from ambience.errors import AmbienceError
from ambience.store.base import Job
from ambience.store.records import Records

TELL_EVERY_S = 0.5

Progress = Callable[[int, int], None]


class Jobs:
    """Rows of the table of jobs, for one process.

    Args:
        records: hold the table.
        stop: set when the process is about to end; what was cut off stays unfinished.
    """

    def __init__(self, records: Records, stop: threading.Event) -> None:
        self._records, self._stop = records, stop

    @contextlib.contextmanager
    def job(self, name: str, subject: str, *, total: int = 0) -> Iterator[Progress]:
        """A row while something runs; what it yields moves the row on.

        Args:
            name: of the sort of work.
            subject: what it is about.
            total: units in all; 0 where unknown.

        Yields:
            A function that takes units done and units in all.
        """
        row = self._records.add_job(name, subject, total)
        row = replace(row, state="running", done=0, total=total, message="")
        self._records.update_job(_now(row))
        told_at = time.monotonic()

        def tell(done: int, of: int) -> None:
            nonlocal row, told_at
            row = replace(row, done=done, total=of)
            if time.monotonic() - told_at >= TELL_EVERY_S:
                told_at = time.monotonic()
                self._records.update_job(_now(row))

        try:
            yield tell
        except AmbienceError as exc:
            self._records.update_job(_now(replace(row, state="failed", message=str(exc))))
            raise
        # One that was cut off stays unfinished: the next process takes it up.
        self._records.update_job(_now(replace(row, state="waiting" if self._stop.is_set() else "done")))

    def left_over(self, names: frozenset[str]) -> frozenset[int]:
        """Numbers of jobs that an earlier process did not finish."""
        unfinished = self._records.jobs(unfinished=True)
        return frozenset(job.job_id for job in unfinished if job.name in names)

    def close(self, left_over: frozenset[int]) -> None:
        """Ends rows of an earlier process whose work had been finished, as the records show by now."""
        if not left_over:
            return
        for job in self._records.jobs(unfinished=True):
            if job.job_id in left_over and not self._stop.is_set():
                done = replace(job, state="done", message="nothing was left to do")
                self._records.update_job(_now(done))


def _now(job: Job) -> Job:
    return replace(job, updated_at=datetime.now(UTC).isoformat(timespec="seconds"))
