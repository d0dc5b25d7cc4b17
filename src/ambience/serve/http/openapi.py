"""The description of the interface (OpenAPI): what FastAPI writes by itself, and what it leaves out.

Names of operations are those of their functions and stay; every operation says its errors, each with the
`code` values that it may carry, as `errors.py` has them; and every one shows an example of its answer.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ambience import errors
from ambience.errors import AmbienceError
from ambience.serve.http import errors as http_errors
from ambience.serve.http.errors import CODES_OF_STATUS, PROBLEM_MEDIA_TYPE, status_of
from ambience.serve.http.examples import ANSWERS, REQUESTS
from ambience.serve.http.schemas import Problem

BEFORE = frozenset({400, 401, 403, 421, 429, 431, 500, 503})
"""Statuses that any operation may answer, most of them before it is reached."""

WITH_BODY = frozenset({408, 413, 415, 422})
"""Statuses of operations that read a body."""

WITH_CHANGE = frozenset({409, 507})
"""Statuses of operations that write to the library."""

ASKS = re.compile(r"search|matches")
"""Paths whose operations change nothing, whatever their methods."""

DESCRIPTIONS = {
    400: "Malformed: `detail` names what, the value seen, and what is accepted.",
    401: "A key is needed, or the one sent is none.",
    403: "Not allowed: another origin, or a key without the scope.",
    404: "No such image, or not what was asked for of it.",
    408: "The body stood still for too long.",
    409: "The id belongs to other bytes.",
    413: "The body or the picture is over a limit; `detail` names the setting.",
    415: "Not a media type or a format of pictures that is read.",
    421: "The server does not answer for this host.",
    422: "Read, but unusable: a broken picture, or one that cannot be fetched.",
    429: "Too many requests; `Retry-After` says when to try again.",
    431: "The headers are larger than is read.",
    500: "A fault of the server, or damaged files; its log says more.",
    503: "Not now: busy, stopping, or a model is missing; with `Retry-After` where another try makes sense.",
    507: "The disk is full; nothing was lost.",
}


def codes_of(status: int) -> list[str]:
    """Every `code` that problems of a status may carry.

    Args:
        status: of HTTP.

    Returns:
        Sorted; empty where no error of ours has this status.
    """
    found = {each.code for each in _error_classes() if status_of(each("")) == status}
    if status in CODES_OF_STATUS:
        found.add(CODES_OF_STATUS[status])
    return sorted(found)


def describe(app: FastAPI) -> None:
    """Has an application describe itself as this module says.

    Args:
        app: changed in place.
    """

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(
                get_openapi(
                    title=app.title, version=app.version, description=app.description, routes=app.routes
                )
            )
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]


def statuses_of(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    """Statuses of errors that an operation may answer.

    Args:
        path: with the names of its parameters in braces.
        method: lower case.
        operation: as OpenAPI has it.

    Returns:
        Ascending; only such as an error of ours has.
    """
    statuses = set(BEFORE)
    asks = ASKS.search(path) is not None
    if "requestBody" in operation:
        statuses |= WITH_BODY
    if "{" in path or asks or "requestBody" in operation:
        statuses |= {404}
    if asks or "thumbnail" in path:
        statuses |= {413, 415, 422}
    if "/kinds/" in path:
        statuses |= {409}  # another version of that kind's service
    if method != "get" and not asks:
        statuses |= WITH_CHANGE
    return sorted(status for status in statuses if codes_of(status))


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = Problem.model_json_schema()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["summary"] = operation.get("description", "").partition("\n")[0].rstrip(".")
            statuses = statuses_of(path, method, operation)
            answers = operation["responses"]
            for undescribed in ("4XX", "422", "503", "507"):
                answers.pop(undescribed, None)
            answers.update({str(status): _problem_answer(status) for status in statuses})
            _exemplify(operation)
    return document


def _problem_answer(status: int) -> dict[str, Any]:
    codes = codes_of(status)
    schema = {
        "allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"code": {"enum": codes}, "status": {"const": status}}},
        ]
    }
    example = {
        "type": f"urn:ambience:problem:{codes[0]}",
        "title": codes[0].replace("_", " ").capitalize(),
        "status": status,
        "detail": DESCRIPTIONS[status],
        "code": codes[0],
    }
    return {
        "description": DESCRIPTIONS[status],
        "content": {PROBLEM_MEDIA_TYPE: {"schema": schema, "example": example}},
    }


def _exemplify(operation: dict[str, Any]) -> None:
    """Adds the examples of an operation's request and answer."""
    name = operation.get("operationId", "")
    for content_type, example in REQUESTS.get(name, {}).items():
        operation["requestBody"]["content"][content_type].setdefault("example", example)
    if name in ANSWERS:
        for status, answer in operation["responses"].items():
            if status.startswith("2") and "application/json" in answer.get("content", {}):
                answer["content"]["application/json"]["example"] = ANSWERS[name]


def _error_classes() -> Iterator[type[AmbienceError]]:
    for module in (errors, http_errors):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, AmbienceError):
                yield value
