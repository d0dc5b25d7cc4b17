"""Every inconsistency is found and named."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from ambience.datatypes import Feature
from ambience.store import schema
from ambience.store.base import RemoveImage
from ambience.store.commit import Store
from support.store_writes import PHASH, image_of, vector_of


def codes(store: Store) -> list[tuple[str, int | None, str | None]]:
    return [(each.code, each.image_id, each.kind) for each in store.check()]


def execute(store: Store, statement: sa.Executable) -> None:
    with store.records.database.writing() as connection:
        connection.execute(statement)


def test_a_feature_that_is_gone_is_missed(store: Store) -> None:
    store.commit([image_of(number) for number in range(5)])
    store.features.delete(PHASH.fingerprint, store.records.feature_ids(PHASH.fingerprint, [2, 4]))
    assert codes(store) == [("feature_missing", 2, "phash"), ("feature_missing", 4, "phash")]


def test_a_feature_without_a_row_is_an_orphan(store: Store) -> None:
    store.commit([image_of(number) for number in range(5)])
    stray = int(store.records.feature_ids("color-scaled-v1", [1])[0])
    store.features.put(PHASH.fingerprint, PHASH, [(stray, Feature(vector_of(PHASH, 1)))])
    (problem,) = store.check()
    assert (problem.code, problem.detail) == ("feature_orphan", {"feature_id": str(stray)})


def test_a_database_that_no_row_knows_is_full_of_orphans(store: Store) -> None:
    store.submit(image_of(1))
    store.features.put_many([("ghost-v1", 1, Feature(vector_of(PHASH, 1)))])
    assert codes(store) == [("feature_orphan", None, None)]


def test_a_wrong_tally_is_found(store: Store) -> None:
    store.submit(image_of(1))
    execute(store, sa.update(schema.tallies).where(schema.tallies.c.space_id == 0).values(number=7))
    (problem,) = store.check()
    assert (problem.code, problem.place) == ("tally_wrong", "records")
    assert "1 rows of (0, 'present', '') are counted as 7" in problem.message


def test_a_sequence_that_went_back_is_found(store: Store) -> None:
    store.submit(image_of(1))
    numbers = schema.sequences
    execute(store, sa.update(numbers).where(numbers.c.name != "image_id").values(last=0))
    assert [each.code for each in store.check()][:2] == ["sequence_behind", "sequence_behind"]


def test_a_row_of_an_image_that_is_not_there_is_found(store: Store) -> None:
    store.submit(image_of(1))
    with contextlib.closing(sqlite3.connect(store.folder / "records.sqlite")) as connection:
        connection.execute("DELETE FROM images")
        connection.commit()
    found = [each for each in store.check() if each.code == "records_corrupt"]
    assert len(found) == 2
    assert "of features names a row of images that is not there" in found[0].message


def test_checking_beside_a_working_writer_finds_nothing(store: Store) -> None:
    def work(thread: int) -> None:
        for number in range(thread * 1000, thread * 1000 + 40):
            image_id = store.submit(image_of(number)).image_id
            if number % 2:
                store.forget_below(PHASH.fingerprint, store.submit(RemoveImage(image_id)).seq)

    with ThreadPoolExecutor(2) as threads:
        workers = [threads.submit(work, each) for each in range(2)]
        checks = 0
        while not all(each.done() for each in workers) or not checks:
            assert list(store.check()) == []
            checks += 1
        assert [each.result() for each in workers] == [None, None]
    assert store.records.count() == 40
    assert list(store.check()) == []
