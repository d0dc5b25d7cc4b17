"""The thread that keeps the index of words up with the text lines of the records.

A thread of its own, since reading text and training indexes may take days, and words are to be found as soon
as they were read. What it does costs little: an index that is complete is asked one row of the records.
"""

import logging
import threading
import time
from collections.abc import Callable

from ambience.errors import AmbienceError
from ambience.store.vocabulary_writer import VocabularyWriter

LOOK_EVERY_S = 5.0
PAUSE_S = 0.2
"""Between two looks, so that commits that follow each other closely share a batch."""

LAST_S = 5.0
"""How long is spent at the end on what was committed last; the rest is taken in at the next start."""

_log = logging.getLogger(__name__)


class WordFollowing:
    """Has the index of words take in what was committed, until it is stopped.

    Args:
        writer: of the index.
    """

    def __init__(self, writer: VocabularyWriter) -> None:
        self._writer = writer
        self._stop, self._wake = threading.Event(), threading.Event()
        self._ends_at = 0.0
        self._thread = threading.Thread(target=self._run, name="ambience-words", daemon=True)

    def start(self) -> None:
        """Begins, with whatever an earlier process left unfinished."""
        self._thread.start()

    def catch_up(self, stop: Callable[[], bool]) -> None:
        """Takes in what was committed, and waits for it.

        Args:
            stop: asked between batches.

        Raises:
            StoreFullError: the disk is full; what was taken in before is good.
            StoreError: the file cannot be written now.
            IndexFileError: it broke twice.
        """
        self._writer.catch_up(stop)

    def wake(self) -> None:
        """Looks at once; called after each commit."""
        self._wake.set()

    def stop(self, timeout_s: float = 30) -> bool:
        """Ends after the batch in hand, and after what came last where that is little.

        Returns:
            Whether it ended in time; where it did not, nothing is lost.
        """
        self._ends_at = time.monotonic() + LAST_S
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self._writer.catch_up(self._stop.is_set)
            except AmbienceError as exc:
                _log.warning("the index of words: %s", exc)
            except Exception:  # noqa: BLE001 - the thread outlives a fault, which is told
                _log.exception("the index of words")
            self._stop.wait(PAUSE_S)
            self._wake.wait(LOOK_EVERY_S)
        try:
            self.catch_up(lambda: time.monotonic() > self._ends_at)
        except AmbienceError as exc:
            _log.warning("the index of words: %s", exc)
        self._writer.close()
