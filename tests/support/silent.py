"""Annotators off, for libraries of tests that are not about words: they would work in the background."""

from ambience import registry
from ambience.making import ANNOTATORS

SILENT = {name: {"enabled": False} for name in registry.names(ANNOTATORS)}
"""For `Settings.annotate`."""

SILENT_VARIABLES = {f"AMBIENCE_ANNOTATE__{name.upper()}__ENABLED": "false" for name in SILENT}
"""The same for the environment of a process."""
