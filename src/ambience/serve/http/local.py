"""What only the command line may ask, over the Unix socket: the library's own methods, by name.

Short calls answer at once. Runs (add, check, rebuild …) answer with one JSON document per line: `event` while
they go on, then `result` or `problem`. A client that goes away, or asks `/local/stop`, ends its run; what
was committed stays.
"""

import asyncio
import inspect
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response, StreamingResponse
from starlette.exceptions import HTTPException

from ambience.errors import AmbienceError, QueryError
from ambience.keys import Scope
from ambience.serve import wire
from ambience.serve.http.bodies import json_object
from ambience.serve.http.errors import shown
from ambience.serve.http.limits import is_unix_socket
from ambience.serve.http.scopes import needs
from ambience.serve.http.state import ServerState, State

_log = logging.getLogger("ambience.http")

CALLS = frozenset(
    {
        "count_images",
        "duplicates",
        "empty_trash",
        "image",
        "image_by_name",
        "images",
        "info",
        "jobs",
        "list_images",
        "match",
        "remove",
        "search",
        "search_kind",
        "set_caption",
        "set_tags",
        "tell_apart",
        "trashed",
        "words",
    }
)
"""Methods of the library that answer at once; `Handover` has them all."""

RUNS: Mapping[str, str] = {
    "add": "add_paths",
    "annotate": "annotate",
    "check": "check",
    "clean": "clean",
    "find_duplicates": "find_duplicates",
    "rebuild": "rebuild",
    "resolve": "resolve",
    "restore": "restore",
    "train": "train",
    "use_model": "use_model",
    "watch": "watch",
}
"""Name of a run → method of the library, which takes `stop`."""

_LISTENERS = {
    "add": "on_progress",
    "annotate": "on_progress",
    "check": "on_progress",
    "find_duplicates": "on_progress",
    "rebuild": "on_progress",
    "resolve": "on_progress",
    "restore": "on_progress",
    "train": "on_progress",
    "use_model": "on_progress",
    "watch": "on_report",
}
_END = object()


async def require_unix_socket(request: Request) -> None:
    """Hides these endpoints from the network.

    Raises:
        HTTPException: the request came over TCP.
    """
    if not is_unix_socket(request.scope):
        raise HTTPException(404)


router = APIRouter(prefix="/local", dependencies=[Depends(require_unix_socket)], include_in_schema=False)


async def _arguments(request: Request, state: ServerState) -> tuple[dict[str, Any], str]:
    """Keyword arguments of the method, and the token that stops the run."""
    most = 2 * state.library.settings.decode.max_bytes
    sent = await json_object(request, most=most)
    arguments = wire.decode(sent.get("arguments"))
    if not isinstance(arguments, dict) or not all(isinstance(name, str) for name in arguments):
        raise QueryError("send {'arguments': …} as serve/wire.py makes them")
    return arguments, str(sent.get("token", ""))


@router.post("/stop")
@needs(Scope.ADMIN)
async def stop(request: Request, state: State) -> dict[str, bool]:
    """Ends a run; its last line still comes."""
    event = state.stops.get(str((await json_object(request)).get("token", "")))
    if event is not None:
        event.set()
    return {"was_running": event is not None}


@router.post("/call/{name}")
@needs(Scope.ADMIN)
async def call(request: Request, state: State, name: str) -> Response:
    """Calls a method of the library."""
    if name not in CALLS:
        raise HTTPException(404)
    arguments, _ = await _arguments(request, state)
    method: Callable[..., Any] = getattr(state.library, name)
    async with state.work.place():
        result = await state.work.run(lambda: _applied(method, arguments))
    answer = await to_thread.run_sync(lambda: json.dumps({"result": wire.encode(result)}))
    return Response(answer, media_type="application/json")


@router.post("/{name}")
@needs(Scope.ADMIN)
async def run(request: Request, state: State, name: str) -> Response:
    """Starts a run and streams what it says."""
    if name not in RUNS:
        raise HTTPException(404)
    arguments, token = await _arguments(request, state)
    stop_event = threading.Event()
    lines: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(line: Any) -> None:
        loop.call_soon_threadsafe(lines.put_nowait, line)

    arguments["stop"] = stop_event
    if name in _LISTENERS:
        arguments[_LISTENERS[name]] = lambda *said: tell({"event": wire.encode(said)})
    method: Callable[..., Any] = getattr(state.library, RUNS[name])
    future = state.runs.start(partial(_outcome, method, arguments, tell))
    state.stops[token] = stop_event

    def forget(ended: "asyncio.Future[None]") -> None:
        state.stops.pop(token, None)
        if not ended.cancelled() and (fault := ended.exception()) is not None:
            _log.error("%s failed", name, exc_info=fault)

    future.add_done_callback(forget)
    if state.is_closing:
        stop_event.set()
    return StreamingResponse(_relayed(lines, stop_event), media_type="application/x-ndjson")


def _applied(method: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        inspect.signature(method).bind(**arguments)
    except TypeError as exc:
        raise QueryError(
            f"the server cannot be asked like this: {exc}; it may be of another version, "
            "so stop it and start it again"
        ) from exc
    return method(**arguments)


def _outcome(method: Callable[..., Any], arguments: Mapping[str, Any], tell: Callable[[Any], None]) -> None:
    """Runs a method in a worker thread and tells how it ended."""
    try:
        tell({"result": wire.encode(_applied(method, arguments))})
    except AmbienceError as exc:
        tell({"problem": {"code": exc.code, "detail": str(exc)}})
    except BaseException as exc:
        tell({"problem": {"code": "internal", "detail": f"{type(exc).__name__}: {shown(str(exc))}"}})
        raise
    finally:
        tell(_END)


async def _relayed(lines: "asyncio.Queue[Any]", stop_event: threading.Event) -> AsyncIterator[bytes]:
    """Lines as they come; a client that goes away stops the run."""
    try:
        while (line := await lines.get()) is not _END:
            # ASCII, so that names which are no UTF-8 survive as escapes
            yield json.dumps(line).encode("ascii") + b"\n"
    finally:
        stop_event.set()
