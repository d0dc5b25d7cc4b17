"""`/v1/search/stream`: the same answers as they come: what is known once a kind has answered, then all."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse

from ambience import answers
from ambience.answers import Answer
from ambience.errors import AmbienceError, QueryError
from ambience.keys import Scope
from ambience.search.combination import MOST_TERMS
from ambience.serve.http.asking import Knobs, knobs_of, pictures_of, query_of
from ambience.serve.http.bodies import Form, received
from ambience.serve.http.errors import problem, problem_of
from ambience.serve.http.schemas import PROBLEMS
from ambience.serve.http.scopes import needs
from ambience.serve.http.search import SEARCH_BODY, LinkFields, linked
from ambience.serve.http.state import ServerState, work_place

_log = logging.getLogger("ambience.http")

_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["partial", "answer", "problem"]},
        "data": {"type": "string", "description": "JSON."},
    },
}
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: `partial`, each time a kind has answered and others have yet to; "
        "then `answer`, once. The data of both is what `/v1/search` answers; `kinds` of a partial one names "
        "those that have answered. Or `problem`, with a problem document.",
        "content": {"text/event-stream": {"schema": _EVENT}},
    }
}

router = APIRouter(prefix="/v1/search/stream", tags=["search"], responses=PROBLEMS | _STREAM)


class _Event(NamedTuple):
    """One server-sent event; `refusal` where it is a problem that has a status of its own."""

    name: str
    data: str
    refusal: Response | None = None

    @property
    def text(self) -> bytes:
        return f"event: {self.name}\ndata: {self.data}\n\n".encode()


@router.post("", response_class=StreamingResponse, openapi_extra=SEARCH_BODY)
@needs(Scope.READ)
async def stream(request: Request) -> Response:
    """Finds pictures as `/v1/search` does, and tells of each kind as soon as it has answered."""
    async with work_place(request) as state, received(request, most_files=MOST_TERMS) as form:
        return await _streamed(state, form)


@router.get("", response_class=StreamingResponse)
@needs(Scope.READ)
async def stream_by_link(request: Request, fields: Annotated[LinkFields, Query()]) -> Response:
    """The same as a link, as an `EventSource` of a browser asks."""
    async with work_place(request) as state:
        return await _streamed(state, linked(request))


async def _streamed(state: ServerState, form: Form) -> Response:
    """The events of one question; a problem that comes before any of them is answered as such."""
    knobs = knobs_of(form, max_k=state.library.settings.search.max_k)
    if knobs.cursor is not None:
        raise QueryError("a stream is of the first page; send the cursor to /v1/search")
    pictures = await pictures_of(state, form)
    query = await state.work.run(lambda: query_of(form, pictures))
    events: asyncio.Queue[_Event | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def tell(event: _Event | None) -> None:
        loop.call_soon_threadsafe(events.put_nowait, event)

    # The search holds a place of its own until its thread ends, whoever still listens.
    state.work.start(partial(_search, state, query, knobs, tell))
    first = await events.get()
    if first is None or first.refusal is not None:
        refusal = None if first is None else first.refusal
        return refusal or problem(500, "internal", "a fault of ours; the server's log holds the details")
    return StreamingResponse(
        _relayed(first, events),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


def _search(state: ServerState, query: answers.Query, knobs: Knobs, tell: Any) -> None:
    """Searches in a worker thread, and tells of it."""
    library = state.library

    def shaped(name: str, answer: Answer) -> _Event:
        records = library.images([match.image_id for match in answer.matches])
        return _Event(name, state.shaper.answer(answer, records).model_dump_json())

    try:
        found = library.search(
            query, **asdict(knobs), on_answer=lambda answer: tell(shaped("partial", answer))
        )
        state.metrics.searched(found)
        tell(shaped("answer", found))
    except AmbienceError as exc:
        refusal = problem_of(exc)
        tell(_Event("problem", bytes(refusal.body).decode(), refusal))
    except Exception:  # noqa: BLE001 - the client is told, and the log has it
        _log.exception("a stream of answers failed")
        refusal = problem(500, "internal", "a fault of ours; the server's log holds the details")
        tell(_Event("problem", json.dumps(json.loads(bytes(refusal.body))), refusal))
    finally:
        tell(None)


async def _relayed(first: _Event, events: "asyncio.Queue[_Event | None]") -> AsyncIterator[bytes]:
    event: _Event | None = first
    while event is not None:
        yield event.text
        event = await events.get()
