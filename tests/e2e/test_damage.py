"""What disks and people do to a library: self-repair or a clear error, the rest goes on, nothing is lost."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ambience
from ambience.answers import Query
from ambience.datatypes import FeatureState, ImageState
from ambience.errors import DamagedStoreError, NewerLibraryError, StoreFullError, UnknownImageError
from ambience.library import Library
from ambience.settings import IndexSettings, Settings
from ambience.store.lock import WriterLock
from support.killed_writer import picture
from support.silent import SILENT

FILES = 40
GIVEN = 5000
WAIT_S = 30


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for version in range(FILES):
        (folder / f"{version}.png").write_bytes(picture(version))
    return folder


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    # Stored and indexed like global_features; its sentences would only cost time here.
    kinds = {"image_text_features": {"enabled": False}}
    return Settings(library=tmp_path / "library", kinds=kinds, annotate=SILENT)


@pytest.fixture
def closed(settings: Settings, photos: Path) -> Path:
    """A library of files, an upload and features under a given id, closed cleanly."""
    with ambience.open(settings=settings, writer=True) as library:
        assert library.add_paths([photos]).added == FILES
        library.add_image(picture(100), name="upload")
        library.add_feature("phash", GIVEN, picture(101))
    return settings.library


def assert_finds_everything(library: Library, versions: range = range(FILES)) -> None:
    """Every picture finds itself at distance 0, by every kind."""
    for kind in library.kinds:
        for version in versions:
            ranking = library.search_kind(kind, Query(data=picture(version)), radius=0.001, turned=False)
            assert f"{version}.png" in {library.image(hit.image_id).name for hit in ranking.hits}


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_extracted(library: Library) -> bool:
    return all(info.states[FeatureState.PENDING] == 0 for info in library.info().kinds.values())


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2 // 4096 * 4096 + 100)


def fill_with_garbage(file: Path) -> None:
    file.write_bytes(np.random.default_rng(1).bytes(file.stat().st_size))


def flip_bits(file: Path) -> None:
    content = np.fromfile(file, np.uint8)
    draw = np.random.default_rng(2)
    content[draw.integers(4096 * 2, len(content), len(content) // 20)] ^= 64
    content.tofile(file)


def empty(file: Path) -> None:
    file.write_bytes(b"")


# --- features -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [truncate, fill_with_garbage, flip_bits, empty, Path.unlink])
def test_damaged_features_are_made_again_from_the_pictures(
    closed: Path, settings: Settings, damage: Callable[[Path], None]
) -> None:
    damage(closed / "features" / "data.mdb")
    with ambience.open(settings=settings, writer=True) as library:
        assert [each.code for each in library.repairs] == ["features_damaged", "feature_lost"]
        assert library.repairs[1].detail["images"] == str(GIVEN)
        wait_until(lambda: is_extracted(library))
        assert_finds_everything(library)
        assert library.search_kind("phash", Query(data=picture(100)), k=1).hits[0].distance == 0
        assert [(each.code, each.image_id) for each in library.check()] == [("feature_lost", GIVEN)]
        library.add_feature("phash", GIVEN, picture(101))
        assert library.check() == []
    kept = [path for path in closed.iterdir() if path.name.startswith("features.damaged-")]
    assert len(kept) == (damage is not Path.unlink)
    with ambience.open(settings=settings, writer=True) as library:
        assert library.repairs == ()


def flip_a_byte(folder: Path, value: bytes) -> None:
    """In the file itself, past LMDB."""
    data = bytearray((folder / "features" / "data.mdb").read_bytes())
    at = data.find(value)
    assert at > 0
    while at > 0:  # older pages may hold a copy
        data[at + 11] ^= 1
        at = data.find(value)
    (folder / "features" / "data.mdb").write_bytes(data)


def test_a_flipped_byte_is_met_by_a_search_and_mended(closed: Path, settings: Settings) -> None:
    with ambience.open(settings=settings) as library:
        image_id = library.image_by_name("7.png")
        spec, store = library.kinds["phash"].spec, library._parts.store
        own = store.records.feature_ids(spec.fingerprint, [image_id])
        stored = store.features.get(spec, own)[0]
    flip_a_byte(closed, stored.tobytes())
    with ambience.open(settings=settings) as library:
        found = [(each.code, each.image_id, each.kind) for each in library.check()]
        assert found == [("feature_corrupt", image_id, "phash")]
    with ambience.open(settings=settings, writer=True) as library:
        query = Query(data=picture(7))
        hits = library.search_kind("phash", query, k=FILES, turned=False).hits
        assert len(hits) >= FILES - 1  # the search goes on, without the broken one or with it mended already
        store = library._parts.store
        wait_until(lambda: store.records.feature_ids(spec.fingerprint, [image_id])[0] > own[0])
        assert library.check() == []
        best = library.search_kind("phash", query, k=1, turned=False).hits[0]
        assert (best.image_id, best.distance) == (image_id, 0)
        assert library.image(image_id).features["phash"] == (FeatureState.DONE, "")
        again = store.records.feature_ids(spec.fingerprint, [image_id])
        assert np.array_equal(store.features.get(spec, again)[0], stored)


# --- indexes --------------------------------------------------------------------------------------------


def snapshot_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("index/*/*/*") if path.stat().st_size)


@pytest.mark.parametrize("damage", [truncate, fill_with_garbage, flip_bits, empty, Path.unlink])
def test_broken_snapshots_are_made_again(
    closed: Path, settings: Settings, damage: Callable[[Path], None]
) -> None:
    files = [path for path in snapshot_files(closed) if path.suffix == ".npy"]
    assert len(files) >= 4
    for file in files:
        damage(file) if damage is not flip_bits else file.write_bytes(
            bytes([*file.read_bytes()[:-1], file.read_bytes()[-1] ^ 1])
        )
    with ambience.open(settings=settings) as reader:
        assert {each.code for each in reader.repairs} == {"snapshot_corrupt"}
        assert_finds_everything(reader, range(5))
        assert {each.code for each in reader.check()} == {"snapshot_corrupt"}
    with ambience.open(settings=settings, writer=True) as library:
        assert [(each.code, each.kind) for each in library.repairs] == [
            ("snapshot_corrupt", kind) for kind in library.kinds
        ]
        assert_finds_everything(library)
        assert library.check() == []
    with ambience.open(settings=settings) as reader:
        assert reader.repairs == ()
        assert reader.check() == []


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"[1, 2]", b'{"files": 3}', b'{"files": {}, "seq": "x"}', b"[" * 99_999]
)
def test_broken_manifests_are_made_again(closed: Path, settings: Settings, content: bytes) -> None:
    for manifest in closed.glob("index/*/*/manifest.json"):
        manifest.write_bytes(content)
    with ambience.open(settings=settings, writer=True) as library:
        assert_finds_everything(library, range(5))
    with ambience.open(settings=settings) as reader:
        assert (reader.repairs, reader.check()) == ((), [])


def test_snapshots_newer_than_the_records_are_not_believed(
    closed: Path, settings: Settings, tmp_path: Path
) -> None:
    old = tmp_path / "old.sqlite"
    shutil.copy(closed / "records.sqlite", old)
    with ambience.open(settings=settings, writer=True) as library:
        for version in range(200, 205):
            library.add_image(picture(version), name=f"{version}.png")
    old.replace(closed / "records.sqlite")
    with ambience.open(settings=settings, writer=True) as library:
        # Other pictures come under the numbers that the lost ones had.
        for version in range(300, 305):
            library.add_image(picture(version), name=f"{version}.png")
        assert_finds_everything(library, range(300, 305))
        assert {each.code for each in library.check()} == {"file_orphan"}


# --- records --------------------------------------------------------------------------------------------


def test_a_library_of_a_newer_version_is_left_alone(closed: Path, settings: Settings) -> None:
    with closing(sqlite3.connect(closed / "records.sqlite")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    before = {path: path.read_bytes() for path in closed.rglob("*.mdb")}
    for writer in (False, True):
        with pytest.raises(NewerLibraryError, match="install a newer version of Ambience"):
            ambience.open(settings=settings, writer=writer)
    assert {path: path.read_bytes() for path in closed.rglob("*.mdb")} == before
    assert WriterLock.holder(closed) is None


def damage_records(folder: Path, how: str) -> None:
    file = folder / "records.sqlite"
    content = bytearray(file.read_bytes())
    if how == "gone":
        file.unlink()
        return
    if how == "emptied":
        content = bytearray()
    elif how == "garbage":
        content[:] = np.random.default_rng(4).bytes(len(content))
    else:
        content[4096 * 3 :] = np.random.default_rng(5).bytes(len(content) - 4096 * 3)
    file.write_bytes(content)


@pytest.mark.parametrize("how", ["gone", "emptied", "garbage", "pages"])
def test_broken_records_are_put_back_from_their_copy(
    closed: Path, settings: Settings, photos: Path, how: str
) -> None:
    backup = closed / "records.backup.sqlite"
    shutil.copy2(backup, earlier := closed.with_name("earlier.sqlite"))
    with ambience.open(settings=settings, writer=True) as library:
        for version in range(200, 203):  # later than the copy
            (photos / f"{version}.png").write_bytes(picture(version))
        library.add_paths([photos])
        upload = library.add_image(picture(300), name="late")
        library.remove(library.image_by_name("5.png"))
        last_id, seq = upload.image_id, library.info().seq
        ids = {version: library.image_by_name(f"{version}.png") for version in range(4)}
    earlier.replace(backup)
    damage_records(closed, how)
    if how == "pages":  # a file that looks sound is found out by whoever meets its pages
        with pytest.raises(DamagedStoreError), ambience.open(settings=settings) as reader:
            reader.check()
    with ambience.open(settings=settings, writer=True) as library:
        assert [each.code for each in library.repairs] == ["records_restored"]
        assert ids == {version: library.image_by_name(f"{version}.png") for version in range(4)}
        report = library.add_paths([photos])
        assert (report.added, report.failed) == (3, ())
        # The removed picture is back; its feature, which is not, is made again.
        wait_until(lambda: {each.code for each in library.check()} == {"file_orphan"})
        wait_until(lambda: is_extracted(library))
        assert_finds_everything(library)
        assert_finds_everything(library, range(200, 203))
        again = library.add_image(picture(300), name="late")
        assert again.image_id > last_id
        assert library.info().seq > seq
        assert library.check() == []
        assert library.image(library.image_by_name("upload")).is_upload
    kept = list(closed.glob("records.damaged-*/records.sqlite"))
    assert len(kept) == (how != "gone")


def test_putting_back_goes_on_after_a_kill(closed: Path, settings: Settings) -> None:
    shutil.copy(closed / "records.backup.sqlite", closed / "records.restored.sqlite")
    (closed / "records.sqlite").unlink()
    with ambience.open(settings=settings, writer=True) as library:
        assert [each.code for each in library.repairs] == ["records_restored"]
        assert_finds_everything(library, range(5))
        assert library.check() == []


def test_records_without_a_copy_are_a_clear_error(closed: Path, settings: Settings) -> None:
    (closed / "records.backup.sqlite").unlink()
    damage_records(closed, "garbage")
    for writer in (False, True):
        with pytest.raises(DamagedStoreError, match="move it away and add your folders again"):
            ambience.open(settings=settings, writer=writer)
    assert WriterLock.holder(closed) is None


def test_the_copy_of_the_records_is_made_seldom(closed: Path, settings: Settings) -> None:
    backup = closed / "records.backup.sqlite"
    made = backup.stat().st_mtime_ns
    with ambience.open(settings=settings, writer=True) as library:
        library.set_tags(1, ["new"])
        assert not library._parts.store.back_up()
        assert backup.stat().st_mtime_ns == made
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT count(*) FROM tags").fetchone() == (1,)
    made = backup.stat().st_mtime_ns
    os.utime(backup, ns=(made, made - 25 * 3600 * 10**9))
    with ambience.open(settings=settings, writer=True) as library:
        assert not library._parts.store.back_up()
        library.set_tags(1, [])
        library._parts.background.maintenance._wake.set()
        wait_until(lambda: backup.stat().st_mtime_ns > made)


# --- files ----------------------------------------------------------------------------------------------


def test_an_upload_whose_file_is_gone(closed: Path, settings: Settings) -> None:
    with ambience.open(settings=settings, writer=True) as library:
        image_id = library.image_by_name("upload")
        shutil.rmtree(closed / "files")
        with pytest.raises(UnknownImageError, match="gone"):
            library.file_bytes(image_id)
        with pytest.raises(UnknownImageError):
            library.thumbnail(image_id, 64)
        assert library.search(Query(image_id=image_id)).matches[0].image_id == image_id
        assert [(each.code, each.image_id) for each in library.check()] == [("file_missing", image_id)]
        library.add_image(picture(100))
        assert library.file_bytes(image_id)[0] == picture(100)
        assert library.check() == []


@pytest.mark.parametrize("content", [b"", b"\x00\xff garbage", b"[]", b'{"pid": "x"}', b'{"pid": 1}'])
def test_garbage_in_the_lock_file_means_nothing(closed: Path, settings: Settings, content: bytes) -> None:
    (closed / "library.lock").write_bytes(content)
    assert WriterLock.holder(closed) is None
    with ambience.open(settings=settings) as reader:
        assert reader.info().images == FILES + 2
    with ambience.open(settings=settings, writer=True) as library:
        (closed / "library.lock").write_bytes(content)
        holder = WriterLock.holder(closed)
        assert holder is not None
        assert library.set_tags(1, ["still", "writing"]) is None


def test_a_folder_that_vanishes_while_it_is_added(settings: Settings, photos: Path) -> None:
    with ambience.open(
        settings=replace(settings, ingest=replace(settings.ingest, threads=1)), writer=True
    ) as library:
        gone = threading.Event()

        def vanish(progress: object) -> None:
            if not gone.is_set():
                gone.set()
                photos.rename(photos.with_name("away"))

        report = library.add_paths([photos], on_progress=vanish)
        assert gone.is_set()
        assert report.missing == 0
        assert library.info().images == report.added
        photos.with_name("away").rename(photos)
        report = library.add_paths([photos])
        assert (library.info().images, report.failed) == (FILES, ())
        assert library.check() == []


# --- a full disk ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB of its own; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """A file that leaves so many bytes."""
    balloon = disk / "balloon"
    with contextlib.suppress(OSError):  # a snapshot that is written meanwhile takes some: full all the same
        balloon.write_bytes(bytes(shutil.disk_usage(disk).free - left))
    return balloon


@pytest.mark.parametrize("left", [0, 100_000, 400_000])
def test_a_full_disk_refuses_and_loses_nothing(small_disk: Path, photos: Path, left: int) -> None:
    settings = Settings(library=small_disk / "library", index=IndexSettings(snapshot_interval_s=0.01))
    kept: dict[int, bytes] = {}
    with ambience.open(settings=settings, writer=True) as library:
        kept[library.add_image(picture(500), name="first").image_id] = picture(500)
        balloon = fill(small_disk, left)
        with pytest.raises(StoreFullError, match="is full"):
            for version in range(1000, 2000):
                kept[library.add_image(picture(version)).image_id] = picture(version)
        more = photos.with_name("more")
        more.mkdir()
        for version in range(2000, 3000):
            (more / f"{version}.png").write_bytes(picture(version))
        with pytest.raises(StoreFullError):
            library.add_paths([more])
        for image_id, data in kept.items():
            assert library.file_bytes(image_id)[0] == data
        assert library.search_kind("phash", Query(data=picture(500)), k=1).hits[0].image_id == min(kept)
        balloon.unlink()
        library.remove(min(kept), purge=True)
        del kept[min(kept)]
        report = library.add_paths([photos])
        assert (report.added, report.failed) == (FILES, ())
        library.rebuild()
        assert library.check() == []
    with ambience.open(settings=settings, writer=True) as library:
        assert library.repairs == ()
        assert library.check() == []
        for image_id, data in kept.items():
            assert library.file_bytes(image_id)[0] == data
            assert library.image(image_id).state is ImageState.PRESENT


def test_a_snapshot_that_finds_no_room_leaves_the_one_before(small_disk: Path, photos: Path) -> None:
    settings = Settings(library=small_disk / "library", index=IndexSettings(snapshot_interval_s=3600))
    with ambience.open(settings=settings, writer=True) as library:
        library.add_paths([photos])
        live = library._parts.spaces.in_use("color").live
        live.snapshot()
        before = live._snapshots.found()
        library.add_image(picture(600), name="600.png")
        balloon = fill(small_disk, 0)
        with pytest.raises(StoreFullError, match="no snapshot"):
            live.snapshot()
        assert live._snapshots.found() == before
        assert json.loads((before[0].folder / "manifest.json").read_text())["seq"] == before[0].seq
        assert_finds_everything(library, range(3))
        balloon.unlink()
        live.snapshot()
        assert live._snapshots.found()[0].seq > before[0].seq
        assert library.check() == []
