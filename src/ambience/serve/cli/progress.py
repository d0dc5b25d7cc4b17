"""How a long run is shown while it runs, and how Ctrl-C ends it without loss."""

import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from ambience.serve.cli.output import counted, duration, has_color, rate, say, shortened, shown, size

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ambience.ingest import IngestProgress
    from ambience.models.install import InstallProgress

FIRST_LINE_S = 3.0
LOG_EVERY_S = 10.0
"""Without a terminal, the first line after so long in place of a bar, and then one this often."""

GETTING_READY = "getting ready: the very first run on a machine compiles for about 20 s"
"""In place of a rate, until the first picture is done."""


class Interruption:
    """Turns the first Ctrl-C (or SIGTERM) into a request to stop; the second one breaks off at once.

    Attributes:
        stop: set by the first one; long runs look at it.
    """

    def __init__(self, message: str) -> None:
        self.stop = threading.Event()
        self._message = message
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop.is_set():
            raise KeyboardInterrupt
        self.stop.set()
        say(self._message)


class AddingProgress:
    """Shows how far a run of `add` is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._next_line = time.monotonic() + FIRST_LINE_S

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task("", total=None, figures="looking for pictures …", name="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: "IngestProgress") -> None:
        """Takes what the run reports; may be called from any thread, often."""
        if self._quiet:
            return
        if self._bar is not None and self._task is not None:
            # A bar that grows while the scan still finds files would run backwards: it pulses until then.
            self._bar.update(
                self._task,
                completed=progress.done,
                total=max(progress.found, 1) if progress.scan_finished else None,
                figures=_figures(progress),
                name=shortened(shown(progress.current.rpartition("/")[2]), 24),
            )
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LOG_EVERY_S
            say(_figures(progress))


class InstallingProgress:
    """Shows how far an installation is: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._next_line = time.monotonic() + FIRST_LINE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, progress: "InstallProgress") -> None:
        """Takes what the installation reports; may be called often."""
        if sys.stderr.isatty():
            if self._bar is None or self._task is None:
                self._bar = _bar()
                self._task = self._bar.add_task("", total=None, figures="", name="")
                self._bar.start()
            name = shortened(shown(f"{progress.model}/{progress.file}"), 40)
            figures = _install_figures(progress)
            self._bar.update(
                self._task, completed=progress.done, total=max(progress.total, 1), figures=figures, name=name
            )
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LOG_EVERY_S
            say(f"{progress.model}: {_install_figures(progress)}")


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    console = Console(file=sys.stderr, no_color=not has_color(sys.stderr), highlight=False)
    return Progress(
        BarColumn(bar_width=18),
        TextColumn("{task.fields[figures]}", markup=False, table_column=Column(no_wrap=True)),
        TextColumn(
            "{task.fields[name]}", style="dim", markup=False, table_column=Column(no_wrap=True, ratio=1)
        ),
        console=console,
        transient=True,
        expand=True,
        refresh_per_second=8,
    )


def _figures(progress: "IngestProgress") -> str:
    """Such as "1,204 of 5,000 · 85/s · 44.7 s left · 2 failed"."""
    more = "" if progress.scan_finished else "+"
    parts = [f"{progress.done:,} of {progress.found:,}{more}"]
    parts.append(rate(progress.rate) if progress.done else GETTING_READY)
    if progress.eta_s is not None and progress.scan_finished:
        parts.append(f"{duration(progress.eta_s)} left")
    if progress.failed:
        parts.append(f"{counted(progress.failed, 'file')} failed")
    return " · ".join(parts)


def _install_figures(progress: "InstallProgress") -> str:
    """Such as "312.4 MB of 1.5 GB · 23.1 MB/s · 52.0 s left"."""
    parts = [f"{size(progress.done)} of {size(progress.total)}"]
    if progress.rate > 0:
        parts.append(f"{size(progress.rate)}/s")
        parts.append(f"{duration(max(0, progress.total - progress.done) / progress.rate)} left")
    return " · ".join(parts)
