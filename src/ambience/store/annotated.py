"""What is said of images in words, as the records have it; and who has yet to look at them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from ambience.datatypes import MAX_IMAGE_ID, FeatureState, ImageState
from ambience.store import schema
from ambience.store.notes import CHUNK, Notes
from ambience.store.plan_words import QUAD
from ambience.store.schema import decoded
from ambience.words import USER, Caption, Corner, ImageWords, Tag, TextLine

ENLISTED_AT_ONCE: Final = 5_000
"""Images of one transaction."""


class StoredLine(NamedTuple):
    """A line of text, and where it is.

    Attributes:
        line_id: rises with every line that is stored; never given out twice.
        image_id: whose.
        place: in reading order, from 0.
        line: itself.
    """

    line_id: int
    image_id: int
    place: int
    line: TextLine


_Said = tuple[list[sa.Row[Any]], list[Tag], list[Caption], dict[str, tuple[str, str]]]


class Annotated(Notes):
    """The words of the records; a part of `Records`.

    Attributes:
        annotators: name → fingerprint, of those that look at every image; replaced as a whole.
    """

    annotators: Mapping[str, str] = {}
    _has_source_urls = False

    def words(self, image_ids: Sequence[int]) -> dict[int, ImageWords]:
        """All that is said of images; unknown ids have nothing.

        Returns:
            Image id → words.
        """
        asked = [each for each in dict.fromkeys(map(int, image_ids)) if 0 <= each <= MAX_IMAGE_ID]
        tables = (schema.text_lines, schema.tags, schema.captions, schema.annotations)
        with self.database.reading() as connection:
            lines, tags, captions, states = (
                [row for part in parts(asked) for row in connection.execute(_of_images(table, part))]
                for table in tables
            )
            urls = self._source_urls(connection, asked)
        found: dict[int, _Said] = {each: ([], [], [], {}) for each in asked}
        for row in lines:
            found[row.image_id][0].append(row)
        for row in tags:
            found[row.image_id][1].append(Tag(decoded(row.tag), row.source, row.score))
        for row in captions:
            found[row.image_id][2].append(Caption(decoded(row.text), row.source, row.score))
        for row in states:
            found[row.image_id][3][row.annotator] = (row.state, decoded(row.reason))
        return {
            each: ImageWords(
                tuple(_line(row) for row in sorted(mine, key=lambda row: row.place)),
                tuple(sorted(said, key=lambda tag: (tag.source != USER, -tag.score, tag.text))),
                tuple(sorted(sentences, key=lambda one: (one.source != USER, one.source))),
                how_far,
                urls.get(each, ""),
            )
            for each, (mine, said, sentences, how_far) in found.items()
        }

    def _source_urls(self, connection: sa.Connection, image_ids: Sequence[int]) -> dict[int, str]:
        table = schema.source_urls
        if not self._has_source_urls:  # a process that only reads may see the library of an earlier version
            self._has_source_urls = connection.dialect.has_table(connection, table.name)
        if not self._has_source_urls:
            return {}
        rows = (row for part in parts(image_ids) for row in connection.execute(_of_images(table, part)))
        return {row.image_id: decoded(row.url) for row in rows}

    def lines_after(self, line_id: int, limit: int) -> list[StoredLine]:
        """Lines that were stored after one, by rising number.

        Args:
            line_id: of the last line that is known; 0 at the beginning.
            limit: most lines.

        Returns:
            Those that are still there.
        """
        table = schema.text_lines
        query = sa.select(table).where(table.c.line_id > line_id).order_by(table.c.line_id).limit(limit)
        with self.database.reading() as connection:
            return [_stored(row) for row in connection.execute(query)]

    def lines(self, line_ids: Sequence[int]) -> dict[int, StoredLine]:
        """Lines by their numbers.

        Returns:
            Number → line; those that are gone are left out.
        """
        table = schema.text_lines
        with self.database.reading() as connection:
            return {
                row.line_id: _stored(row)
                for part in parts(list(line_ids))
                for row in connection.execute(sa.select(table).where(table.c.line_id.in_(part)))
            }

    def last_line_id(self) -> int:
        """Number of the newest line that is there; 0 where there is none."""
        with self.database.reading() as connection:
            return connection.execute(sa.select(sa.func.max(schema.text_lines.c.line_id))).scalar() or 0

    def line_count(self) -> int:
        """Lines that are there."""
        with self.database.reading() as connection:
            return int(
                connection.execute(sa.select(sa.func.count()).select_from(schema.text_lines)).scalar_one()
            )

    # --- who has yet to look ----------------------------------------------------------------------------

    def pending_annotations(self, name: str, *, after: int = -1, limit: int = 1000) -> list[int]:
        """Images whose file is there and that an annotator has yet to look at.

        Args:
            name: of the annotator.
            after: only ids above this one.
            limit: most ids.

        Returns:
            Ids, ascending.
        """
        table, images = schema.annotations, schema.images
        query = (
            sa.select(table.c.image_id)
            .join(images, images.c.image_id == table.c.image_id)
            .where(
                table.c.annotator == name,
                table.c.state == sa.literal_column(f"'{FeatureState.PENDING}'"),
                table.c.image_id > after,
                images.c.state == ImageState.PRESENT,
            )
            .order_by(table.c.image_id)
            .limit(limit)
        )
        with self.database.reading() as connection:
            return list(connection.execute(query).scalars())

    def pending_annotation_count(self, name: str) -> int:
        """How many images `pending_annotations` would name in all.

        Returns:
            A number; quick where little is pending.
        """
        table, images = schema.annotations, schema.images
        query = (
            sa.select(sa.func.count())
            .select_from(table.join(images, images.c.image_id == table.c.image_id))
            .where(
                table.c.annotator == name,
                table.c.state == sa.literal_column(f"'{FeatureState.PENDING}'"),
                images.c.state == ImageState.PRESENT,
            )
        )
        with self.database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def annotation_counts(self, name: str) -> dict[FeatureState, int]:
        """Images by how far an annotator is with them.

        Returns:
            State → images; states of none are left out.
        """
        table = schema.annotations
        query = sa.select(table.c.state, sa.func.count()).where(table.c.annotator == name)
        with self.database.reading() as connection:
            rows = connection.execute(query.group_by(table.c.state)).all()
        return {FeatureState(state): number for state, number in rows}

    def enlist(self, name: str, fingerprint: str) -> bool:
        """Notes images that an annotator has yet to look at, `ENLISTED_AT_ONCE` of them.

        Images that are added are enlisted as they come; this is for those that were there before the
        annotator was, or were seen by it as it was before.

        Args:
            name: of the annotator.
            fingerprint: of what it depends on now.

        Returns:
            Whether all images are enlisted by now; else there is more to do.

        Raises:
            StoreFullError: the disk is full; nothing of this part was noted.
        """
        table, images, rows = schema.annotators, schema.images, schema.annotations
        if name in self.annotators:  # what it says by an older fingerprint is refused from now on
            self.annotators = {**self.annotators, name: fingerprint}
        with self.database.reading() as connection:
            known = connection.execute(sa.select(table).where(table.c.name == name)).one_or_none()
        if known is not None and (known.fingerprint, known.enlisted) == (fingerprint, MAX_IMAGE_ID):
            return True
        with self.database.writing() as connection:
            if known is None or known.fingerprint != fingerprint:
                connection.execute(sa.delete(table).where(table.c.name == name))
                row = {"name": name, "fingerprint": fingerprint, "enlisted": -1}
                connection.execute(sa.insert(table).values(row))
            after = -1 if known is None or known.fingerprint != fingerprint else known.enlisted
            page = sa.select(images.c.image_id).where(images.c.image_id > after)
            ids = list(connection.execute(page.order_by(images.c.image_id).limit(ENLISTED_AT_ONCE)).scalars())
            last = ids[-1] if len(ids) == ENLISTED_AT_ONCE else MAX_IMAGE_ID
            here = (rows.c.annotator == name, rows.c.image_id > after, rows.c.image_id <= last)
            # Only files can be looked at again: what is kept of bytes that were never kept stays as it is.
            readable = sa.select(images.c.image_id).where(
                images.c.image_id > after,
                images.c.image_id <= last,
                images.c.state != ImageState.FEATURES_ONLY,
            )
            connection.execute(
                sa.update(rows)
                .where(*here, rows.c.fingerprint != fingerprint, rows.c.image_id.in_(readable))
                .values(fingerprint=fingerprint, state=FeatureState.PENDING.value, reason=b"")
            )
            lacking = sa.select(
                images.c.image_id,
                sa.literal(name),
                sa.literal(fingerprint),
                sa.literal(FeatureState.PENDING.value),
                sa.literal(b""),
            ).where(
                images.c.image_id > after,
                images.c.image_id <= last,
                images.c.state != ImageState.FEATURES_ONLY,
                ~sa.exists().where(rows.c.image_id == images.c.image_id, rows.c.annotator == name),
            )
            columns = ["image_id", "annotator", "fingerprint", "state", "reason"]
            connection.execute(sa.insert(rows).from_select(columns, lacking))
            connection.execute(sa.update(table).where(table.c.name == name).values(enlisted=last))
        return last == MAX_IMAGE_ID

    def forget_other_annotators(self) -> None:
        """Takes annotators off the list that look at images no more: images are not enlisted for them now.

        Raises:
            StoreFullError: the disk is full.
        """
        table = schema.annotators
        gone = table.c.name.not_in(list(self.annotators))
        with self.database.reading() as connection:
            if not connection.execute(sa.select(table.c.name).where(gone)).all():
                return
        with self.database.writing() as connection:
            connection.execute(sa.delete(table).where(gone))


def parts(values: Sequence[int]) -> list[list[int]]:
    """Values as lists that one statement can name."""
    return [list(values[start : start + CHUNK]) for start in range(0, len(values), CHUNK)]


def _of_images(table: sa.Table, image_ids: Sequence[int]) -> sa.Select[Any]:
    return sa.select(table).where(table.c.image_id.in_(image_ids))


def _stored(row: sa.Row[Any]) -> StoredLine:
    return StoredLine(row.line_id, row.image_id, row.place, _line(row))


def _line(row: sa.Row[Any]) -> TextLine:
    x1, y1, x2, y2, x3, y3, x4, y4 = QUAD.unpack(bytes(row.quad))
    quad = (Corner(x1, y1), Corner(x2, y2), Corner(x3, y3), Corner(x4, y4))
    return TextLine(decoded(row.text), quad, row.confidence, row.script, row.language)
