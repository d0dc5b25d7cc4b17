"""Many readers or one writer; a waiting writer goes first."""

import contextlib
import threading
from collections.abc import Iterator


class ReadWriteLock:
    """Searches read, changes write; not reentrant.

    A writer that waits keeps new readers out, so that a steady stream of searches cannot starve an add.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._waiting_writers = 0
        self._is_writing = False

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Held by any number of threads at a time, while no thread writes.

        Yields:
            Nothing; the lock is held inside.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._is_writing and not self._waiting_writers)
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                if not self._readers:
                    self._changed.notify_all()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Held by one thread, while no other reads or writes.

        Yields:
            Nothing; the lock is held inside.
        """
        with self._changed:
            self._waiting_writers += 1
            try:
                self._changed.wait_for(lambda: not self._is_writing and not self._readers)
            except BaseException:
                self._changed.notify_all()  # readers that this writer kept out
                raise
            finally:
                self._waiting_writers -= 1
            self._is_writing = True
        try:
            yield
        finally:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
