"""The small tables of the records: jobs, snapshots, files that failed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa

from ambience.errors import StoreError
from ambience.store import schema
from ambience.store.base import FailedFile, Job, ModelChoice
from ambience.store.database import Database
from ambience.store.schema import clamped, decoded, encoded

CHUNK: Final = 500
"""Values that one statement names: some databases take no more than 999."""

_UNFINISHED = ("waiting", "running")


def now() -> str:
    """The time as the records have it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()


def folder_range(root: str) -> tuple[bytes, bytes]:
    """Two paths between which lies exactly what is below a folder."""
    folder = encoded(root).rstrip(b"/") + b"/"
    return folder, folder[:-1] + b"0"  # "0" is the character after "/"


class Notes:
    """What the library remembers beside its pictures; a part of `Records`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._has_models = False

    def failed_files(self, root: str | None = None) -> list[FailedFile]:
        """Files that are no pictures for us, by path; all of them, or those at or below `root`.

        Returns:
            With the reasons that were noted.
        """
        table = schema.failed_files
        query = sa.select(table).order_by(table.c.path)
        if root is not None:
            start, end = folder_range(root)
            is_below = sa.and_(table.c.path > start, table.c.path < end)
            query = query.where(sa.or_(table.c.path == encoded(root), is_below))
        with self.database.reading() as connection:
            return [
                FailedFile(decoded(row.path), row.size, row.mtime_ns, row.code, decoded(row.reason))
                for row in connection.execute(query)
            ]

    def failed_count(self) -> int:
        """How many files are no pictures for us."""
        with self.database.reading() as connection:
            query = sa.select(sa.func.count()).select_from(schema.failed_files)
            return int(connection.execute(query).scalar_one())

    def note_failed(self, files: Sequence[FailedFile]) -> None:
        """Remembers files that failed; a later failure of a file takes the place of an earlier one.

        Raises:
            StoreFullError: the disk is full; nothing was noted.
        """
        rows = {
            encoded(file.path): {
                "path": encoded(file.path),
                "size": file.size,
                "mtime_ns": clamped(file.mtime_ns),
                "code": file.code,
                "reason": encoded(file.reason),
            }
            for file in files
        }
        if rows:
            with self.database.writing() as connection:
                _delete_failed(connection, list(rows))
                connection.execute(sa.insert(schema.failed_files), list(rows.values()))

    def clear_failed(self, paths: Sequence[str]) -> None:
        """Forgets that files failed; unknown paths are passed over.

        Raises:
            StoreFullError: the disk is full.
        """
        if paths:
            with self.database.writing() as connection:
                _delete_failed(connection, [encoded(path) for path in paths])

    def note_snapshot(self, fingerprint: str, seq: int) -> None:
        """Remembers up to which change a fingerprint's index is safe on disk.

        Raises:
            StoreFullError: the disk is full.
        """
        table = schema.snapshots
        here = table.c.fingerprint == fingerprint
        with self.database.writing() as connection:
            if not connection.execute(sa.update(table).where(here).values(seq=seq)).rowcount:
                connection.execute(sa.insert(table), [{"fingerprint": fingerprint, "seq": seq}])

    def snapshots(self) -> dict[str, int]:
        """Fingerprint → change number of its newest snapshot."""
        table = schema.snapshots
        with self.database.reading() as connection:
            return {row.fingerprint: row.seq for row in connection.execute(sa.select(table))}

    def models(self) -> dict[str, ModelChoice]:
        """Kind → its models; a kind without an entry uses its own default.

        Returns:
            Empty as well where a library of the version before was never opened for writing by this one.
        """
        table = schema.models_in_use
        with self.database.reading() as connection:
            if not self._has_models:
                self._has_models = connection.dialect.has_table(connection, table.name)
            if not self._has_models:
                return {}
            return {
                row.kind: ModelChoice(row.model, row.coming) for row in connection.execute(sa.select(table))
            }

    def note_models(self, kind: str, choice: ModelChoice) -> None:
        """Remembers the models of a kind; counts as a change of the library, so that copies are made of it.

        Raises:
            StoreFullError: the disk is full; the choice before stays.
        """
        table, numbers = schema.models_in_use, schema.sequences
        here, values = table.c.kind == kind, {"model": choice.model, "coming": choice.coming}
        with self.database.writing() as connection:
            if not connection.execute(sa.update(table).where(here).values(values)).rowcount:
                connection.execute(sa.insert(table), [{"kind": kind, **values}])
            is_seq = numbers.c.name == "seq"
            connection.execute(sa.update(numbers).where(is_seq).values(last=numbers.c.last + 1))

    def add_job(self, name: str, subject: str, total: int = 0) -> Job:
        """A job in the state "waiting".

        Args:
            name: what is done.
            subject: the kind or fingerprint that it is about; "" for the whole library.
            total: units in all; 0 where unknown.

        Returns:
            The unfinished job of the same name and subject where there is one; else a new one.

        Raises:
            StoreFullError: the disk is full.
        """
        table, numbers = schema.jobs, schema.sequences
        same = sa.select(table).where(
            table.c.name == name, table.c.subject == subject, table.c.state.in_(_UNFINISHED)
        )
        with self.database.writing() as connection:
            row = connection.execute(same.order_by(table.c.job_id).limit(1)).first()
            if row is not None:
                return _job(row)
            last = connection.execute(
                sa.select(numbers.c.last).where(numbers.c.name == "job_id")
            ).scalar_one()
            job = Job(last + 1, name, subject, "waiting", total=total, updated_at=now())
            connection.execute(sa.update(numbers).where(numbers.c.name == "job_id").values(last=job.job_id))
            connection.execute(sa.insert(table), [{"job_id": job.job_id, **_job_values(job, job.updated_at)}])
            return job

    def update_job(self, job: Job) -> None:
        """Writes state, progress and message of a job; the time of the change is set here.

        Raises:
            StoreError: there is no such job.
            StoreFullError: the disk is full.
        """
        with self.database.writing() as connection:
            changed = connection.execute(
                sa.update(schema.jobs)
                .where(schema.jobs.c.job_id == job.job_id)
                .values(_job_values(job, now()))
            )
            if not changed.rowcount:
                raise StoreError(f"no job {job.job_id}; `ambience info` lists the jobs there are")

    def jobs(self, *, unfinished: bool = False, limit: int = 100) -> list[Job]:
        """The newest jobs, newest first; only those that wait or run where `unfinished`."""
        query = sa.select(schema.jobs).order_by(schema.jobs.c.job_id.desc()).limit(limit)
        if unfinished:
            query = query.where(schema.jobs.c.state.in_(_UNFINISHED))
        with self.database.reading() as connection:
            return [_job(row) for row in connection.execute(query)]


def _delete_failed(connection: sa.Connection, paths: Sequence[bytes]) -> None:
    for start in range(0, len(paths), CHUNK):
        named = schema.failed_files.c.path.in_(paths[start : start + CHUNK])
        connection.execute(sa.delete(schema.failed_files).where(named))


def _job_values(job: Job, updated_at: str) -> dict[str, object]:
    return {
        "name": job.name,
        "subject": job.subject,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "message": encoded(job.message),
        "updated_at": updated_at,
    }


def _job(row: sa.Row[tuple[object, ...]]) -> Job:
    values = dict(row._mapping)
    return Job(**{**values, "message": decoded(values["message"])})
