"""Between a plan and the tables: reads the rows that it starts from, writes the rows in which it ends.

Everything is done for a whole group of writes at a time, a statement per table, never one per write.
"""

from collections.abc import Collection, Iterable
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from ambience.datatypes import FeatureState, ImageState
from ambience.expression import folded
from ambience.store import schema
from ambience.store.notes import CHUNK
from ambience.store.plan import Entry, FeatureRow, Plan, Stored, summed
from ambience.store.plan_words import annotators_of, deletions, insertions
from ambience.store.schema import decoded, encoded
from ambience.words import USER


def load(connection: sa.Connection, image_ids: Collection[int], paths: Collection[bytes]) -> Stored:
    """The stored rows that concern some images and paths.

    Args:
        connection: inside the transaction that will write.
        image_ids: images, known or not.
        paths: files, known or not.

    Returns:
        What a plan starts from.
    """
    images, features = schema.images, schema.features
    entries: dict[int, Entry] = {}
    owned: dict[bytes, int] = {}
    columns = sa.select(images.c.image_id, images.c.sha256, images.c.path, images.c.state)
    for row in _chunked(connection, columns, images.c.image_id, image_ids):
        path = None if row.path is None else bytes(row.path)
        entries[row.image_id] = Entry(bytes(row.sha256), path, ImageState(row.state))
        if path is not None:
            owned[path] = row.image_id
    for row in _chunked(connection, sa.select(features), features.c.image_id, list(entries)):
        entries[row.image_id].rows[row.space_id] = FeatureRow(
            FeatureState(row.state), row.feature_id, row.seq, bytes(row.reason)
        )
    for row in _chunked(connection, sa.select(images.c.path, images.c.image_id), images.c.path, paths):
        owned[bytes(row.path)] = row.image_id
    spaces = {
        row.fingerprint: (row.space_id, row.kind) for row in connection.execute(sa.select(schema.spaces))
    }
    numbers = {row.name: row.last for row in connection.execute(sa.select(schema.sequences))}
    listed: sa.Select[Any] = sa.select(schema.annotations.c.image_id, schema.annotations.c.annotator)
    said = _chunked(connection, listed, schema.annotations.c.image_id, list(entries))
    return Stored(entries, owned, spaces, numbers, annotators_of(said))


def save(connection: sa.Connection, plan: Plan) -> None:
    """Writes what a plan changed; the caller's transaction makes it so."""
    _insert(
        connection,
        schema.spaces,
        [
            {"space_id": number, "kind": kind, "fingerprint": fingerprint}
            for fingerprint, (number, kind) in plan.new_spaces.items()
        ],
    )
    fresh = _delete_old(connection, plan)
    _save_images(connection, plan)
    _insert(connection, schema.features, fresh)
    _insert(
        connection,
        schema.tombstones,
        [
            {
                "seq": each.seq,
                "space_id": each.space_id,
                "feature_id": each.feature_id,
                "image_id": each.image_id,
            }
            for each in plan.tombstones
        ],
    )
    _insert(
        connection,
        schema.tags,
        [
            {"image_id": image_id, "source": USER, "tag": tag, "score": 1.0}
            for image_id, tags in plan.tags.items()
            for tag in tags
        ],
    )
    for table, rows in insertions(plan.words):
        _insert(connection, table, rows)
    elsewhere = schema.removals_elsewhere
    here = sa.and_(*(column == sa.bindparam(f"p_{column.name}") for column in elsewhere.c))
    gone = [
        dict(zip(("kind", "image_id", "sha256"), each, strict=True)) for each in sorted(plan.gone_elsewhere)
    ]
    _many(
        connection, sa.delete(elsewhere).where(here), [{f"p_{n}": v for n, v in row.items()} for row in gone]
    )
    _insert(connection, elsewhere, gone)
    save_numbers(connection, plan.numbers)
    add_to_tallies(connection, summed(plan))


def save_numbers(connection: sa.Connection, numbers: dict[str, int]) -> None:
    """Writes the last numbers given out."""
    table = schema.sequences
    _many(
        connection,
        sa.update(table).where(table.c.name == sa.bindparam("n")).values(last=sa.bindparam("l")),
        [{"n": name, "l": last} for name, last in numbers.items()],
    )


def add_to_tallies(connection: sa.Connection, differences: dict[tuple[int, str, str], int]) -> None:
    """Moves the counters of rows."""
    table = schema.tallies
    for (space_id, image_state, feature_state), difference in differences.items():
        here = sa.and_(
            table.c.space_id == space_id,
            table.c.image_state == image_state,
            table.c.feature_state == feature_state,
        )
        changed = connection.execute(sa.update(table).where(here).values(number=table.c.number + difference))
        if not changed.rowcount:
            connection.execute(
                sa.insert(table).values(
                    space_id=space_id,
                    image_state=image_state,
                    feature_state=feature_state,
                    number=difference,
                )
            )


def _delete_old(connection: sa.Connection, plan: Plan) -> list[dict[str, Any]]:
    """Deletes rows that went or changed; returns the feature rows to write afresh."""
    features, tags, images = schema.features, schema.tags, schema.images
    gone: list[dict[str, Any]] = []
    fresh: list[dict[str, Any]] = []
    for image_id in plan.before.keys() | plan.entries.keys():
        old = plan.before[image_id].rows if image_id in plan.before else {}
        new = plan.entries[image_id].rows if image_id in plan.entries else {}
        gone += [{"i": image_id, "s": space} for space, row in old.items() if new.get(space) is not row]
        fresh += [
            {
                "image_id": image_id,
                "space_id": space,
                "state": row.state.value,
                "feature_id": row.feature_id,
                "seq": row.seq,
                "reason": row.reason,
            }
            for space, row in new.items()
            if old.get(space) is not row
        ]
    _many(
        connection,
        sa.delete(features).where(
            features.c.image_id == sa.bindparam("i"), features.c.space_id == sa.bindparam("s")
        ),
        gone,
    )
    by_image = tags.c.image_id == sa.bindparam("i")
    by_user = sa.and_(by_image, tags.c.source == USER)
    _many(connection, sa.delete(tags).where(by_image), [{"i": each} for each in plan.removed])
    _many(connection, sa.delete(tags).where(by_user), [{"i": each} for each in plan.cleared_tags])
    _many(
        connection,
        sa.delete(tags).where(by_user, tags.c.tag == sa.bindparam("t")),
        [{"i": each, "t": tag} for each, given in plan.tags.items() for tag in given],
    )
    for statement, rows in deletions(plan.words, plan.removed):
        _many(connection, statement, rows)
    dead = [{"i": each} for each in plan.removed if each in plan.before and each not in plan.entries]
    _many(connection, sa.delete(images).where(images.c.image_id == sa.bindparam("i")), dead)
    return fresh


def _save_images(connection: sa.Connection, plan: Plan) -> None:
    images = schema.images
    added: list[dict[str, Any]] = []
    changed: dict[frozenset[str], list[dict[str, Any]]] = {}
    moved: list[dict[str, Any]] = []
    for image_id, entry in plan.entries.items():
        before = plan.before.get(image_id)
        if entry.values is None:
            continue
        if before is None:
            added.append({"image_id": image_id, **entry.values})
            continue
        changed.setdefault(frozenset(entry.values), []).append({"i": image_id, **entry.values})
        if before.path is not None and before.path != entry.path:
            moved.append({"i": image_id})
    here = images.c.image_id == sa.bindparam("i")
    # Two files may have swapped their paths: nobody holds a path while they are given out anew.
    _many(connection, sa.update(images).where(here).values(path=None), moved)
    for columns, rows in changed.items():
        values: dict[str, Any] = {name: sa.bindparam(name) for name in sorted(columns)}
        _many(connection, sa.update(images).where(here).values(values), rows)
    _insert(connection, images, added)


def _insert(connection: sa.Connection, table: sa.Table, rows: list[dict[str, Any]]) -> None:
    """Adds rows that all name the same columns, past SQLAlchemy's work per row, which takes long."""
    if not rows:
        return
    if table is schema.tags:
        _note_forms(connection, {row["tag"] for row in rows})
    columns = tuple(rows[0])
    text, order = _compiled_insert(table, columns, connection.dialect)
    if order is None:
        connection.exec_driver_sql(text, rows)
    else:
        connection.exec_driver_sql(text, [*map(itemgetter(*order), rows)])


def _note_forms(connection: sa.Connection, tags: set[bytes]) -> None:
    """Makes tags known to `tag_forms`, by which filters find them, whoever gives them."""
    forms = schema.tag_forms
    known = {bytes(row.tag) for row in _chunked(connection, sa.select(forms.c.tag), forms.c.tag, tags)}
    rows = [{"tag": tag, "folded": encoded(folded(decoded(tag)))} for tag in sorted(tags - known)]
    _insert(connection, forms, rows)


@cache
def _compiled_insert(
    table: sa.Table, columns: tuple[str, ...], dialect: sa.Dialect
) -> tuple[str, tuple[str, ...] | None]:
    """The text of an INSERT, and the order of its parameters where they have no names."""
    compiled = sa.insert(table).compile(dialect=dialect, column_keys=list(columns))
    order = tuple(compiled.positiontup or ()) if compiled.positional else None
    return str(compiled), order


def _many(connection: sa.Connection, statement: sa.Update | sa.Delete, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _chunked(
    connection: sa.Connection, query: sa.Select[Any], column: sa.Column[Any], values: Iterable[Any]
) -> Iterable[sa.Row[Any]]:
    listed = list(values)
    for start in range(0, len(listed), CHUNK):
        yield from connection.execute(query.where(column.in_(listed[start : start + CHUNK])))
