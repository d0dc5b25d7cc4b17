"""One LMDB environment per folder and process, shared by whoever opens it there.

LMDB forbids that a process opens the same files twice, and that its map changes while a transaction is alive;
both rules are kept here. The map grows by doubling when it is full, and follows where another process made it
grow.
"""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Final

import lmdb

from ambience.errors import DamagedStoreError, StoreError
from ambience.store.disk_full import disk_full, has_room, is_disk_full

FIRST_MAP_SIZE: Final = 64 * 2**20
LARGEST_MAP_SIZE: Final = 2**46
MAX_READERS: Final = 512
MAX_DATABASES: Final = 256
DATA_NAME: Final = "data.mdb"

Puts = dict[str, list[tuple[bytes, bytes]]]
"""Name of a database → keys and values."""


class Environment:
    """Transactions on the files of one folder; threads may share it.

    Attributes:
        folder: where the files are.
        is_writer: whether it may be written to.
        is_damaged: whether pages were met that do not hold together.
    """

    _opened: ClassVar[dict[str, "Environment"]] = {}
    _opening: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, folder: Path, *, is_writer: bool) -> None:
        self.folder = folder
        self.is_writer = is_writer
        self.is_damaged = False
        self._users = 0
        self._pid = os.getpid()
        self._gate = _Gate()
        self._opening_databases = threading.Lock()
        self._databases: dict[str, Any] = {}
        self._environment: lmdb.Environment | None = None
        self._inode = 0
        self._open()

    @classmethod
    def shared(cls, folder: Path, *, is_writer: bool) -> "Environment":
        """The environment of a folder, opened where this process has not yet; `release` gives it back.

        Returns:
            One environment per folder and process, counted once more.

        Raises:
            DamagedStoreError: the files are no LMDB environment.
            StoreFullError: the disk is full.
        """
        with cls._opening:
            key = os.path.realpath(folder)
            found = cls._opened.get(key)
            if found is None:
                found = cls._opened[key] = cls(folder, is_writer=is_writer)
            elif is_writer and not found.is_writer:
                found.is_writer = True
                found._reopen()
            else:
                found.follow_replacement()
            found._users += 1
            return found

    def release(self) -> None:
        """Closes the files when the last user lets go of them."""
        with self._opening:
            self._users -= 1
            if self._users == 0:
                self._opened.pop(os.path.realpath(self.folder), None)
                with self._gate.exclusive():
                    self._close()

    def follow_replacement(self) -> bool:
        """Opens the files anew where the writer set those that are open aside and made new ones.

        Returns:
            Whether it did.
        """
        try:
            is_same = (self.folder / DATA_NAME).stat().st_ino == self._inode
        except OSError:
            return False
        if not is_same:
            self._reopen()
        return not is_same

    def write(self, packed: Puts, gone: Mapping[str, list[bytes]]) -> None:
        """One synced transaction.

        Args:
            packed: name of a database → keys and values to put; a database that is not there is made.
            gone: name of a database → keys to delete before.

        Raises:
            StoreFullError: the disk is full; nothing was written.
            StoreError: LMDB refuses.
        """
        self._must_be_own_process()
        while True:
            try:
                self._write_once(packed, gone)
                return
            except lmdb.MapFullError as exc:
                self._grow(exc)
            except lmdb.Error as exc:
                # After a failed write LMDB may refuse everything until the environment is opened anew.
                self._reopen()
                if is_disk_full(exc) or not has_room(self.folder / DATA_NAME, _size(packed)):
                    raise disk_full(self.folder, exc) from exc
                raise StoreError(f"cannot write to {self.folder}: {exc}") from exc

    def _write_once(self, packed: Puts, gone: Mapping[str, list[bytes]]) -> None:
        with self._gate.shared():
            databases = {name: self._database(name, create=name in packed) for name in (*packed, *gone)}
            with self._live().begin(write=True) as transaction:
                for name, keys in gone.items():
                    if databases[name] is not None:
                        for key in keys:
                            transaction.delete(key, db=databases[name])
                for name, items in packed.items():
                    cursor = transaction.cursor(databases[name])
                    # Ids come from a sequence. Told so, LMDB fills page after page; by itself it splits a
                    # page of three histograms in two, and the file is half as large again.
                    cursor.putmulti(items, append=_are_behind(items, cursor))

    def _grow(self, exc: lmdb.Error) -> None:
        with self._gate.exclusive():
            environment = self._live()
            size = environment.info()["map_size"]
            if size >= LARGEST_MAP_SIZE:
                raise StoreError(f"{self.folder} holds more than {LARGEST_MAP_SIZE} bytes") from exc
            environment.set_mapsize(size * 2)

    def _database(self, name: str, *, create: bool = False) -> Any:
        """The handle of a named database, or None where there is none; the gate is held by the caller."""
        found = self._databases.get(name)
        if found is not None:
            return found
        if self.is_writer and not create:
            return None  # a writer knows them all: it opened those that were there and made the others
        # LMDB forbids that two transactions of a process open databases at the same time.
        with self._opening_databases:
            try:
                found = self._live().open_db(name.encode(), create=create)
            except lmdb.NotFoundError:
                return None
            self._databases[name] = found
            return found

    @contextlib.contextmanager
    def reading(self, name: str | None = None) -> Iterator[tuple[Any, Any]]:
        """A read transaction of memory views, and the handle of a database (None where there is none).

        Yields:
            (transaction, database).

        Raises:
            DamagedStoreError: pages do not hold together.
        """
        self._must_be_own_process()
        try:
            transaction, database = self._begun(name)
            try:
                with transaction:
                    yield transaction, database
            finally:
                self._gate.leave()
        except lmdb.Error as exc:
            self.is_damaged = True
            raise DamagedStoreError(
                f"the features in {self.folder} cannot be read ({exc}); stop every process that uses this "
                "library and open it for writing, which sets damaged features aside"
            ) from exc

    def _begun(self, name: str | None) -> tuple[Any, Any]:
        """Begins a read transaction inside the gate, which the caller leaves."""
        while True:
            self._gate.enter()
            try:
                # First the handle: a transaction does not see a database that was made after it began.
                database = None if name is None else self._database(name)
                return self._live().begin(buffers=True), database
            except lmdb.MapResizedError:
                self._gate.leave()
                with self._gate.exclusive():
                    self._live().set_mapsize(0)  # another process made the map grow: follow it
            except BaseException:
                self._gate.leave()
                raise

    def _live(self) -> lmdb.Environment:
        if self._environment is None:
            raise StoreError(f"the features in {self.folder} are closed; open the library again")
        return self._environment

    def _must_be_own_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"the features in {self.folder} were opened by process {self._pid}; "
                "a forked process must open the library for itself"
            )

    def _open(self) -> None:
        data = self.folder / DATA_NAME
        size = data.stat().st_size if data.exists() else 0
        map_size = FIRST_MAP_SIZE
        while map_size < 2 * size:
            map_size *= 2
        try:
            environment = lmdb.Environment(
                str(self.folder),
                map_size=map_size,
                readonly=not self.is_writer,
                create=self.is_writer,
                max_readers=MAX_READERS,
                max_dbs=MAX_DATABASES,
                readahead=False,
            )
            try:
                environment.reader_check()  # frees the places of readers that were killed
                self._databases = _existing(environment)
            except BaseException:
                environment.close()
                raise
        except lmdb.Error as exc:
            if is_disk_full(exc):
                raise disk_full(self.folder, exc) from exc
            raise DamagedStoreError(f"cannot open the features in {self.folder}: {exc}") from exc
        self._environment = environment
        self._inode = data.stat().st_ino

    def _reopen(self) -> None:
        with self._gate.exclusive():
            self._close()
            self._open()

    def _close(self) -> None:
        if self._environment is not None and os.getpid() == self._pid:
            self._environment.close()
        self._environment = None


def _existing(environment: lmdb.Environment) -> dict[str, Any]:
    """Handles of all named databases."""
    with environment.begin() as transaction:
        names = [bytes(name) for name in transaction.cursor().iternext(keys=True, values=False)]
    return {name.decode(): environment.open_db(name, create=False) for name in names}


def _are_behind(items: list[tuple[bytes, bytes]], cursor: lmdb.Cursor) -> bool:
    """Whether all keys are larger than those stored, each larger than the one before."""
    last = bytes(cursor.key()) if cursor.last() else b""
    return all(a < b for a, b in pairwise([last, *(key for key, _ in items)]))


def _size(packed: Puts) -> int:
    """About how many bytes a transaction makes the file grow: its values, and pages that it copies."""
    return 2**20 + 2 * sum(len(value) for items in packed.values() for _, value in items)


class _Gate:
    """Many transactions, or one change of the map: LMDB wants no transaction alive while the map changes."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._waiting = 0

    def enter(self) -> None:
        with self._condition:
            while self._waiting:
                self._condition.wait()
            self._inside += 1

    def leave(self) -> None:
        with self._condition:
            self._inside -= 1
            self._condition.notify_all()

    @contextlib.contextmanager
    def shared(self) -> Iterator[None]:
        self.enter()
        try:
            yield
        finally:
            self.leave()

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._condition:
            self._waiting += 1
            while self._inside:
                self._condition.wait()
            # The condition's lock stays held: whoever comes now waits for it.
            try:
                yield
            finally:
                self._waiting -= 1
                self._condition.notify_all()
