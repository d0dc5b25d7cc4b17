"""What every request of one server shares."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from ambience.serve.http.limits import WorkQueue
from ambience.serve.http.metrics import Metrics
from ambience.serve.http.schemas import Shaper
from ambience.serve.http.visit import is_told_paths
from ambience.settings import count_or_cores
from ambience.store.keys import KEYS_NAME, Keys

if TYPE_CHECKING:
    from ambience.library import Library

FETCHES = 4
"""Pictures that are fetched from the web at the same time."""

LONG_RUNS = 8
"""Most runs that the command line hands over (add, check, rebuild …) at the same time."""


@dataclass
class ServerState:
    """What every request of one server shares.

    Attributes:
        library: what is served; opened and closed by the caller.
        kind: the only kind served, or None for everything.
        work: decoding and searching.
        runs: long runs of the command line.
        fetches: pictures on their way from the web, which keep no thread from decoding and searching.
        shaper: makes documents.
        keys: of those who may ask over a network: those of `serve.keys_file`, or of the library.
        metrics: figures of what happens here.
        stops: by token, the events that stop the long runs under way.
        is_closing: set when the server is told to stop.
    """

    library: "Library"
    kind: str | None
    work: WorkQueue
    runs: WorkQueue
    fetches: WorkQueue
    shaper: Shaper
    keys: Keys
    metrics: Metrics
    stops: dict[str, threading.Event] = field(default_factory=dict)
    is_closing: bool = False

    @classmethod
    def of(cls, library: "Library", kind: str | None) -> "ServerState":
        """The state of a server about to start.

        Returns:
            With thread pools of the sizes that the settings give.
        """
        serve = library.settings.serve
        work = WorkQueue(workers=count_or_cores(serve.workers), waiting=serve.queue)
        runs = WorkQueue(workers=LONG_RUNS, waiting=0, name="run")
        fetches = WorkQueue(workers=FETCHES, waiting=serve.queue, name="fetch")
        return cls(
            library,
            kind,
            work,
            runs,
            fetches,
            Shaper(shows_paths=is_told_paths),
            Keys(serve.keys_file or library.settings.library / KEYS_NAME),
            Metrics(library, {"work": work, "run": runs, "fetch": fetches}),
        )

    def begin_closing(self) -> None:
        """Stops long runs, which commit what they have done; short requests finish."""
        self.is_closing = True
        for stop in list(self.stops.values()):
            stop.set()

    def close(self) -> None:
        """Waits for the threads."""
        self.begin_closing()
        self.fetches.close()
        self.runs.close()
        self.work.close()


async def server_state(request: Request) -> ServerState:
    """The state of the server that got this request."""
    state: ServerState = request.app.state.server
    return state


State = Annotated[ServerState, Depends(server_state)]


@asynccontextmanager
async def work_place(request: Request) -> AsyncIterator[ServerState]:
    """A place in the work queue, taken before the body is read."""
    state = await server_state(request)
    async with state.work.place():
        yield state
