"""Which method asks which operation of the interface."""

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

OPERATIONS: dict[str, set[str]] = {}
"""Operation of the interface → methods of the client that ask it."""


def asks(*operations: str) -> Callable[[F], F]:
    """Notes that a method asks operations.

    Returns:
        The method as it is.
    """

    def noted(method: F) -> F:
        for operation in operations:
            OPERATIONS.setdefault(operation, set()).add(method.__name__)
        return method

    return noted
