"""Every setting, of kinds, engines and annotators as well: for `info --settings` and the docs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ambience import registry
from ambience.extract.base import Extractor
from ambience.making import (
    ANNOTATORS,
    ENGINES,
    EXTRACTORS,
    annotator_settings,
    engine_settings,
    kind_settings,
    make_extractors,
    own_settings,
    search_settings,
)
from ambience.settings import AnnotatorSettings, KindSettings, Settings, rows
from ambience.settings_sources import options_from


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
    """Every setting of the core, of each annotator and kind found, and of the engine that each kind uses.

    Args:
        settings: whose values are shown.

    Returns:
        Core settings in the order of `settings.py`, then each annotator's, then each kind's.

    Raises:
        SettingsError: the settings name a kind, an option or an engine that does not exist.
    """
    listed = []
    for name, default, unit, help in rows():
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        listed.append(SettingRow(name, value, default, unit, help))
    for name in registry.names(ANNOTATORS):
        switch, own = annotator_settings(settings, name)
        listed += _option_rows(AnnotatorSettings, asdict(switch), f"annotate.{name}", "")
        options_class = registry.load(ANNOTATORS, name).options_class
        listed += _option_rows(options_class, own, f"annotate.{name}", "")
    made = make_extractors(settings)
    for kind in registry.names(EXTRACTORS):
        given = asdict(kind_settings(settings, kind))
        given["key"] = given["key"] and "(set)"  # shown to people, and in reports that they send
        listed += _option_rows(KindSettings, given, f"kinds.{kind}", "")
        if kind in made:
            listed += _kind_rows(settings, kind, made[kind])
    return listed


def _kind_rows(settings: Settings, kind: str, extractor: Extractor) -> Iterator[SettingRow]:
    own = own_settings(settings, kind)
    yield from _option_rows(extractor.options_class, own, f"kinds.{kind}", "")
    usual, _ = engine_settings(Settings(), extractor.spec)
    engine, engine_given = engine_settings(settings, extractor.spec)
    engines = ", ".join(engines_for(extractor.spec.metric))
    yield SettingRow(f"kinds.{kind}.index", engine, usual, "", f"Index engine; one of: {engines}.")
    options_class = registry.load(ENGINES, engine).options_class
    yield from _option_rows(options_class, engine_given, f"kinds.{kind}", "index_")
    search_class, search_given = search_settings(settings, extractor.spec)
    yield from _option_rows(search_class, search_given, f"kinds.{kind}", "search_")


def _option_rows(
    options_class: type[Any], given: Mapping[str, Any], section: str, prefix: str
) -> Iterator[SettingRow]:
    options = options_from(options_class, given, where=section)
    for row in fields(options):
        name, value = f"{section}.{prefix}{row.name}", getattr(options, row.name)
        yield SettingRow(name, value, row.default, row.metadata["unit"], row.metadata["help"])


def engines_for(metric: str) -> list[str]:
    """Names of the engines that can measure a metric, sorted."""
    return [name for name in registry.names(ENGINES) if metric in registry.load(ENGINES, name).metrics]
