"""The file of pairs: which contents show the same, and up to which change that is known.

A cache beside the indexes: written by one process and read by many, made anew where it is broken. Pairs are
of contents, by their sha256, so that an image that moves, goes, or comes back has its pairs still.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from ambience.copies import CopyPair
from ambience.datatypes import STRENGTH, Orientation, Verdict
from ambience.errors import IndexFileError, StoreError, StoreFullError
from ambience.store.disk_full import is_disk_full
from ambience.store.word_file import transaction

VERSION: Final = 3
"""Of the tables; a file of another one is made anew."""

_TABLES = """
CREATE TABLE IF NOT EXISTS pairs (
    low BLOB NOT NULL, high BLOB NOT NULL, strength INTEGER NOT NULL, verdict TEXT NOT NULL,
    score REAL NOT NULL, kind TEXT NOT NULL, rotation INTEGER NOT NULL, mirrored INTEGER NOT NULL,
    PRIMARY KEY (low, high)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compared (fingerprint TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""
_PUT = """
INSERT INTO pairs (low, high, strength, verdict, score, kind, rotation, mirrored)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (low, high) DO UPDATE SET
    strength = excluded.strength, verdict = excluded.verdict, score = excluded.score, kind = excluded.kind,
    rotation = excluded.rotation, mirrored = excluded.mirrored
WHERE (excluded.strength, -excluded.score) < (strength, -score)
"""


class PairFile:
    """Pairs of a library; threads may share it.

    Args:
        file: `index/copies.sqlite` of the library; a reader has no pairs where there is none.
        writes: whether this process may change it.
    """

    def __init__(self, file: Path, *, writes: bool) -> None:
        self._file, self._writes = file, writes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def seq(self, fingerprint: str) -> int:
        """Change number up to which features of a fingerprint were compared with all others; 0: none were.

        Raises:
            IndexFileError: the file is broken; a writer makes it anew.
        """
        with self._opened() as connection:
            query = "SELECT seq FROM compared WHERE fingerprint = ?"
            row = None if connection is None else connection.execute(query, (fingerprint,)).fetchone()
        return 0 if row is None else int(row[0])

    def put(self, pairs: Sequence[CopyPair], *, fingerprint: str, seq: int) -> None:
        """Keeps pairs, of each the strongest verdict, and how far a fingerprint was compared.

        Both are kept or neither.

        Raises:
            StoreFullError: the disk is full; nothing was kept.
            IndexFileError: the file is broken; the next call makes it anew.
        """
        rows = [
            (
                pair.low,
                pair.high,
                STRENGTH[pair.verdict],
                pair.verdict,
                pair.score,
                pair.kind,
                *pair.orientation,
            )
            for pair in pairs
        ]
        with self._opened() as connection:
            assert connection is not None
            with transaction(connection, writes=True):
                connection.executemany(_PUT, rows)
                connection.execute("INSERT OR REPLACE INTO compared VALUES (?, ?)", (fingerprint, seq))

    def pairs(self) -> list[CopyPair]:
        """All of them, by their contents.

        Returns:
            Each once; of a reader, what the writer kept so far.

        Raises:
            IndexFileError: the file is broken; a writer makes it anew.
        """
        with self._opened() as connection:
            query = "SELECT low, high, verdict, score, kind, rotation, mirrored FROM pairs"
            rows = [] if connection is None else connection.execute(query).fetchall()
        return [
            CopyPair(low, high, Verdict(verdict), score, kind, Orientation(rotation, bool(mirrored)))
            for low, high, verdict, score, kind, rotation, mirrored in rows
        ]

    def contents(self) -> set[bytes]:
        """Everything that is in a pair: sha256 of 32 bytes each."""
        with self._opened() as connection:
            query = "SELECT low FROM pairs UNION SELECT high FROM pairs"
            return set() if connection is None else {row[0] for row in connection.execute(query)}

    def forget(self, contents: Collection[bytes]) -> None:
        """Deletes all pairs that one of these contents is in.

        Raises:
            StoreFullError: the disk is full; all are there still.
            IndexFileError: the file is broken; the next call makes it anew.
        """
        with self._opened() as connection:
            assert connection is not None
            with transaction(connection, writes=True):
                connection.execute("CREATE TEMP TABLE gone (content BLOB PRIMARY KEY) WITHOUT ROWID")
                connection.executemany("INSERT INTO gone VALUES (?)", [(each,) for each in contents])
                connection.execute("DELETE FROM pairs WHERE low IN gone OR high IN gone")
                connection.execute("DROP TABLE gone")

    def stamp(self) -> tuple[int, int]:
        """Changes whenever pairs do, whoever changed them: by this connection, and by others."""
        with self._opened() as connection:
            if connection is None:
                return 0, 0
            (others,) = connection.execute("PRAGMA data_version").fetchone()
            return int(others), connection.total_changes

    def count(self) -> int:
        """How many pairs there are."""
        with self._opened() as connection:
            query = "SELECT count(*) FROM pairs"
            return 0 if connection is None else int(connection.execute(query).fetchone()[0])

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._give_up()

    @contextlib.contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """The connection, alone; None to a reader where there is no file."""
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = self._connected()
                yield self._connection
            except sqlite3.Error as exc:
                if is_disk_full(exc):
                    raise StoreFullError("the disk is full: duplicates wait; free some space") from exc
                self._give_up()
                if isinstance(exc, sqlite3.OperationalError):
                    raise StoreError(f"the file of duplicates cannot be used now: {exc}") from exc
                if self._writes:
                    self._remove()
                raise IndexFileError(f"the file of duplicates is broken ({exc}); it is made anew") from exc

    def _connected(self) -> sqlite3.Connection | None:
        if not self._writes and not self._file.exists():
            return None
        self._file.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            f"{self._file.absolute().as_uri()}?mode={'rwc' if self._writes else 'ro'}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=30.0,
        )
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if self._writes:
                _prepare(connection, version)
            elif version != VERSION:
                connection.close()
                return None
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _give_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _remove(self) -> None:
        for end in ("", "-wal", "-shm"):
            self._file.with_name(self._file.name + end).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection, version: int) -> None:
    """Makes the tables; those of another version go."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if version != VERSION:
        connection.executescript("DROP TABLE IF EXISTS pairs; DROP TABLE IF EXISTS compared;")
    connection.executescript(_TABLES)
    connection.execute(f"PRAGMA user_version = {VERSION}")
