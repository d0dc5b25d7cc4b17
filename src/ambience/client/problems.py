"""Problem documents become the errors that the library itself would raise."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from ambience import errors
from ambience.errors import AmbienceError, BusyError


class AnswerError(AmbienceError):
    """The server answered with an error; what caused the error of ours that is raised, or that error itself.

    Attributes:
        status: of HTTP.
        code: of the problem document; "" where the answer is none.
        document: the whole of it.
    """

    def __init__(self, message: str, *, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status, self.document = status, document
        self.code = str(document.get("code", ""))


class UnreachableError(AmbienceError):
    """The server cannot be reached, or went away in the middle."""

    code = "server_unreachable"


def raise_for(response: httpx.Response) -> None:
    """Raises what a response says went wrong.

    Args:
        response: read to its end.

    Raises:
        AmbienceError: the class of `ambience.errors` whose `code` the problem carries, caused by an
            AnswerError that holds the status; an AnswerError where no class has it.
    """
    if response.is_success:
        return
    document = _document(response)
    detail = str(document.get("detail") or f"the server answered {response.status_code}")
    answered = AnswerError(detail, status=response.status_code, document=document)
    error = _CLASSES.get(answered.code)
    if error is None:
        raise answered
    if issubclass(error, BusyError):
        raise error(detail, retry_after_s=retry_after_s(response) or 1.0) from answered
    raise error(detail) from answered


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds after which the server would have another try; None where it does not say."""
    said = response.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() and len(said) < 6 else None


def _document(response: httpx.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return document if isinstance(document, dict) else {}


def _subclasses(cls: type[AmbienceError]) -> Iterator[type[AmbienceError]]:
    for each in cls.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
            yield from _subclasses(each)


_CLASSES = {each.code: each for each in _subclasses(AmbienceError)}
