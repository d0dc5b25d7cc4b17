"""Questions to the records."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql

from ambience.datatypes import FeatureState, ImageState
from ambience.errors import StoreError, UnknownImageError
from ambience.store import schema
from ambience.store.base import FailedFile, FeatureDraft, MarkMissing, PutFeatures, PutImage, RemoveImage
from ambience.store.commit import Store
from ambience.store.database import Database, known_revisions, sqlite_url
from support.store_writes import COLOR, PHASH, draft_of, image_of, made_of


def test_pages_of_images(store: Store) -> None:
    store.commit([image_of(number) for number in range(7)])

    def ids(**how: int) -> list[int]:
        return [record.image_id for record in store.records.list_images(**how)]

    assert ids(limit=3) == [1, 2, 3]
    assert ids(limit=3, after=3) == [4, 5, 6]
    assert ids(limit=3, newest_first=True) == [7, 6, 5]
    assert ids(limit=3, newest_first=True, after=2) == [1]
    assert ids(after=7) == []


def test_unknown_images_are_named_or_left_out(store: Store) -> None:
    store.submit(image_of(1))
    with pytest.raises(UnknownImageError, match="no image 5"):
        store.records.image(5)
    for wrong in (-1, 2**70):
        with pytest.raises(UnknownImageError):
            store.records.image(wrong)
    assert list(store.records.images([9, 1, -4, 1])) == [1]
    assert store.records.images([]) == {}


def test_the_same_file_twice_is_two_images(store: Store) -> None:
    store.commit([image_of(1), image_of(1, path="/photos/copy.jpg"), image_of(2)])
    assert store.records.same_file(draft_of(1).sha256) == [1, 2]
    assert store.records.same_file(b"x" * 32) == []


def test_known_files_are_those_at_or_below_a_root(store: Store) -> None:
    paths = ["/a/b.jpg", "/a/b/c.jpg", "/a/b/d/e.jpg", "/a/b0.jpg", "/a/b!.jpg", "/a/b%.jpg", "/z.jpg"]
    store.commit([image_of(number, path=path) for number, path in enumerate(paths)])
    store.submit(MarkMissing(2))

    def below(root: str) -> list[str]:
        return [known.path for known in store.records.known_files(root)]

    assert below("/a/b") == ["/a/b/c.jpg", "/a/b/d/e.jpg"]
    assert below("/a/b/") == ["/a/b/c.jpg", "/a/b/d/e.jpg"]
    assert below("/a/b.jpg") == ["/a/b.jpg"]
    assert below("/") == sorted(paths)
    assert below("/nowhere") == []
    (known, *_) = store.records.known_files("/a/b/c.jpg")
    assert (known.image_id, known.size, known.mtime_ns, known.is_missing) == (2, 1001, 1, True)


def test_counts_follow_every_write(store: Store) -> None:
    failed = {"phash": FeatureDraft(PHASH.fingerprint, FeatureState.FAILED, reason="too blue")}
    store.commit(
        [
            image_of(1),
            image_of(2, "phash"),
            PutImage(draft_of(3), failed),
            PutFeatures(50, made_of(4, "color"), draft_of(4, path=None)),
            MarkMissing(1),
        ]
    )
    assert store.records.count() == 4
    assert store.records.count(ImageState.MISSING) == 1
    assert store.records.count(ImageState.FEATURES_ONLY) == 1
    counts = store.records.counts()
    assert counts["phash"] == {
        FeatureState.DONE: 2,
        FeatureState.FAILED: 1,
        FeatureState.PENDING: 0,
        FeatureState.EMPTY: 0,
    }
    assert counts["color"][FeatureState.PENDING] == 2
    assert store.records.image(3).features["phash"] == (FeatureState.FAILED, "too blue")
    assert list(store.check()) == []


def test_a_new_fingerprint_is_pending_for_every_image_that_has_a_file(store: Store) -> None:
    store.commit([image_of(number) for number in range(6)])
    store.submit(RemoveImage(3))
    name = "phash-scaled-v2"
    assert store.records.pending(name) == [1, 2, 4, 5, 6]
    assert store.records.pending(name, after=2, limit=2) == [4, 5]
    assert store.records.pending_count(name) == 5
    feature = made_of(2, "phash")["phash"].feature
    store.submit(PutFeatures(2, {"phash": FeatureDraft(name, FeatureState.DONE, feature)}))
    assert store.records.pending(name) == [1, 4, 5, 6]
    assert store.records.pending_count(name) == 4
    assert store.records.feature_ids(PHASH.fingerprint, [2])[0] > 0
    assert store.records.feature_ids(name, [2])[0] > store.records.feature_ids(PHASH.fingerprint, [2])[0]
    assert list(store.check()) == []


def test_changes_come_in_pages_without_gaps(store: Store) -> None:
    for number in range(10):
        store.commit([image_of(number), *([RemoveImage(number)] if number % 3 == 2 else [])])
    whole = store.records.changes(COLOR.fingerprint, 0)
    paged = []
    while page := store.records.changes(COLOR.fingerprint, paged[-1].seq if paged else 0, limit=2):
        paged += page
    assert paged == whole
    assert [each.seq for each in whole] == sorted({each.seq for each in whole})
    assert store.records.changes("nothing-v1", 0) == []


def test_ids_map_both_ways(store: Store) -> None:
    store.commit([image_of(number) for number in range(1200)])
    images = np.random.default_rng(0).permutation(1200) + 1
    features = store.records.feature_ids(COLOR.fingerprint, images)
    assert np.array_equal(store.records.image_ids(COLOR.fingerprint, features), images)
    assert np.array_equal(np.sort(features), store.records.all_feature_ids(COLOR.fingerprint))
    assert store.records.feature_ids(COLOR.fingerprint, [5, 5, -1, 10**12]).tolist()[2:] == [-1, -1]
    assert store.records.image_ids("nothing-v1", [1, 2]).tolist() == [-1, -1]
    assert store.records.feature_ids(COLOR.fingerprint, []).tolist() == []


def test_failed_files_are_remembered_until_cleared(store: Store) -> None:
    first = FailedFile("/a/x.jpg", 5, 6, "image_corrupt", "broken at the end")
    odd = FailedFile("/a/caf\udce9", 5, 2**70, "image_corrupt", "caf\udce9 is broken")
    store.records.note_failed([first, odd, FailedFile("/b/y.jpg", 1, 1, "c", "r")])
    again = FailedFile("/a/x.jpg", 7, 8, "image_over_limit", "too large")
    store.records.note_failed([again, again])
    found = store.records.failed_files("/a")
    assert {each.path: each.reason for each in found} == {
        "/a/x.jpg": "too large",
        "/a/caf\udce9": "caf\udce9 is broken",
    }
    store.records.clear_failed(["/a/x.jpg", "/nowhere"])
    assert [each.path for each in store.records.failed_files()] == ["/a/caf\udce9", "/b/y.jpg"]


def test_jobs_are_not_doubled_and_last(store: Store) -> None:
    job = store.records.add_job("extract", "phash", 10)
    assert store.records.add_job("extract", "phash", 99) == job
    other = store.records.add_job("extract", "color")
    assert (job.job_id, other.job_id, job.state) == (1, 2, "waiting")
    store.records.update_job(replace(job, state="done", done=10, message="all of them"))
    assert store.records.add_job("extract", "phash").job_id == 3
    assert [each.job_id for each in store.records.jobs()] == [3, 2, 1]
    assert [each.job_id for each in store.records.jobs(unfinished=True)] == [3, 2]
    assert store.records.jobs(limit=1)[0].job_id == 3
    assert store.records.jobs()[2].message == "all of them"
    with pytest.raises(StoreError, match="no job 77"):
        store.records.update_job(replace(job, job_id=77))


def test_the_last_snapshot_of_a_fingerprint_counts(store: Store) -> None:
    store.records.note_snapshot("a-v1", 5)
    store.records.note_snapshot("a-v1", 9)
    assert store.records.snapshots() == {"a-v1": 9}


def test_the_first_revision_makes_the_tables_of_the_schema(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "records.sqlite"), is_writer=True)
    database.migrate()  # a new library: made at once
    migrated = Database(sqlite_url(tmp_path / "migrated.sqlite"), is_writer=True)
    migrated.upgrade(known_revisions()[-1])
    for each in (database, migrated):
        assert each.revision() == known_revisions()[-1]
        with each.reading() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, schema.metadata) == []
    assert _tables(tmp_path / "records.sqlite") == _tables(tmp_path / "migrated.sqlite")
    database.close()
    migrated.close()


def _tables(file: Path) -> dict[str, list[tuple[object, ...]]]:
    """Columns, keys and indexes of every table, as SQLite itself sees them."""
    connection = sqlite3.connect(file)
    names = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        if name in schema.metadata.tables
    ]
    seen = {
        name: [
            *connection.execute(f"PRAGMA table_info({name})"),
            *sorted(row[1:] for row in connection.execute(f"PRAGMA index_list({name})")),
            *connection.execute(f"PRAGMA foreign_key_list({name})"),
            *connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (name,)),
        ]
        for name in names
    }
    connection.close()
    return seen


def test_statements_are_understood_by_postgresql() -> None:
    dialect = postgresql.dialect()
    for table in schema.metadata.sorted_tables:
        assert f"CREATE TABLE {table.name}" in str(sa.schema.CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert str(index.name) in str(sa.schema.CreateIndex(index).compile(dialect=dialect))


def test_opening_needs_no_alembic(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from support.store_writes import KINDS\n"
        "from ambience.store.commit import Store\n"
        "for _ in range(2): Store.open(Path(sys.argv[1]), KINDS, writer=True).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), *sys.path], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
