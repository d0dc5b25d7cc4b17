"""What each route needs: a scope of the caller's key, or nothing.

Every endpoint says it by a decorator, and a test fails for one that does not. Should one be forgotten
nevertheless, it needs `admin`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from starlette.routing import BaseRoute, Match
from starlette.types import Scope as Connection

from ambience.keys import Scope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

ELSEWHERE = "(none)"
"""The template of an address at which nothing answers."""

_NEED = "__ambience_need__"
_PUBLIC_PATHS = frozenset({"/openapi.json"})


def needs(scope: Scope) -> Callable[[Endpoint], Endpoint]:
    """Says which scope an endpoint needs.

    Args:
        scope: of the caller's key.

    Returns:
        A decorator, which changes nothing else.
    """

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _NEED, scope)
        return endpoint

    return declare


def public(endpoint: Endpoint) -> Endpoint:
    """Says that an endpoint answers everybody: the page's own files, health, and the login."""
    setattr(endpoint, _NEED, None)
    return endpoint


class Found(NamedTuple):
    """The route of a request.

    Attributes:
        template: such as "/v1/images/{image_id}"; of few values, whatever clients ask for.
        need: scope; None where everybody is answered.
    """

    template: str
    need: Scope | None


class RouteTable:
    """Finds the route of a request before the application does, so that nothing is read of a refused one.

    Args:
        routes: of all routers, in the order in which they are asked.
    """

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = list(routes)

    def find(self, connection: Connection) -> Found:
        """The route that answers a request; an unknown address needs `read`, so that it tells nothing.

        Args:
            connection: its ASGI scope.

        Returns:
            Template and need.
        """
        if connection["path"] in _PUBLIC_PATHS:
            return Found(connection["path"], None)
        asked = {**connection, "method": "GET"} if connection["method"] == "HEAD" else connection
        other_method: Found | None = None
        for route in self._routes:
            match, _ = route.matches(asked)
            if match is Match.FULL:
                return _found(route)
            if match is Match.PARTIAL and other_method is None:
                other_method = _found(route)
        return other_method or Found(ELSEWHERE, Scope.READ)

    def undeclared(self) -> list[str]:
        """Templates of endpoints that do not say what they need."""
        return [
            str(getattr(route, "path", route))
            for route in self._routes
            if not hasattr(getattr(route, "endpoint", None), _NEED)
        ]

    def templates(self) -> list[str]:
        """Of all routes, in their order."""
        return [str(getattr(route, "path", route)) for route in self._routes]


def _found(route: BaseRoute) -> Found:
    endpoint = getattr(route, "endpoint", None)
    return Found(str(getattr(route, "path", ELSEWHERE)), getattr(endpoint, _NEED, Scope.ADMIN))
