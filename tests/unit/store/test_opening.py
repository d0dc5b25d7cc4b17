"""Crashes, damage and newer libraries, as opening finds them."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ambience.datatypes import Feature, FeatureState
from ambience.errors import CorruptFeatureError, DamagedStoreError, NewerLibraryError, StoreError
from ambience.store.base import MarkMissing, PutFeatures, RemoveImage
from ambience.store.commit import Store
from support.store_writes import COLOR, KINDS, PHASH, draft_of, image_of, made_of, vector_of

OpenStore = Callable[..., Store]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A closed library: images 1 to 40 with files, 41 with features alone, 42 missing, 3 removed."""
    folder = tmp_path / "library"
    with Store.open(folder, KINDS, writer=True) as store:
        store.commit([image_of(number) for number in range(1, 41)])
        store.submit(PutFeatures(41, made_of(41), draft_of(41, path=None)))
        store.commit([image_of(42, image_id=42), MarkMissing(42), RemoveImage(3)])
    return folder


def data_of(library: Path) -> Path:
    return library / "features" / "data.mdb"


def test_a_new_library_is_empty(open_store: OpenStore) -> None:
    store = open_store()
    assert (store.records.count(), store.records.last_seq(), store.repairs) == (0, 0, ())
    assert store.records.counts()["phash"] == dict.fromkeys(FeatureState, 0)
    assert list(store.check()) == []


def test_reading_where_there_is_no_library_says_how_to_make_one(
    open_store: OpenStore, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match="ambience add"):
        open_store(writer=False)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "library").write_text("mine")
    with pytest.raises(StoreError, match="cannot make a library"):
        Store.open(tmp_path / "library", KINDS, writer=True)


def test_a_clean_library_is_not_probed(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("probed")

    monkeypatch.setattr(subprocess, "run", refuse)
    Store.open(library, KINDS, writer=True).close()
    data_of(library).touch()
    with pytest.raises(AssertionError, match="probed"):
        Store.open(library, KINDS, writer=True)


def test_features_above_the_last_committed_one_are_swept(library: Path) -> None:
    with Store.open(library, KINDS, writer=True) as store:
        last = store.records.last_feature_id()
        rows = [(last + number, Feature(vector_of(PHASH, number))) for number in range(1, 4)]
        store.features.put(PHASH.fingerprint, PHASH, rows)
        assert store.features.ids(PHASH.fingerprint).max() == last + 3
        assert list(store.check()) == []
    with Store.open(library, KINDS, writer=True) as store:
        assert store.features.ids(PHASH.fingerprint).max() <= last
        assert list(store.check()) == []


def truncate(data: Path) -> None:
    with data.open("r+b") as file:
        file.truncate(data.stat().st_size // 2)


def fill_with_garbage(data: Path) -> None:
    data.write_bytes(np.random.default_rng(1).bytes(data.stat().st_size))


def empty(data: Path) -> None:
    data.write_bytes(b"")


def garble_all_but_the_head(data: Path) -> None:
    content = bytearray(data.read_bytes())
    content[8192:] = np.random.default_rng(2).bytes(len(content) - 8192)
    data.write_bytes(content)


def delete(data: Path) -> None:
    data.unlink()


@pytest.mark.parametrize("damage", [truncate, fill_with_garbage, garble_all_but_the_head])
def test_damaged_features_are_set_aside_and_asked_for_again(
    library: Path, damage: Callable[[Path], None]
) -> None:
    with Store.open(library, KINDS, writer=True) as store:
        seq = store.records.last_seq()
        old_ids = store.records.all_feature_ids(PHASH.fingerprint)
    damage(data_of(library))
    with pytest.raises(DamagedStoreError, match="damaged"):
        Store.open(library, KINDS, writer=False)
    with Store.open(library, KINDS, writer=True) as store:
        repair, lost = store.repairs
        assert (repair.code, repair.place) == ("features_damaged", "features")
        assert repair.detail["features"] == "82"
        assert (lost.code, lost.detail) == ("feature_lost", {"images": "41,42"})
        assert "of 2 images no file is here" in lost.message
        assert_all_lost(store, seq, old_ids)
    assert [path.name[:17] for path in library.iterdir() if ".damaged-" in path.name] == ["features.damaged-"]
    with Store.open(library, KINDS, writer=True) as store:
        assert store.repairs == ()


@pytest.mark.parametrize("damage", [delete, empty])
def test_features_that_are_gone_are_asked_for_again(library: Path, damage: Callable[[Path], None]) -> None:
    with Store.open(library, KINDS, writer=True) as store:
        seq = store.records.last_seq()
        old_ids = store.records.all_feature_ids(PHASH.fingerprint)
    damage(data_of(library))
    with Store.open(library, KINDS, writer=True) as store:
        assert [repair.code for repair in store.repairs] == ["features_damaged", "feature_lost"]
        assert_all_lost(store, seq, old_ids)


def assert_all_lost(store: Store, seq: int, old_ids: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Rows are pending where there is a file, failed where only features were kept; indexes hear of it."""
    assert store.records.all_feature_ids(PHASH.fingerprint).tolist() == []
    present = [number for number in range(1, 41) if number != 3]
    assert store.records.pending(PHASH.fingerprint) == present
    assert store.records.pending_count(PHASH.fingerprint) == len(present)
    state, reason = store.records.image(41).features["phash"]
    assert state == FeatureState.FAILED
    assert "send its bytes again" in reason
    assert store.records.image(42).features["phash"][0] == FeatureState.PENDING
    gone = store.records.changes(PHASH.fingerprint, seq)
    assert sorted(each.feature_id for each in gone) == old_ids.tolist()
    assert all(each.is_removal for each in gone)
    found = [(each.code, each.image_id, each.kind) for each in store.check()]
    assert found == [("feature_lost", image_id, kind) for kind in sorted(KINDS) for image_id in (41, 42)]
    written = store.submit(PutFeatures(1, made_of(1)))
    assert written.seq > gone[-1].seq
    new_id = store.records.feature_ids(PHASH.fingerprint, [1])
    assert new_id[0] > old_ids.max()
    assert np.array_equal(store.features.get(PHASH, new_id)[0][0], vector_of(PHASH, 1))


def test_a_flipped_byte_is_found_on_read_and_by_check(library: Path) -> None:
    content = data_of(library).read_bytes()
    vector = vector_of(PHASH, 7).tobytes()
    assert vector in content  # perhaps several times: LMDB writes changed pages anew
    flipped = vector[:30] + bytes([vector[30] ^ 1]) + vector[31:]
    data_of(library).write_bytes(content.replace(vector, flipped))
    with Store.open(library, KINDS, writer=True) as store:
        assert store.repairs == ()
        ids = store.records.feature_ids(PHASH.fingerprint, [6, 7, 8])
        with pytest.raises(CorruptFeatureError, match="checksum") as caught:
            store.features.get(PHASH, ids)
        assert caught.value.feature_ids == (ids[1],)
        assert len(store.features.get(PHASH, ids[[0, 2]])[0]) == 2
        (problem,) = store.check()
        assert (problem.code, problem.image_id, problem.kind) == ("feature_corrupt", 7, "phash")
        assert list(store.check(deep=False)) == []


def test_broken_records_say_what_to_do(library: Path) -> None:
    records = library / "records.sqlite"
    content = bytearray(records.read_bytes())
    content[4096:] = np.random.default_rng(3).bytes(len(content) - 4096)
    records.write_bytes(content)
    for writer in (True, False):
        with pytest.raises(DamagedStoreError, match="put back a copy"):
            Store.open(library, KINDS, writer=writer)
    records.write_bytes(b"no database at all" * 1000)
    with pytest.raises(DamagedStoreError, match="put back a copy"):
        Store.open(library, KINDS, writer=True)


def test_broken_pages_of_the_records_are_found_after_an_unclean_end(library: Path) -> None:
    records = library / "records.sqlite"
    content = bytearray(records.read_bytes())
    with sqlite3.connect(records) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'ix_features_seq'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    content[(page - 1) * size : page * size] = bytes(size)
    records.write_bytes(content)
    (library / "features" / "closed-cleanly.json").unlink()
    with pytest.raises(DamagedStoreError, match="are broken"):
        Store.open(library, KINDS, writer=True)


def test_a_newer_library_is_refused_by_name(library: Path) -> None:
    with sqlite3.connect(library / "records.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    for writer in (True, False):
        with pytest.raises(NewerLibraryError, match=r"revision 0999; Ambience \S+ knows up to \d{4}"):
            Store.open(library, KINDS, writer=writer)


def test_a_reader_of_another_process_follows_growth_and_replacement(library: Path) -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path\n"
        "from support.store_writes import KINDS, PHASH\n"
        "from ambience.store.commit import Store\n"
        "store = Store.open(Path(sys.argv[1]), KINDS, writer=False)\n"
        "for line in sys.stdin:\n"
        "    ids = store.records.all_feature_ids(PHASH.fingerprint)\n"
        "    print(len(store.features.get(PHASH, ids)[0]), len(list(store.check())), flush=True)\n"
    )
    with (
        Store.open(library, KINDS, writer=True) as store,
        subprocess.Popen(
            [sys.executable, "-c", program, str(library), *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader,
    ):
        assert reader.stdin is not None
        assert reader.stdout is not None
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "41 0\n"
        # 70 MB of features: more than the first map of 64 MB holds.
        big = np.zeros(5_000_000, np.uint8)
        store.features.put_many([("big-v1", number, Feature(big)) for number in range(1, 15)])
        store.features.delete("big-v1", list(range(1, 15)))
        store.commit([image_of(number) for number in range(100, 110)])
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "51 0\n"
        reader.stdin.close()


def test_a_library_can_be_copied_while_closed(library: Path, tmp_path: Path) -> None:
    shutil.copytree(library, tmp_path / "copy")
    with Store.open(tmp_path / "copy", KINDS, writer=True) as store:
        assert store.repairs == ()
        assert list(store.check()) == []
        assert store.records.counts()["color"][FeatureState.DONE] == 41
        assert len(store.features.get(COLOR, store.records.all_feature_ids(COLOR.fingerprint))[0]) == 41
