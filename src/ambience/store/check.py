"""Finds every inconsistency between and within records and features, in bounded memory.

Ids are compared as sorted arrays of whole numbers, eight bytes each, so that a million pictures are checked
in a few dozen megabytes; vectors are read a page at a time.
"""

import threading
from collections.abc import Iterator

import numpy as np
import sqlalchemy as sa

from ambience.datatypes import FeatureSpec, FeatureState, Ids, ImageState
from ambience.errors import DamagedStoreError
from ambience.store import schema
from ambience.store.base import Problem
from ambience.store.features import Features
from ambience.store.opening import LOST, counted
from ambience.store.plan import MAX_ASSIGNED_ID
from ambience.store.records import Records
from ambience.store.schema import encoded

_PAGE = 10_000
_AGAIN = "`ambience rebuild --features` makes it again from the picture"


def check_store(
    records: Records, features: Features, *, deep: bool, stop: threading.Event
) -> Iterator[Problem]:
    """Problems of one library's store.

    Args:
        records: the rows.
        features: the vectors.
        deep: whether every vector is read and its checksum compared.
        stop: ends it.

    Returns:
        Problems as they are found.
    """
    for line in records.database.problems():
        yield Problem(
            "records_corrupt",
            "records",
            f"the records' file is broken: {line}; stop every process that uses this library and run "
            "`ambience rebuild`, which puts its own copy of it back where there is one, or put back yours",
        )
    yield from _tallies(records)
    yield from _numbers(records)
    specs = {**records.imported, **records.specs()}
    with records.database.reading() as connection:
        kinds = {row.fingerprint: row.kind for row in connection.execute(sa.select(schema.spaces))}
    for fingerprint in sorted(kinds.keys() | set(features.fingerprints())):
        if stop.is_set():
            return
        kind = kinds.get(fingerprint, "")
        try:
            yield from _space(records, features, fingerprint, kind)
            if fingerprint in specs:
                yield from _lost(records, specs[fingerprint])
                if deep:
                    yield from _vectors(records, features, specs[fingerprint], stop)
        except DamagedStoreError as exc:
            yield Problem("features_damaged", "features", str(exc), kind=kind or None)


def _space(records: Records, features: Features, fingerprint: str, kind: str) -> Iterator[Problem]:
    """Rows without a feature, and features without a row; what a writer commits meanwhile is left out."""
    absent, orphans = compared(records, features, fingerprint)
    owners = records.image_ids(fingerprint, absent)
    for feature_id, image_id in zip(absent.tolist(), owners.tolist(), strict=True):
        if image_id >= 0:
            yield Problem(
                "feature_missing",
                "features",
                f"the {kind} feature {feature_id} of image {image_id} is not there; {_AGAIN}",
                image_id=image_id,
                kind=kind,
                detail={"feature_id": str(feature_id)},
            )
    for feature_id in orphans.tolist():
        yield Problem(
            "feature_orphan",
            "features",
            f"the feature {feature_id} of {fingerprint} belongs to no image; `ambience rebuild --features` "
            "deletes it",
            kind=kind or None,
            detail={"feature_id": str(feature_id)},
        )


def compared(records: Records, features: Features, fingerprint: str) -> tuple[Ids, Ids]:
    """Ids that rows name but that are not stored, and stored ids that no row names: none will ever.

    Returns:
        Two ascending arrays.
    """
    # The order of these reads matters where a writer is at work: it puts features before their rows, and
    # deletes features before their tombstones.
    stored = features.ids(fingerprint)
    last = records.last_feature_id()
    named = records.all_feature_ids(fingerprint)
    buried = records.buried_feature_ids(fingerprint)
    absent = np.setdiff1d(named, stored, assume_unique=True)
    absent = absent[~features.exists(fingerprint, absent)]
    orphans = np.setdiff1d(stored[stored <= last], np.union1d(named, buried), assume_unique=True)
    return absent, orphans[features.exists(fingerprint, orphans)]


def lost_features(records: Records, spec: FeatureSpec) -> Iterator[tuple[int, ImageState]]:
    """Images whose feature broke or went and cannot be made again for now, and why: no file is there.

    Yields:
        Image id, and FEATURES_ONLY or MISSING.
    """
    images, rows, spaces = schema.images, schema.features, schema.spaces
    base = (
        sa.select(images.c.image_id, images.c.state)
        .join(rows, images.c.image_id == rows.c.image_id)
        .join(spaces, spaces.c.space_id == rows.c.space_id)
        .where(spaces.c.fingerprint == spec.fingerprint)
        .order_by(images.c.image_id)
        .limit(_PAGE)
    )
    unmakable = sa.and_(rows.c.state == FeatureState.FAILED, rows.c.reason == encoded(LOST))
    waiting = sa.and_(
        rows.c.state == sa.literal_column(f"'{FeatureState.PENDING}'"), images.c.state == ImageState.MISSING
    )
    for which in (unmakable, waiting):
        after = -1
        while True:
            with records.database.reading() as connection:
                page = connection.execute(base.where(which, rows.c.image_id > after)).all()
            yield from ((row.image_id, ImageState(row.state)) for row in page)
            if len(page) < _PAGE:
                break
            after = page[-1].image_id


def _lost(records: Records, spec: FeatureSpec) -> Iterator[Problem]:
    for image_id, state in lost_features(records, spec):
        remedy = "send its bytes again"
        if state is ImageState.MISSING:
            remedy = "its file is missing: bring it back and run `ambience add` on its folder"
        yield Problem(
            "feature_lost",
            "features",
            f"the {spec.kind} feature of image {image_id} is lost; {remedy}, or remove the image",
            image_id=image_id,
            kind=spec.kind,
        )


def _vectors(
    records: Records, features: Features, spec: FeatureSpec, stop: threading.Event
) -> Iterator[Problem]:
    for page in features.id_pages(spec.fingerprint):
        if stop.is_set():
            return
        broken = features.verify_ids(spec, page)
        ids: Ids = np.array([feature_id for feature_id, _ in broken], np.int64)
        owners = records.image_ids(spec.fingerprint, ids)
        for (feature_id, what), image_id in zip(broken, owners.tolist(), strict=True):
            if image_id >= 0:
                yield Problem(
                    "feature_corrupt",
                    "features",
                    f"the {spec.kind} feature {feature_id} of image {image_id}: {what}; {_AGAIN}",
                    image_id=image_id,
                    kind=spec.kind,
                    detail={"feature_id": str(feature_id)},
                )


def _tallies(records: Records) -> Iterator[Problem]:
    with records.database.reading() as connection:
        noted, real = noted_tallies(connection), counted(connection)
    for key in sorted(noted.keys() | real.keys()):
        if noted.get(key, 0) != real.get(key, 0):
            yield Problem(
                "tally_wrong",
                "records",
                f"{real.get(key, 0)} rows of {key} are counted as {noted.get(key, 0)}; "
                "`ambience rebuild --features` counts again",
            )


def noted_tallies(connection: sa.Connection) -> dict[tuple[int, str, str], int]:
    """What the tallies say, zeros left out; see `counted`."""
    rows = connection.execute(sa.select(schema.tallies))
    return {(row.space_id, row.image_state, row.feature_state): row.number for row in rows if row.number}


def _numbers(records: Records) -> Iterator[Problem]:
    """Numbers that were given out and lie above their sequence would be given out again."""
    with records.database.reading() as connection:
        for name, (last, largest) in numbers_in_use(connection).items():
            if largest > last:
                yield Problem(
                    "sequence_behind",
                    "records",
                    f"the sequence of {name} stands at {last}, but {largest} is in use; "
                    "`ambience rebuild --features` moves it on",
                )


def numbers_in_use(connection: sa.Connection) -> dict[str, tuple[int, int]]:
    """Name of a sequence → where it stands, and the largest number in use.

    Returns:
        One pair per sequence that rows draw on.
    """
    images, features, tombstones = schema.images, schema.features, schema.tombstones
    given = sa.select(sa.func.max(images.c.image_id)).where(images.c.image_id <= MAX_ASSIGNED_ID)
    used: dict[str, list[sa.ColumnElement[int]]] = {
        "seq": [sa.func.max(features.c.seq), sa.func.max(tombstones.c.seq)],
        "feature_id": [sa.func.max(features.c.feature_id), sa.func.max(tombstones.c.feature_id)],
        "image_id": [given.scalar_subquery()],
    }
    last = {row.name: row.last for row in connection.execute(sa.select(schema.sequences))}
    return {
        name: (last.get(name, 0), max(connection.execute(sa.select(each)).scalar() or 0 for each in largest))
        for name, largest in used.items()
    }
