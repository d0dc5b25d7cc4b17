"""Errors become RFC 9457 problem documents: the only file that knows status codes.

Every problem carries a stable `code`, the same as in JSON reports and in the records. Nothing that a client
sends may end as 500: that status means a fault of ours, or a library whose files are damaged.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from ambience import errors
from ambience.errors import AmbienceError
from ambience.serve.http.visit import is_told_paths

_log = logging.getLogger("ambience.http")

PROBLEM_MEDIA_TYPE = "application/problem+json"


class BodyTooLargeError(AmbienceError):
    """The request's body is larger than is read."""

    code = "body_too_large"


class BodyTimeoutError(AmbienceError):
    """The request's body did not arrive in time."""

    code = "body_timeout"


class UnknownHostError(AmbienceError):
    """The request names a host that this server does not answer for."""

    code = "unknown_host"


class ForeignOriginError(AmbienceError):
    """A page of another origin tried to change something."""

    code = "foreign_origin"


class KeyRequiredError(AmbienceError):
    """The request needs a key and brought none."""

    code = "key_required"


class KeyInvalidError(KeyRequiredError):
    """The key that the request brought is unknown, revoked or expired."""

    code = "key_invalid"


class ScopeMissingError(AmbienceError):
    """The key may do other things, but not this."""

    code = "scope_missing"


class RateLimitError(errors.BusyError):
    """More requests came with one key than it may send."""

    code = "too_many_requests"


class HeaderLimitError(AmbienceError):
    """The head of the request is larger than is read."""

    code = "headers_too_large"


class MediaTypeError(AmbienceError):
    """The request's body is of a media type that the endpoint does not read."""

    code = "unsupported_media_type"


class MissingFieldError(errors.QueryError):
    """A field that is required did not come."""

    code = "missing_field"


class KindUnavailableError(AmbienceError):
    """A kind that the answer hangs on cannot be asked now."""

    code = "kind_unavailable"


class NotReadyError(AmbienceError):
    """The server is starting or stopping."""

    code = "not_ready"


STATUS: Mapping[type[AmbienceError], int] = {
    errors.QueryError: 400,
    KeyRequiredError: 401,
    ScopeMissingError: 403,
    errors.UnknownImageError: 404,
    BodyTimeoutError: 408,
    errors.ImageIdTakenError: 409,
    errors.ServiceMismatchError: 409,
    BodyTooLargeError: 413,
    errors.ImageLimitError: 413,
    MediaTypeError: 415,
    errors.UnsupportedFormatError: 415,
    UnknownHostError: 421,
    errors.ImageError: 422,
    errors.FeatureError: 422,
    errors.FetchError: 422,
    errors.VocabularyError: 422,
    ForeignOriginError: 403,
    RateLimitError: 429,
    HeaderLimitError: 431,
    # A stored feature that fails its checksum is extracted again in the background.
    errors.CorruptFeatureError: 503,
    errors.LibraryLockedError: 503,
    errors.ModelError: 503,
    errors.ServiceError: 503,
    errors.BusyError: 503,
    KindUnavailableError: 503,
    NotReadyError: 503,
    errors.StoreFullError: 507,
    AmbienceError: 500,
}
"""Status of an error: that of the nearest class in its line of descent."""

CODES_OF_STATUS: Mapping[int, str] = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "malformed",
    500: "internal",
}
"""Codes of problems that no error of ours is behind."""

_RETRY_LATER_S = 2.0

# A path may hold spaces: it ends where a message of ours goes on, so rather more than it is taken for it.
_PATH = re.compile(r"""(?<![\w.:/\\])~?/[^\s'":;,()][^'":;,()\n]*""")


def status_of(error: AmbienceError) -> int:
    """Status code that tells a client what kind of error this is.

    Args:
        error: any error of ours.

    Returns:
        The status of the nearest listed class among the error's ancestors.
    """
    return next(STATUS[cls] for cls in type(error).__mro__ if cls in STATUS)


def problem(
    status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **extra: Any
) -> JSONResponse:
    """A problem document.

    Args:
        status: HTTP status code.
        code: stable machine-readable name.
        detail: what was wrong, the value seen, what is accepted, what to do.
        headers: sent along.
        extra: further members of the document.

    Returns:
        The response, as `application/problem+json`.

    Source: RFC 9457.
    """
    title = code.replace("_", " ").capitalize()
    document = {"type": f"urn:ambience:problem:{code}", "title": title, "status": status}
    document |= {"detail": shown(detail), "code": code, **extra}
    return JSONResponse(
        document, status_code=status, headers=dict(headers or {}), media_type=PROBLEM_MEDIA_TYPE
    )


def shown(text: str) -> str:
    """Text that every JSON reader accepts: bytes that are no UTF-8, and half characters, become �."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def told(text: str) -> str:
    """Text of ours for the caller at hand: clients of a network learn no path of this machine from it.

    Args:
        text: a message, which may name files.

    Returns:
        The same on this machine; else whatever looks like an absolute path is left out.
    """
    return shown(text if is_told_paths() else _PATH.sub("(a file of the server)", text))


def problem_of(error: AmbienceError) -> JSONResponse:
    """The problem document of an error of ours, with Retry-After where another try makes sense.

    Args:
        error: what was raised.

    Returns:
        The response.
    """
    status = status_of(error)
    headers = {}
    if status == 401:  # RFC 6750 §3
        headers["WWW-Authenticate"] = 'Bearer realm="ambience"' + (
            ', error="invalid_token"' if isinstance(error, KeyInvalidError) else ""
        )
    # A model comes when people install it.
    if status in (429, 503) and not isinstance(error, errors.ModelError):
        wait_s = error.retry_after_s if isinstance(error, errors.BusyError) else _RETRY_LATER_S
        headers["Retry-After"] = str(max(1, round(wait_s)))
    if status in (408, 413, 431) or isinstance(error, NotReadyError):
        headers["Connection"] = "close"  # what is left of the request is not read
    return problem(status, error.code, told(str(error)), headers=headers)


def _explained(faults: Sequence[Any]) -> list[dict[str, str]]:
    """Pydantic's list of faults, without the values sent, which may be of any size."""
    return [
        {"where": shown(".".join(str(part) for part in fault["loc"])), "message": shown(str(fault["msg"]))}
        for fault in faults
    ]


def original_problem(error: AmbienceError) -> Response:
    """An error as the original system's services answered it.

    Args:
        error: what was raised.

    Returns:
        422 where a required field was missing, else 500; plain text where an id was taken.
    """
    if isinstance(error, errors.ImageIdTakenError):
        return PlainTextResponse("same id already in db", status_code=500)
    status = 422 if isinstance(error, MissingFieldError) else 500
    return JSONResponse({"detail": told(str(error))}, status_code=status)


def validation_problem(faults: Sequence[Any]) -> JSONResponse:
    """The problem document of fields that are missing or malformed.

    Args:
        faults: as `pydantic.ValidationError.errors()` lists them.

    Returns:
        A 400 that names every field.
    """
    listed = _explained(faults)
    detail = "; ".join(f"{fault['where'] or 'body'}: {fault['message']}" for fault in listed)
    return problem(400, "malformed", detail or "malformed request", errors=listed)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, AmbienceError)
    if status_of(error) == 500:
        _log.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    return problem_of(error)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return validation_problem(error.errors())


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    code = CODES_OF_STATUS.get(error.status_code, f"http_{error.status_code}")
    detail = str(error.detail)
    if error.status_code == 404 and detail == "Not Found":
        detail = f"nothing answers at {request.url.path}; /docs lists what does"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "other methods")
        detail = f"{request.url.path} does not answer {request.method}; it answers {allowed}"
    return problem(error.status_code, code, detail, headers=error.headers)


async def _on_disconnect(_request: Request, _error: Exception) -> Response:
    """A client that went away in the middle of its body: nobody is left to answer, and nothing is wrong."""
    return Response(status_code=400)


async def _on_fault(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "internal", "a fault of ours; the server's log holds the details")


def install(app: FastAPI) -> None:
    """Registers the handlers that turn every exception into a problem document.

    Args:
        app: changed in place.
    """
    handlers: dict[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
        AmbienceError: _on_ours,
        RequestValidationError: _on_validation,
        StarletteHTTPException: _on_http,
        ClientDisconnect: _on_disconnect,
        Exception: _on_fault,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
