"""What other processes that serve kinds have yet to be told: pictures to make features of, and to forget."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from ambience.datatypes import FeatureSpec, FeatureState, ImageState
from ambience.store import schema
from ambience.store.database import among
from ambience.store.records import Records


class Removal(NamedTuple):
    """What a kind has yet to forget: an image, and the sha256 of the bytes that it had."""

    image_id: int
    sha256: bytes


class Elsewhere:
    """The queues of kinds that are served elsewhere; threads may share it.

    Rows of features say what is to be made; removals are rows of their own, written with what they follow.

    Args:
        records: of the library.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    def pending(self, spec: FeatureSpec, *, after: int = -1, limit: int = 1000) -> list[int]:
        """Images that a kind has yet to get, those without a file included.

        Args:
            spec: of the kind, kept elsewhere.
            after: only ids above this one.
            limit: most ids.

        Returns:
            Ids, ascending.
        """
        rows, spaces = schema.features, schema.spaces
        queued = (
            sa.select(rows.c.image_id)
            .join(spaces, spaces.c.space_id == rows.c.space_id)
            .where(
                spaces.c.fingerprint == spec.fingerprint,
                rows.c.state == sa.literal_column(f"'{FeatureState.PENDING}'"),
                rows.c.image_id > after,
            )
            .order_by(rows.c.image_id)
            .limit(limit)
        )
        with self._records.database.reading() as connection:
            found = set(connection.execute(queued).scalars())
        # Those that were there before the kind was served elsewhere have no row at all.
        found.update(self._records.pending(spec.fingerprint, after=after, limit=limit))
        return sorted(found)[:limit]

    def pending_count(self, spec: FeatureSpec) -> int:
        """How many images a kind has yet to get.

        Returns:
            A figure of the tallies, which costs the same at any size.
        """
        rows, spaces = schema.tallies, schema.spaces
        without_file = (
            sa.select(sa.func.sum(rows.c.number))
            .join(spaces, spaces.c.space_id == rows.c.space_id)
            .where(
                spaces.c.fingerprint == spec.fingerprint,
                rows.c.feature_state == FeatureState.PENDING,
                rows.c.image_state == ImageState.FEATURES_ONLY,
            )
        )
        with self._records.database.reading() as connection:
            beyond = int(connection.execute(without_file).scalar() or 0)
        return self._records.pending_count(spec.fingerprint) + beyond

    def removals(self, kind: str, *, image_id: int | None = None, limit: int = 1000) -> list[Removal]:
        """What a kind has yet to forget, by image.

        Args:
            kind: which.
            image_id: only of this image.
            limit: most entries.

        Returns:
            Images, each with the bytes that it had.
        """
        table = schema.removals_elsewhere
        query = sa.select(table.c.image_id, table.c.sha256).where(table.c.kind == kind)
        if image_id is not None:
            query = query.where(table.c.image_id == image_id)
        with self._records.database.reading() as connection:
            rows = connection.execute(query.order_by(table.c.image_id).limit(limit)).all()
        return [Removal(row.image_id, bytes(row.sha256)) for row in rows]

    def removal_count(self, kind: str) -> int:
        """How many images a kind has yet to forget."""
        table = schema.removals_elsewhere
        query = sa.select(sa.func.count()).select_from(table).where(table.c.kind == kind)
        with self._records.database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def note_forgotten(self, kind: str, removal: Removal) -> None:
        """A kind forgot an image."""
        table = schema.removals_elsewhere
        here = (
            table.c.kind == kind,
            table.c.image_id == removal.image_id,
            table.c.sha256 == removal.sha256,
        )
        with self._records.database.writing() as connection:
            connection.execute(sa.delete(table).where(*here))

    def known(self, kind: str, image_ids: Sequence[int]) -> set[int]:
        """Those of some images that the library has, and that a kind need not forget."""
        images, gone = schema.images.c.image_id, schema.removals_elsewhere
        is_gone = sa.exists().where(gone.c.kind == kind, gone.c.image_id == images)
        query = sa.select(images).where(among(images, image_ids), ~is_gone)
        with self._records.database.reading() as connection:
            return set(connection.execute(query).scalars())
