"""Which process serves what: everything in one, one kind alone, or a gateway to kinds that others serve."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ambience import registry
from ambience.errors import SettingsError, UnknownKindError
from ambience.making import (
    ANNOTATORS,
    EXTRACTORS,
    annotator_settings,
    kind_settings,
    make_extractors,
)
from ambience.serve.http.original_words import PORTS
from ambience.settings import Settings

GATEWAY = "gateway"
"""What `ambience serve` calls the process that asks the services of all kinds."""


def alone(settings: Settings, kind: str) -> Settings:
    """Settings of a process that makes and searches one kind only, or has one annotator only.

    Args:
        settings: as they were given; what they say of the kind stays.
        kind: name of a kind or of an annotator.

    Returns:
        The same with every other kind and annotator switched off.

    Raises:
        SettingsError: it is said to be served by yet another process.
        UnknownKindError: there is none of that name.
    """
    kinds, annotators = registry.names(EXTRACTORS), registry.names(ANNOTATORS)
    if kind not in (*kinds, *annotators):
        raise UnknownKindError(f"no kind {kind!r} to serve alone; have {', '.join((*kinds, *annotators))}")
    if kind in kinds and kind_settings(settings, kind).url:
        raise SettingsError(f"kinds.{kind}.url is set: another process serves {kind}; take it out here")

    def switched(section: Any, names: Sequence[str]) -> dict[str, Any]:
        return {name: {**section.get(name, {}), "enabled": name == kind} for name in names}

    return replace(
        settings,
        kinds=switched(settings.kinds, kinds),
        annotate=switched(settings.annotate, annotators),
    )


def gateway(settings: Settings) -> Settings:
    """Settings of a process that leaves every kind and every annotator to a service of its own.

    Args:
        settings: as they were given.

    Returns:
        The same; what has no address is looked for on this machine, at its own port.

    Raises:
        SettingsError: an option of a kind is malformed.
    """
    here = make_extractors(settings)
    kinds = {kind: dict(given) for kind, given in settings.kinds.items()}
    for kind, extractor in here.items():
        kinds.setdefault(kind, {})["url"] = f"http://127.0.0.1:{extractor.spec.port}"
    words = {name: dict(given) for name, given in settings.annotate.items()}
    for name in registry.names(ANNOTATORS):
        switch, _ = annotator_settings(settings, name)
        if switch.enabled and not switch.url:
            words.setdefault(name, {})["url"] = f"http://127.0.0.1:{PORTS[name]}"
    return replace(settings, kinds=kinds, annotate=words)
