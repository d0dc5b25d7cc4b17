"""What comes into a library from elsewhere; `library.Library` hands it out."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ambience.datatypes import FeatureSpec
from ambience.decode.image import Decoder
from ambience.ingest import Ingest
from ambience.moving.file_import import FileImport, FileReport
from ambience.moving.import_report import ImportReport
from ambience.moving.original_import import OnProgress, OriginalChoice, OriginalImport
from ambience.store.commit import Store


@dataclass(frozen=True, slots=True)
class MovingIn:
    """Imports into one library.

    Attributes:
        store: open for writing.
        decoder: of the library.
        ingest: makes features of pictures.
        specs: what its kinds declare now.
        search_imported: has features that were imported searched from now on.
        remove: forgets an image, as `Library.remove` does.
        threads: that decode and extract.
    """

    store: Store
    decoder: Decoder
    ingest: Ingest
    specs: Callable[[], Mapping[str, FeatureSpec]]
    search_imported: Callable[[], None]
    remove: Callable[[int], None]
    threads: int

    def original(
        self,
        choice: OriginalChoice,
        *,
        on_progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> ImportReport:
        """Takes over a collection of the original system, under the ids that it has there.

        Where the picture of an image is found, its features are made anew. Elsewhere those of the original
        are kept in a space of their own, and searched beside those that are made here.

        Args:
            choice: what, and how.
            on_progress: called with what is done, how much of it, and how much there is.
            stop: set to end after the images in hand; what is done stays, and another call goes on.

        Returns:
            What was taken over, and what was not and why.

        Raises:
            StoreError: the folder holds nothing of the original; its data is damaged.
            StoreFullError: the disk is full; what was taken over before stays.
        """
        run = OriginalImport(self.store, self.decoder, self.ingest, self.specs(), self.threads)
        try:
            return run.run(choice, on_progress=on_progress, stop=stop or threading.Event())
        finally:
            self.search_imported()

    def file(
        self,
        file: Path,
        *,
        deletes: bool = False,
        is_dry_run: bool = False,
        on_progress: OnProgress | None = None,
        stop: threading.Event | None = None,
    ) -> FileReport:
        """Takes over what a file of the original's gallery says: tags, captions, addresses of pictures.

        Tags and captions get the source "import"; those of people and of machines stay as they are.

        Args:
            file: a JSON list; see `file_import`.
            deletes: delete images that it names by bare ids; else such rows are refused.
            is_dry_run: look at everything, and write nothing.
            on_progress: called with what is done, how much of it, and 0.
            stop: set to end after the rows in hand; what is done stays.

        Returns:
            What was taken over, and what was not and why.

        Raises:
            StoreError: the file cannot be read, or is no JSON list; rows before the fault were taken over.
            StoreFullError: the disk is full; rows before were taken over.
        """
        run = FileImport(self.store, self.remove)
        stop = stop or threading.Event()
        return run.run(file, deletes=deletes, is_dry_run=is_dry_run, on_progress=on_progress, stop=stop)
