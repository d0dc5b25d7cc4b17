"""The outermost layer of every request: its id, its line in the log, its figures, and the security headers.

It also answers what nobody else caught, so that a fault of ours still leaves with an id by which the log can
be searched.
"""

import logging
import re
from secrets import token_hex
from time import perf_counter
from typing import Protocol

from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from ambience.serve.http.errors import problem
from ambience.serve.http.visit import Visit, begun, current_visit

REQUEST_ID = b"x-request-id"
DRAINED_BYTES = 64 * 2**10
"""A connection whose request was answered early is kept where no more than this is left of the body."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Of every answer that does not say otherwise."""

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_log = logging.getLogger("ambience.http")
_access = logging.getLogger("ambience.access")


class Figures(Protocol):
    """Counts requests; see `metrics.py`."""

    def began(self) -> None:
        """A request came."""

    def ended(self, visit: Visit, method: str, status: int, took_s: float) -> None:
        """It was answered; status 0 where the client went away before."""


class Observer:
    """ASGI middleware: sees every request come and go.

    Args:
        app: the application behind.
        figures: where requests are counted.
    """

    def __init__(self, app: ASGIApp, *, figures: Figures) -> None:
        self._app, self._figures = app, figures

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answers one request, whatever happens behind."""
        if connection["type"] != "http":
            await self._app(connection, receive, send)
            return
        visit = begun(connection, Visit(_request_id(connection)))
        visit.is_body_over = not _has_body(connection)
        token = current_visit.set(visit)
        exchange = _Exchange(connection, visit, receive, send)
        started = perf_counter()
        self._figures.began()
        try:
            await self._app(connection, exchange.receive, exchange.send)
        except Exception as exc:
            _log.error("%s %s failed", connection["method"], visit.route or "a request", exc_info=exc)
            if exchange.status:
                raise  # the answer had begun; the server breaks the connection off
            answer = problem(500, "internal", "a fault of ours; the server's log holds the details")
            await answer(connection, exchange.receive, exchange.send)
        finally:
            took_s = perf_counter() - started
            method = connection["method"]
            self._figures.ended(visit, method, exchange.status, took_s)
            _tell(connection, visit, exchange.status, took_s)
            current_visit.reset(token)


class _Exchange:
    """What is received and sent for one request, counted on its way."""

    def __init__(self, connection: Connection, visit: Visit, receive: Receive, send: Send) -> None:
        self._connection, self._visit = connection, visit
        self._receive, self._send = receive, send
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._visit.body_bytes += len(message.get("body", b""))
            self._visit.is_body_over = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._added(message["headers"])]}
        else:
            self._visit.sent_bytes += len(message.get("body", b""))
        await self._send(message)

    def _added(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        added = [row for row in SECURITY_HEADERS if row[0] not in present]
        added.append((REQUEST_ID, self._visit.request_id.encode("ascii")))
        # What is left of a body would be read to its end before the next request, however long that takes.
        if b"connection" not in present and not self._visit.is_body_over and self._left() > DRAINED_BYTES:
            added.append((b"connection", b"close"))
        return added

    def _left(self) -> float:
        announced = dict(self._connection["headers"]).get(b"content-length", b"")
        return int(announced[:20]) - self._visit.body_bytes if announced.isdigit() else float("inf")


def _request_id(connection: Connection) -> str:
    sent = dict(connection["headers"]).get(REQUEST_ID, b"")
    return sent.decode("ascii") if _SANE.fullmatch(sent) else token_hex(16)


def _has_body(connection: Connection) -> bool:
    headers = dict(connection["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _tell(connection: Connection, visit: Visit, status: int, took_s: float) -> None:
    """One line for one request: templates of routes and names of keys; no question, no secret, no address."""
    client = connection.get("client")
    fields = {
        "request_id": visit.request_id,
        "method": connection["method"],
        "route": visit.route,
        "status": status,
        "duration_ms": round(1000 * took_s, 1),
        "key": visit.key_name,
        "client": client[0] if client else "",
        "bytes_in": visit.body_bytes,
        "bytes_out": visit.sent_bytes,
    }
    _access.info(
        "%s %s %s in %s ms",
        fields["method"],
        visit.route,
        status,
        fields["duration_ms"],
        extra={"of": fields},
    )
