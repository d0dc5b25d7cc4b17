"""Requests that gather while a model is busy run as one batch; nobody waits for a timer.

A request that finds a free lane runs at once. Those that come while all lanes are busy wait in a row, and the
next lane that is free takes all of them that fit into one batch, in the thread of the first of them.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[Any], ...]
"""Inputs of a graph, each with one row per example."""


class _Request:
    """One caller's examples, and its turn: to lead a batch, or to be told that it is done."""

    __slots__ = ("answer", "error", "inputs", "is_leader", "rows", "turn")

    def __init__(self, inputs: Arrays) -> None:
        self.inputs = inputs
        self.rows = len(inputs[0])
        self.turn = threading.Event()
        self.is_leader = False
        self.answer: NDArray[np.float32] | None = None
        self.error: BaseException | None = None


class Gathering:
    """Runs examples of many callers in batches.

    Args:
        run: what is made of one batch, row by row; called by as many threads at a time as there are lanes.
        lanes: batches that run at a time.
        limit: examples of a batch at most.
    """

    def __init__(self, run: Callable[[Arrays], NDArray[np.float32]], *, lanes: int, limit: int) -> None:
        self._run = run
        self._free_lanes = lanes
        self._limit = limit
        self._waiting: deque[_Request] = deque()
        self._lock = threading.Lock()

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """What is made of examples, in their order.

        Args:
            inputs: arrays of N rows each, N ≥ 1.

        Returns:
            N rows.

        Raises:
            Exception: whatever `run` raised at the batch that they were in.
        """
        parts = [
            self._answered(tuple(each[start : start + self._limit] for each in inputs))
            for start in range(0, len(inputs[0]), self._limit)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _answered(self, inputs: Arrays) -> NDArray[np.float32]:
        request = _Request(inputs)
        with self._lock:
            self._waiting.append(request)
            if self._free_lanes:
                self._free_lanes -= 1
                self._appoint()
        request.turn.wait()
        if request.is_leader:
            self._lead(request)
        if request.error is not None:
            raise request.error
        assert request.answer is not None
        return request.answer

    def _appoint(self) -> None:
        """The first that waits leads the next batch."""
        self._waiting[0].is_leader = True
        self._waiting[0].turn.set()

    def _lead(self, leader: _Request) -> None:
        batch = [leader]
        try:
            batch = self._gathered()
            self._run_batch(batch)
        except BaseException as exc:  # noqa: BLE001 — raised by every caller of the batch
            for request in batch:
                request.error = exc
        finally:
            with self._lock:
                if self._waiting:
                    self._appoint()
                else:
                    self._free_lanes += 1
            for request in batch:
                request.turn.set()

    def _gathered(self) -> list[_Request]:
        """The leader, and those behind it that fit into its batch, in their order."""
        with self._lock:
            batch = [self._waiting.popleft()]
            rows = batch[0].rows
            while self._waiting and rows + self._waiting[0].rows <= self._limit:
                rows += self._waiting[0].rows
                batch.append(self._waiting.popleft())
            return batch

    def _run_batch(self, batch: list[_Request]) -> None:
        if len(batch) == 1:
            batch[0].answer = self._run(batch[0].inputs)
            return
        together = [request.inputs for request in batch]
        answers = self._run(tuple(np.concatenate(column) for column in zip(*together, strict=True)))
        start = 0
        for request in batch:
            request.answer = answers[start : start + request.rows]
            start += request.rows
