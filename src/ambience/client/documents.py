"""JSON becomes the dataclasses of `models.py`, by their annotations."""

import types
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ambience.client import models
from ambience.client.problems import AnswerError

T = TypeVar("T")


def read(cls: type[T], document: Any) -> T:
    """A document as an instance of a class.

    Args:
        cls: of `models.py`.
        document: as the server sent it; what the class does not have is passed over.

    Returns:
        The instance.

    Raises:
        AnswerError: something that the class needs is missing or of another type.
    """
    try:
        instance: T = _instance(cls, document)
    except (KeyError, TypeError, ValueError) as exc:
        raise AnswerError(
            f"the server's answer is no {cls.__name__} ({type(exc).__name__}: {exc}); it may be of another "
            "version",
            status=200,
            document={},
        ) from exc
    return instance


def _instance(cls: type[Any], document: Any) -> Any:
    hints = _HINTS[cls.__name__]
    values = {}
    for each in fields(cls):
        if each.name in document:
            values[each.name] = _value(hints[each.name], document[each.name])
        elif each.default is MISSING and each.default_factory is MISSING:
            raise KeyError(each.name)
    return cls(**values)


def _value(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (only,) = (each for each in get_args(hint) if each is not types.NoneType)
        return _value(only, value)
    if is_dataclass(hint):
        return _instance(hint, value)  # type: ignore[arg-type]
    if origin is list:
        return [_value(get_args(hint)[0], each) for each in value]
    if origin is tuple:
        return tuple(_value(of, each) for of, each in zip(get_args(hint), value, strict=True))
    if origin is dict:
        return {name: _value(get_args(hint)[1], each) for name, each in value.items()}
    if hint is datetime:
        return datetime.fromisoformat(value)
    return float(value) if hint is float else value


_HINTS = {cls.__name__: get_type_hints(cls) for cls in models.SCHEMAS.values()}
"""The annotations of each class, read once."""
