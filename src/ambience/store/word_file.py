"""The file of the word index: its tables, how it is opened, and how it is given up.

A cache, written by one process and read by many: whatever is wrong with it is mended by making it anew from
the records. Rows are of a *generation*; a new one is filled beside the one that answers, which then goes.
"""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from ambience import phonetics
from ambience.errors import IndexFileError, StoreError, StoreFullError
from ambience.store.disk_full import is_disk_full

FINGERPRINT: Final = f"1:{phonetics.VERSION}"
"""Of the tables and of the phonetics whose keys they hold; another one is made anew."""

PLACE: Final = np.dtype([("image_id", "<i8"), ("line_id", "<i8"), ("at", "<i4")])
"""Where a word stands: in which image, in which line, and as which word of the image's text, from 0."""

BLOCK_BITS: Final = 20
"""Blocks of places of one word are rows that follow each other: row = (word_id << BLOCK_BITS) + block."""

PLACES_OF_A_BLOCK: Final = 256
_PASSING = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
    "SQLITE_IOERR",
    "SQLITE_PERM",
)

_GENERATIONS = """
CREATE TABLE IF NOT EXISTS generations (
    generation INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL, is_live INTEGER NOT NULL,
    line_id INTEGER NOT NULL, image_id INTEGER NOT NULL, next_at INTEGER NOT NULL,
    last_word_id INTEGER NOT NULL, lines INTEGER NOT NULL, images INTEGER NOT NULL)
"""
_TABLES = (
    """CREATE TABLE words_{0} (
    word_id INTEGER PRIMARY KEY, normalized TEXT NOT NULL UNIQUE, script TEXT NOT NULL,
    romanized TEXT NOT NULL, ipa TEXT NOT NULL, skeleton TEXT NOT NULL,
    images INTEGER NOT NULL, places INTEGER NOT NULL, blocks INTEGER NOT NULL)""",
    """CREATE TABLE keys_{0} (
    key TEXT NOT NULL, letters INTEGER NOT NULL, word_id INTEGER NOT NULL,
    PRIMARY KEY (key, letters, word_id)) WITHOUT ROWID""",
    "CREATE TABLE places_{0} (place_id INTEGER PRIMARY KEY, rows BLOB NOT NULL)",
    """CREATE TABLE grams_{0} (
    part_id INTEGER PRIMARY KEY, last_word_id INTEGER NOT NULL, words INTEGER NOT NULL, pairs BLOB NOT NULL,
    starts BLOB NOT NULL, forms BLOB NOT NULL, word_ids BLOB NOT NULL, sizes BLOB NOT NULL)""",
)


@dataclass(frozen=True, slots=True)
class Generation:
    """How far one generation of the index is.

    Attributes:
        generation: number, in the names of its tables.
        fingerprint: `FINGERPRINT` when it was made.
        is_live: whether it answers.
        line_id: of the last line in it; 0 before the first.
        image_id: of that line's image; -1 before the first.
        next_at: number that the next word of that image gets.
        last_word_id: greatest in use.
        lines: in it, those that are gone from the records included.
        images: in it, likewise.
    """

    generation: int
    fingerprint: str
    is_live: bool
    line_id: int = 0
    image_id: int = -1
    next_at: int = 0
    last_word_id: int = 0
    lines: int = 0
    images: int = 0


def connect(file: Path, *, writes: bool) -> sqlite3.Connection:
    """A connection that threads may share under a lock of theirs.

    Returns:
        Of a reader: query only; of the writer: with the table of generations made.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    connection = sqlite3.connect(
        f"{file.absolute().as_uri()}?mode={'rwc' if writes else 'ro'}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=30.0,
    )
    try:
        connection.execute("PRAGMA cache_size = -16384")
        if writes:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 16777216")
            connection.execute(_GENERATIONS)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, *, writes: bool) -> Iterator[None]:
    """One consistent view, or one change that is wholly there or wholly absent.

    Yields:
        Nothing; leaving the block commits.
    """
    connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def generations(connection: sqlite3.Connection) -> list[Generation]:
    """Those that the file holds, the oldest first."""
    columns = ", ".join(Generation.__slots__)
    rows = connection.execute(f"SELECT {columns} FROM generations ORDER BY generation").fetchall()
    return [Generation(row[0], row[1], bool(row[2]), *row[3:]) for row in rows]


def begin_generation(connection: sqlite3.Connection, *, is_live: bool) -> None:
    """Makes the tables of a further generation; called within a transaction."""
    number = int(connection.execute("SELECT coalesce(max(generation), 0) + 1 FROM generations").fetchone()[0])
    for table in _TABLES:
        connection.execute(table.format(number))
    keep(connection, Generation(number, FINGERPRINT, is_live))


def drop_generation(connection: sqlite3.Connection, number: int) -> None:
    """Drops the tables of a generation; called within a transaction."""
    for name in ("words", "keys", "places", "grams"):
        connection.execute(f"DROP TABLE IF EXISTS {name}_{number}")
    connection.execute("DELETE FROM generations WHERE generation = ?", (number,))


def keep(connection: sqlite3.Connection, state: Generation) -> None:
    """Writes how far a generation is; called within a transaction."""
    names = Generation.__slots__
    connection.execute(
        f"INSERT OR REPLACE INTO generations ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
        tuple(getattr(state, name) for name in names),
    )


def broken_mark(file: Path) -> Path:
    """The file by which a reader tells the writer that the index is broken."""
    return file.with_name(file.name + ".broken")


def remove(file: Path) -> None:
    """Gives the index up; readers that have it open keep what they opened."""
    for each in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm")), broken_mark(file)):
        each.unlink(missing_ok=True)


def must_be_broken(fault: Exception) -> None:
    """Raises what is wrong outside of the file: making it anew would not mend that.

    Raises:
        StoreFullError: the disk is full.
        StoreError: it is locked, or cannot be opened or written.
    """
    if is_disk_full(fault):
        raise StoreFullError("the disk is full: the index of words waits; free some space") from fault
    if getattr(fault, "sqlite_errorname", "").startswith(_PASSING):
        raise StoreError(f"the index of words cannot be written or read now: {fault}") from fault


def broken(file: Path, fault: Exception) -> IndexFileError:
    """The error of a reader that met a broken file, once the writer is told where that is possible."""
    with contextlib.suppress(OSError):
        broken_mark(file).touch()
    return IndexFileError(
        f"the index of words is broken ({fault}); it is made anew in the background; ask again then"
    )
