"""What the global options say, and how a command gets at the library.

A command that writes takes the writer's lock itself, or hands its work to the server that holds it, or waits
for another command that does. A command that reads asks a server where one runs (its indexes are warm), and
reads the library's files where none does.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ambience.errors import LibraryLockedError
from ambience.serve.cli.output import say

if TYPE_CHECKING:
    from ambience.library import Library
    from ambience.models.row import ModelRow
    from ambience.serve.handover import Handover
    from ambience.settings import Settings

WAIT_STEP_S = 0.3


def parse_overrides(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    """Splits `name=value` words of `--set`.

    Returns:
        Dotted name → value; a later one wins.

    Raises:
        click.BadParameter: a word has no "=".
    """
    pairs = {}
    for word in given:
        name, sign, value = word.partition("=")
        if not sign or not name.strip():
            raise click.BadParameter(f"{word!r} is not NAME=VALUE, such as search.k=50")
        pairs[name.strip()] = value
    return pairs


@dataclass
class Session:
    """The global options of one command line.

    Attributes:
        library: folder given on the command line.
        settings_file: TOML file given on the command line.
        overrides: dotted setting → value.
        verbosity: how often -v was given.
        catalog: models that are known; None for those of Ambience.
    """

    library: Path | None = None
    settings_file: Path | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    verbosity: int = 0
    catalog: "Mapping[str, ModelRow] | None" = None

    @cached_property
    def settings(self) -> "Settings":
        """All settings, read at the first use."""
        from ambience.settings_sources import load_settings

        overrides = dict(self.overrides)
        if self.library is not None:
            overrides["library"] = str(self.library)
        return load_settings(file=self.settings_file, overrides=overrides)

    @cached_property
    def models(self) -> "Mapping[str, ModelRow]":
        """Rows of the models that are known, by name."""
        from ambience.models.catalog import CATALOG

        return CATALOG if self.catalog is None else self.catalog

    def reading(self) -> "Library | Handover":
        """The library to ask: through its server where one runs, else its files.

        Returns:
            A context manager; both answer to the same method names.

        Raises:
            StoreError: there is no library yet, or it cannot be read.
        """
        from ambience import library

        return self._server() or library.open(settings=self.settings)

    def writing(self, purpose: str, *, wait: bool = True) -> "Library | Handover":
        """The library to change: its files, or the server that holds them.

        Args:
            purpose: what other processes are told meanwhile.
            wait: whether to wait for another command that holds the library.

        Returns:
            A context manager; both answer to the same method names.

        Raises:
            LibraryLockedError: another command holds the library, and `wait` is false.
        """
        from ambience import library
        from ambience.store.lock import WriterLock

        told_of: int | None = None
        while True:
            server = self._server()
            if server is not None:
                return server
            try:
                return library.open(settings=self.settings, writer=True, purpose=purpose)
            except LibraryLockedError:
                if not wait:
                    raise
            holder = WriterLock.holder(self.settings.library)
            if holder is not None and holder.pid and holder.pid != told_of:
                told_of = holder.pid
                say(
                    f"{holder} is writing to {self.settings.library}; "
                    "waiting until it is done (Ctrl-C to give up, --no-wait to fail at once)"
                )
            time.sleep(WAIT_STEP_S)

    def _server(self) -> "Handover | None":
        """The server that holds the library, if one does and has said where it listens."""
        from ambience.store.lock import WriterLock

        holder = WriterLock.holder(self.settings.library)
        if holder is None or not holder.socket:
            return None
        from ambience.serve.handover import Handover

        return Handover(holder)
