"""A new engine on its way: filled from the store by rising feature id, and kept on disk meanwhile.

Making the index of a million pictures takes an hour. What is in the engine is written now and then into
`building/` beside the snapshots, so that a process that was killed, or ended, leaves its work to the next one
that makes the same index (of the same engine with the same options). Of what is found there only sound files
are believed, and of its features only those that the store still holds: ids are never used twice, and what is
stored under one never changes.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ambience.datatypes import Ids
from ambience.errors import IndexFileError, StoreFullError
from ambience.index.base import Index
from ambience.maintain.replica import Replica
from ambience.maintain.snapshots import BUILDING, SnapshotFolder
from ambience.maintain.source import FeatureSource

SAVING_SHARE = 10
"""Work goes on for at least so many times as long as the last saving took."""
WORTH_SAVING_S = 10.0
"""Work that is written even where it is stopped."""
RECALL_QUERIES = 32
GROWTH = 1.25
"""Times the features that an engine was refused with, beyond which another one is tried."""
REFUSED = "refused.json"

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Engine:
    """How engines of one index are made.

    Attributes:
        made: class of the engine.
        options: its settings.
    """

    made: type[Index]
    options: Any

    @property
    def name(self) -> str:
        """Import path of the class."""
        return f"{self.made.__module__}.{self.made.__qualname__}"


class Building:
    """The making of one index at a time.

    Args:
        folder: `index/<fingerprint>/`.
        source: of the features.
        engine: what is made.
        interval_s: least time between two savings.
        is_writer: whether anything is written, and what is found is taken up.
    """

    def __init__(
        self, folder: Path, source: FeatureSource, engine: Engine, *, interval_s: float, is_writer: bool
    ) -> None:
        self._source, self._engine, self._is_writer = source, engine, is_writer
        self._interval_s = interval_s
        self._identity = f"{engine.name} {engine.options!r}"
        self._kept = SnapshotFolder(
            folder / BUILDING, kind=source.spec.kind, fingerprint=source.fingerprint, engine=self._identity
        )
        self._refused = folder / REFUSED
        self._saved_at = self._saving_s = 0.0

    def filled(self, on_progress: Progress, stop: threading.Event) -> Replica | None:
        """An engine with everything that was stored when this was called.

        Args:
            on_progress: told how many features are in, and how many there are.
            stop: gives it up; what is on disk by then is taken up by the next call.

        Returns:
            None where `stop` was set.
        """
        records = self._source.store.records
        seq, ids = records.last_seq(), records.all_feature_ids(self._source.fingerprint)
        replica = self._begun(seq, ids)
        waiting = np.setdiff1d(ids, replica.engine.ids(), assume_unique=True)
        done = len(ids) - len(waiting)
        self._saved_at = time.monotonic()
        on_progress(done, len(ids))
        for part in self._source.parts(waiting):
            if stop.is_set():
                if time.monotonic() - self._saved_at >= WORTH_SAVING_S:
                    self._save(replica, done)
                return None
            kept, vectors = self._source.vectors(part)
            if len(kept):
                replica.engine.add(kept, vectors)
            done += len(part)
            on_progress(done, len(ids))
            if done < len(ids):
                self._save_if_due(replica, done)
        return replica

    def recall(self, replica: Replica) -> float:
        """Share of the right answers of an engine, for features drawn at random; see `Index.recall`."""
        held = replica.engine.ids()
        chosen = np.sort(np.random.default_rng(0).permutation(held)[:RECALL_QUERIES])
        return replica.engine.recall(self._source.vectors(chosen)[1]) if len(chosen) else 1.0

    def shortfall(self, replica: Replica, least: float) -> str:
        """What is wrong with an engine that finds too little of what an exact search finds.

        Returns:
            A sentence for people; "" where it finds `least` or more.
        """
        recall = self.recall(replica)
        if recall >= least:
            return ""
        return (
            f"the new index of {self._source.spec.kind} finds {recall:.2f} of what an exact search finds; "
            f"index.min_recall asks for {least:g}"
        )

    def finish(self) -> None:
        """Removes what was kept of an engine that is complete by now."""
        if self._is_writer:
            self._kept.keep_only(None)
            with contextlib.suppress(OSError):
                self._kept.folder.rmdir()

    def refuse(self, entries: int) -> None:
        """Remembers that an engine of so many features found too little, so as not to make it again soon."""
        if self._is_writer:
            self._refused.parent.mkdir(parents=True, exist_ok=True)
            written = {"engine": self._identity, "entries": entries}
            self._refused.write_text(json.dumps(written), encoding="utf-8")

    def is_refused(self, entries: int) -> bool:
        """Whether an engine of about so many features was made with these options and found too little."""
        try:
            found = json.loads(self._refused.read_text(encoding="utf-8"))
            return bool(found["engine"] == self._identity and entries < GROWTH * found["entries"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _begun(self, seq: int, ids: Ids) -> Replica:
        """What an earlier process left, without what went since; or a new engine, trained."""
        replica = self._taken_up(seq, ids) if self._is_writer else None
        if replica is not None:
            replica.engine.remove(np.setdiff1d(replica.engine.ids(), ids, assume_unique=True))
            return replica
        engine = self._engine.made(self._source.spec, self._engine.options, fetch=self._source.fetch)
        size = engine.sample_size(len(ids)) if len(ids) else 0
        if size:
            chosen = np.sort(np.random.default_rng(0).permutation(ids)[:size])
            engine.train(self._source.vectors(chosen)[1], expected=len(ids))
        return Replica(engine, seq, ids)

    def _taken_up(self, seq: int, ids: Ids) -> Replica | None:
        for found in self._kept.found()[:1]:
            with contextlib.suppress(IndexFileError, OSError):
                if not self._kept.is_ours(found) or any(self._kept.problems(found)):
                    continue
                engine = self._engine.made.load(
                    found.folder, self._source.spec, self._engine.options, fetch=self._source.fetch
                )
                return Replica(engine, seq, ids, found.folder)
        self.finish()
        return None

    def _save_if_due(self, replica: Replica, done: int) -> None:
        wait_s = max(self._interval_s, SAVING_SHARE * self._saving_s)
        if time.monotonic() - self._saved_at >= wait_s:
            self._save(replica, done)

    def _save(self, replica: Replica, done: int) -> None:
        """Writes what is in the engine; where the disk has no room for that, the work goes on without."""
        if not self._is_writer:
            return
        began = time.monotonic()
        with contextlib.suppress(StoreFullError, IndexFileError):
            previous = replica.folder
            staged = self._kept.stage(lambda folder: replica.engine.save(folder, previous=previous))
            written = self._kept.publish(staged, done, previous=previous)
            self._kept.keep_only(written)
            replica.folder = written.folder
        self._saved_at = time.monotonic()
        self._saving_s = self._saved_at - began
