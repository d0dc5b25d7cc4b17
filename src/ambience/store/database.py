"""The SQL database behind the records: engine, transactions, schema version.

All that is particular to SQLite is in this file. Everything else is SQL that any database understands.
"""

import contextlib
import itertools
import json
import sqlite3
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from ambience.errors import DamagedStoreError, NewerLibraryError, StoreError
from ambience.expression import Pattern, Wildcard, cases
from ambience.store import schema
from ambience.store.disk_full import disk_full, is_disk_full
from ambience.version import __version__

MIGRATIONS: Final = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S: Final = 30.0
_VERSION_TABLE = sa.table("alembic_version", sa.column("version_num", sa.String(32)))


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file."""
    return sa.URL.create("sqlite", database=str(file)).render_as_string()


class Database:
    """Transactions on one SQL database; threads may share it.

    Attributes:
        is_writer: whether it may be changed.
        file: of SQLite; None elsewhere.
        is_damaged: whether pages were met that do not hold together.
    """

    def __init__(self, url: str, *, is_writer: bool) -> None:
        """Prepares connections; none is opened yet."""
        self.is_writer = is_writer
        self.is_damaged = False
        self._write_lock = threading.RLock()
        self._is_closed = False
        self.engine = sa.create_engine(url, pool_size=8, max_overflow=-1)
        self.file = Path(self.engine.url.database or "") if self.engine.dialect.name == "sqlite" else None
        if self.file is not None:
            sa.event.listen(self.engine, "connect", self._set_up_sqlite)
            sa.event.listen(self.engine, "begin", _begin_sqlite)

    def _set_up_sqlite(self, connection: Any, _record: Any) -> None:
        connection.isolation_level = (
            None  # transactions begin where SQLAlchemy says so, not where Python guesses
        )
        connection.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        if self.is_writer:
            connection.execute("PRAGMA journal_mode = WAL")
            # Bulk commits fold the log back every few dozen commits, not at every third.
            connection.execute("PRAGMA wal_autocheckpoint = 8000")
            connection.execute("PRAGMA journal_size_limit = 67108864")
        else:
            connection.execute("PRAGMA query_only = ON")

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view of the records.

        Raises:
            DamagedStoreError: the file is broken.
            StoreError: closed, or the database does not answer.
        """
        self._must_be_open()
        with self._translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def writing(self, *, migrates: bool = False) -> Iterator[sa.Connection]:
        """One synced transaction; wholly there or wholly absent afterwards.

        Args:
            migrates: whether tables may be replaced while others name their rows.

        Yields:
            A connection; leaving the block commits.

        Raises:
            StoreFullError: the disk is full; nothing was written.
            DamagedStoreError: the file is broken.
            StoreError: opened for reading, or closed, or the database does not answer.
        """
        self._must_be_open()
        if not self.is_writer:
            raise StoreError("the library is open for reading; open it for writing to change it")
        with self._write_lock, self._translated():
            connection = self.engine.connect().execution_options(writes=True, migrates=migrates)
            with connection, connection.begin():
                yield connection

    def problems(self) -> Iterator[str]:
        """What the database itself finds wrong with its file and its references, one line each.

        Yields:
            One line per problem.
        """
        if self.file is None:
            return
        with self.reading() as connection:
            for (line,) in connection.exec_driver_sql("PRAGMA integrity_check(100)"):
                if line != "ok":
                    self.is_damaged = True
                    yield str(line)
            for row in connection.exec_driver_sql("PRAGMA foreign_key_check"):
                yield f"row {row[1]} of {row[0]} names a row of {row[2]} that is not there"

    def is_sound(self) -> bool:
        """A quick check of the file's structure.

        Returns:
            Whether it found nothing.
        """
        if self.file is None:
            return True
        try:
            with self.reading() as connection:
                return bool(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok")
        except DamagedStoreError:
            return False

    def is_readable(self) -> bool:
        """Whether the file is a database whose tables can be listed; says nothing of most of its pages."""
        try:
            self.revision()
        except DamagedStoreError:
            return False
        return True

    def migrate(self) -> None:
        """Brings the tables up to the newest revision; a new database gets them at once.

        Raises:
            NewerLibraryError: a newer version of Ambience made these tables.
            StoreFullError: the disk is full.
        """
        found = self.revision()
        if found is None:
            self._create()
        elif found != (newest := known_revisions()[-1]):
            self.check_revision()
            self.upgrade(newest)

    def upgrade(self, revision: str) -> None:
        """Runs the migrations up to a revision, wholly or not at all.

        Raises:
            StoreFullError: the disk is full; the tables are as they were.
        """
        import alembic.command  # takes a while, and is seldom needed
        import alembic.config

        config = alembic.config.Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.writing(migrates=True) as connection:
            config.attributes["connection"] = connection
            alembic.command.upgrade(config, revision)
        self.engine.dispose()  # new connections watch over foreign keys again

    def check_revision(self) -> None:
        """Refuses tables that this version does not know.

        Raises:
            NewerLibraryError: a newer version of Ambience made these tables.
            StoreError: there are no tables.
        """
        found, known = self.revision(), known_revisions()
        if found is None:
            raise StoreError(f"no library in {self._place}; make one with `ambience add`")
        if found not in known:
            raise NewerLibraryError(
                f"this library has records of revision {found}; Ambience {__version__} knows up to "
                f"{known[-1]}: install a newer version of Ambience"
            )

    def revision(self) -> str | None:
        """The revision of the tables; None where there are none."""
        with self.reading() as connection:
            if not connection.dialect.has_table(connection, _VERSION_TABLE.name):
                return None
            revision = connection.execute(sa.select(_VERSION_TABLE.c.version_num)).scalar()
            return None if revision is None else str(revision)

    def close(self) -> None:
        """Closes every connection; SQLite then folds its write-ahead log into the file."""
        self._is_closed = True
        self.engine.dispose()

    def let_go(self) -> None:
        """Closes every connection for a while: another file is about to take the place of a broken one."""
        self.is_damaged = False
        self.engine.dispose()

    def _must_be_open(self) -> None:
        # The engine itself would connect again: a thread that comes late could write when another process
        # holds the library.
        if self._is_closed:
            raise StoreError(f"the records in {self._place} are closed; open the library again")

    @property
    def _place(self) -> str:
        return str(self.file or self.engine.url.render_as_string())

    def _create(self) -> None:
        with self.writing() as connection:
            schema.metadata.create_all(connection)
            connection.execute(sa.schema.CreateTable(_version_table()))
            connection.execute(sa.insert(_VERSION_TABLE), [{"version_num": known_revisions()[-1]}])
            names = [{"name": name, "last": 0} for name in ("seq", "image_id", "feature_id", "job_id")]
            connection.execute(sa.insert(schema.sequences), names)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as exc:
            cause = exc.orig or exc
            where = self._place
            if is_disk_full(cause):
                raise disk_full(Path(where).parent, cause) from exc
            if _is_damage(cause):
                self.is_damaged = True
                raise DamagedStoreError(broken_records(Path(str(where)), str(cause))) from exc
            raise StoreError(f"the records in {where} do not answer: {cause}") from exc


def read_numbers(connection: sa.Connection, query: sa.Select[Any]) -> tuple[NDArray[np.int64], ...]:
    """Columns of whole numbers, of any length, past SQLAlchemy's work per row.

    Returns:
        One (N,) int64 array a column of the query.
    """
    result = connection.execute(query)
    rows = result.cursor.fetchall() if result.cursor is not None else []
    width = len(result.keys())
    flat = np.fromiter(itertools.chain.from_iterable(rows), np.int64, len(rows) * width)
    return tuple(np.ascontiguousarray(column) for column in flat.reshape(-1, width).T)


def among(column: sa.ColumnElement[int], values: Iterable[int]) -> sa.ColumnElement[bool]:
    """Whether a column is one of many numbers; as one parameter, however many there are."""
    listed = sa.func.json_each(json.dumps([int(each) for each in values])).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def fits(column: sa.ColumnElement[Any], pattern: Pattern) -> sa.ColumnElement[bool]:
    """Whether a text, or one that is kept as bytes, fits a pattern as a whole, whatever the case of letters.

    Letters are alike that are one letter of different case; both ways to write accents are tried.

    Args:
        column: of text, or of its bytes.
        pattern: of a filter.

    Returns:
        A condition.
    """
    text = sa.cast(column, sa.Text)
    globs = {
        "".join(
            each.value if isinstance(each, Wildcard) else _caseless(unicodedata.normalize(form, each))
            for each in pattern
        )
        for form in ("NFC", "NFD")
    }
    return sa.or_(*(text.op("GLOB", is_comparison=True)(glob) for glob in sorted(globs)))


def _caseless(text: str) -> str:
    """A text as SQLite's GLOB has it: each letter as the set of its cases."""
    return "".join(_letter_set(letter) for letter in text)


def _letter_set(letter: str) -> str:
    alike = cases(letter)
    return f"[{''.join(sorted(alike))}]" if len(alike) > 1 or letter in "*?[" else letter


def broken_records(file: Path, why: str = "") -> str:
    """What to say of records that are broken."""
    return (
        f"the records in {file} are broken{f' ({why})' if why else ''}; stop every process that uses this "
        "library and open it for writing, for example with `ambience rebuild`, which puts its own copy of "
        "them back where there is one. Where there is none: put back a copy of that file, or move it away "
        "and add your folders again"
    )


def known_revisions() -> list[str]:
    """Revisions that this version knows, oldest first: the numbers that file names begin with."""
    return sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def _version_table() -> sa.Table:
    return sa.Table(
        _VERSION_TABLE.name, sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
    )


def _begin_sqlite(connection: sa.Connection) -> None:
    # A deferred transaction that turns from reading to writing can be refused; writers say so at once.
    options = connection.get_execution_options()
    if options.get("migrates", False):
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")  # has no effect inside of a transaction
    connection.exec_driver_sql("BEGIN IMMEDIATE" if options.get("writes", False) else "BEGIN")


def _is_damage(exc: BaseException) -> bool:
    name = getattr(exc, "sqlite_errorname", "") if isinstance(exc, sqlite3.Error) else ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
