"""Workers that may hang, crash or run out of memory: each such end is one failed picture with a reason.

Every worker has a pipe of its own, so that one killed in the middle of a message harms nobody else, and is
an interpreter started afresh, so that a caller's main module is never run again in it.
"""

import json
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from io import BufferedReader
from typing import Any, BinaryIO, cast

import numpy as np

from ambience import errors
from ambience.datatypes import Picture, RgbImage
from ambience.decode.worker import receive_head, send
from ambience.errors import DecoderFailedError, ImageError
from ambience.settings import DecodeSettings, count_or_cores

_START = (
    "import runpy, sys; sys.path[:] = {path!r}; "
    "runpy.run_module('ambience.decode.worker', run_name='__main__')"
)


class WorkerPool:
    """Worker processes, started when first needed and used again; safe to call from many threads."""

    def __init__(self, settings: DecodeSettings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(count_or_cores(settings.workers))
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._is_closed = False
        # Also runs when the interpreter ends, if nobody closed the pool.
        self._stop = weakref.finalize(self, _stop_all, self._idle)

    def decode(self, data: bytes, *, need: int | None, name: str) -> Picture:
        """A picture decoded in a worker.

        Args:
            data: of the file.
            need: smallest longest side that will do; None for full size.
            name: of the file, for messages.

        Returns:
            The picture.

        Raises:
            DecoderFailedError: the worker died, took longer than `decode.worker_timeout_s`, or needed more
                than `decode.worker_memory`.
            ImageError: what the worker found wrong with the picture.
        """
        with self._slots:
            answer = self._ask(data, need, name)
            if answer.is_spent and not answer.was_fresh:
                # Memory that earlier pictures left scattered may be to blame: once more in a new process.
                answer = self._ask(data, need, name, is_fresh=True)
        if answer.error is not None:
            raise answer.error
        assert answer.picture is not None
        return answer.picture

    def close(self) -> None:
        """End all workers; one that is busy ends when its picture is done."""
        with self._lock:
            self._is_closed = True
        self._stop()

    def _ask(self, data: bytes, need: int | None, name: str, *, is_fresh: bool = False) -> "_Answer":
        worker = self._take(name, is_fresh=is_fresh)
        is_usable = False
        try:
            answer = worker.ask(data, need, name)
            is_usable = worker.is_alive and not answer.is_spent
            return answer
        finally:
            with self._lock:
                is_usable = is_usable and not self._is_closed
                if is_usable:
                    self._idle.append(worker)
            if not is_usable:
                worker.stop()

    def _take(self, name: str, *, is_fresh: bool) -> "_Worker":
        with self._lock:
            if self._is_closed:
                raise DecoderFailedError(f"{name}: the decoder was closed")
            dead = [worker for worker in self._idle if not worker.is_alive]
            self._idle[:] = [worker for worker in self._idle if worker.is_alive]
            found = self._idle.pop() if self._idle and not is_fresh else None
        for worker in dead:
            worker.stop()
        return found or _Worker(self._settings, name)


class _Answer:
    """What came back for one picture: a picture or an error."""

    def __init__(
        self, picture: Picture | None, error: ImageError | None, *, is_spent: bool = False, was_fresh: bool
    ) -> None:
        self.picture, self.error, self.is_spent, self.was_fresh = picture, error, is_spent, was_fresh


class _Worker:
    """One process and its pipes; used by one thread at a time."""

    def __init__(self, settings: DecodeSettings, name: str) -> None:
        self._settings = settings
        self._is_fresh = True
        self._deciding = threading.Lock()
        self._is_asked = self._is_late = False
        command = [sys.executable, "-c", _START.format(path=sys.path), json.dumps(asdict(settings))]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the parent only
            )
        except OSError as exc:
            raise DecoderFailedError(f"{name}: no decoding worker could be started: {exc}") from exc

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, data: bytes, need: int | None, name: str) -> _Answer:
        """Send a picture and wait for its pixels, no longer than the deadline."""
        was_fresh, self._is_fresh = self._is_fresh, False
        self._is_asked = True
        deadline = threading.Timer(self._settings.worker_timeout_s, self._expire)
        deadline.daemon = True
        deadline.start()
        try:
            return self._exchange(data, need, name, was_fresh)
        except (OSError, EOFError, ValueError) as exc:
            self.stop()
            error = DecoderFailedError(f"{name}: {self._end()}")
            error.__cause__ = exc
            return _Answer(None, error, was_fresh=was_fresh)
        finally:
            deadline.cancel()
            with self._deciding:  # from here on a deadline that has just passed is too late to kill
                self._is_asked = False

    def stop(self) -> None:
        """End the process, whatever it is doing, and wait for it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # closing flushes what a dead worker will never read
                    pipe.close()
        self._process.wait()

    def _exchange(self, data: bytes, need: int | None, name: str, was_fresh: bool) -> _Answer:
        requests, answers = cast(BinaryIO, self._process.stdin), cast(BufferedReader, self._process.stdout)
        with suppress(BrokenPipeError):  # one that had no room for the request has said so in its answer
            send(requests, {"name": name, "need": need}, data)
        head = receive_head(cast(BinaryIO, answers))
        if "error" in head:
            kind: type[ImageError] = getattr(errors, head["error"])
            spent = bool(head.get("is_spent"))
            return _Answer(None, kind(head["message"]), is_spent=spent, was_fresh=was_fresh)
        rgb: RgbImage = np.empty(head["shape"], dtype=np.uint8)
        if answers.readinto(rgb.data.cast("B")) != head["size"]:
            raise EOFError
        return _Answer(_picture(rgb, head), None, was_fresh=was_fresh)

    def _expire(self) -> None:
        with self._deciding:
            if self._is_asked:
                self._is_late = True
                self._process.kill()

    def _end(self) -> str:
        """Why the process is no more."""
        if self._is_late:
            limit = self._settings.worker_timeout_s
            return f"decoding took longer than {limit:g} s (decode.worker_timeout_s) and was stopped"
        status = self._process.returncode
        if status < 0:
            return f"the decoding worker was ended by {signal.Signals(-status).name}"
        return f"the decoding worker ended with status {status}"


def _picture(rgb: RgbImage, head: dict[str, Any]) -> Picture:
    taken_at = datetime.fromisoformat(head["taken_at"]) if head["taken_at"] else None
    return Picture(rgb, head["width"], head["height"], head["format"], taken_at, is_exact=head["is_exact"])


def _stop_all(workers: list[_Worker]) -> None:
    while workers:
        workers.pop().stop()
