"""Mends what `check` finds in records and features where no picture is needed for it; others may write."""

import sqlalchemy as sa

from ambience.store import schema
from ambience.store.check import compared, noted_tallies, numbers_in_use
from ambience.store.features import Features
from ambience.store.opening import count_again, counted
from ambience.store.records import Records


def repair_store(records: Records, features: Features) -> None:
    """Sequences move past what is in use, tallies are counted again, features without a row are deleted.

    Args:
        records: open for writing.
        features: open for writing.

    Raises:
        DamagedStoreError: the features cannot be read.
        StoreFullError: the disk is full; what was mended stays so.
    """
    with records.database.writing() as connection:
        for name, (last, largest) in numbers_in_use(connection).items():
            if largest > last:
                _move_on(connection, name, largest)
        if noted_tallies(connection) != counted(connection):
            count_again(connection)
    for fingerprint in features.fingerprints():
        _, orphans = compared(records, features, fingerprint)
        features.delete(fingerprint, orphans)


def _move_on(connection: sa.Connection, name: str, last: int) -> None:
    table = schema.sequences
    if not connection.execute(sa.update(table).where(table.c.name == name).values(last=last)).rowcount:
        connection.execute(sa.insert(table).values(name=name, last=last))
