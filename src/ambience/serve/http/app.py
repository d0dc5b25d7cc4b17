"""The application: one library, its two faces (`/v1` and the original's endpoints), and the page."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import TYPE_CHECKING

from anyio import to_thread
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ambience import __version__
from ambience.errors import UnknownKindError
from ambience.serve.http import (
    annotators,
    batches,
    duplicates,
    errors,
    images,
    kinds,
    local,
    login,
    matches,
    models,
    search,
    streaming,
    system,
    trash,
)
from ambience.serve.http.admission import Admission
from ambience.serve.http.limits import BodyLimit, Gatekeeper, as_sent
from ambience.serve.http.observing import Observer
from ambience.serve.http.openapi import describe
from ambience.serve.http.original_api import original_router
from ambience.serve.http.original_gateway import gateway_router
from ambience.serve.http.original_words import words_router
from ambience.serve.http.scopes import RouteTable
from ambience.serve.http.state import ServerState

if TYPE_CHECKING:
    from ambience.library import Library

_DESCRIPTION = """\
Finds pictures: copies, however they were resized, re-encoded, cropped, turned or mirrored, and pictures of
the same colors; and shows where one lies in the other.

`/v1` is the interface of Ambience. The endpoints of the *original system* keep the names, fields and result
keys of the services that it replaces. Errors are problem documents (RFC 9457) with a stable `code`.
"""


def create_app(library: "Library", *, kind: str | None = None) -> FastAPI:
    """The application that serves a library.

    Args:
        library: opened and closed by the caller; as writer, if anything shall be changed.
        kind: serve the original's endpoints of this kind alone.

    Returns:
        An ASGI application; its threads end with its lifespan.

    Raises:
        UnknownKindError: no such kind.
    """
    have = (*library.specs, *library.annotators)
    if kind is not None and kind not in have:
        raise UnknownKindError(f"no kind {kind!r} to serve; have {', '.join(have)}")
    state = ServerState.of(library, kind)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(state.close)

    app = FastAPI(
        title="Ambience",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.server = state
    errors.install(app)
    own = (
        batches,
        images,
        matches,
        duplicates,
        trash,
        search,
        streaming,
        system,
        kinds,
        models,
        login,
        local,
    )
    routers = [annotators.router, *(each.router for each in own)]
    routers += [made(library, kind) for made in (original_router, words_router, gateway_router)]
    for router in routers:
        app.include_router(router)
    describe(app)
    app.state.routes = RouteTable(route for router in routers for route in router.routes)
    _guard(app, state)
    return app


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET is, without the body (RFC 9110 §9.3.2).

    Args:
        app: the application behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await self._app({**scope, "method": "GET"}, receive, send_without_body)


def _guard(app: FastAPI, state: ServerState) -> None:
    """Puts the limits before the application; the last one added is asked first."""
    settings = state.library.settings
    serve = settings.serve
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        BodyLimit,
        most=serve.max_upload_bytes,
        most_at={batches.BATCH_PATH: serve.max_batch_bytes},
        most_local=2 * max(settings.decode.max_bytes, serve.max_upload_bytes),
        most_s=serve.body_timeout_s,
    )
    app.add_middleware(
        Admission,
        routes=app.state.routes,
        keys=state.keys,
        serve=serve,
        is_closing=lambda: state.is_closing,
        clock=monotonic,
    )
    if serve.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(as_sent(serve.allowed_origins)),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "x-request-id"],
            expose_headers=["retry-after", "x-request-id"],
        )
    app.add_middleware(
        Gatekeeper,
        bound_host=serve.host,
        hosts=serve.allowed_hosts,
        origins=serve.allowed_origins,
    )
    app.add_middleware(Observer, figures=state.metrics)
