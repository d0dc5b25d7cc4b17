"""Who may ask for what: API keys, their scopes and their rates, checked before a body is read."""

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from ambience.errors import AmbienceError
from ambience.keys import ApiKey, Scope
from ambience.serve.http.errors import (
    KeyInvalidError,
    KeyRequiredError,
    NotReadyError,
    ScopeMissingError,
    problem_of,
)
from ambience.serve.http.limits import is_loopback, is_unix_socket
from ambience.serve.http.rates import Rates
from ambience.serve.http.scopes import RouteTable
from ambience.serve.http.visit import Visit, visit_of
from ambience.store.keys import Keys

if TYPE_CHECKING:
    from ambience.settings import ServeSettings

COOKIE = "ambience_key"
LONGEST_TOKEN = 200
BURST_S = 2.0
"""A key may send the requests of so many seconds at once."""

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via"})


def requires_keys(serve: "ServeSettings") -> bool:
    """Whether requests over TCP need a key: where others can reach the port, unless `serve.open` says no."""
    return serve.require_key or not (serve.open or is_loopback(serve.host))


class Admission:
    """ASGI middleware: lets in who may ask for what they ask for.

    The Unix socket is the owner's, and needs no key. A request that came through a proxy is none of this
    machine, whatever address the proxy has.

    Args:
        app: the application behind.
        routes: what each address needs.
        keys: that are known.
        serve: settings.
        is_closing: whether the server is about to stop.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: RouteTable,
        keys: Keys,
        serve: "ServeSettings",
        is_closing: Callable[[], bool],
        clock: Callable[[], float],
    ) -> None:
        self._app, self._routes, self._keys = app, routes, keys
        self._requires, self._is_open, self._rate = requires_keys(serve), serve.open, serve.key_rate
        self._is_private = is_loopback(serve.host) and not serve.require_key
        self._is_closing = is_closing
        self._rates = Rates(burst_s=BURST_S, clock=clock)

    async def __call__(self, connection: Connection, receive: Receive, send: Send) -> None:
        """Answers one request, or refuses it."""
        if connection["type"] != "http":
            await self._app(connection, receive, send)
            return
        visit = visit_of(connection)
        visit.route, need = self._routes.find(connection)
        try:
            if need is not None and self._is_closing():
                raise NotReadyError("the server is stopping; send it again to the one that takes its place")
            if is_unix_socket(connection):
                visit.is_local = True
            else:
                self._admit(connection, visit, need)
        except AmbienceError as exc:
            await problem_of(exc)(connection, receive, send)
            return
        await self._app(connection, receive, send)

    def _admit(self, connection: Connection, visit: Visit, need: Scope | None) -> None:
        headers = connection["headers"]
        is_forwarded = any(name in _FORWARDED for name, _ in headers)
        visit.is_local = self._is_private and not is_forwarded and _is_loopback_peer(connection)
        if need is None:
            return
        is_required = self._requires or (is_forwarded and not self._is_open)
        token, is_cookie = _token(headers)
        if token and (is_required or not is_cookie):  # an old cookie is no reason to refuse where none is due
            self._let_in(usable(self._keys, token), need, visit)
        elif is_required:
            raise KeyRequiredError(
                "a key is needed: send it as 'Authorization: Bearer …', or log in on the page; "
                "`ambience keys add NAME --scope read` makes one"
            )

    def _let_in(self, key: ApiKey, need: Scope, visit: Visit) -> None:
        visit.key_name, visit.most_bytes = key.name, key.max_upload_bytes
        rate = self._rate if key.rate is None else key.rate
        if rate > 0:
            self._rates.take(key.key_id, rate)
        if not key.may(need):
            have = ", ".join(sorted(key.scopes))
            raise ScopeMissingError(f"this needs the scope {need.value!r}; the key {key.name!r} has {have}")


def usable(keys: Keys, token: str) -> ApiKey:
    """The key of a token, if it may be used now.

    Args:
        keys: that are known.
        token: as it was sent.

    Returns:
        The key.

    Raises:
        KeyInvalidError: it is unknown, revoked or expired.
        StoreError: the keys cannot be read.
    """
    key = keys.find(token)
    if key is None:
        raise KeyInvalidError("this key is not known here, or was revoked; ask for another one")
    if key.is_expired(datetime.now(UTC)):
        raise KeyInvalidError(f"the key {key.name!r} has expired; ask for another one")
    return key


def _token(headers: list[tuple[bytes, bytes]]) -> tuple[str, bool]:
    """The token sent, "" where there is none, and whether it came as a cookie; the header wins."""
    cookies = ""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").strip().partition(" ")
            if scheme.lower() == "bearer":  # another scheme is that of a proxy before this server
                return token.strip()[:LONGEST_TOKEN] or "?", False
        elif name == b"cookie":
            cookies += f"{value.decode('latin-1')};"
    try:
        found = SimpleCookie(cookies).get(COOKIE) if COOKIE in cookies else None
    except CookieError:
        found = None
    return (found.value[:LONGEST_TOKEN] if found is not None else ""), True


def _is_loopback_peer(connection: Connection) -> bool:
    client = connection.get("client")
    try:
        return client is not None and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
