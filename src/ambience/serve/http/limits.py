"""What is refused before any work is done: foreign hosts and origins, large or slow bodies, too much at once.

Any page in the user's browser can reach a local port. An unknown Host stops DNS rebinding; a foreign Origin
may not change anything. Bodies are counted while they stream in.
"""

import asyncio
import contextvars
import ipaddress
import math
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import monotonic, perf_counter
from typing import Any, TypeVar
from urllib.parse import urlsplit

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ambience.errors import BusyError
from ambience.serve.http.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    ForeignOriginError,
    HeaderLimitError,
    UnknownHostError,
    problem_of,
)
from ambience.serve.http.visit import visit_of

T = TypeVar("T")

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_PAUSE_S = 30.0
"""A body that stands still for this long is given up."""

HEAD_BYTES, MOST_HEADERS = 32 * 2**10, 100
"""Of the request line and all headers; how many headers."""


def is_unix_socket(scope: Scope) -> bool:
    """Whether the request came in over the Unix socket, which only the library's owner can open.

    The server fills this in from the accepted socket; nothing a client sends can change it.
    """
    server = scope.get("server")
    return server is not None and server[1] is None and str(server[0]).startswith("/")


def host_of(header: str) -> str:
    """The host that a Host header names.

    Args:
        header: as sent.

    Returns:
        Lower case, without port and brackets; "" where the header is malformed.
    """
    try:
        parts = urlsplit(f"//{header}")
        parts.port  # noqa: B018 -- reading it checks it
        return (parts.hostname or "").rstrip(".") if parts.netloc == header and "@" not in header else ""
    except ValueError:
        return ""


def is_wildcard(host: str) -> bool:
    """Whether a server bound to this address answers on every interface."""
    return host in ("", "0.0.0.0", "::", "*")


def is_loopback(host: str) -> bool:
    """Whether a server bound to this address can be reached from its own machine alone."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_ip_address(host: str) -> bool:
    """Whether a host is written as an IP address, which no DNS rebinding can fake."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def as_sent(origins: Collection[str]) -> frozenset[str]:
    """Origins in the form in which browsers send them: lower case, without a slash at the end."""
    return frozenset(origin.lower().rstrip("/") for origin in origins)


class Gatekeeper:
    """ASGI middleware: refuses unknown hosts, foreign origins, and more headers than anybody needs.

    Args:
        app: the application behind.
        bound_host: address that the server listens on. Where that is every interface, any host written as an
            IP address is answered too: rebinding needs a name.
        hosts: further host names that are answered; "*" answers all.
        origins: origins of other pages that may change something, as "https://photos.example".
    """

    def __init__(
        self, app: ASGIApp, *, bound_host: str, hosts: Collection[str] = (), origins: Collection[str] = ()
    ) -> None:
        self._app = app
        self._hosts = LOCAL_HOSTS | {bound_host.lower()} | {host.lower() for host in hosts}
        self._takes_any_address = is_wildcard(bound_host)
        self._origins = as_sent(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = None if is_unix_socket(scope) else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        if len(scope["headers"]) > MOST_HEADERS or _head_bytes(scope) > HEAD_BYTES:
            seen = f"{len(scope['headers'])} headers, {_head_bytes(scope)} bytes"
            most = f"at most {MOST_HEADERS} headers, {HEAD_BYTES} bytes with the address, are read"
            return problem_of(HeaderLimitError(f"the request has {seen}; {most}"))
        sent = [(name.decode("latin-1"), value.decode("latin-1").strip()) for name, value in scope["headers"]]
        named = [value for name, value in sent if name == "host"]
        headers = dict(sent)
        if len(named) != 1 or not self._knows(host_of(named[0])):
            seen = ", ".join(named) or "none"
            return problem_of(
                UnknownHostError(
                    f"this server does not answer for host {seen!r}; use localhost or the address it is "
                    "bound to, or add the name to serve.allowed_hosts"
                )
            )
        if scope["method"] not in SAFE_METHODS and not self._may_change(headers, host=named[0]):
            seen = headers.get("origin", "of another site")
            return problem_of(
                ForeignOriginError(
                    f"a page of origin {seen!r} may not change anything here; add it to "
                    "serve.allowed_origins if it is yours"
                )
            )
        return None

    def _knows(self, host: str) -> bool:
        if not host:
            return False
        return host in self._hosts or "*" in self._hosts or (self._takes_any_address and is_ip_address(host))

    def _may_change(self, headers: Mapping[str, str], *, host: str) -> bool:
        origin = headers.get("origin")
        if origin is None:  # not a browser, or one that says where the request comes from
            return headers.get("sec-fetch-site", "none") in ("none", "same-origin")
        origin = origin.lower()
        if origin in self._origins:
            return True
        scheme, _, place = origin.partition("://")
        return scheme in ("http", "https") and place == host.lower()


def _head_bytes(scope: Scope) -> int:
    """Bytes of a head, about: h11 limits those alone that come in pieces."""
    lines = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
    return len(scope.get("raw_path") or b"") + len(scope["query_string"]) + lines


class BodyLimit:
    """ASGI middleware: counts a body while it streams in, and gives up on one that stands still or drips.

    Args:
        app: the application behind.
        most: bytes of a body from the network.
        most_local: bytes of a body from the Unix socket.
        most_at: bytes of a body from the network to these paths, in place of `most`.
        pause_s: seconds that a body may stand still.
        most_s: seconds that a body from the network may take altogether.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        most: int,
        most_local: int,
        most_at: Mapping[str, int] | None = None,
        pause_s: float = BODY_PAUSE_S,
        most_s: float = 10 * BODY_PAUSE_S,
    ) -> None:
        self._app = app
        self._most, self._most_local, self._most_at = most, most_local, most_at or {}
        self._pause_s, self._most_s = pause_s, most_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; what is over a limit is raised inside the application, or refused at once."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_local, own = is_unix_socket(scope), visit_of(scope).most_bytes
        most = self._most_at.get(scope.get("path", ""), self._most)
        most = self._most_local if is_local else most if own is None else min(most, own)
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced[:20]) > most:
            await problem_of(_too_large(f"{announced[:20].decode()} bytes", most))(scope, receive, send)
            return
        await self._app(scope, self._counted(receive, most, math.inf if is_local else self._most_s), send)

    def _counted(self, receive: Receive, most: int, most_s: float) -> Receive:
        seen, is_complete, deadline = 0, False, monotonic() + most_s

        async def counted() -> Message:
            nonlocal seen, is_complete
            if is_complete:  # now only a disconnect can come, at any time
                return await receive()
            left_s = deadline - monotonic()
            try:
                message = await asyncio.wait_for(receive(), min(self._pause_s, left_s))
            except TimeoutError as exc:
                what = (
                    f"the body stood still for {self._pause_s:g} s; send it again"
                    if left_s > self._pause_s
                    else f"the body did not arrive within {most_s:g} s (serve.body_timeout_s)"
                )
                raise BodyTimeoutError(what) from exc
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                is_complete = not message.get("more_body", False)
            if seen > most:
                raise _too_large(f"more than {most} bytes", most)
            return message

        return counted


def _too_large(seen: str, most: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"the body has {seen}; at most {most} are read (setting serve.max_upload_bytes)")


class WorkQueue:
    """Threads for decoding and searching, with a bounded number of requests that wait for one.

    A request takes its place before its body is read, so that what waits holds little memory.

    Args:
        workers: requests worked on at the same time.
        waiting: requests that may wait; beyond that BusyError at once.
        name: of the threads.

    Attributes:
        places: requests that may be worked on or wait.
        taken: how many do.
    """

    def __init__(self, *, workers: int, waiting: int, name: str = "work") -> None:
        self._workers = workers
        self.places, self.taken = workers + waiting, 0
        self._mean_s = 0.5
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix=f"ambience-{name}")

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Holds a place until the block ends.

        Raises:
            BusyError: all places are taken; says when another try makes sense.
        """
        self._take()
        try:
            yield
        finally:
            self.taken -= 1

    def _take(self) -> None:
        if self.taken >= self.places:
            wait_s = self._mean_s * self.places / self._workers
            raise BusyError(
                f"{self.taken} requests are worked on or wait already, which is the most; try again in "
                f"{max(1, round(wait_s))} s (settings serve.workers and serve.queue)",
                retry_after_s=wait_s,
            )
        self.taken += 1

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, run in a thread of the queue; the caller holds a place.

        Args:
            work: takes nothing; may block.

        Returns:
            The result.
        """
        started = perf_counter()
        context = contextvars.copy_context()  # the thread's log lines name the request as well
        result = await asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        self._mean_s = 0.9 * self._mean_s + 0.1 * (perf_counter() - started)
        return result

    def start(self, work: Callable[[], T]) -> "asyncio.Future[T]":
        """Begins work that holds a place of its own until its thread ends, whoever waits for it.

        Args:
            work: takes nothing; may block.

        Returns:
            Its future.

        Raises:
            BusyError: all places are taken.
        """
        self._take()
        context = contextvars.copy_context()
        future = asyncio.get_running_loop().run_in_executor(self._pool, context.run, work)
        future.add_done_callback(self._give_back)
        return future

    def _give_back(self, _future: "asyncio.Future[Any]") -> None:
        self.taken -= 1

    def close(self) -> None:
        """Waits for the work begun and ends the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
