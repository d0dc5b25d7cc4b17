"""Whatever `check` names, doing what its message says makes `check` clean."""

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import ambience
from ambience.answers import Query
from ambience.datatypes import Feature
from ambience.errors import StoreError
from ambience.library import Library
from ambience.settings import IndexSettings, Settings
from ambience.store.base import Problem
from support.workshop import age, write_picture

PICTURES = 6


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for seed in range(PICTURES):
        write_picture(folder / f"{seed}.jpg", seed)
    return folder


@pytest.fixture
def library(tmp_path: Path, photos: Path) -> Iterator[Library]:
    settings = Settings(library=tmp_path / "library", index=IndexSettings(snapshot_interval_s=3600))
    with ambience.open(settings=settings, writer=True) as opened:
        assert opened.add_paths([photos]).added == PICTURES
        opened.add_image(write_picture(tmp_path / "upload.jpg", 100).read_bytes(), name="upload")
        opened.add_feature("phash", 5000, write_picture(tmp_path / "online.jpg", 101).read_bytes())
        yield opened


def sql(library: Library, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(library.folder / "records.sqlite")) as connection:
        connection.execute(statement)
        connection.commit()


def spec_of(library: Library, kind: str = "phash"):  # type: ignore[no-untyped-def]
    return library.kinds[kind].spec


def feature_of(library: Library, image_id: int) -> tuple[str, int]:
    spec = spec_of(library)
    (feature_id,) = library._parts.store.records.feature_ids(spec.fingerprint, [image_id]).tolist()
    return spec.fingerprint, feature_id


def lose_a_feature(library: Library) -> None:
    fingerprint, feature_id = feature_of(library, 2)
    library._parts.store.features.delete(fingerprint, [feature_id])


def flip_a_byte(library: Library, image_id: int = 3) -> None:
    fingerprint, feature_id = feature_of(library, image_id)
    environment = library._parts.store.features._environment
    key = feature_id.to_bytes(8, "big")
    with environment.reading(fingerprint) as (transaction, database):
        value = bytearray(transaction.get(key, db=database))
    value[7] ^= 16
    environment.write({fingerprint: [(key, bytes(value))]}, {})


def flip_a_byte_of_an_upload(library: Library) -> None:
    flip_a_byte(library, library.image_by_name("upload"))


def leave_an_orphan(library: Library) -> None:
    spec = spec_of(library, "color")
    vector = library._parts.store.features.get(
        spec, library._parts.store.records.all_feature_ids(spec.fingerprint)[:1]
    )[0][0]
    stray = feature_of(library, 1)[1]
    library._parts.store.features.put(spec.fingerprint, spec, [(stray, Feature(vector))])


def leave_a_ghost(library: Library) -> None:
    vector = library._parts.store.features.get(
        spec_of(library), library._parts.store.records.all_feature_ids(spec_of(library).fingerprint)[:1]
    )[0][0]
    library._parts.store.features.put_many([("ghost-v1", 1, Feature(vector))])


def miscount(library: Library) -> None:
    sql(library, "UPDATE tallies SET number = number + 7 WHERE space_id = 0")


def move_a_sequence_back(library: Library) -> None:
    sql(library, "UPDATE sequences SET last = 3 WHERE name IN ('feature_id', 'image_id')")


def lose_an_index_entry(library: Library) -> None:
    engine = library._parts.spaces.in_use("phash").live._replica.engine
    engine.remove(engine.ids()[:1])


def invent_an_index_entry(library: Library) -> None:
    live = library._parts.spaces.in_use("phash").live
    live._replica.engine.add(live.ids()[:1] + 10_000, live.source.fetch(live.ids()[:1]))


def corrupt_a_snapshot(library: Library) -> None:
    live = library._parts.spaces.in_use("phash").live
    live.snapshot()
    file = max(live._snapshots.found()[0].folder.glob("*.npy"), key=lambda each: each.stat().st_size)
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def lose_a_file(library: Library) -> None:
    library.file_path(4).unlink()


def lose_a_folder(library: Library) -> None:
    folder = library.file_path(4).parent
    folder.rename(folder.with_name("elsewhere"))


def change_a_file(library: Library) -> None:
    age(write_picture(library.file_path(4), 1000), 10)


def touch_a_file(library: Library) -> None:
    age(library.file_path(4), 10)


def lose_an_upload(library: Library) -> None:
    library.file_path(library.image_by_name("upload")).unlink()


def corrupt_an_upload(library: Library) -> None:
    file = library.file_path(library.image_by_name("upload"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def crash_between_file_and_row(library: Library) -> None:
    library._parts.kept.put(bytes(range(32)), b"an upload whose row was never committed")


def follow(library: Library, problem: Problem, photos: Path) -> None:
    """Does what the message says: the last thing that it names first, where it leaves a choice."""
    if command := re.search(r"`ambience rebuild( \w+)?( --features)?`", problem.message):
        library.rebuild([command[1].strip()] if command[1] else None, features=bool(command[2]))
    elif "`ambience add`" in problem.message:
        library.add_paths([photos if photos.exists() else photos.parent])
    elif "end them again" in problem.message:
        library.add_image((photos.parent / "upload.jpg").read_bytes())
    elif "end its bytes again" in problem.message:
        library.add_feature("phash", 5000, (photos.parent / "online.jpg").read_bytes())
    else:
        raise AssertionError(f"no advice in {problem.message!r}")


REBUILT = [
    (lose_a_feature, "feature_missing"),
    (flip_a_byte, "feature_corrupt"),
    (flip_a_byte_of_an_upload, "feature_corrupt"),
    (leave_an_orphan, "feature_orphan"),
    (leave_a_ghost, "feature_orphan"),
    (miscount, "tally_wrong"),
    (move_a_sequence_back, "sequence_behind"),
    (lose_an_index_entry, "index_missing_entry"),
    (invent_an_index_entry, "index_stale_entry"),
    (corrupt_a_snapshot, "snapshot_corrupt"),
    (crash_between_file_and_row, "file_orphan"),
    (lose_a_file, "file_missing"),
    (lose_a_folder, "file_missing"),
    (change_a_file, "file_changed"),
    (touch_a_file, "file_changed"),
    (lose_an_upload, "file_missing"),
    (corrupt_an_upload, "file_corrupt"),
]


@pytest.mark.parametrize(("damage", "code"), REBUILT, ids=[damage.__name__ for damage, _ in REBUILT])
def test_following_the_advice_makes_check_clean(
    library: Library, photos: Path, damage: Callable[[Library], None], code: str
) -> None:
    assert library.check() == []
    damage(library)
    found = library.check()
    assert {problem.code for problem in found} == {code}
    follow(library, found[0], photos)
    assert library.check() == []
    assert len(library.search_kind("phash", Query(image_id=2), k=50, turned=False).hits) >= PICTURES


def test_the_other_advice_for_a_picture_that_is_gone_is_to_remove_it(library: Library) -> None:
    lose_a_file(library)
    lose_an_upload(library)
    for problem in library.check():
        assert problem.image_id is not None
        assert f"remove image {problem.image_id}" in problem.message
        library.remove(problem.image_id)
    assert library.check() == []


def test_a_broken_feature_without_a_picture_is_lost_until_it_is_sent_again(
    library: Library, photos: Path
) -> None:
    flip_a_byte(library, 5000)
    assert [(each.code, each.image_id) for each in library.check()] == [("feature_corrupt", 5000)]
    library.rebuild(features=True)
    (lost,) = library.check()
    assert (lost.code, lost.image_id, lost.kind) == ("feature_lost", 5000, "phash")
    follow(library, lost, photos)
    assert library.check() == []
    assert library.search_kind("phash", Query(image_id=5000), radius=0, turned=False).hits[0].image_id == 5000


def test_an_orphan_file_goes_to_the_trash(library: Library) -> None:
    crash_between_file_and_row(library)
    library.rebuild(features=True)
    assert (library.folder / "trash" / bytes(range(32)).hex()).read_bytes().startswith(b"an upload whose row")
    assert library.file_bytes(library.image_by_name("upload"))[1] == "jpeg"


def test_what_was_stopped_says_so_and_changes_nothing(library: Library) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoreError, match="check was stopped"):
        library.check(stop=stop)
    with pytest.raises(StoreError, match="stopped before phash"):
        library.rebuild(["phash"], features=True, stop=stop)
    with pytest.raises(StoreError, match="stopped before color"):
        library.train("color", stop=stop)
    assert library.check() == []


def test_problems_come_one_by_one(library: Library) -> None:
    sql(library, "UPDATE tallies SET number = number + 7 WHERE space_id = 0 AND image_state = 'present'")
    corrupt_an_upload(library)
    looked_at: list[str] = []
    problems = library.problems(on_progress=looked_at.append)
    assert next(problems).code == "tally_wrong"
    assert looked_at == ["records and features"]
    assert [each.code for each in problems] == ["file_corrupt"]
    indexes = [f"index of {kind}" for kind in library.kinds]
    assert looked_at == ["records and features", *indexes, "files"]


def test_checking_beside_a_busy_library_finds_nothing(library: Library, tmp_path: Path) -> None:
    data = [write_picture(tmp_path / f"new-{seed}.jpg", 200 + seed).read_bytes() for seed in range(10)]

    def work() -> None:
        for each in data * 2:
            library.remove(library.add_image(each).image_id)

    worker = threading.Thread(target=work)
    worker.start()
    checks = 0
    while worker.is_alive() or not checks:
        assert library.check() == []
        checks += 1
    worker.join()


def test_info_counts_bytes_without_walking_the_uploads(library: Library, tmp_path: Path) -> None:
    before = library.info().disk_bytes
    data = write_picture(tmp_path / "big.jpg", 300, size=(900, 600)).read_bytes()
    library.add_image(data, name="a")
    library.add_image(data, name="b")
    library.rebuild()
    grown = library.info().disk_bytes - before
    assert len(data) <= grown
    every = sum(path.stat().st_size for path in library.folder.rglob("*") if path.is_file())
    assert (
        abs(library.info().disk_bytes - every)
        < 4096 + (library.folder / "features" / "lock.mdb").stat().st_size
    )
