"""What a run says about itself: figures while it works, and the report at its end."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ambience.store.base import FailedFile

WINDOW_S = 10.0
"""The rate is that of the last seconds: long enough to be calm, short enough to follow a change of folder."""
REPORT_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """How far a run is.

    Attributes:
        found: picture files that the scan has found so far.
        done: of these, those that need nothing more.
        added: new images so far.
        failed: files that are no pictures for us, so far.
        bytes_done: bytes read.
        rate: images a second, over the last ten seconds.
        eta_s: seconds until the end; None while the scan goes on or nothing can be said.
        current: path of a file that was finished last; "" before the first.
        scan_finished: whether `found` is final.
    """

    found: int
    done: int
    added: int
    failed: int
    bytes_done: int
    rate: float
    eta_s: float | None
    current: str
    scan_finished: bool


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a run did.

    Attributes:
        found: picture files met; all figures below but `missing` and `skipped_files` divide it.
        added: images that were made.
        updated: images whose file had other bytes.
        moved: images whose file is now at another path.
        unchanged: files that were known, and touched ones whose bytes are the same.
        missing: images whose file is gone.
        vanished: new and changed files that were gone before they were read.
        failed: files and folders that could not be added, and why.
        skipped_known_failed: files that failed in an earlier run and did not change since.
        same_file: of the added, those whose bytes another image has as well.
        skipped_files: files that are clearly no pictures.
        bytes_read: of pictures.
        took_s: seconds.
        was_stopped: whether it ended before its end.
    """

    found: int = 0
    added: int = 0
    updated: int = 0
    moved: int = 0
    unchanged: int = 0
    missing: int = 0
    vanished: int = 0
    failed: tuple[FailedFile, ...] = ()
    skipped_known_failed: int = 0
    same_file: int = 0
    skipped_files: int = 0
    bytes_read: int = 0
    took_s: float = 0.0
    was_stopped: bool = False


class Meter:
    """Calls a progress callback at most ten times a second, with a rate over a sliding window."""

    def __init__(self, on_progress: Callable[[IngestProgress], None] | None) -> None:
        self._on_progress = on_progress
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._reported_at = float("-inf")

    def tell(
        self,
        *,
        found: int,
        worked: int,
        waiting: int,
        added: int,
        failed: int,
        bytes_done: int,
        current: str,
        scan_finished: bool,
        is_last: bool = False,
    ) -> None:
        """Reports, unless it did so less than a tenth of a second ago.

        Args:
            found: files met so far.
            worked: of these, how many have been read; the rate counts these alone.
            waiting: how many are still to be read.
            added: images made.
            failed: files that failed.
            bytes_done: bytes read.
            current: path finished last.
            scan_finished: whether `found` is final.
            is_last: reports in any case.
        """
        now = time.monotonic()
        if self._on_progress is None or (now - self._reported_at < REPORT_EVERY_S and not is_last):
            return
        self._reported_at = now
        rate = self._rate(now, worked)
        self._on_progress(
            IngestProgress(
                found=found,
                done=found - waiting,
                added=added,
                failed=failed,
                bytes_done=bytes_done,
                rate=rate,
                eta_s=waiting / rate if scan_finished and rate > 0 else (0.0 if is_last else None),
                current=current,
                scan_finished=scan_finished,
            )
        )

    def _rate(self, now: float, worked: int) -> float:
        self._marks.append((now, worked))
        while len(self._marks) > 2 and now - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()
        began, before = self._marks[0]
        return (worked - before) / (now - began) if now > began else 0.0
