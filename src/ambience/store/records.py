"""The rows of the library: images, their features' states, tags, and the change log that indexes follow.

Reading is open to every thread and process. What changes images goes through `commit.py` alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec, FeatureState, Ids, ImageRecord, ImageState
from ambience.errors import UnknownImageError
from ambience.store import schema
from ambience.store.annotated import Annotated
from ambience.store.base import Change, KnownFile, PresentFile
from ambience.store.database import Database, read_numbers
from ambience.store.notes import CHUNK, folder_range
from ambience.store.schema import decoded, encoded

_KNOWN_PAGE = 5_000


class Records(Annotated):
    """What the library knows; every method is one consistent view.

    Attributes:
        kinds: kind → spec whose fingerprint is the current one; replaced as a whole.
        coming: the same of the models that are to take the place of those.
        kept: further fingerprints that are in use, though not by this process.
        imported: fingerprint → spec of features that another system made and that are searched beside those
            of a kind; replaced as a whole.
    """

    def __init__(self, database: Database, kinds: Mapping[str, FeatureSpec]) -> None:
        """Reads from a database whose tables exist.

        Args:
            database: where.
            kinds: kind → spec whose fingerprint is the current one.
        """
        super().__init__(database)
        self.kinds = dict(kinds)
        self.coming: Mapping[str, FeatureSpec] = {}
        self.kept: frozenset[str] = frozenset()
        self.imported: Mapping[str, FeatureSpec] = {}
        self._space_ids: dict[str, int] = {}

    def image(self, image_id: int) -> ImageRecord:
        """One image.

        Raises:
            UnknownImageError: no image has this id.
        """
        found = self.images([image_id])
        if image_id not in found:
            raise UnknownImageError(f"no image {image_id}; `ambience info` counts the images there are")
        return found[image_id]

    def images(self, image_ids: Sequence[int]) -> dict[int, ImageRecord]:
        """Id → image, in the order asked; unknown ids are left out."""
        asked = [each for each in dict.fromkeys(map(int, image_ids)) if 0 <= each < 2**63]
        with self.database.reading() as connection:
            rows = _selected(connection, sa.select(schema.images), schema.images.c.image_id, asked)
            found = {record.image_id: record for record in self._records(connection, rows)}
        return {each: found[each] for each in asked if each in found}

    def list_images(
        self, *, after: int = -1, limit: int = 100, newest_first: bool = False
    ) -> list[ImageRecord]:
        """A page of images by id.

        Args:
            after: id of the last image of the page before; -1 for the first page.
            limit: most images of the page.
            newest_first: by falling id; ids that the library gives rise with time.

        Returns:
            At most `limit` images.
        """
        column = schema.images.c.image_id
        query = sa.select(schema.images).order_by(column.desc() if newest_first else column).limit(limit)
        if newest_first and after >= 0:
            query = query.where(column < after)
        elif not newest_first:
            query = query.where(column > after)
        with self.database.reading() as connection:
            return self._records(connection, connection.execute(query).all())

    def same_file(self, sha256: bytes) -> list[int]:
        """Ids of the images that have exactly these bytes, ascending."""
        table = schema.images
        query = sa.select(table.c.image_id).where(table.c.sha256 == sha256).order_by(table.c.image_id)
        with self.database.reading() as connection:
            return list(connection.execute(query).scalars())

    def same_files(self, sha256s: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Sha256 → ids of the images that have these bytes, ascending; those of no image are left out.

        Returns:
            As of one moment.
        """
        table = schema.images
        query = sa.select(table.c.sha256, table.c.image_id)
        with self.database.reading() as connection:
            rows = _selected(connection, query, table.c.sha256, dict.fromkeys(sha256s))
        found: dict[bytes, list[int]] = {}
        for sha256, image_id in sorted((bytes(row.sha256), row.image_id) for row in rows):
            found.setdefault(sha256, []).append(image_id)
        return found

    def uploaded(self, sha256s: Sequence[bytes]) -> set[bytes]:
        """Those of the given sha256 that are the bytes of an upload."""
        table = schema.images
        query = sa.select(table.c.sha256).where(table.c.is_upload)
        with self.database.reading() as connection:
            return {bytes(row.sha256) for row in _selected(connection, query, table.c.sha256, sha256s)}

    def upload_bytes(self) -> int:
        """Bytes of all uploads; those that several images share count once."""
        table = schema.images
        each = sa.select(table.c.sha256, table.c.size).where(table.c.is_upload).distinct().subquery()
        with self.database.reading() as connection:
            return int(connection.execute(sa.select(sa.func.sum(each.c.size))).scalar() or 0)

    def by_path(self, path: str) -> int | None:
        """Id of the image whose file is at this path."""
        return self._first_id(schema.images.c.path == encoded(path))

    def by_name(self, name: str) -> int | None:
        """Smallest id of the images of this name."""
        return self._first_id(schema.images.c.name == encoded(name))

    def known_files(self, root: str) -> Iterator[KnownFile]:
        """Files of images at `root` or below it, by path; read page by page, so that nothing waits for it.

        Yields:
            One per image with a path.
        """
        column = schema.images.c.path
        with self.database.reading() as connection:
            yield from map(_known_file, connection.execute(_KNOWN.where(column == encoded(root))).all())
        after, end = folder_range(root)
        while True:
            # One range of one index: with an OR in it, every page would sort everything that is left.
            query = _KNOWN.where(column > after, column < end).order_by(column).limit(_KNOWN_PAGE)
            with self.database.reading() as connection:
                rows = connection.execute(query).all()
            yield from map(_known_file, rows)
            if len(rows) < _KNOWN_PAGE:
                return
            after = rows[-1].path

    def files_at(self, paths: Iterable[str]) -> list[KnownFile]:
        """Files of images at just these paths, in no order."""
        asked = [encoded(path) for path in paths]
        with self.database.reading() as connection:
            return [_known_file(row) for row in _selected(connection, _KNOWN, schema.images.c.path, asked)]

    def present_files(self, *, after: int = -1, page: int = _KNOWN_PAGE) -> Iterator[PresentFile]:
        """Files of all images that are not known to be gone, by image id; read page by page.

        Args:
            after: only images above this one.
            page: rows read at a time.

        Yields:
            One per image whose bytes should be there.
        """
        table = schema.images
        columns = [table.c[name] for name in PresentFile._fields]
        query = sa.select(*columns).where(table.c.state == ImageState.PRESENT).order_by(table.c.image_id)
        while True:
            with self.database.reading() as connection:
                rows = connection.execute(query.where(table.c.image_id > after).limit(page)).all()
            for image_id, path, size, mtime_ns, sha256, is_upload in rows:
                text = None if path is None else decoded(path)
                yield PresentFile(image_id, text, size, mtime_ns, bytes(sha256), is_upload)
            if len(rows) < page:
                return
            after = rows[-1].image_id

    def count(self, state: ImageState | None = None) -> int:
        """Images of the library; only those of one state where it is given.

        Returns:
            Read from a tally that commits keep, so that it costs the same at any size.
        """
        table = schema.tallies
        query = sa.select(sa.func.sum(table.c.number)).where(table.c.space_id == 0)
        if state is not None:
            query = query.where(table.c.image_state == state)
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar() or 0)

    def counts(self, specs: Mapping[str, FeatureSpec] | None = None) -> dict[str, dict[FeatureState, int]]:
        """Kind → state → rows, of the current spaces or those given by `specs`; every state is named.

        Returns:
            Counts, zeros included.
        """
        specs = self.kinds if specs is None else specs
        counted = {kind: dict.fromkeys(FeatureState, 0) for kind in specs}
        current = {spec.fingerprint: kind for kind, spec in specs.items()}
        query = (
            sa.select(schema.spaces.c.fingerprint, schema.tallies.c.feature_state, schema.tallies.c.number)
            .join(schema.spaces, schema.spaces.c.space_id == schema.tallies.c.space_id)
            .where(schema.spaces.c.fingerprint.in_(list(current)))
        )
        with self.database.reading() as connection:
            for fingerprint, state, number in connection.execute(query):
                counted[current[fingerprint]][FeatureState(state)] += number
        return counted

    def specs(self) -> dict[str, FeatureSpec]:
        """Fingerprint → spec of every space that is in use or coming."""
        return {spec.fingerprint: spec for spec in (*self.kinds.values(), *self.coming.values())}

    @property
    def in_use(self) -> set[str]:
        """Fingerprints that are searched, coming, or used by other processes."""
        return {*self.specs(), *self.kept, *self.imported}

    def has_space(self, fingerprint: str) -> bool:
        """Whether features of a fingerprint were ever stored."""
        with self.database.reading() as connection:
            return self._space_id(connection, fingerprint) is not None

    def last_seq(self) -> int:
        """The newest change number; 0 in a new library."""
        return self._last("seq")

    def changes(self, fingerprint: str, after: int, limit: int = 10_000) -> list[Change]:
        """What came and went in one fingerprint after a change number, oldest first.

        A feature that came and went after `after` shows as its removal alone.

        Args:
            fingerprint: of the space.
            after: change number that is already known.
            limit: most entries; the last one's `seq` is the next `after`.

        Returns:
            Entries by rising `seq`.
        """
        features, tombstones = schema.features, schema.tombstones
        with self.database.reading() as connection:
            space_id = self._space_id(connection, fingerprint)
            if space_id is None:
                return []
            came = sa.select(features.c.seq, features.c.feature_id).where(
                features.c.space_id == space_id, features.c.seq > after, features.c.feature_id.is_not(None)
            )
            went = sa.select(tombstones.c.seq, tombstones.c.feature_id).where(
                tombstones.c.space_id == space_id, tombstones.c.seq > after
            )
            found = [
                Change(seq, feature_id, is_removal)
                for query, column, is_removal in (
                    (came, features.c.seq, False),
                    (went, tombstones.c.seq, True),
                )
                for seq, feature_id in connection.execute(query.order_by(column).limit(limit))
            ]
        return sorted(found, key=lambda change: change.seq)[:limit]

    def feature_ids(self, fingerprint: str, image_ids: Sequence[int] | Ids) -> Ids:
        """(N,) feature id of each image, in the order asked; -1 where it has none."""
        table = schema.features
        return self._mapped(fingerprint, table.c.image_id, table.c.feature_id, image_ids)

    def image_ids(self, fingerprint: str, feature_ids: Sequence[int] | Ids) -> Ids:
        """(N,) image of each feature, in the order asked; -1 where the feature is gone."""
        table = schema.features
        return self._mapped(fingerprint, table.c.feature_id, table.c.image_id, feature_ids)

    def all_feature_ids(self, fingerprint: str) -> Ids:
        """Ids of all features of a fingerprint that are done, ascending.

        Returns:
            (N,) int64.
        """
        column = schema.features.c.feature_id
        with self.database.reading() as connection:
            space_id = self._space_id(connection, fingerprint)
            query = (
                sa.select(column)
                .where(schema.features.c.space_id == space_id, column.is_not(None))
                .order_by(column)
            )
            return np.fromiter(connection.execute(query).scalars(), np.int64)

    def features_by_image(self, fingerprint: str) -> tuple[Ids, Ids]:
        """All images with a feature of a fingerprint, and these features.

        Returns:
            (N,) int64 ascending image ids, and (N,) int64 feature ids beside them.
        """
        table = schema.features
        with self.database.reading() as connection:
            space_id = self._space_id(connection, fingerprint)
            query = sa.select(table.c.image_id, table.c.feature_id).where(
                table.c.space_id == space_id, table.c.feature_id.is_not(None)
            )
            images, features = read_numbers(connection, query)
        order = np.argsort(images)
        return images[order], features[order]

    def buried_feature_ids(self, fingerprint: str) -> Ids:
        """Ids of features of a fingerprint that went but are not yet forgotten, ascending."""
        table = schema.tombstones
        with self.database.reading() as connection:
            space_id = self._space_id(connection, fingerprint)
            query = sa.select(table.c.feature_id).where(table.c.space_id == space_id)
            return np.sort(np.fromiter(connection.execute(query).scalars(), np.int64))

    def last_feature_id(self) -> int:
        """The newest feature id that is committed; 0 in a new library."""
        return self._last("feature_id")

    def pending(self, fingerprint: str, *, after: int = -1, limit: int = 1000) -> list[int]:
        """Images whose file is there but whose feature is not: neither done, nor empty, nor failed.

        Args:
            fingerprint: of the space that is to be filled.
            after: only ids above this one.
            limit: most ids.

        Returns:
            Ids, ascending.
        """
        images, features = schema.images, schema.features
        with self.database.reading() as connection:
            space_id = self._space_id(connection, fingerprint)
            unsettled, without_row = self._pending_counts(connection, space_id)
            found: set[int] = set()
            if unsettled:
                query = (
                    sa.select(features.c.image_id)
                    .join(images, images.c.image_id == features.c.image_id)
                    .where(
                        features.c.space_id == space_id,
                        features.c.state == sa.literal_column(f"'{FeatureState.PENDING}'"),
                        features.c.image_id > after,
                        images.c.state == ImageState.PRESENT,
                    )
                    .order_by(features.c.image_id)
                    .limit(limit)
                )
                found.update(connection.execute(query).scalars())
            if without_row:
                has_row = sa.exists().where(
                    features.c.image_id == images.c.image_id, features.c.space_id == space_id
                )
                query = (
                    sa.select(images.c.image_id)
                    .where(images.c.image_id > after, images.c.state == ImageState.PRESENT, ~has_row)
                    .order_by(images.c.image_id)
                    .limit(limit)
                )
                found.update(connection.execute(query).scalars())
        return sorted(found)[:limit]

    def pending_count(self, fingerprint: str) -> int:
        """How many images `pending` would name in all; cheap, whatever the size of the library."""
        if fingerprint in self.imported:  # nobody makes such features here
            return 0
        with self.database.reading() as connection:
            return sum(self._pending_counts(connection, self._space_id(connection, fingerprint)))

    def _pending_counts(self, connection: sa.Connection, space_id: int | None) -> tuple[int, int]:
        """Images present whose row says PENDING, and images present that have no row."""
        table = schema.tallies
        query = sa.select(table.c.space_id, table.c.feature_state, table.c.number).where(
            table.c.space_id.in_((0, -1 if space_id is None else space_id)),
            table.c.image_state == ImageState.PRESENT,
        )
        present = rows = unsettled = 0
        for space, state, number in connection.execute(query):
            if space == 0:
                present += number
                continue
            rows += number
            unsettled += number if state == FeatureState.PENDING else 0
        return unsettled, present - rows

    def _records(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> list[ImageRecord]:
        ids = [row.image_id for row in rows]
        specs = (*self.imported.values(), *self.kinds.values())
        current = {self._space_id(connection, spec.fingerprint): spec.kind for spec in specs}
        states: dict[int, dict[str, tuple[FeatureState, str]]] = {each: {} for each in ids}
        for row in _selected(connection, sa.select(schema.features), schema.features.c.image_id, ids):
            if row.space_id in current:
                state = (FeatureState(row.state), decoded(row.reason))
                states[row.image_id][current[row.space_id]] = state
        tags: dict[int, set[str]] = {each: set() for each in ids}
        for row in _selected(connection, sa.select(schema.tags), schema.tags.c.image_id, ids):
            tags[row.image_id].add(decoded(row.tag))
        return [_record(row, states[row.image_id], tags[row.image_id]) for row in rows]

    def _mapped(
        self,
        fingerprint: str,
        key: sa.Column[int],
        value: sa.Column[int],
        asked: Sequence[int] | NDArray[np.int64],
    ) -> Ids:
        wanted, places = np.unique(np.asarray(asked, dtype=np.int64), return_inverse=True)
        answers = np.full(len(wanted), -1, np.int64)
        with self.database.reading() as connection:
            space_id = self._space_id(connection, fingerprint)
            # Nothing is said of rows without a feature: SQLite would walk the index of features instead.
            query = sa.select(key, value).where(schema.features.c.space_id == space_id)
            rows = _selected(connection, query, key, wanted[wanted >= 0].tolist())
        pairs = [tuple(row) for row in rows if None not in row]
        if pairs:
            keys, values = np.array(pairs, np.int64).T
            answers[np.searchsorted(wanted, keys)] = values
        return answers[places.reshape(-1)]

    def _last(self, sequence: str) -> int:
        table = schema.sequences
        query = sa.select(table.c.last).where(table.c.name == sequence)
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _first_id(self, condition: sa.ColumnElement[bool]) -> int | None:
        query = sa.select(sa.func.min(schema.images.c.image_id)).where(condition)
        with self.database.reading() as connection:
            return connection.execute(query).scalar()

    def _space_id(self, connection: sa.Connection, fingerprint: str) -> int | None:
        """The number of a fingerprint; it never changes once given."""
        if fingerprint not in self._space_ids:
            rows = connection.execute(sa.select(schema.spaces.c.fingerprint, schema.spaces.c.space_id))
            self._space_ids = {name: space_id for name, space_id in rows}
        return self._space_ids.get(fingerprint)


_KNOWN: sa.Select[Any] = sa.select(
    schema.images.c.image_id,
    schema.images.c.path,
    schema.images.c.size,
    schema.images.c.mtime_ns,
    schema.images.c.state,
)


def _selected(
    connection: sa.Connection, query: Any, column: sa.Column[Any], values: Iterable[Any]
) -> list[sa.Row[Any]]:
    """Rows of a SELECT whose column is one of many values, asked for in parts."""
    listed = list(values)
    rows: list[sa.Row[Any]] = []
    for start in range(0, len(listed), CHUNK):
        rows += connection.execute(query.where(column.in_(listed[start : start + CHUNK]))).all()
    return rows


def _known_file(row: sa.Row[Any]) -> KnownFile:
    # Taken apart at once: a million rows are read here, and each name looked up in a row costs.
    values: tuple[Any, ...] = tuple(row)
    image_id, path, size, mtime_ns, state = values
    return KnownFile(image_id, decoded(path), size, mtime_ns or 0, state == ImageState.MISSING.value)


def _record(
    row: sa.Row[Any], features: dict[str, tuple[FeatureState, str]], tags: Iterable[str]
) -> ImageRecord:
    return ImageRecord(
        sha256=bytes(row.sha256),
        size=row.size,
        name=decoded(row.name),
        path=None if row.path is None else decoded(row.path),
        mtime_ns=row.mtime_ns,
        is_upload=row.is_upload,
        format=row.format,
        width=row.width,
        height=row.height,
        taken_at=None if row.taken_at is None else datetime.fromisoformat(row.taken_at),
        image_id=row.image_id,
        state=ImageState(row.state),
        added_at=datetime.fromisoformat(row.added_at),
        features=features,
        tags=tuple(sorted(tags)),
    )
