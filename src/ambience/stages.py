"""How long the stages of a picture take: counted where they happen, read by whoever shows figures."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """Seconds by (stage, kind); threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals: dict[tuple[str, str], tuple[int, float]] = {}

    @contextmanager
    def timed(self, stage: str, kind: str = "", *, count: int = 1) -> Iterator[None]:
        """Counts the time of a block, also of one that fails.

        Args:
            stage: such as "decode".
            kind: where the stage is one kind's.
            count: pictures that the block works on.

        Yields:
            Nothing.
        """
        started = time.perf_counter()
        try:
            yield
        finally:
            took_s = time.perf_counter() - started
            with self._lock:
                before, total_s = self._totals.get((stage, kind), (0, 0.0))
                self._totals[stage, kind] = (before + count, total_s + took_s)

    def totals(self) -> dict[tuple[str, str], tuple[int, float]]:
        """By (stage, kind): pictures, and seconds altogether."""
        with self._lock:
            return dict(self._totals)
