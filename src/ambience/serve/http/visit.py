"""What is known of a request from its first byte on: its id, who asks, and which route answers.

The middlewares fill it in one after the other. It travels with the request's context, into threads as well,
so that log lines can name the request and documents can leave out what only this machine may be told.
"""

from contextvars import ContextVar
from dataclasses import dataclass

from starlette.types import Scope as Connection

_PLACE = "ambience.visit"


@dataclass(slots=True)
class Visit:
    """One request.

    Attributes:
        request_id: the client's, where it is sane, else a new one.
        route: template of the route that answers.
        key_name: of the caller's key; "" where none was sent.
        is_local: whether the caller may be told what only this machine knows, such as paths.
        most_bytes: of the body; None: as the settings say.
        body_bytes: read so far.
        sent_bytes: answered so far.
        is_body_over: whether all of the body was read.
    """

    request_id: str
    route: str = ""
    key_name: str = ""
    is_local: bool = False
    most_bytes: int | None = None
    body_bytes: int = 0
    sent_bytes: int = 0
    is_body_over: bool = False


current_visit: ContextVar[Visit | None] = ContextVar("current_visit", default=None)
"""The request that this task or thread works for."""


def begun(connection: Connection, visit: Visit) -> Visit:
    """Ties a visit to the request that it is about."""
    connection[_PLACE] = visit
    return visit


def visit_of(connection: Connection) -> Visit:
    """The visit of a request."""
    visit: Visit = connection[_PLACE]
    return visit


def is_told_paths() -> bool:
    """Whether the caller at hand may be told where files lie."""
    visit = current_visit.get()
    return visit is not None and visit.is_local
