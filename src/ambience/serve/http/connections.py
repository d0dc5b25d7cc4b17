"""Connections of the server: how many, how long a head may take, and how long an answer may stand still.

Written against h11's protocol of uvicorn 0.32 to 0.54, whose limits end at the size of a head. A client that
sends its head byte by byte, or never reads its answer, would hold a connection for ever.
"""

import asyncio
import sys
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ambience.errors import BusyError
from ambience.serve.http.errors import PROBLEM_MEDIA_TYPE, HeaderLimitError, problem, problem_of
from ambience.serve.http.limits import HEAD_BYTES

HEAD_S = 10.0
"""Seconds from a connection, or from the first byte of a further request on it, to the end of its head."""
STILL_S = 30.0
"""Seconds that an answer may wait for a client that does not read."""


def connection_class(*, most: int, head_s: float = HEAD_S, still_s: float = STILL_S) -> type[H11Protocol]:
    """A protocol for `uvicorn.Config(http=…)`.

    Args:
        most: connections at the same time; further ones are told 503, and beyond twice as many cut off.
        head_s: seconds that a head may take.
        still_s: seconds that an answer may stand still.

    Returns:
        A class of its own, since uvicorn makes the instances.
    """
    return type("Connection", (Connection,), {"most": most, "head_s": head_s, "still_s": still_s})


class Connection(H11Protocol):
    """One connection of a client; the Unix socket is not counted."""

    most = 1000
    head_s = HEAD_S
    still_s = STILL_S

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._head_timer: asyncio.TimerHandle | None = None
        self._still_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came."""
        super().connection_made(transport)
        is_tcp = self.server is not None and self.server[1] is not None
        if is_tcp and len(self.connections) > 2 * self.most:
            transport.abort()
            return
        if is_tcp and len(self.connections) > self.most:
            self.app = _refuse
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        """Bytes came; those after the first of a head give no more time."""
        super().data_received(data)
        self._watch_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        for timer in (self._head_timer, self._still_timer):
            if timer is not None:
                timer.cancel()
        self._head_timer = self._still_timer = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._still_timer = self.loop.call_later(self.still_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads on."""
        if self._still_timer is not None:
            self._still_timer.cancel()
            self._still_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Tells that the head is none, as a problem document like every other error."""
        fault = sys.exc_info()[1]  # called while h11's complaint is being handled
        if isinstance(fault, h11.RemoteProtocolError) and fault.error_status_hint == 431:
            answer = problem_of(HeaderLimitError(f"the head is longer than {HEAD_BYTES} bytes"))
        else:
            answer = problem(400, "malformed", "this is no HTTP request")
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            headers = [(b"content-type", PROBLEM_MEDIA_TYPE.encode()), (b"connection", b"close")]
            response = h11.Response(status_code=answer.status_code, headers=headers)
            for event in (response, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _watch_head(self) -> None:
        """Runs a clock while nothing but a part of a head, or what is left of an old body, can come."""
        is_between = self.cycle is None or self.cycle.response_complete
        if is_between and self._head_timer is None and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(self.head_s, self._give_up)
        elif not is_between and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers where there are more connections than the server keeps."""
    busy = problem_of(BusyError("more connections than are kept (serve.max_connections)", retry_after_s=2))
    busy.headers["Connection"] = "close"
    await busy(scope, receive, send)
