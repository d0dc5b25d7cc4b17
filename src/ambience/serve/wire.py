"""Our datatypes as JSON and back, between the server and the command line on the same machine.

Values carry the name of their class, so that both ends agree without a schema of their own; only classes of
the modules named here are ever made. Strings survive as they are, bytes of file names that are no UTF-8
included.
"""

import base64
import dataclasses
import importlib
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from ambience.errors import QueryError

MODULES = (
    "ambience.answers",
    "ambience.copies",
    "ambience.datatypes",
    "ambience.ingest.annotating",
    "ambience.ingest.progress",
    "ambience.inventory",
    "ambience.services",
    "ambience.store.base",
    "ambience.words",
)
"""Modules whose frozen dataclasses, named tuples and enumerations may travel."""

_TAG = "$"


def encode(value: Any) -> Any:
    """A value as what JSON can hold.

    Args:
        value: None, a scalar, bytes, uint8 pixels, a path, a time, a list, tuple or mapping of these, or an
            instance of a class of `MODULES`.

    Returns:
        The same as dicts, lists and scalars, for `decode`.

    Raises:
        TypeError: a value of another class.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return {_TAG: _name(type(value)), "value": value.value}
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:  # pixels
        packed = base64.b64encode(value.tobytes()).decode("ascii")
        return {_TAG: "pixels", "shape": list(value.shape), "value": packed}
    if isinstance(value, bytes):
        return {_TAG: "bytes", "value": base64.b64encode(value).decode("ascii")}
    if isinstance(value, Path):
        return {_TAG: "path", "value": str(value)}
    if isinstance(value, datetime):
        return {_TAG: "datetime", "value": value.isoformat()}
    if dataclasses.is_dataclass(value):
        names = [row.name for row in dataclasses.fields(value)]
        return {_TAG: _name(type(value)), "fields": {name: encode(getattr(value, name)) for name in names}}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        named = value._asdict()
        return {_TAG: _name(type(value)), "fields": {name: encode(each) for name, each in named.items()}}
    if isinstance(value, tuple):
        return {_TAG: "tuple", "value": [encode(each) for each in value]}
    if isinstance(value, list):
        return [encode(each) for each in value]
    if isinstance(value, Mapping):
        return {_TAG: "mapping", "value": [[encode(key), encode(each)] for key, each in value.items()]}
    raise TypeError(f"{type(value).__name__} does not travel")


def _name(cls: type[Any]) -> str:
    if cls.__module__ not in MODULES:
        raise TypeError(f"{cls.__module__}.{cls.__qualname__} does not travel; its module is not listed")
    return f"{cls.__module__}:{cls.__qualname__}"


def decode(value: Any) -> Any:
    """What `encode` was given.

    Args:
        value: from JSON.

    Returns:
        An equal value; mappings come back as dicts.

    Raises:
        QueryError: not of the form that `encode` makes.
    """
    try:
        return _decoded(value)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise QueryError(f"a value from the other process is malformed: {exc}") from exc


def _decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [_decoded(each) for each in value]
    if not isinstance(value, dict):
        return value
    match value[_TAG]:
        case "bytes":
            return base64.b64decode(value["value"], validate=True)
        case "pixels":
            flat = np.frombuffer(base64.b64decode(value["value"], validate=True), np.uint8)
            return flat.reshape(value["shape"])
        case "path":
            return Path(value["value"])
        case "datetime":
            return datetime.fromisoformat(value["value"])
        case "tuple":
            return tuple(_decoded(each) for each in value["value"])
        case "mapping":
            return {_decoded(key): _decoded(each) for key, each in value["value"]}
        case name:
            cls = _class(name)
            if "fields" in value:
                return cls(**{field: _decoded(each) for field, each in value["fields"].items()})
            return cls(value["value"])


def _class(name: str) -> type[Any]:
    module, _, own = str(name).partition(":")
    if module not in MODULES:
        raise ValueError(f"{name!r} does not travel")
    cls: type[Any] = getattr(importlib.import_module(module), own)
    is_noun = isinstance(cls, type) and (
        dataclasses.is_dataclass(cls) or issubclass(cls, Enum) or hasattr(cls, "_fields")
    )
    if not is_noun or cls.__module__ != module:
        raise ValueError(f"{name!r} does not travel")
    return cls
