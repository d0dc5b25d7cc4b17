"""Features that no kind uses any more: of other settings, an older version, or a kind that is gone.

Searches never see them: each fingerprint has its own rows, its own vectors and its own index. They are kept
until somebody asks for their room, since the settings may come back and making them takes long.
"""

import shutil

import sqlalchemy as sa

from ambience.datatypes import FeatureState, ImageState
from ambience.inventory import UnusedFeatures
from ambience.store import schema
from ambience.store.features import Features
from ambience.store.opening import count_again
from ambience.store.records import Records


def unused_features(records: Records, features: Features) -> list[UnusedFeatures]:
    """What is stored under fingerprints that are no kind's current one.

    Args:
        records: which know what is in use, and what is coming.
        features: the vectors.

    Returns:
        By fingerprint; those with nothing stored are left out.
    """
    current = records.in_use
    spaces, tallies = schema.spaces, schema.tallies
    done = sa.and_(tallies.c.space_id == spaces.c.space_id, tallies.c.feature_state == FeatureState.DONE)
    query = (
        sa.select(spaces.c.fingerprint, spaces.c.kind, sa.func.coalesce(sa.func.sum(tallies.c.number), 0))
        .join(tallies, done, isouter=True)
        .group_by(spaces.c.fingerprint, spaces.c.kind)
    )
    with records.database.reading() as connection:
        named = {row[0]: (str(row[1]), int(row[2])) for row in connection.execute(query)}
    stored = set(features.fingerprints())
    return [
        UnusedFeatures(named.get(name, ("", 0))[0], name, named.get(name, ("", 0))[1])
        for name in sorted((named.keys() | stored) - current)
        if named.get(name, ("", 0))[1] or (name in stored and len(features.ids(name)))
    ]


def delete_unused(records: Records, features: Features, fingerprint: str) -> int:
    """Deletes what is stored under one fingerprint that no kind uses, and its index.

    Features of images that have no file, or whose file is gone, are kept: nothing could make them again.

    Args:
        records: open for writing.
        features: open for writing.
        fingerprint: of `unused_features`.

    Returns:
        How many features were deleted.

    Raises:
        StoreFullError: the disk is full; what is left is deleted by another call.
    """
    rows, images = schema.features, schema.images
    with records.database.writing() as connection:
        here = sa.select(schema.spaces.c.space_id).where(schema.spaces.c.fingerprint == fingerprint)
        space_id = connection.execute(here).scalar()
        if space_id is not None:
            remakable = sa.select(images.c.image_id).where(images.c.state == ImageState.PRESENT)
            connection.execute(
                sa.delete(rows).where(rows.c.space_id == space_id, rows.c.image_id.in_(remakable))
            )
            connection.execute(sa.delete(schema.tombstones).where(schema.tombstones.c.space_id == space_id))
            connection.execute(
                sa.delete(schema.snapshots).where(schema.snapshots.c.fingerprint == fingerprint)
            )
            count_again(connection)
    kept = set(records.all_feature_ids(fingerprint).tolist())
    deleted = 0
    for page in features.id_pages(fingerprint):
        gone = [each for each in page.tolist() if each not in kept]
        features.delete(fingerprint, gone)
        deleted += len(gone)
    shutil.rmtree(features.folder.parent / "index" / fingerprint, ignore_errors=True)
    return deleted
