"""The thread that compares new images with all others, while nothing more urgent is to be done.

How far it came is in the file of pairs, so that a run that was killed goes on where it was.
"""

import logging
import threading
from collections.abc import Callable

from ambience.duplicates.duplicates import Duplicates
from ambience.errors import AmbienceError
from ambience.maintain.jobs import Jobs
from ambience.store.commit import Store

LOOK_EVERY_S = 5.0
JOB = "duplicates"

_log = logging.getLogger(__name__)


class PairFollowing:
    """Finds duplicates in the background.

    Args:
        duplicates: of the library.
        store: of the library.
        is_busy: whether pictures are added or get features at present, which comes first.
    """

    def __init__(self, duplicates: Duplicates, store: Store, is_busy: Callable[[], bool]) -> None:
        self._duplicates, self._is_busy = duplicates, is_busy
        self._stop = threading.Event()
        self._jobs = Jobs(store.records, self._stop)
        self._thread = threading.Thread(target=self._run, name="ambience-duplicates", daemon=True)

    def start(self) -> None:
        """Begins, with whatever an earlier process left unfinished."""
        self._thread.start()

    def stop(self, timeout_s: float = 30) -> bool:
        """Ends after the images in hand.

        Returns:
            Whether it ended in time; where it did not, nothing is lost.
        """
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        left_over = self._jobs.left_over(frozenset({JOB}))
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                if not self._is_busy() and self._duplicates.pending():
                    self._find()
                self._jobs.close(left_over)
                left_over = frozenset()
            except AmbienceError as exc:
                _log.warning("looking for duplicates: %s", exc)
            except Exception:  # noqa: BLE001 - the thread outlives a fault, which is told
                _log.exception("looking for duplicates")

    def _find(self) -> None:
        with self._jobs.job(JOB, "", total=self._duplicates.pending()) as tell:
            self._duplicates.find(
                on_progress=lambda _kind, done, total: tell(done, total),
                stop=lambda: self._stop.is_set() or self._is_busy(),
            )
