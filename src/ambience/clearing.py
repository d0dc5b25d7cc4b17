"""What finds duplicates and clears them away; `library.Library` adds what else changes a library."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

from ambience.copies import Choice, Paired, TrashPage, TrashRun
from ambience.copying import CopyingLibrary
from ambience.errors import LibraryLockedError, QueryError
from ambience.reading import check_id

_CENTURY_S = 100 * 365 * 86_400


class ClearingLibrary(CopyingLibrary):
    """The duplicates of a library, found, told apart, put away and brought back."""

    def find_duplicates(
        self,
        *,
        on_progress: Callable[[str, int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> Paired:
        """Compares the images that were not compared yet with all others, and waits for it.

        Args:
            on_progress: told (kind, images compared, images to compare).
            stop: ends it after the images in hand; what was found stays.

        Returns:
            How many were compared, and how many pairs are known by now.

        Raises:
            IndexFileError: the file of pairs is broken; another call begins anew.
            LibraryLockedError: opened for reading.
            StoreFullError: the disk is full; what was found before stays.
        """
        self._require_writer()
        stop = stop or threading.Event()
        return self._parts.duplicates.find(on_progress=on_progress, stop=stop.is_set)

    def follow_duplicates(self) -> None:
        """Has duplicates found in the background from now on, until the library is closed.

        Raises:
            LibraryLockedError: opened for reading.
        """
        self._require_writer()
        self._parts.background.pair_following.start()

    def tell_apart(self, one: int, other: int, *, is_different: bool = True) -> None:
        """Notes that two images are no duplicates of each other, for ever; or takes that back.

        Args:
            one: of the library.
            other: another one, with other bytes.
            is_different: whether they are told apart.

        Raises:
            LibraryLockedError: opened for reading.
            QueryError: both have the same bytes, or are one image.
            UnknownImageError: one does not exist.
        """
        self._require_writer()
        check_id(one)
        check_id(other)
        self._parts.duplicates.decide(one, other, is_different=is_different)

    def resolve(
        self,
        choices: Sequence[Choice],
        *,
        is_dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> TrashRun:
        """Moves copies to the library's trash, and gives their tags and captions to what is kept.

        Files that were added in place are moved as well; `restore` brings them back. Every file is read
        before, the one that is kept as well: a copy goes only where both have the bytes that were compared.

        Args:
            choices: of each group, what is kept and what goes.
            is_dry_run: look at everything and change nothing.
            on_progress: told (pictures done, pictures in all).
            stop: ends it after the picture in hand; what went is in the trash.

        Returns:
            What became of each picture; what could not go was refused with the reason.

        Raises:
            LibraryLockedError: opened for reading.
            QueryError: an image is to be kept and to go, or to go twice.
            StoreFullError: the disk is full; what went before is in the trash.
            UnknownImageError: a number that no image can have.
        """
        self._require_writer()
        for choice in choices:
            for image_id in (choice.keep, *choice.trash):
                check_id(image_id)
        stop = stop or threading.Event()
        return self._parts.resolving.resolve(
            choices, is_dry_run=is_dry_run, on_progress=on_progress, stop=stop.is_set
        )

    def trashed(self, *, before: int | None = None, limit: int = 100) -> TrashPage:
        """One page of what is in the trash, the newest first.

        Args:
            before: `next` of the page before; None for the first.
            limit: most pictures, 1–1000.

        Raises:
            QueryError: the limit is out of range.
        """
        return self._parts.resolving.page(before=before, limit=limit)

    def restore(
        self,
        entries: Sequence[int],
        *,
        is_dry_run: bool = False,
        on_progress: Callable[[int, int], None] | None = None,
        stop: threading.Event | None = None,
    ) -> TrashRun:
        """Brings pictures back from the trash: files to where they were, images under their ids.

        Args:
            entries: numbers in the trash.
            is_dry_run: look at everything and change nothing.
            on_progress: told (pictures done, pictures in all).
            stop: ends it after the picture in hand.

        Returns:
            What became of each; what could not come back was refused with the reason, and is in the trash.

        Raises:
            LibraryLockedError: opened for reading.
            StoreFullError: the disk is full; what came back before stays.
        """
        self._require_writer()
        stop = stop or threading.Event()
        return self._parts.resolving.restore(
            entries, is_dry_run=is_dry_run, on_progress=on_progress, stop=stop.is_set
        )

    def empty_trash(self, *, older_than_s: float, is_dry_run: bool = False) -> TrashPage:
        """Deletes for ever what was put away some time ago.

        Args:
            older_than_s: seconds; what was put away later stays.
            is_dry_run: delete nothing.

        Returns:
            What was deleted, or would be.

        Raises:
            LibraryLockedError: opened for reading.
            QueryError: `older_than_s` is negative.
            StoreError: the journal of the trash cannot be written.
        """
        self._require_writer()
        if not 0 <= older_than_s <= _CENTURY_S:
            raise QueryError(f"older_than_s = {older_than_s}; it must be 0 to {_CENTURY_S}")
        return self._parts.resolving.empty(older_than=timedelta(seconds=older_than_s), is_dry_run=is_dry_run)

    def _require_writer(self) -> None:
        if self.lock is None:
            raise LibraryLockedError(f"{self.folder} was opened for reading; open it with writer=True")
