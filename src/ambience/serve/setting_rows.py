"""Every setting, of kinds and index engines as well, with its value: for `info --settings` and the docs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from ambience import registry
from ambience.settings import Settings, options_from, rows

EXTRACTORS, ENGINES = "ambience.extract", "ambience.index"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting.

    Attributes:
        name: dotted, as it is given on the command line.
        value: in force.
        default: where nothing else is said.
        unit: "bytes", "seconds" …
        help: one sentence.
    """

    name: str
    value: Any
    default: Any
    unit: str
    help: str


def setting_rows(settings: Settings) -> list[SettingRow]:
    """Every setting of the core, of each kind found, and of the engine that each kind uses.

    Args:
        settings: whose values are shown.

    Returns:
        Core settings in the order of `settings.py`, then each kind's.

    Raises:
        SettingsError: the settings name a kind, an option or an engine that does not exist.
    """
    listed = []
    for name, default, unit, help in rows():
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        listed.append(SettingRow(name, value, default, unit, help))
    for kind in registry.names(EXTRACTORS):
        listed += _kind_rows(kind, settings.kinds.get(kind, {}))
    return listed


def _kind_rows(kind: str, given: Mapping[str, Any]) -> Iterator[SettingRow]:
    extractor = registry.load(EXTRACTORS, kind)
    own = {name: value for name, value in given.items() if not _is_engine_setting(name)}
    options = options_from(extractor.options_class, own, where=f"kinds.{kind}")
    yield from _option_rows(options, f"kinds.{kind}.")
    metric = extractor(options).spec.metric
    usual = default_engine(metric)
    engine = str(given.get("index", usual))
    yield SettingRow(
        f"kinds.{kind}.index", engine, usual, "", f"Index engine: {', '.join(engines_for(metric))}."
    )
    engine_class = registry.load(ENGINES, engine)
    engine_given = {
        name.removeprefix("index_"): value for name, value in given.items() if name.startswith("index_")
    }
    engine_options = options_from(engine_class.options_class, engine_given, where=f"kinds.{kind}.index")
    yield from _option_rows(engine_options, f"kinds.{kind}.index_")


def _is_engine_setting(name: str) -> bool:
    return name == "index" or name.startswith("index_")


def _option_rows(options: Any, prefix: str) -> Iterator[SettingRow]:
    for row in fields(options):
        yield SettingRow(
            f"{prefix}{row.name}",
            getattr(options, row.name),
            row.default,
            row.metadata["unit"],
            row.metadata["help"],
        )


def default_engine(metric: str) -> str:
    """The engine that is chosen for a metric where nothing else is said."""
    for name in registry.names(ENGINES):
        if metric in registry.load(ENGINES, name).default_for:
            return name
    return "exact"


def engines_for(metric: str) -> list[str]:
    """Names of the engines that can measure a metric, sorted."""
    return [name for name in registry.names(ENGINES) if metric in registry.load(ENGINES, name).metrics]
