"""Where settings come from: command line over environment over TOML over default.

Nothing else reads `os.environ`.
"""

import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import platformdirs

from ambience.errors import SettingsError
from ambience.settings import SECTIONS, Settings

ENVIRONMENT_PREFIX = "AMBIENCE_"


def load_settings(
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """Settings from all four sources.

    Args:
        file: a TOML file; by default `ambience.toml` in the platform's configuration folder, if there.
        environment: by default `os.environ`; `AMBIENCE_LIBRARY`, `AMBIENCE_DECODE_MAX_BYTES`,
            `AMBIENCE_KINDS__PHASH__INDEX` and so on; `AMBIENCE_SETTINGS` names the TOML file.
        overrides: dotted name → value, from the command line ("decode.max_bytes": "1000").

    Returns:
        One frozen object; nothing is read again later.

    Raises:
        SettingsError: a name is unknown, or a value is malformed or out of range.
    """
    environment = os.environ if environment is None else environment
    named = file or (Path(environment["AMBIENCE_SETTINGS"]) if "AMBIENCE_SETTINGS" in environment else None)
    flat: dict[str, Any] = {}
    flat.update(_from_toml(named))
    flat.update(_from_environment(environment))
    flat.update(overrides or {})
    return _build(flat)


def options_from(options_class: type[Any], values: Mapping[str, Any], *, where: str) -> Any:
    """An options dataclass of a kind or an engine, from strings or TOML values.

    Args:
        options_class: frozen dataclass whose fields are made by `setting`.
        values: name → value.
        where: dotted prefix for messages, such as "kinds.phash".

    Returns:
        An instance of `options_class`.

    Raises:
        SettingsError: a name is unknown, or a value is malformed or out of range.
    """
    hints = get_type_hints(options_class)
    known = {row.name: row for row in fields(options_class)}
    changes = {}
    for name, value in values.items():
        if name not in known:
            raise SettingsError(f"unknown setting {where}.{name}; have {', '.join(sorted(known)) or 'none'}")
        changes[name] = _converted(f"{where}.{name}", value, hints[name], known[name].metadata.get("minimum"))
    return replace(options_class(), **changes)


def _from_toml(named: Path | None) -> dict[str, Any]:
    file = named or Path(platformdirs.user_config_dir("ambience", appauthor=False)) / "ambience.toml"
    if named is None and not file.is_file():
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise SettingsError(f"cannot read settings from {file}: {exc}") from exc
    return dict(_flattened(table, ""))


def _flattened(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            rows += _flattened(value, f"{prefix}{name}.")
        else:
            rows.append((f"{prefix}{name}", value))
    return rows


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables of ours by dotted name; `AMBIENCE_SETTINGS` names a file and is no setting."""
    found = {}
    for variable, value in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX) or variable == "AMBIENCE_SETTINGS":
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        section, _, rest = name.partition("_")
        # A kind's own name may hold underscores, so two of them part the names below `kinds` and `annotate`.
        found[f"{section}.{rest}" if section in SECTIONS else name.replace("__", ".")] = value
    if "GET_FILENAMES" in environment:  # the original system's own switch, in which anything but 1 is off
        found.setdefault("serve.original_file_names", str(environment["GET_FILENAMES"] == "1"))
    # The variables that other programs go by which fetch models from the same hub.
    if hub := environment.get("HF_ENDPOINT", "").strip():
        found.setdefault("models.hub", hub)
    if environment.get("HF_HUB_OFFLINE", "").strip().lower() in _TRUE:
        found.setdefault("models.offline", "true")
    return found


def _build(flat: Mapping[str, Any]) -> Settings:
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    named: dict[str, dict[str, dict[str, Any]]] = {"kinds": {}, "annotate": {}}
    library: Path | None = None
    for name, value in flat.items():
        section, _, rest = name.partition(".")
        if name == "library":
            library = Path(str(value)).expanduser().absolute()
        elif section in sections and rest:
            sections[section][rest] = value
        elif section in named and rest.count(".") == 1:
            owner, _, option = rest.partition(".")
            named[section].setdefault(owner, {})[option] = value
        else:
            raise SettingsError(
                f"unknown setting {name!r}; see docs/settings.md or `ambience info --settings`"
            )
    hints = get_type_hints(Settings)
    built = {name: options_from(hints[name], values, where=name) for name, values in sections.items()}
    settings = Settings(kinds=named["kinds"], annotate=named["annotate"], **built)
    return settings if library is None else replace(settings, library=library)


_ACCEPTED: Mapping[Any, str] = {bool: "true or false", int: "a whole number", float: "a finite number"}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


def _converted(name: str, value: Any, hint: Any, minimum: float | None) -> Any:
    """A value as its field's type; strings come from the environment and the command line."""
    if isinstance(hint, UnionType):
        options = [each for each in get_args(hint) if each is not type(None)]
        if value is None or value == "":
            return None
        hint = options[0]
    try:
        converted = _as_type(value, hint)
    except (TypeError, ValueError) as exc:
        accepted = _ACCEPTED.get(hint, f"a {getattr(hint, '__name__', hint)}")
        raise SettingsError(f"{name} = {value!r} is not {accepted}") from exc
    if minimum is not None and converted < minimum:
        raise SettingsError(f"{name} = {value!r} is below the smallest value, {minimum:g}")
    return converted


def _as_type(value: Any, hint: Any) -> Any:
    if hint is bool:
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(word)
        return word in _TRUE
    if hint is int:
        if isinstance(value, bool | float):
            raise TypeError(value)
        return int(value)
    if hint is float:
        if isinstance(value, bool):
            raise TypeError(value)
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(value)
        return number
    if hint is Path:
        return Path(str(value)).expanduser()
    if getattr(hint, "__origin__", None) is tuple:
        parts = value.split(",") if isinstance(value, str) else list(value)
        return tuple(str(part).strip() for part in parts if str(part).strip())
    return hint(value)
