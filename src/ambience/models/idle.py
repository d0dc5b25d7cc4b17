"""Things that take much memory: made when they are needed, let go of when nobody has used them for long."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class MadeWhenUsed(Generic[Thing]):
    """One thing, shared by all threads.

    Args:
        make: makes it; its errors reach whoever wanted to use it, and the next one tries again.
        idle_s: seconds without use after which it is let go of; 0: never.
    """

    def __init__(self, make: Callable[[], Thing], *, idle_s: float) -> None:
        self._make = make
        self._idle_s = idle_s
        self._thing: Thing | None = None
        self._users = 0
        self._last_use = 0.0
        self._is_watched = False
        self._lock = threading.Lock()

    @property
    def is_made(self) -> bool:
        """Whether it takes memory now."""
        return self._thing is not None

    @contextmanager
    def use(self) -> Iterator[Thing]:
        """The thing, which stays as long as it is used.

        Yields:
            It, made now where it is not there.
        """
        with self._lock:
            if self._thing is None:
                self._thing = self._make()
            self._users += 1
            thing = self._thing
        try:
            yield thing
        finally:
            with self._lock:
                self._users -= 1
                self._last_use = time.monotonic()
                if self._idle_s > 0 and not self._is_watched:
                    self._watch(self._idle_s)

    def _watch(self, delay_s: float) -> None:
        """Looks again after a while, in a thread of its own, of which there is one at most."""
        self._is_watched = True
        timer = threading.Timer(delay_s, self._look)
        timer.daemon = True
        timer.start()

    def _look(self) -> None:
        with self._lock:
            left_s = self._last_use + self._idle_s - time.monotonic()
            if self._users or left_s > 0:
                self._watch(max(left_s, 0.0) or self._idle_s)
            else:
                self._is_watched = False
                self._thing = None
