"""An engine and how far it follows the change log of the store."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ambience.datatypes import Ids
from ambience.index.base import Index
from ambience.maintain.source import NO_IDS, FeatureSource
from ambience.store.base import Change

PAGE_CHANGES = 10_000

Guard = Callable[[], contextlib.AbstractContextManager[None]]
"""Makes the lock under which an engine is changed."""


class OvertakenError(Exception):
    """Removals that this replica has not seen may be forgotten already: it must start anew."""


@dataclass(slots=True)
class Replica:
    """An engine and how far it follows the store.

    Attributes:
        engine: holds everything up to `seq`.
        seq: change number.
        filled: ids that were added beside the change log, ascending.
        folder: the snapshot that the engine was loaded from, or wrote last; None where there is none.
    """

    engine: Index
    seq: int = 0
    filled: Ids = field(default_factory=lambda: NO_IDS)
    folder: Path | None = None

    def follow(self, source: FeatureSource, guard: Guard, *, forgets_itself: bool) -> int:
        """Applies everything up to the last change of the store.

        Args:
            source: of the features.
            guard: lock for each change of the engine.
            forgets_itself: whether removals are forgotten by this process alone.

        Returns:
            How many changes were applied.

        Raises:
            OvertakenError: the writer may have forgotten removals that are not applied here.
        """
        records, applied = source.store.records, 0
        while (latest := records.last_seq()) > self.seq:
            page = records.changes(source.fingerprint, self.seq, PAGE_CHANGES)
            # Asked after the page was read: had the writer forgotten removals before, this would show it.
            if not forgets_itself and records.snapshots().get(source.fingerprint, 0) > self.seq:
                raise OvertakenError
            for run in _runs(source, page):
                self._apply(source, run, guard)
                self.seq = run[-1].seq
                applied += len(run)
            is_last = len(page) < PAGE_CHANGES
            self.seq = max(latest, page[-1].seq if page else 0) if is_last else page[-1].seq
        return applied

    def _apply(self, source: FeatureSource, page: Sequence[Change], guard: Guard) -> None:
        gone = np.array([change.feature_id for change in page if change.is_removal], np.int64)
        new = np.array([change.feature_id for change in page if not change.is_removal], np.int64)
        ids, vectors = source.vectors(np.setdiff1d(np.setdiff1d(new, gone), self.filled))
        with guard():
            if len(gone):
                self.engine.remove(gone)
            if len(ids):
                self.engine.add(ids, vectors)


def _runs(source: FeatureSource, page: Sequence[Change]) -> Iterator[Sequence[Change]]:
    """A page of changes in runs whose new vectors may be read at once; each is applied as a whole."""
    new = [place for place, change in enumerate(page) if not change.is_removal]
    ids = np.array([page[place].feature_id for place in new], np.int64)
    start = taken = 0
    for part in source.parts(ids):
        taken += len(part)
        stop = new[taken] if taken < len(new) else len(page)
        yield page[start:stop]
        start = stop
    if start < len(page):
        yield page[start:]
