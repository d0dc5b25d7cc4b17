"""What leaves a library as files, on top of its read path; `library.Library` adds what changes it."""

import threading
from collections.abc import Sequence
from pathlib import Path

from ambience.moving.export import Export, Exported, OnProgress
from ambience.wording import WordingLibrary


class LeavingLibrary(WordingLibrary):
    """The files that a library can be written to."""

    def export(
        self,
        folder: Path,
        *,
        kinds: Sequence[str] | None = None,
        on_progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> Exported:
        """Writes all images, what is said of them, and their features; see `docs/moving.md`.

        Args:
            folder: to be made; its parent exists. An empty folder is replaced.
            kinds: whose features are written; none of them: images alone; by default all that are made here.
            on_progress: called with what is written, how much of it is, and how much there is.
            stop: set to end early; nothing is left then.

        Returns:
            What was written.

        Raises:
            StoreError: the folder exists and holds something, or cannot be written.
            StoreFullError: the disk is full; nothing is left of what was written.
            UnknownKindError: no such kind has features here.
        """
        specs = {kind: space.spec for kind, space in self._now().spaces.items()}
        return Export(self._parts.store, specs).write(folder, kinds=kinds, on_progress=on_progress, stop=stop)
