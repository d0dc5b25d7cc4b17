"""Follows folders: what appears, changes or goes is added, renewed or noted once it has come to rest."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ambience.ingest.known import is_below

SETTLE_S = 1.0
"""A path is at rest once its size and time have not changed for so long: unfinished copies are not read."""
TICK_MS = 200
PENDING_PATHS = 50_000
"""More paths than this at once are handled by scanning the watched folders again."""

_log = logging.getLogger(__name__)

Status = tuple[int, int] | None
"""Size and time of a file; None where there is nothing."""


class Watch:
    """Calls `on_settled` with paths that changed and came to rest; blocks until `stop` is set."""

    def __init__(
        self,
        roots: Sequence[str],
        on_settled: Callable[[list[str]], None],
        *,
        is_ignored: Callable[[str], bool],
        stop: threading.Event,
        polls: bool = False,
        settle_s: float = SETTLE_S,
    ) -> None:
        """Prepares.

        Args:
            roots: absolute paths of existing files and folders.
            on_settled: called in the thread that runs, with absolute paths, some of which may be gone.
            is_ignored: paths that are never handed on.
            stop: ends the run.
            polls: looks at the folders again and again instead of asking the system, as network drives need.
            settle_s: how long a path must rest.
        """
        self._roots, self._on_settled, self._is_ignored = list(roots), on_settled, is_ignored
        self._stop, self._polls, self._settle_s = stop, polls, settle_s
        self._restless: dict[str, tuple[Status, float]] = {}

    def run(self, on_ready: Callable[[], None]) -> None:
        """Follows until `stop` is set.

        Args:
            on_ready: called once, when changes are followed already: what it scans cannot miss any.
        """
        is_ready = False
        for changed in self._changes():
            if not is_ready:
                is_ready = True
                on_ready()
            for path in changed:
                if not self._is_ignored(path):
                    self._restless[path] = (_status(path), time.monotonic())
            settled = self._settled()
            if settled:
                self._on_settled(settled)

    def _changes(self) -> Iterator[set[str]]:
        """Changed paths, as they come and at least five times a second."""
        import watchfiles

        polls = self._polls
        while not self._stop.is_set():
            try:
                for changes in watchfiles.watch(
                    *self._roots,
                    watch_filter=None,
                    debounce=TICK_MS,
                    step=50,
                    stop_event=self._stop,
                    rust_timeout=TICK_MS,
                    yield_on_timeout=True,
                    raise_interrupt=True,
                    force_polling=polls or None,
                ):
                    yield {path for _, path in changes}
            except OSError as exc:
                if polls or self._stop.is_set():
                    raise
                _log.warning("the system cannot report changes (%s); looking at the folders instead", exc)
                polls = True

    def _settled(self) -> list[str]:
        now = time.monotonic()
        settled = []
        for path, (before, since) in list(self._restless.items()):
            current = _status(path)
            if current != before:
                self._restless[path] = (current, now)
            elif now - since >= self._settle_s:
                del self._restless[path]
                settled.append(path)
        return settled if len(settled) < PENDING_PATHS else self._roots


def ignores(*, hidden: bool, library: Path, roots: Sequence[str]) -> Callable[[str], bool]:
    """Tells which paths a scan of the roots would pass over by their names alone.

    Returns:
        A function of an absolute path.
    """
    own = os.path.realpath(library)

    def is_ignored(path: str) -> bool:
        if is_below(path, own):
            return True
        below = next((path[len(root) :] for root in roots if is_below(path, root)), path)
        return not hidden and f"{os.sep}." in below

    return is_ignored


def _status(path: str) -> Status:
    try:
        status = os.stat(path)  # noqa: PTH116 - once a tick for each path that moves
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
