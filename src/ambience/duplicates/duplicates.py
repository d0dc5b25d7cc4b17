"""The duplicates of a library: pairs that were found, as groups, without what people told apart."""

import threading
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

from ambience.copies import GROUPED, MOST_GROUPS, PAIRED, CopyGroup, GroupPage, Paired
from ambience.datatypes import Verdict
from ambience.duplicates.groups import grouped
from ambience.duplicates.pairing import Pairing, Progress, Seen
from ambience.errors import QueryError, UnknownImageError
from ambience.store.commit import Store
from ambience.store.copy_notes import CopyNotes
from ambience.store.pair_file import PairFile


class Duplicates:
    """Finds, groups and remembers; threads may share it.

    Args:
        store: of the library.
        view: what answers questions now.
    """

    def __init__(self, store: Store, view: Callable[[], Seen]) -> None:
        self._store = store
        self._file = PairFile(store.folder / "index" / "copies.sqlite", writes=store.is_writer)
        self._pairing = Pairing(store, self._file, view)
        self._notes = CopyNotes(store.records.database)
        self._finding, self._grouping = threading.Lock(), threading.Lock()
        self._known: tuple[Any, list[CopyGroup]] | None = None
        self._is_swept = False
        self._near: tuple[Any, dict[bytes, set[bytes]]] | None = None

    def find(self, *, on_progress: Progress | None = None, stop: Callable[[], bool]) -> Paired:
        """Compares what was not compared yet; one caller at a time, others wait.

        Args:
            on_progress: told (kind, images compared, images to compare).
            stop: asked every some images; what was compared is kept.

        Returns:
            What was done.

        Raises:
            IndexFileError: the file of pairs is broken; another call begins anew.
            StoreFullError: the disk is full; what was kept before is good.
        """
        with self._finding:
            found = self._pairing.catch_up(on_progress=on_progress, stop=stop)
            if not found.pending and not self._is_swept:
                self._sweep()
                self._is_swept = True
                found = replace(found, pairs=self._file.count())
            return found

    def pending(self) -> int:
        """Images that have yet to be compared with the others."""
        return self._pairing.pending()

    def page(
        self, *, verdicts: Collection[Verdict] = (), after: int = -1, limit: int = MOST_GROUPS
    ) -> GroupPage:
        """One page of the groups.

        Args:
            verdicts: by which images are put together, of `PAIRED`; by default `GROUPED`.
            after: `next` of the page before; -1 for the first.
            limit: most groups, 1–1000.

        Returns:
            Groups by rising id, and how many images have yet to be compared.

        Raises:
            QueryError: a verdict says nothing of copies, or the limit is out of range.
        """
        wanted = frozenset(verdicts) or frozenset(GROUPED)
        for verdict in wanted.difference(PAIRED):
            raise QueryError(f"verdict {verdict.value!r} tells no copies; have {', '.join(PAIRED)}")
        if not 1 <= limit <= MOST_GROUPS:
            raise QueryError(f"limit = {limit}; it must be 1 to {MOST_GROUPS}")
        groups = self._groups(wanted)
        page = [group for group in groups if group.group_id > after][: limit + 1]
        following = page[limit - 1].group_id if len(page) > limit else None
        return GroupPage(tuple(page[:limit]), following, len(groups), self._pairing.pending())

    def decide(self, one: int, other: int, *, is_different: bool) -> None:
        """Notes that two images are no duplicates of each other, or takes that back; durable when it returns.

        It is kept of their contents: whatever else has the same bytes, now or later, is told apart as well.

        Args:
            one: of the library.
            other: another one, with other bytes.
            is_different: whether they are told apart.

        Raises:
            QueryError: both have the same bytes, or are one image.
            StoreFullError: the disk is full; nothing was noted.
            UnknownImageError: one does not exist.
        """
        contents = self._notes.contents([one, other])
        for image_id in (one, other):
            if image_id not in contents:
                raise UnknownImageError(f"no image {image_id}; `ambience info` counts the images there are")
        if contents[one] == contents[other]:
            raise QueryError(f"images {one} and {other} have the same bytes; they cannot be told apart")
        self._notes.decide(contents[one], contents[other], is_different=is_different)

    def copies_of(self, keep: int, others: Collection[int]) -> set[int]:
        """Those of some images that are known as copies of one, or of something that it is a copy of.

        Args:
            keep: of the library.
            others: of the library; ids that are unknown are no copies.

        Returns:
            Of `others`; with the same bytes, or by pairs that people did not tell apart.
        """
        contents = self._notes.contents([keep, *others])
        if keep not in contents:
            return set()
        near = self._neighbors()
        own = contents[keep]
        direct = near.get(own, set())
        return {
            each
            for each in others
            if (other := contents.get(each)) is not None
            and each != keep
            and (other == own or other in direct or direct & near.get(other, set()))
        }

    def close(self) -> None:
        """Closes the file of pairs."""
        self._file.close()

    def _sweep(self) -> None:
        """Forgets pairs of what no image has any more; it is compared anew where it comes again.

        Once in the life of a process: looking up everything that is in a pair costs more than what is gone.
        """
        contents = self._file.contents()
        gone = contents - self._notes.known(contents)
        if gone:
            self._file.forget(gone)

    def _neighbors(self) -> dict[bytes, set[bytes]]:
        """Content → its copies, from memory where no pair changed meanwhile."""
        with self._grouping:
            different = self._notes.different()
            stamp = self._file.stamp(), frozenset(different)
            if self._near is None or self._near[0] != stamp:
                near: dict[bytes, set[bytes]] = {}
                for pair in self._file.pairs():
                    if (pair.low, pair.high) not in different:
                        near.setdefault(pair.low, set()).add(pair.high)
                        near.setdefault(pair.high, set()).add(pair.low)
                self._near = stamp, near
            return self._near[1]

    def _groups(self, verdicts: frozenset[Verdict]) -> list[CopyGroup]:
        """All groups, from memory where nothing changed meanwhile."""
        with self._grouping:
            different = self._notes.different()
            stamp = (verdicts, self._file.stamp(), self._store.records.last_seq(), frozenset(different))
            if self._known is None or self._known[0] != stamp:
                pairs = self._file.pairs()
                contents = {each for pair in pairs for each in (pair.low, pair.high)}
                images = self._notes.facts(contents)
                self._known = stamp, grouped(pairs, images, verdicts=verdicts, different=different)
            return self._known[1]
