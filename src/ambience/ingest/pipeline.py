"""Threads and bounded queues: one scans, many work, the caller takes what they made.

Threads, not processes: decoding, hashing and reading release the interpreter's lock, and two threads in one
process beat two processes. Items travel in batches, so that a queue's lock costs nothing per picture.
"""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

TASK_BATCHES = 4096
"""Batches that the scan may run ahead: far enough for an early estimate of the end, some 20 MB of paths."""
RESULT_BATCHES = 64
SMALL_BYTES = 8 * 2**20


class ByteBudget:
    """Bounds the bytes of big files that are in memory at once; small ones pass without a lock."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """Waits until `size` bytes are free; a file above the whole budget waits until it is alone.

        Yields:
            Nothing; the bytes are free again afterwards.
        """
        if size <= SMALL_BYTES:
            yield
            return
        size = min(size, self._limit)
        with self._changed:
            self._changed.wait_for(lambda: self._used + size <= self._limit)
            self._used += size
        try:
            yield
        finally:
            with self._changed:
                self._used -= size
                self._changed.notify_all()


class Pipeline(Generic[T, R]):
    """Runs `work` over all `tasks` in threads; iterate over it to get the results, in no order.

    `work` decides what a failure of one picture is; an exception that leaves `work` or `tasks` is a failure
    of the run, and is raised in the thread that iterates. Setting `stop` ends it after the tasks in hand.
    """

    def __init__(
        self,
        tasks: Iterable[T],
        work: Callable[[T], R],
        *,
        threads: int,
        stop: threading.Event,
        tick_s: float = 0.1,
    ) -> None:
        self._tasks, self._work, self._stop, self._tick_s = tasks, work, stop, tick_s
        self._abandoned = threading.Event()
        self._todo: queue.Queue[T | None] = queue.Queue(TASK_BATCHES)
        self._made: queue.Queue[R | BaseException | None] = queue.Queue(RESULT_BATCHES)
        self._workers = [
            threading.Thread(target=self._run_worker, name=f"ambience-ingest-{n}", daemon=True)
            for n in range(threads)
        ]
        self._scanner = threading.Thread(target=self._run_scanner, name="ambience-scan", daemon=True)

    @property
    def _is_over(self) -> bool:
        return self._stop.is_set() or self._abandoned.is_set()

    def __iter__(self) -> Generator[R | None, None, None]:
        """Results as they come; None when nothing came for a tick, so that the caller can look at the clock.

        Close it (`contextlib.closing`) to end the threads early; what they hold is thrown away then.
        """
        for thread in (self._scanner, *self._workers):
            thread.start()
        left = len(self._workers)
        try:
            while left:
                try:
                    made = self._made.get(timeout=self._tick_s)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(made, BaseException):
                    raise made
                if made is None:
                    left -= 1
                else:
                    yield made
        finally:
            self._abandoned.set()
            self._join()

    def _join(self) -> None:
        for thread in (self._scanner, *self._workers):
            while thread.is_alive():
                with contextlib.suppress(queue.Empty):
                    self._made.get_nowait()  # frees a thread that waits for room in the queue
                thread.join(timeout=0.01)

    def _run_scanner(self) -> None:
        try:
            for task in self._tasks:
                if not self._offer(task):
                    break
        except Exception as exc:  # noqa: BLE001 - carried to the thread that iterates, which raises it
            self._made.put(exc)
        finally:
            for _ in self._workers:
                self._offer(None)

    def _offer(self, task: T | None) -> bool:
        while not self._is_over:
            try:
                self._todo.put(task, timeout=self._tick_s)
                return True
            except queue.Full:
                continue
        return False

    def _run_worker(self) -> None:
        try:
            while (task := self._next_task()) is not None:
                self._made.put(self._work(task))
        except Exception as exc:  # noqa: BLE001 - carried to the thread that iterates, which raises it
            self._made.put(exc)
        finally:
            self._made.put(None)

    def _next_task(self) -> T | None:
        while not self._is_over:
            try:
                return self._todo.get(timeout=self._tick_s)
            except queue.Empty:
                continue
        return None
