"""Finds every inconsistency between and within records and features, in bounded memory.

Ids are compared as sorted arrays of whole numbers, eight bytes each, so that a million pictures are checked
in a few dozen megabytes; vectors are read a page at a time.
"""

from collections.abc import Iterator

import numpy as np
import sqlalchemy as sa

from ambience.datatypes import FeatureSpec, Ids
from ambience.errors import DamagedStoreError
from ambience.store import schema
from ambience.store.base import Problem
from ambience.store.features import Features
from ambience.store.opening import counted
from ambience.store.records import Records

_PAGE = 10_000


def check_store(records: Records, features: Features, *, deep: bool) -> Iterator[Problem]:
    """Problems of one library's store.

    Args:
        records: the rows.
        features: the vectors.
        deep: whether every vector is read and its checksum compared.

    Returns:
        Problems as they are found.
    """
    for line in records.database.problems():
        yield Problem(
            "records_corrupt", "records", f"the records' file is broken: {line}; put back a copy of it"
        )
    yield from _tallies(records)
    yield from _numbers(records)
    specs = {spec.fingerprint: spec for spec in records.kinds.values()}
    with records.database.reading() as connection:
        kinds = {row.fingerprint: row.kind for row in connection.execute(sa.select(schema.spaces))}
    for fingerprint in sorted(kinds.keys() | set(features.fingerprints())):
        kind = kinds.get(fingerprint, "")
        try:
            yield from _space(records, features, fingerprint, kind)
            if deep and fingerprint in specs:
                yield from _vectors(records, features, specs[fingerprint])
        except DamagedStoreError as exc:
            yield Problem("features_damaged", "features", str(exc), kind=kind or None)


def _space(records: Records, features: Features, fingerprint: str, kind: str) -> Iterator[Problem]:
    """Rows without a feature, and features without a row; what a writer commits meanwhile is left out."""
    # The order of these reads matters where a writer is at work: it puts features before their rows, and
    # deletes features before their tombstones.
    stored = features.ids(fingerprint)
    last = records.last_feature_id()
    named = records.all_feature_ids(fingerprint)
    buried = records.buried_feature_ids(fingerprint)
    known = np.union1d(named, buried)
    absent = np.setdiff1d(named, stored, assume_unique=True)
    absent = absent[~features.exists(fingerprint, absent)]
    owners = records.image_ids(fingerprint, absent)
    for feature_id, image_id in zip(absent.tolist(), owners.tolist(), strict=True):
        if image_id >= 0:
            yield Problem(
                "feature_missing",
                "features",
                f"the {kind} feature {feature_id} of image {image_id} is not there; "
                "`ambience rebuild` makes it again",
                image_id=image_id,
                kind=kind,
                detail={"feature_id": str(feature_id)},
            )
    orphans = np.setdiff1d(stored[stored <= last], known, assume_unique=True)
    orphans = orphans[features.exists(fingerprint, orphans)]
    for feature_id in orphans.tolist():
        yield Problem(
            "feature_orphan",
            "features",
            f"the feature {feature_id} of {fingerprint} belongs to no image; `ambience rebuild` deletes it",
            kind=kind or None,
            detail={"feature_id": str(feature_id)},
        )


def _vectors(records: Records, features: Features, spec: FeatureSpec) -> Iterator[Problem]:
    for page in features.id_pages(spec.fingerprint):
        broken = features.verify_ids(spec, page)
        ids: Ids = np.array([feature_id for feature_id, _ in broken], np.int64)
        owners = records.image_ids(spec.fingerprint, ids)
        for (feature_id, what), image_id in zip(broken, owners.tolist(), strict=True):
            if image_id >= 0:
                yield Problem(
                    "feature_corrupt",
                    "features",
                    f"the {spec.kind} feature {feature_id} of image {image_id}: {what}; "
                    "`ambience rebuild` makes it again from the picture",
                    image_id=image_id,
                    kind=spec.kind,
                    detail={"feature_id": str(feature_id)},
                )


def _tallies(records: Records) -> Iterator[Problem]:
    table = schema.tallies
    with records.database.reading() as connection:
        noted = {
            (row.space_id, row.image_state, row.feature_state): row.number
            for row in connection.execute(sa.select(table))
            if row.number
        }
        real = counted(connection)
    for key in sorted(noted.keys() | real.keys()):
        if noted.get(key, 0) != real.get(key, 0):
            yield Problem(
                "tally_wrong",
                "records",
                f"{real.get(key, 0)} rows of {key} are counted as {noted.get(key, 0)}; "
                "opening the library for writing after a repair counts again",
            )


def _numbers(records: Records) -> Iterator[Problem]:
    """Numbers that were given out and lie above their sequence would be given out again."""
    columns = {
        "seq": (schema.features.c.seq, schema.tombstones.c.seq),
        "feature_id": (schema.features.c.feature_id, schema.tombstones.c.feature_id),
    }
    with records.database.reading() as connection:
        last = {row.name: row.last for row in connection.execute(sa.select(schema.sequences))}
        for name, used in columns.items():
            largest = max(connection.execute(sa.select(sa.func.max(each))).scalar() or 0 for each in used)
            if largest > last.get(name, 0):
                yield Problem(
                    "sequence_behind",
                    "records",
                    f"the sequence of {name} stands at {last.get(name, 0)}, but {largest} is in use; "
                    "put back a copy of the records",
                )
