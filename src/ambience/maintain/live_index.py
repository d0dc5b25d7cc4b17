"""An index that follows the store: opened from a snapshot, brought up to date, kept so, rebuilt at will.

Three locks, always taken in this order: `_rebuilding` (one new engine at a time), `_changing` (one thread
moves the engine on, or reads it for a snapshot), `_switching` (searches read, the short moment of a change
writes).
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, Ids, Neighbors
from ambience.errors import (
    CorruptFeatureError,
    IndexFileError,
    IndexRecallError,
    StoreError,
    UnknownImageError,
)
from ambience.index.base import Index
from ambience.maintain.building import Building, Engine
from ambience.maintain.index_check import check_ids, check_snapshot
from ambience.maintain.locks import ReadWriteLock
from ambience.maintain.replica import PAGE_CHANGES, Guard, OvertakenError, Replica
from ambience.maintain.snapshots import Snapshot, SnapshotFolder
from ambience.maintain.source import NO_IDS, FeatureSource
from ambience.settings import IndexSettings
from ambience.store.base import Problem
from ambience.store.commit import Store

MOST_VECTORS, MOST_BLOBS = 200_000, 2_000
"""Features of which an index is made while a library is opened: a few seconds."""
TRIES = 5
MOST_DROPS = 100

_log = logging.getLogger(__name__)

T = TypeVar("T")
Ranged = list[tuple[NDArray[np.float32], Ids]]


class LiveIndex:
    """The index of one kind.

    Attributes:
        spec: of the kind.
        source: of its features; remembers those that prove broken.
    """

    def __init__(
        self,
        store: Store,
        spec: FeatureSpec,
        engine: type[Index],
        options: Any,
        folder: Path,
        *,
        settings: IndexSettings,
        is_writer: bool,
    ) -> None:
        """Prepares an empty index; `open` fills it.

        Args:
            store: what is followed.
            spec: of the kind.
            engine: class of the index.
            options: an instance of the engine's `options_class`.
            folder: `index/<fingerprint>/`, for snapshots; made by the first.
            settings: how indexes are kept.
            is_writer: whether snapshots are written and broken features are marked from here.
        """
        self.spec = spec
        self.source = FeatureSource(store, spec)
        self._store, self._engine_class, self._options = store, engine, options
        self._settings, self._is_writer = settings, is_writer
        made = Engine(engine, options)
        self._snapshots = SnapshotFolder(
            folder, kind=spec.kind, fingerprint=spec.fingerprint, engine=made.name
        )
        self._building = Building(
            folder, self.source, made, interval_s=settings.snapshot_interval_s, is_writer=is_writer
        )
        self._replica = Replica(self._empty())
        self._needs_rebuild = True
        self._is_changed = False
        self._unverified: Snapshot | None = None
        self._filled_so_far: tuple[int, int] | None = None
        self._rebuilding, self._changing = threading.Lock(), threading.Lock()
        self._switching = ReadWriteLock()

    # --- opening ---------------------------------------------------------------------------------------

    def open(self, *, wait: bool | None = None) -> Problem | None:
        """Takes up the newest good snapshot and what changed since; without one, starts from the store.

        Args:
            wait: whether to rebuild before returning where that is necessary; by default where it takes
                seconds. Otherwise searches answer from what there is, `pending` says so, and `Maintenance`
                of the writing process rebuilds.

        Returns:
            What was wrong with the newest snapshot, if it was broken.
        """
        problem = self._load()
        if not self._needs_rebuild:
            self.catch_up()
        if self._needs_rebuild and (self._is_soon_made() if wait is None else wait):
            self.rebuild()
        return problem

    def _is_soon_made(self) -> bool:
        most = MOST_BLOBS if self.spec.is_blob else MOST_VECTORS
        return len(self._store.records.all_feature_ids(self.spec.fingerprint)) <= most

    def _load(self) -> Problem | None:
        """The newest good snapshot that removals were not forgotten beyond; sets `_needs_rebuild`."""
        problem: Problem | None = None
        for _ in range(TRIES):
            snapshot = next(iter(self._snapshots.found()), None)
            if snapshot is None:
                break
            try:
                replica = self._loaded(snapshot)
            except (IndexFileError, OSError) as exc:
                if not snapshot.folder.exists():
                    continue  # the writer has replaced it meanwhile
                problem = self._broken(snapshot, exc)
                break
            if replica is None:
                break
            with self._changing, self._switching.writing():
                self._replica, self._needs_rebuild, self._is_changed = replica, False, False
            return problem
        self._needs_rebuild = True
        return problem

    def _loaded(self, snapshot: Snapshot) -> Replica | None:
        """What a snapshot holds; None where it is whole but of no use here."""
        if not self._snapshots.is_ours(snapshot):
            return None
        if snapshot.seq > self._store.records.last_seq():
            # The records were put back from a copy: their numbers will come to this one with other changes.
            if self._is_writer:
                self._snapshots.keep_only(None)
            return None
        if snapshot.seq < self._store.records.snapshots().get(self.spec.fingerprint, 0):
            return None  # older than what was forgotten
        is_verified = not self._settings.verify_snapshots or self._snapshots.verify(snapshot)
        engine = self._engine_class.load(snapshot.folder, self.spec, self._options, fetch=self.source.fetch)
        self._unverified = None if is_verified else snapshot
        return Replica(engine, snapshot.seq, folder=snapshot.folder)

    def _broken(self, snapshot: Snapshot, exc: Exception) -> Problem:
        message = f"{exc}; the index of {self.spec.kind} is made again from the store"
        if self._is_writer:
            self._snapshots.keep_only(None)
        return Problem("snapshot_corrupt", "index", message, kind=self.spec.kind)

    def verify_rest(self, stop: threading.Event) -> Problem | None:
        """Reads what opening left unread of large files; an index that proves broken is emptied at once.

        Args:
            stop: ends it; another call then begins anew.

        Returns:
            What was wrong, if anything; the index then waits to be made again, as `needs_rebuild` says.
        """
        snapshot = self._unverified
        if snapshot is None:
            return None
        try:
            found = next(self._snapshots.problems(snapshot, stop=stop), "")
        except IndexFileError as exc:
            found = str(exc)
        if stop.is_set():
            return None
        self._unverified = None
        if not found or not snapshot.folder.exists():
            return None
        problem = self._broken(snapshot, IndexFileError(found))
        with self._changing, self._switching.writing():
            self._replica, self._needs_rebuild = Replica(self._empty()), True
        return problem

    @property
    def engine(self) -> str:
        """Name of the engine: of its file in `index/`."""
        return self._engine_class.__module__.rpartition(".")[2]

    # --- following -------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """Change number of the store up to which searches see everything."""
        return self._replica.seq

    @property
    def needs_rebuild(self) -> bool:
        """Whether there is nothing to start from but the store itself."""
        return self._needs_rebuild

    @property
    def pending(self) -> int:
        """Images that searches cannot find yet: their feature is not made, or not in the index; 0: none."""
        return self._store.records.pending_count(self.spec.fingerprint) + self._unseen

    @property
    def _unseen(self) -> int:
        if self._needs_rebuild:
            done, total = self._filled_so_far or (
                0,
                len(self._store.records.all_feature_ids(self.spec.fingerprint)),
            )
            return total - done
        seq = self._replica.seq
        if seq == self._store.records.last_seq():
            return 0
        return len(self._store.records.changes(self.spec.fingerprint, seq, PAGE_CHANGES))

    def catch_up(self, *_: object) -> int:
        """Applies what changed in the store; cheap where nothing did.

        Returns:
            How many changes were applied; 0 while a rebuild is due, which will bring them all.
        """
        if self._needs_rebuild and not self._is_writer and self._snapshots.found():
            self._load()  # by now the writer has made one
        if self._needs_rebuild:
            return 0
        try:
            with self._changing:
                applied = self._follow(self._replica, self._switching.writing)
                self._is_changed = self._is_changed or applied > 0
                return applied
        except OvertakenError:
            self.open()
            return len(self)

    def _follow(self, replica: Replica, guard: Guard = contextlib.nullcontext) -> int:
        return replica.follow(self.source, guard, forgets_itself=self._is_writer)

    def mend(self) -> int:
        """Marks features that proved broken as pending, so that they are extracted again from their files.

        Returns:
            How many were marked; none where this process only reads.
        """
        return self.source.mend() if self._is_writer else 0

    def mend_all(self, stop: threading.Event) -> int:
        """Reads every stored feature until `stop` is set, and marks those that prove broken as pending.

        Returns:
            How many were marked; none where this process only reads.
        """
        self.source.distrust_broken(stop)
        return self.mend()

    # --- searching -------------------------------------------------------------------------------------

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        """The k nearest of each query; see `Index.search`. Broken features are passed over.

        Returns:
            distances (Q, k) float32 (+inf pads) and ids (Q, k) int64 (-1 pads).
        """
        return self._asked(lambda engine: engine.search(queries, k, allowed=allowed))

    def range_search(self, queries: NDArray[Any], radius: float, *, allowed: Ids | None = None) -> Ranged:
        """Everything at `radius` or nearer; see `Index.range_search`. Broken features are passed over.

        Returns:
            One (distances, ids) pair per query.
        """
        return self._asked(lambda engine: engine.range_search(queries, radius, allowed=allowed))

    def _asked(self, question: Callable[[Index], T]) -> T:
        """The engine's answer; features that prove broken on the way are dropped, and it is asked again."""
        for _ in range(MOST_DROPS):
            try:
                with self._switching.reading():
                    return question(self._replica.engine)
            except (CorruptFeatureError, UnknownImageError) as exc:
                bad = self.source.distrust(exc)
                with self._changing, self._switching.writing():
                    self._replica.engine.remove(bad)
                    self._is_changed = True
        raise StoreError(
            f"too many features of {self.spec.kind} are broken to search them; run `ambience check`, then "
            f"`ambience rebuild {self.spec.kind} --features`"
        )

    def ids(self) -> Ids:
        """Feature ids that searches see, ascending."""
        with self._switching.reading():
            return self._replica.engine.ids()

    def is_outgrown(self) -> bool:
        """Whether an engine trained for as many vectors as there are now would serve better.

        Returns:
            False as well where such an engine was made, with these options, and found too little.
        """
        with self._switching.reading():
            engine = self._replica.engine
            return engine.is_outgrown() and not self._building.is_refused(len(engine))

    def __len__(self) -> int:
        with self._switching.reading():
            return len(self._replica.engine)

    # --- writing and making anew -----------------------------------------------------------------------

    @property
    def is_changed(self) -> bool:
        """Whether the newest snapshot lacks something."""
        return self._is_changed and not self._needs_rebuild

    def snapshot(self) -> None:
        """Writes the index to disk, durably, and removes older snapshots; nothing where nothing changed.

        Searches go on meanwhile; commits wait while the engine writes, and no longer.

        Raises:
            StoreError: this process only reads the library.
            StoreFullError: the disk is full.
            IndexFileError: the folder cannot be written.
        """
        if not self._is_writer:
            raise StoreError("only the process that writes a library writes its snapshots")
        with self._rebuilding:
            with self._changing:
                if not self.is_changed:
                    return
                replica = self._replica
                seq, previous = replica.seq, replica.folder
                if previous is not None and not previous.exists():
                    previous = None
                staged = self._snapshots.stage(lambda folder: replica.engine.save(folder, previous=previous))
                self._is_changed = False
            try:
                written = self._snapshots.publish(staged, seq, previous=previous)
            except BaseException:
                self._is_changed = True
                raise
            replica.folder = written.folder
            self._unverified = written if self._unverified is not None else None
            self._store.records.note_snapshot(self.spec.fingerprint, seq)
            self._snapshots.keep_only(written)
            self._building.finish()

    def forget_removed(self) -> int:
        """Deletes what was removed before the newest snapshot: no index needs to hear of it any more.

        Returns:
            How many features went; 0 while an engine is being made, which still needs the change log.
        """
        if not self._is_writer or not self._rebuilding.acquire(blocking=False):
            return 0
        try:
            noted = self._store.records.snapshots().get(self.spec.fingerprint, 0)
            return self._store.forget_below(self.spec.fingerprint, noted) if noted else 0
        finally:
            self._rebuilding.release()

    def rebuild(
        self,
        on_progress: Callable[[int, int], None] | None = None,
        *,
        stop: threading.Event | None = None,
    ) -> bool:
        """Makes a new engine beside the one that serves, from the store, and switches when it has caught up.

        Args:
            on_progress: called with how many vectors are in, and how many there are.
            stop: gives it up; the old engine serves on, and a later call goes on with what is on disk.

        Returns:
            Whether it came to the end.

        Raises:
            IndexRecallError: the new engine finds too little; the old one serves on.
        """
        with self._rebuilding:
            try:
                while True:
                    with contextlib.suppress(OvertakenError):
                        return self._rebuild(on_progress, stop or threading.Event())
            finally:
                self._filled_so_far = None

    def _rebuild(self, on_progress: Callable[[int, int], None] | None, stop: threading.Event) -> bool:
        def tell(done: int, total: int) -> None:
            self._filled_so_far = (done, total)
            if on_progress is not None:
                on_progress(done, total)

        replica = self._building.filled(tell, stop)
        if replica is None:
            return False
        self._follow(replica)  # most of what came meanwhile, without holding anybody up
        self._require_recall(replica)
        with self._changing:
            self._follow(replica)
            replica.filled = NO_IDS
            with self._switching.writing():
                self._replica, self._needs_rebuild, self._is_changed = replica, False, True
                self._unverified = None
        return True

    def require_recall(self) -> None:
        """Measures what searches find of what exact ones would, on a sample.

        Raises:
            IndexRecallError: less than `index.min_recall`.
        """
        with self._changing:  # searches go on, changes wait
            said = self._building.shortfall(self._replica, self._settings.min_recall)
        if said:
            raise IndexRecallError(f"{said}. The model before is searched; {self._remedy}")

    def _require_recall(self, replica: Replica) -> None:
        """Refuses an engine that finds too little, unless nothing else is there to answer."""
        said = self._building.shortfall(replica, self._settings.min_recall)
        if said and self._needs_rebuild:
            _log.warning("%s; it is used, since there is no other", said)
        elif said:
            self._building.refuse(len(replica.engine))
            self._building.finish()
            raise IndexRecallError(f"{said}. The index that served before is kept; {self._remedy}")

    @property
    def _remedy(self) -> str:
        kind = self.spec.kind
        return (
            f"set kinds.{kind}.index_* to search more thoroughly, or index.min_recall lower, and run "
            f"`ambience train {kind}`"
        )

    def _empty(self) -> Index:
        return self._engine_class(self.spec, self._options, fetch=self.source.fetch)

    def check(self) -> Iterator[Problem]:
        """Compares the ids held with those of the store, and snapshot files with their sha256.

        Yields:
            One problem per difference.
        """
        yield from check_ids(self)
        yield from check_snapshot(self.spec.kind, self._snapshots)
