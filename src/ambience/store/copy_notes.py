"""What the records say where duplicates are concerned: contents of images, and what people decided."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ambience.copies import CopyFacts
from ambience.datatypes import ImageState
from ambience.store import schema
from ambience.store.database import Database, among
from ambience.store.notes import CHUNK, now

DIFFERENT = "different"


class CopyNotes:
    """Reads images by their contents, and keeps decisions about pairs of contents.

    Args:
        database: of the records.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def contents(self, image_ids: Collection[int]) -> dict[int, bytes]:
        """Image id → sha256; unknown ids are left out."""
        table = schema.images
        query = sa.select(table.c.image_id, table.c.sha256).where(among(table.c.image_id, image_ids))
        with self._database.reading() as connection:
            return {row.image_id: bytes(row.sha256) for row in connection.execute(query)}

    def known(self, contents: Collection[bytes]) -> set[bytes]:
        """Which contents an image has.

        Returns:
            Those of the given ones.
        """
        table = schema.images
        found: set[bytes] = set()
        with self._database.reading() as connection:
            for part in _parts(sorted(contents)):
                query = sa.select(table.c.sha256).where(table.c.sha256.in_(part)).distinct()
                found.update(bytes(row.sha256) for row in connection.execute(query))
        return found

    def came_after(self, fingerprint: str, seq: int) -> int:
        """Features of a fingerprint that came after a change number.

        Returns:
            How many there are.
        """
        features, spaces = schema.features, schema.spaces
        query = (
            sa.select(sa.func.count())
            .select_from(features.join(spaces, spaces.c.space_id == features.c.space_id))
            .where(spaces.c.fingerprint == fingerprint, features.c.seq > seq)
            .where(features.c.feature_id.is_not(None))
        )
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def facts(self, contents: Collection[bytes]) -> list[CopyFacts]:
        """Images that have one of these contents, and all images that share theirs with another.

        Returns:
            Each once.
        """
        table = schema.images
        shared = (
            sa.select(table.c.sha256).group_by(table.c.sha256).having(sa.func.count() > 1).scalar_subquery()
        )
        columns = (
            table.c.image_id, table.c.sha256, table.c.width, table.c.height, table.c.size, table.c.format,
            table.c.taken_at, table.c.state,
        )  # fmt: skip
        found: dict[int, CopyFacts] = {}
        with self._database.reading() as connection:
            asked = [table.c.sha256.in_(part) for part in _parts(sorted(contents))]
            for condition in (table.c.sha256.in_(shared), *asked):
                for row in connection.execute(sa.select(*columns).where(condition)):
                    found[row.image_id] = _facts(row)
        return list(found.values())

    def different(self) -> set[tuple[bytes, bytes]]:
        """Pairs of contents that people told apart, the smaller first."""
        table = schema.decisions
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(table.c.low, table.c.high)).all()
        return {(bytes(row.low), bytes(row.high)) for row in rows}

    def decide(self, one: bytes, other: bytes, *, is_different: bool) -> None:
        """Notes that two contents are no duplicates, or takes that back; durable when it returns.

        Args:
            one: sha256.
            other: sha256, another one.
            is_different: whether they are told apart.

        Raises:
            StoreFullError: the disk is full; nothing was noted.
        """
        table = schema.decisions
        low, high = sorted((one, other))
        here = sa.and_(table.c.low == low, table.c.high == high)
        with self._database.writing() as connection:
            connection.execute(sa.delete(table).where(here))
            if is_different:
                values = {"low": low, "high": high, "decision": DIFFERENT, "decided_at": now()}
                connection.execute(sa.insert(table).values(values))


def _facts(row: Any) -> CopyFacts:
    return CopyFacts(
        row.image_id,
        bytes(row.sha256),
        row.width,
        row.height,
        row.size,
        row.format,
        row.taken_at or "",
        row.state == ImageState.PRESENT,
    )


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
