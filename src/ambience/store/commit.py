"""The store as a whole: writes features and rows by one rule, so that nothing is ever half there.

Features first (synced), then their rows in one transaction (synced): the row is the commit point. A crash
between the two leaves features that no row names; their ids are above the last committed one, so opening
sweeps them.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from ambience.datatypes import FeatureSpec
from ambience.errors import StoreError
from ambience.inventory import UnusedFeatures
from ambience.store import opening, plan_rows, schema
from ambience.store.backup import RECORDS_NAME, Backup
from ambience.store.base import Problem, Write, Written
from ambience.store.check import check_store
from ambience.store.database import Database, sqlite_url
from ambience.store.features import Features
from ambience.store.plan import Plan, concerned
from ambience.store.records import Records
from ambience.store.repair import repair_store
from ambience.store.unused import delete_unused, unused_features

_log = logging.getLogger(__name__)

_FORGET_PAGE = 10_000


class Store:
    """Records and features of one library; threads may share it.

    Attributes:
        folder: of the library.
        records: the rows.
        features: the vectors.
        is_writer: whether `commit` is allowed.
        repairs: what opening found and mended.
        on_commit: called without arguments after each commit that changed something, outside of any lock, by
            the thread that committed and before its caller gets an answer. One that fails is logged.
    """

    def __init__(
        self,
        folder: Path,
        records: Records,
        features: Features,
        *,
        is_writer: bool,
        repairs: tuple[Problem, ...] = (),
    ) -> None:
        self.folder = folder
        self.records = records
        self.features = features
        self.is_writer = is_writer
        self.repairs = repairs
        self.on_commit: list[Callable[[], object]] = []
        self._lock = threading.Lock()
        self._backup = Backup(folder)
        self._orphans: list[tuple[str, int]] = []
        self._group = _Group(self.commit)
        self._is_closed = False

    @classmethod
    def open(cls, folder: Path, kinds: Mapping[str, FeatureSpec], *, writer: bool) -> Self:
        """Opens a library, mending what a crash left behind.

        Args:
            folder: of the library; a writer makes it where there is none.
            kinds: kind → spec whose fingerprint is the current one.
            writer: whether it is opened for writing; the caller then holds the `WriterLock`.

        Returns:
            The open store; its `repairs` say what was mended.

        Raises:
            NewerLibraryError: a newer version of Ambience made the library.
            DamagedStoreError: the records are broken; or the features are, and this is a reader.
            StoreFullError: the disk is full.
            StoreError: there is no library here to read.
        """
        opening.check_folder(folder, is_writer=writer)
        database = Database(sqlite_url(folder / RECORDS_NAME), is_writer=writer)
        try:
            restored = opening.mend_records(database, folder) if writer else []
            if writer:
                database.migrate()
            else:
                database.check_revision()
            records = Records(database, kinds)
            features, repairs = opening.open_features(folder, database, is_writer=writer)
            if restored:  # features that came after the copy was made
                repair_store(records, features)
        except BaseException:
            database.close()
            raise
        return cls(folder, records, features, is_writer=writer, repairs=(*restored, *repairs))

    def commit(self, writes: Sequence[Write]) -> list[Written | StoreError]:
        """Writes a group; what it answers survives kill -9 and power loss.

        Args:
            writes: in the order in which they take effect; later ones see earlier ones.

        Returns:
            For each write, in the same order, what became of it, or why it was refused. A refused write never
            spoils the others.

        Raises:
            StoreFullError: the disk is full; nothing of the group is applied.
            StoreError: opened for reading, or closed, or the database does not answer; nothing is applied.
        """
        with self._lock:
            self._must_be_open()
            outcomes, is_changed = self._commit(writes)
        if is_changed:
            self._tell()
        return outcomes

    def submit(self, write: Write) -> Written:
        """Writes one thing; callers at the same time share one commit, and with it the wait for the disk.

        Returns:
            What became of it, once it is safe on disk.

        Raises:
            StoreError: the write was refused, or the whole group failed.
        """
        if not self.is_writer:
            raise _read_only(self.folder)
        outcome = self._group.submit(write)
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing is committed for as long as this is held; keep it short, and commit nothing inside.

        Yields:
            Nothing.

        Raises:
            StoreError: opened for reading, or closed.
        """
        with self._lock:
            self._must_be_open()
            yield

    def close(self) -> None:
        """Finishes what was submitted, closes the files, and notes that they were closed cleanly."""
        self._group.stop()
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            self.features.close()
            self.records.database.close()
            if self.records.database.is_damaged:
                opening.mark_unclean(self.folder)
            elif self.is_writer and not self.features.is_damaged:
                opening.mark_clean(self.folder)

    def check(self, *, deep: bool = True, stop: threading.Event | None = None) -> Iterator[Problem]:
        """Every inconsistency between and within records and features, found one by one.

        Args:
            deep: whether every stored feature is read and its checksum compared.
            stop: ends it early.

        Returns:
            Problems; none where all is well.
        """
        return check_store(self.records, self.features, deep=deep, stop=stop or threading.Event())

    def repair(self) -> None:
        """Mends what `check` finds and what no picture is needed for; see `repair_store`.

        Raises:
            StoreError: opened for reading, or closed.
            StoreFullError: the disk is full.
        """
        self._must_be_open()
        repair_store(self.records, self.features)

    def unused(self) -> list[UnusedFeatures]:
        """Features of fingerprints that are no kind's current one; see `unused_features`."""
        return unused_features(self.records, self.features)

    def delete_unused(self, fingerprint: str) -> int:
        """Deletes what is stored under one of `unused`; see there for what is kept.

        Returns:
            How many features were deleted.

        Raises:
            StoreError: opened for reading, or closed; or a kind uses this fingerprint.
            StoreFullError: the disk is full; what is left is deleted by another call.
        """
        with self._lock:
            self._must_be_open()
            if fingerprint in self.records.in_use:
                raise StoreError(f"{fingerprint} is in use; `ambience info` names what is not")
            return delete_unused(self.records, self.features, fingerprint)

    def back_up(self, *, is_closing: bool = False) -> bool:
        """Copies the records, unless the last copy is recent enough; see `Backup`.

        Args:
            is_closing: whether the library is about to be closed.

        Returns:
            Whether a copy was made.

        Raises:
            StoreError: opened for reading, or closed; or the records cannot be copied.
            StoreFullError: the disk is full.
        """
        self._must_be_open()
        if self.records.database.file is None:
            return False
        return self._backup.make_if_due(
            images=self.records.count(), seq=self.records.last_seq(), is_closing=is_closing
        )

    def forget_below(self, fingerprint: str, seq: int) -> int:
        """Deletes removed features for good, once every snapshot of their index is past their removal.

        Args:
            fingerprint: of the space.
            seq: the snapshots' change number; removals up to and including it are forgotten.

        Returns:
            How many were deleted.

        Raises:
            StoreFullError: the disk is full; what is left is deleted another time.
        """
        table = schema.tombstones
        query = (
            sa.select(table.c.seq, table.c.feature_id)
            .join(schema.spaces, schema.spaces.c.space_id == table.c.space_id)
            .where(schema.spaces.c.fingerprint == fingerprint, table.c.seq <= seq)
            .order_by(table.c.seq)
            .limit(_FORGET_PAGE)
        )
        deleted = 0
        while True:
            with self._lock:
                self._must_be_open()
                with self.records.database.reading() as connection:
                    rows = connection.execute(query).all()
                if not rows:
                    return deleted
                # Features first: a tombstone without its feature harms nobody, the reverse is an orphan.
                self.features.delete(fingerprint, [row.feature_id for row in rows])
                with self.records.database.writing() as connection:
                    gone = [{"s": row.seq} for row in rows]
                    connection.execute(sa.delete(table).where(table.c.seq == sa.bindparam("s")), gone)
                deleted += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _commit(self, writes: Sequence[Write]) -> tuple[list[Written | StoreError], bool]:
        outcomes: list[Written | StoreError] = []
        with self.records.database.writing() as connection:
            stored = plan_rows.load(connection, *concerned(writes))
            plan = Plan(
                self.records.kinds,
                stored,
                coming=self.records.coming,
                annotators=self.records.annotators,
            )
            for write in writes:
                try:
                    outcomes.append(plan.apply(write))
                except StoreError as refusal:
                    outcomes.append(refusal)
            if plan.is_changed:
                self._put_features(plan)
                plan_rows.save(connection, plan)
        # Reached only where the rows are committed: now the features that they name are no orphans.
        self._orphans = []
        return outcomes, plan.is_changed

    def _put_features(self, plan: Plan) -> None:
        """Writes the features of a plan; until their rows are committed they count as orphans."""
        rows = plan.unwritten()
        # An earlier commit that failed left these behind, unless it came through after all.
        forget = [orphan for orphan in self._orphans if orphan[1] > plan.committed_feature_id]
        self._orphans = forget + [(name, feature_id) for name, feature_id, _ in rows]
        self.features.put_many(rows, forget=forget)

    def _tell(self) -> None:
        for hook in list(self.on_commit):
            try:
                hook()
            except Exception:  # noqa: BLE001 - the commit stands, whatever a listener makes of it
                _log.exception("a listener failed after a commit")

    def _must_be_open(self) -> None:
        if not self.is_writer:
            raise _read_only(self.folder)
        if self._is_closed:
            raise StoreError(f"the library {self.folder} is closed")


class _Group:
    """One thread that commits for everyone who waits."""

    def __init__(self, commit: Callable[[Sequence[Write]], list[Written | StoreError]]) -> None:
        self._commit = commit
        self._condition = threading.Condition()
        self._waiting: list[tuple[Write, Future[Written | StoreError]]] = []
        self._thread: threading.Thread | None = None
        self._is_stopping = False

    def submit(self, write: Write) -> Written | StoreError:
        if threading.current_thread() is self._thread:
            return self._commit([write])[0]  # a listener writes: waiting for itself would never end
        future: Future[Written | StoreError] = Future()
        with self._condition:
            if self._is_stopping:
                raise StoreError("the library is closed")
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
                self._thread.start()
            self._waiting.append((write, future))
            self._condition.notify_all()
        return future.result()

    def stop(self) -> None:
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._is_stopping:
                    self._condition.wait()
                group, self._waiting = self._waiting, []
            if not group:
                return
            try:
                outcomes = self._commit([write for write, _ in group])
            except Exception as exc:  # noqa: BLE001 - whatever it was, everyone who waits must hear of it
                for _, future in group:
                    future.set_exception(exc)
            else:
                for (_, future), outcome in zip(group, outcomes, strict=True):
                    future.set_result(outcome)


def _read_only(folder: Path) -> StoreError:
    return StoreError(f"the library {folder} is open for reading; open it for writing to change it")
