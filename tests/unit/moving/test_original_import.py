"""Collections of the original are taken over: ids, names, features; what is broken is refused, and why."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest

import ambience
from ambience.answers import Query
from ambience.datatypes import FeatureState, ImageState
from ambience.errors import StoreError, UnknownImageError
from ambience.library import Library
from ambience.moving import original_import
from ambience.moving.import_report import ImportReport
from ambience.moving.original_import import OriginalChoice
from ambience.settings import Settings
from support.original_data import collection, key, write_environment, write_service
from support.silent import SILENT
from support.workshop import write_picture

MADE = collection(40)
HASHES = {number: bytes([number]) * 36 + bytes([255 - number]) * 36 for number in range(1, 9)}
"""Half of the bits of each are set."""

OFF = {kind: {"enabled": False} for kind in ("global_features", "image_text_features", "local_features")}


def opened_in(folder: Path, **kinds: dict[str, object]) -> Library:
    settings = Settings(library=folder / "library", kinds={**OFF, **kinds}, annotate=SILENT)
    return ambience.open(settings=settings, writer=True)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with opened_in(tmp_path) as opened:
        yield opened


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A folder with a service of hashes, of eight images that came over HTTP."""
    write_service(tmp_path / "services", "phash", HASHES)
    return tmp_path / "services"


def imported(library: Library, folder: Path, **choice: object) -> ImportReport:
    return library.moving_in.original(OriginalChoice(folder, **choice))  # type: ignore[arg-type]


def reasons(report: ImportReport) -> dict[tuple[str, int], str]:
    return {(row.subject, row.count): row.reason for row in report.refused}


def test_images_without_a_picture_keep_id_name_and_feature(library: Library, services: Path) -> None:
    report = imported(library, services)
    assert (report.images, report.pictures, report.features) == (8, 0, {"phash": 8})
    record = library.image(3)
    assert (record.name, record.state, record.path) == ("3.online", ImageState.FEATURES_ONLY, None)
    assert record.features["phash"] == (FeatureState.DONE, "")
    assert library.info().kinds["phash"].imported == 8
    assert (library.info().unused, library.check()) == ((), [])
    with pytest.raises(UnknownImageError, match="only its features are kept"):
        library.file_bytes(3)


def test_hits_say_that_the_original_made_their_feature(
    library: Library, services: Path, tmp_path: Path
) -> None:
    library.add_paths([write_picture(tmp_path / "photos" / "own.jpg", 1)])
    imported(library, services)
    by_id = library.search_kind("phash", Query(image_id=3), k=9, turned=False)
    assert [(hit.image_id, hit.distance) for hit in by_id.hits[:1]] == [(3, 0.0)]
    own = library.image_by_name("own.jpg")
    assert {hit.image_id for hit in by_id.hits} == {*HASHES, own}
    assert {hit.image_id for hit in by_id.hits if not hit.is_imported} == {own}
    (match, *_) = library.search(Query(image_id=3)).matches
    assert match.image_id == 3
    assert [each.is_imported for each in match.evidence if each.kind == "phash"] == [True]


def test_filters_narrow_imported_images_too(library: Library, services: Path) -> None:
    imported(library, services)
    library.set_tags(5, ["beach"])
    found = library.search_kind("phash", Query(image_id=3), k=9, turned=False, filter="beach")
    assert [hit.image_id for hit in found.hits] == [5]
    some = library.search_kind("phash", Query(image_id=3), k=9, allowed_images=np.array([2, 5]), turned=False)
    assert {hit.image_id for hit in some.hits} == {2, 5}


def test_pictures_that_are_found_are_added_under_the_old_id(
    library: Library, services: Path, tmp_path: Path
) -> None:
    write_service(
        services, "phash", HASHES, {1: "one.jpg", 2: "two.jpg", **{n: f"{n}.online" for n in (3, 4)}}
    )
    pictures = tmp_path / "pictures"
    write_picture(pictures / "one.jpg", 1)
    write_picture(pictures / "3.jpg", 3)
    write_picture(pictures / "4.jpg", 4)
    write_picture(pictures / "4.large.jpg", 5)  # which of the two is 4, nobody knows
    report = imported(library, services, pictures=pictures)
    assert (report.pictures, report.features) == (2, {"phash": 6})
    assert library.image(1).path == str(pictures / "one.jpg")
    assert library.image(3).path == str(pictures / "3.jpg")
    assert library.image(3).features["color"] == (FeatureState.DONE, "")
    assert library.image(4).state is ImageState.FEATURES_ONLY
    hits = library.search_kind("phash", Query(image_id=1), k=9, turned=False).hits
    assert {hit.image_id for hit in hits if hit.is_imported} == {2, 4, 5, 6, 7, 8}


def test_a_picture_that_comes_later_takes_the_place_of_the_feature(
    library: Library, services: Path, tmp_path: Path
) -> None:
    imported(library, services)
    library.set_tags(3, ["kept"])
    write_picture(tmp_path / "pictures" / "3.jpg", 3)
    report = imported(library, services, pictures=tmp_path / "pictures")
    assert (report.pictures, report.known, report.features) == (1, 7, {"phash": 0})
    assert (library.image(3).tags, library.image(3).state) == (("kept",), ImageState.PRESENT)
    assert library.info().kinds["phash"].imported == 7
    again = imported(library, services, pictures=tmp_path / "pictures")
    assert (again.pictures, again.known, again.refused) == (0, 8, ())


def test_a_picture_that_cannot_be_used_leaves_the_feature(
    library: Library, services: Path, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "3.jpg").write_bytes(b"no picture")
    report = imported(library, services, pictures=tmp_path / "pictures")
    assert reasons(report) == {("pictures", 1): original_import.UNREADABLE}
    assert (report.features, library.image(3).state) == ({"phash": 8}, ImageState.FEATURES_ONLY)


def test_a_second_run_finds_everything_known(library: Library, services: Path) -> None:
    imported(library, services)
    before = library.info().seq
    again = imported(library, services)
    assert (again.known, again.features, again.refused) == (8, {"phash": 0}, ())
    assert library.info().seq == before


def test_a_service_that_comes_later_is_added_to_its_images(library: Library, services: Path) -> None:
    imported(library, services)
    rows = dict(zip(range(1, 9), MADE.vectors["color"], strict=False))
    write_service(services, "color", {image_id: row.tobytes() for image_id, row in rows.items()})
    report = imported(library, services)
    assert (report.features, report.known) == ({"color": 8, "phash": 0}, 0)
    assert set(library.image(3).features) == {"color", "phash"}


def test_a_run_that_is_stopped_is_gone_on_with(
    library: Library, services: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(original_import, "CHUNK", 3)
    stop = threading.Event()
    first = library.moving_in.original(OriginalChoice(services), on_progress=lambda *_: stop.set(), stop=stop)
    assert (first.is_whole, first.features) == (False, {"phash": 3})
    rest = imported(library, services)
    assert (rest.is_whole, rest.features, rest.known) == (True, {"phash": 5}, 3)


def test_a_dry_run_writes_nothing(library: Library, services: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "pictures" / "3.jpg", 3)
    report = imported(library, services, pictures=tmp_path / "pictures", is_dry_run=True)
    assert (report.is_dry_run, report.pictures, report.features) == (True, 1, {"phash": 7})
    assert library.info().images == 0


def test_an_id_of_another_image_is_refused(library: Library, services: Path, tmp_path: Path) -> None:
    library.add_paths([write_picture(tmp_path / "photos" / "own.jpg", 1)])  # gets id 1
    report = imported(library, services)
    assert reasons(report) == {("images", 1): original_import.TAKEN}
    assert (report.features, library.image(1).name) == ({"phash": 7}, "own.jpg")


def test_another_feature_under_a_known_id_is_refused(
    library: Library, services: Path, tmp_path: Path
) -> None:
    imported(library, services)
    write_service(tmp_path / "others", "phash", {3: HASHES[4], 4: HASHES[4]})
    report = imported(library, tmp_path / "others")
    assert reasons(report) == {("phash", 1): original_import.OTHER_FEATURE}
    assert report.known == 1


def test_broken_rows_are_refused_one_by_one(library: Library, tmp_path: Path) -> None:
    good = MADE.vectors["color"]
    bad = {
        1: good[1].tobytes()[:-1],
        2: b"",
        3: np.full(512, np.nan, np.float32).tobytes(),
        4: np.full(512, np.inf, np.float32).tobytes(),
        5: (-good[5]).tobytes(),
        6: (2 * good[6]).tobytes(),
        7: good[7].tobytes(),
    }
    folder = write_service(tmp_path, "color", bad)
    write_environment(
        folder / "rgb_histograms.lmdb", {b"abc": good[0].tobytes(), b"x" * 8: good[0].tobytes()}
    )
    report = imported(library, tmp_path)
    assert report.features == {"color": 1}
    assert {(row.subject, row.count) for row in report.refused} == {
        ("color", 4),
        ("color", 2),
        ("color", 1),
    }
    assert [record.image_id for record in library.list_images()] == [7]


def test_embeddings_of_another_length_are_refused(tmp_path: Path) -> None:
    rows = MADE.vectors["global_features"]
    values = {1: rows[1], 2: rows[2] * 3, 3: rows[3] * 0, 4: np.full(768, np.nan, np.float32)}
    write_service(tmp_path, "global_features", {each: row.tobytes() for each, row in values.items()})
    model = {"enabled": True, "model": "beit-b16-224-in22k"}
    with opened_in(tmp_path, global_features=model) as library:
        report = imported(library, tmp_path)
        assert report.features == {"global_features": 1}
        assert [(row.subject, row.count) for row in report.refused] == [("global_features", 3)]


def test_embeddings_of_another_model_are_kept_and_not_searched(tmp_path: Path) -> None:
    rows = MADE.vectors["global_features"]
    write_service(tmp_path, "global_features", {1: rows[1].tobytes(), 2: rows[2].tobytes()})
    with opened_in(tmp_path, global_features={"enabled": True}) as library:
        report = imported(library, tmp_path)
        assert report.features == {"global_features": 2}
        assert "ambience models use beit-b16-224-in22k" in report.notes[0]
        assert library.info().kinds["global_features"].left_behind == 2
        assert sum(each.features for each in library.clean()) == 0, "nothing could make them again"
    with opened_in(tmp_path, global_features={"enabled": True, "model": "beit-b16-224-in22k"}) as library:
        hits = library.search_kind("global_features", Query(image_id=1), k=5, turned=False).hits
        assert [hit.image_id for hit in hits] == [1, 2]


def test_whitened_features_are_refused(tmp_path: Path) -> None:
    rows = MADE.vectors["global_features"]
    folder = write_service(tmp_path, "global_features", {1: rows[1].tobytes()})
    (folder / "pca_w.pkl").write_bytes(b"never opened")
    with opened_in(tmp_path, global_features={"enabled": True}) as library:
        report = imported(library, tmp_path)
    assert report.images == 0
    assert "a whitening lies beside it" in report.notes[0]


def test_names_that_are_no_file_names_are_not_looked_for(library: Library, tmp_path: Path) -> None:
    write_picture(tmp_path / "secret.jpg", 1)
    (tmp_path / "pictures").mkdir()
    folder = write_service(tmp_path / "services", "phash", HASHES)
    names = {1: b"../secret.jpg", 2: b"\xff\xfe", 3: b"", 4: b"a\0b", 5: b"..", 6: b"good.jpg"}
    shutil.rmtree(folder / "id_to_filename.lmdb")
    write_environment(folder / "id_to_filename.lmdb", {key(each): name for each, name in names.items()})
    report = imported(library, tmp_path / "services", pictures=tmp_path / "pictures")
    assert (report.pictures, report.features) == (0, {"phash": 8})
    assert [(row.subject, row.count) for row in report.refused] == [("names", 5)]
    assert [record.name for record in library.list_images()] == [
        *(f"{number}.online" for number in range(1, 6)), "good.jpg", "7.online", "8.online",
    ]  # fmt: skip


def test_services_that_numbered_files_differently_are_told_apart(library: Library, tmp_path: Path) -> None:
    rows = MADE.vectors["color"]
    write_service(tmp_path, "phash", {1: HASHES[1], 2: HASHES[2]}, {1: "10.jpg", 2: "11.jpg"})
    write_service(tmp_path, "color", {1: rows[2].tobytes(), 2: rows[1].tobytes()}, {1: "11.jpg", 2: "10.jpg"})
    report = imported(library, tmp_path)
    assert [(row.subject, row.count) for row in report.refused] == [("images", 2)]
    by_name = imported(library, tmp_path, ids_from_names=True)
    assert (by_name.features, by_name.refused) == ({"color": 2, "phash": 2}, ())
    assert [(record.image_id, record.name) for record in library.list_images()] == [
        (10, "10.jpg"),
        (11, "11.jpg"),
    ]
    (hit, *_) = library.search_kind("color", Query(image_id=10), k=1, turned=False).hits
    stored = library._parts.spaces.view.spaces["color"].search.stored_variant(10).feature.vector
    assert (hit.image_id, hit.distance) == (10, 0.0)
    assert stored == pytest.approx(rows[1] / 1e7)


def test_names_without_a_number_give_no_id(library: Library, tmp_path: Path) -> None:
    names = {1: "10.jpg", 2: "beach.jpg", 3: "12.a.jpg", 4: "12.b.jpg", 5: "99999999999.jpg"}
    write_service(tmp_path, "phash", {each: HASHES[each] for each in names}, names)
    report = imported(library, tmp_path, ids_from_names=True)
    assert report.features == {"phash": 1}
    assert sorted(row.count for row in report.refused) == [2, 2]


def test_names_are_read_the_other_way_round_where_that_is_all_there_is(
    library: Library, services: Path
) -> None:
    folder = write_service(services, "phash", HASHES, {3: "three.jpg"})
    shutil.rmtree(folder / "id_to_filename.lmdb")
    imported(library, services)
    assert library.image(3).name == "three.jpg"


def test_environments_of_any_map_size_are_read(library: Library, tmp_path: Path) -> None:
    write_environment(tmp_path / "phashes.lmdb", {key(3): HASHES[3]}, map_size=2**34)
    assert imported(library, tmp_path).features == {"phash": 1}


def test_points_are_counted_and_not_taken_over(library: Library, services: Path) -> None:
    write_environment(services / "local_features_web" / "keypoints.lmdb", {key(1): bytes(8)})
    write_environment(services / "local_features_web" / "descriptors.lmdb", {key(1): bytes(512)})
    notes = imported(library, services).notes
    assert len(notes) == 2
    assert "PostgreSQL" in notes[0]


def test_a_kind_that_is_off_is_noted(library: Library, services: Path) -> None:
    rows = MADE.vectors["image_text_features"]
    write_service(services, "image_text_features", {1: rows[1].tobytes()})
    assert imported(library, services).notes == (
        "image_text_features: not taken over, since the kind is switched off",
    )


def test_a_folder_without_data_is_refused(library: Library, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StoreError, match=r"holds no data of the original system .*phashes\.lmdb"):
        imported(library, tmp_path / "empty")
    with pytest.raises(StoreError, match="is no folder"):
        imported(library, tmp_path / "nothing")
    with pytest.raises(StoreError, match=r"holds no phashes\.lmdb"):
        imported(library, tmp_path / "empty", services={"phash": tmp_path})
    with pytest.raises(StoreError, match="no features of the kind 'text' can be taken over"):
        imported(library, tmp_path / "empty", services={"text": tmp_path})


def test_two_services_of_one_kind_need_a_word(library: Library, services: Path) -> None:
    second = write_service(services / "copy", "phash", {9: HASHES[8]})
    with pytest.raises(StoreError, match="--service phash=FOLDER"):
        imported(library, services)
    assert imported(library, services, services={"phash": second}).images == 1


def test_files_that_are_no_environment_are_refused(library: Library, tmp_path: Path) -> None:
    (tmp_path / "phashes.lmdb").mkdir()
    (tmp_path / "phashes.lmdb" / "data.mdb").write_bytes(b"nothing of the sort" * 1000)
    with pytest.raises(StoreError, match="is no LMDB environment"):
        imported(library, tmp_path)


def test_an_environment_that_was_cut_short_is_refused(library: Library, tmp_path: Path) -> None:
    many = {key(number): bytes([number % 256]) * 72 for number in range(1, 3000)}
    write_environment(tmp_path / "phashes.lmdb", many)
    file = tmp_path / "phashes.lmdb" / "data.mdb"
    with lmdb.open(str(tmp_path / "phashes.lmdb"), readonly=True) as environment:
        used = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
    with file.open("r+b") as opened:
        opened.truncate(used // 2)
    with pytest.raises(StoreError, match="was cut short"):
        imported(library, tmp_path)


def test_an_environment_with_damaged_pages_is_refused(library: Library, tmp_path: Path) -> None:
    many = {key(number): bytes([number % 256]) * 72 for number in range(1, 3000)}
    write_environment(tmp_path / "phashes.lmdb", many)
    file = tmp_path / "phashes.lmdb" / "data.mdb"
    with lmdb.open(str(tmp_path / "phashes.lmdb"), readonly=True) as environment:
        page = environment.stat()["psize"]
    with file.open("r+b") as opened:
        opened.seek(4 * page)
        opened.write(b"\xff" * 20 * page)
    with pytest.raises(StoreError, match=r"is damaged: .+; copy it again"):
        imported(library, tmp_path)


def test_flat_pictures_match_nothing_by_their_hash(library: Library, tmp_path: Path) -> None:
    write_service(tmp_path, "phash", {1: bytes(72), 2: b"\x80" + bytes(71)})
    imported(library, tmp_path)
    hits = library.search_kind("phash", Query(image_id=1), k=5, turned=False).hits
    assert [hit.quality < library.specs["phash"].min_quality for hit in hits] == [True, True]
    assert [match.image_id for match in library.search(Query(image_id=1), exclude_self=True).matches] == []


def test_removed_images_are_gone_from_both(library: Library, services: Path) -> None:
    imported(library, services)
    library.remove(3)
    library.remove_feature("phash", 4)
    hits = library.search_kind("phash", Query(image_id=5), k=9, turned=False).hits
    assert {hit.image_id for hit in hits} == {1, 2, 5, 6, 7, 8}
    assert library.info().images == 6


def test_the_index_is_made_anew_with_the_other(library: Library, services: Path) -> None:
    imported(library, services)
    library.rebuild(["phash"], features=True)
    assert len(library.search_kind("phash", Query(image_id=5), k=9, turned=False).hits) == 8
    assert library.check() == []
