"""Extractors and annotators as settings want them, and which settings are whose."""

from dataclasses import fields
from typing import Any, cast

from ambience import registry
from ambience.annotate.base import Annotator
from ambience.datatypes import FeatureSpec
from ambience.errors import SettingsError, UnknownKindError
from ambience.extract.base import Extractor
from ambience.models.runtime import Models
from ambience.search.embedding import EmbeddingSearch
from ambience.search.local import LocalSearch
from ambience.search.vector import VectorSearch
from ambience.settings import AnnotatorSettings, KindSettings, Settings, count_or_cores
from ambience.settings_sources import options_from

EXTRACTORS = "ambience.extract"
ENGINES = "ambience.index"
ANNOTATORS = "ambience.annotate"
MODEL = "model"
"""Option of the kinds whose model can be chosen; empty leaves it to the library."""
COMMON = tuple(row.name for row in fields(KindSettings))
"""Settings that every kind has."""


def make_extractors(
    settings: Settings, models: Models | None = None, *, elsewhere: bool = False
) -> dict[str, Extractor]:
    """Every kind that is switched on, made with its own settings: those of neither engine nor read path.

    Args:
        settings: all of them.
        models: of this machine; by default those that the settings describe.
        elsewhere: those that other processes serve, instead of those that this one does.

    Returns:
        Extractors by the name of their kind, sorted.

    Raises:
        SettingsError: an option is unknown or out of range.
        UnknownKindError: the settings name a kind that does not exist.
    """
    names = registry.names(EXTRACTORS)
    for kind in settings.kinds:
        if kind not in names:
            raise UnknownKindError(f"settings name kinds.{kind}; have {', '.join(names)}")
    models = models or Models(settings.models)
    wanted = [kind for kind in names if is_enabled(settings, kind)]
    return {
        kind: make_extractor(settings, kind, models)
        for kind in wanted
        if bool(kind_settings(settings, kind).url) is elsewhere
    }


def make_extractor(settings: Settings, kind: str, models: Models, *, model: str = "") -> Extractor:
    """One kind, made with its own settings.

    Args:
        settings: all of them.
        kind: name of its file.
        models: of this machine.
        model: instead of the one that the settings name.

    Returns:
        The extractor.

    Raises:
        SettingsError: an option is unknown or out of range.
    """
    found = registry.load(EXTRACTORS, kind)
    own = own_settings(settings, kind) | ({MODEL: model} if model else {})
    options = options_from(found.options_class, own, where=f"kinds.{kind}")
    given = {"models": models} if getattr(found, "uses_models", False) else {}
    made: Extractor = found(options, exact=settings.decode.exact, **given)
    return made


def make_annotators(settings: Settings, models: Models | None = None) -> dict[str, Annotator]:
    """Every annotator that is switched on, made with its own settings.

    Args:
        settings: all of them.
        models: of this machine; by default those that the settings describe.

    Returns:
        By name, sorted.

    Raises:
        SettingsError: settings name an annotator that does not exist; an option is unknown or out of range.
    """
    names = registry.names(ANNOTATORS)
    for name in settings.annotate:
        if name not in names:
            raise SettingsError(f"settings name annotate.{name}; have {', '.join(names) or 'none'}")
    models = models or Models(settings.models)
    made: dict[str, Annotator] = {}
    for name in names:
        switch, own = annotator_settings(settings, name)
        if switch.enabled:
            found = registry.load(ANNOTATORS, name)
            options = options_from(found.options_class, own, where=f"annotate.{name}")
            given = {"folder": settings.library} if getattr(found, "uses_folder", False) else {}
            made[name] = found(options, models=models, **given)
            if switch.url:
                made[name] = _annotator_elsewhere(made[name], switch.url, settings)
    return made


def _annotator_elsewhere(like: Annotator, url: str, settings: Settings) -> Annotator:
    from ambience.search.remote_annotator import RemoteAnnotator

    threads = count_or_cores(settings.serve.workers) + count_or_cores(settings.ingest.threads)
    return cast(Annotator, RemoteAnnotator(like, url, connections=threads))


def annotator_settings(settings: Settings, name: str) -> tuple[AnnotatorSettings, dict[str, Any]]:
    """The settings of an annotator.

    Returns:
        Those that every annotator has, and what was set of its own options.
    """
    given = settings.annotate.get(name, {})
    common = {row.name for row in fields(AnnotatorSettings)}
    switch = {key: value for key, value in given.items() if key in common}
    own = {key: value for key, value in given.items() if key not in common}
    return options_from(AnnotatorSettings, switch, where=f"annotate.{name}"), own


def is_enabled(settings: Settings, kind: str) -> bool:
    """Whether a kind is made and searched: `kinds.<kind>.enabled`."""
    return kind_settings(settings, kind).enabled


def kind_settings(settings: Settings, kind: str) -> KindSettings:
    """What every kind has, as it is set for one.

    Raises:
        SettingsError: a value is malformed.
    """
    given = settings.kinds.get(kind, {})
    common = {name: given[name] for name in COMMON if name in given}
    made: KindSettings = options_from(KindSettings, common, where=f"kinds.{kind}")
    return made


def engine_settings(settings: Settings, spec: FeatureSpec) -> tuple[str, dict[str, Any]]:
    """The index engine of a kind.

    Args:
        settings: `kinds.<kind>.index` names the engine; without it, the metric decides.
        spec: of the kind.

    Returns:
        Name of the engine, and what was set of its own options.
    """
    given = settings.kinds.get(spec.kind, {})
    options = _prefixed(settings, spec.kind, "index_")
    if "index" in given:
        return str(given["index"]), options
    for name in registry.names(ENGINES):
        if spec.metric in registry.load(ENGINES, name).default_for:
            return name, options
    return "exact", options


def search_settings(settings: Settings, spec: FeatureSpec) -> tuple[type[Any], dict[str, Any]]:
    """The settings of a kind's read path.

    Args:
        settings: `kinds.<kind>.search_*`.
        spec: of the kind.

    Returns:
        The options dataclass of the read path, and what was set of it.
    """
    read_path: type[LocalSearch | VectorSearch] = LocalSearch if spec.is_blob else VectorSearch
    read_path = EmbeddingSearch if spec.metric == "cosine" else read_path
    return read_path.options_class, _prefixed(settings, spec.kind, "search_")


def own_settings(settings: Settings, kind: str) -> dict[str, Any]:
    """What was set of a kind's own options.

    Returns:
        Everything of the kind but `enabled`, `index`, `index_*` and `search_*`.
    """
    given = settings.kinds.get(kind, {})
    return {
        name: value
        for name, value in given.items()
        if name not in COMMON and name != "index" and not name.startswith(("index_", "search_"))
    }


def _prefixed(settings: Settings, kind: str, prefix: str) -> dict[str, Any]:
    given = settings.kinds.get(kind, {})
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}
