"""Runs over folders: what is added, skipped, renewed, moved, noted as gone, and what becomes of bad files."""

import errno
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ambience.datatypes import Feature, FeatureState, ImageState, Picture
from ambience.errors import EmptyFeatureError
from ambience.ingest import IngestProgress
from ambience.settings import IngestSettings
from support.workshop import OpenWorkshop, Workshop, age, made_extractors, stored_truth, write_picture


def fill(folder: Path, number: int) -> None:
    for n in range(number):
        write_picture(folder / f"{'abc'[n % 3]}" / f"{n}.jpg", n)


def test_a_folder_is_added_with_all_kinds_and_known_files_are_skipped(
    workshop: Workshop, photos: Path
) -> None:
    fill(photos, 20)
    (photos / "notes.txt").write_text("no picture")
    report = workshop.ingest.add_paths([photos])
    assert (report.found, report.added, report.failed, report.skipped_files) == (20, 20, (), 1)
    assert report.bytes_read == sum(path.stat().st_size for path in photos.rglob("*.jpg"))
    record = workshop.store.records.image(workshop.store.records.by_path(str(photos / "a" / "0.jpg")) or -1)
    assert (record.width, record.height, record.format, record.name) == (96, 64, "jpeg", "0.jpg")
    assert {state for state, _ in record.features.values()} == {FeatureState.DONE}
    again = workshop.ingest.add_paths([photos])
    assert (again.found, again.added, again.unchanged, again.bytes_read) == (20, 0, 20, 0)


@pytest.mark.parametrize("order", [1, -1])
def test_overlapping_paths_and_repeated_files_count_once(
    workshop: Workshop, photos: Path, order: int
) -> None:
    fill(photos, 6)
    one = photos / "a" / "0.jpg"
    (photos / "b" / "link").symlink_to(photos)
    (photos / "c" / "same.jpg").symlink_to(one)
    paths = [one, photos, photos / "a", str(photos) + "/../photos"]
    report = workshop.ingest.add_paths(paths[::order])
    assert (report.found, report.added, report.failed) == (6, 6, ())


def test_a_changed_file_keeps_its_id_and_a_touched_one_is_not_extracted(
    workshop: Workshop, photos: Path
) -> None:
    changed, touched = write_picture(photos / "1.jpg", 1), write_picture(photos / "2.jpg", 2)
    workshop.ingest.add_paths([photos])
    records, spec = workshop.store.records, workshop.specs["phash"]
    ids = {path: records.by_path(str(path)) for path in (changed, touched)}
    before = records.feature_ids(spec.fingerprint, list(ids.values())).tolist()
    write_picture(changed, 77)
    age(changed, 5)
    age(touched, 5)
    report = workshop.ingest.add_paths([photos])
    assert (report.updated, report.unchanged, report.added) == (1, 1, 0)
    assert {path: records.by_path(str(path)) for path in ids} == ids
    after = records.feature_ids(spec.fingerprint, list(ids.values())).tolist()
    assert after[0] != before[0]
    assert after[1] == before[1]
    assert workshop.ingest.add_paths([photos]).unchanged == 2


def test_a_moved_file_keeps_its_id_and_tags_go_along(workshop: Workshop, photos: Path) -> None:
    old = write_picture(photos / "old.jpg", 1)
    workshop.ingest.add_paths([photos])
    image_id = workshop.store.records.by_path(str(old))
    new = photos / "deep" / "new.jpg"
    new.parent.mkdir()
    old.rename(new)
    report = workshop.ingest.add_paths([photos])
    assert (report.moved, report.added, report.missing) == (1, 0, 0)
    assert workshop.store.records.by_path(str(new)) == image_id
    assert workshop.store.records.image(image_id or 0).name == "new.jpg"


def test_a_copy_is_a_second_image_of_the_same_file(workshop: Workshop, photos: Path) -> None:
    first = write_picture(photos / "first.jpg", 1)
    workshop.ingest.add_paths([photos])
    shutil.copy(first, photos / "second.jpg")
    shutil.copy(first, photos / "third.jpg")
    report = workshop.ingest.add_paths([photos])
    assert (report.added, report.same_file, report.moved) == (2, 2, 0)
    sha256 = workshop.store.records.image(workshop.store.records.by_path(str(first)) or 0).sha256
    assert len(workshop.store.records.same_file(sha256)) == 3


def test_a_vanished_file_is_missing_and_back_again(workshop: Workshop, photos: Path, tmp_path: Path) -> None:
    gone, _ = write_picture(photos / "gone.jpg", 1), write_picture(photos / "stays.jpg", 2)
    workshop.ingest.add_paths([photos])
    image_id = workshop.store.records.by_path(str(gone)) or -1
    gone.rename(tmp_path / "elsewhere.jpg")
    assert workshop.ingest.add_paths([photos]).missing == 1
    assert workshop.store.records.image(image_id).state is ImageState.MISSING
    assert workshop.ingest.add_paths([photos]).missing == 0
    (tmp_path / "elsewhere.jpg").rename(gone)
    report = workshop.ingest.add_paths([photos])
    assert (report.unchanged, report.bytes_read) == (2, 0)
    assert workshop.store.records.image(image_id).state is ImageState.PRESENT


def test_files_that_vanish_before_they_are_read_are_counted(workshop: Workshop, photos: Path) -> None:
    fill(photos, 200)

    def remove_all(_progress: object) -> None:
        for path in photos.rglob("*.*"):
            path.unlink(missing_ok=True)

    report = workshop.ingest.add_paths([photos], on_progress=remove_all)
    assert report.vanished > 0
    assert report.added + report.vanished == report.found
    # The scan names those that vanish between the listing of their folder and its look at them.
    assert {each.code for each in report.failed} <= {"path_missing"}


def test_an_unplugged_drive_marks_nothing_missing(workshop: Workshop, photos: Path) -> None:
    fill(photos / "drive", 3)
    workshop.ingest.add_paths([photos / "drive"])
    shutil.rmtree(photos / "drive")
    (nowhere,) = workshop.ingest.add_paths([photos / "drive"]).failed
    assert nowhere.code == "path_missing"
    (photos / "drive").mkdir()
    report = workshop.ingest.add_paths([photos / "drive"])
    assert [each.code for each in report.failed] == ["folder_empty"]
    assert report.missing == 0
    assert {record.state for record in workshop.store.records.list_images()} == {ImageState.PRESENT}


def test_an_unreadable_folder_is_told_and_what_lies_in_it_is_not_missing(
    workshop: Workshop, photos: Path
) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads every folder")
    fill(photos, 6)
    workshop.ingest.add_paths([photos])
    (photos / "b").chmod(0)
    try:
        report = workshop.ingest.add_paths([photos])
    finally:
        (photos / "b").chmod(0o755)
    assert [each.code for each in report.failed] == ["path_unreadable"]
    assert (report.unchanged, report.missing) == (4, 0)


def test_bad_files_are_named_remembered_and_do_not_stop_the_rest(workshop: Workshop, photos: Path) -> None:
    fill(photos, 5)
    (photos / "empty.jpg").touch()
    (photos / "text.png").write_text("no picture at all")
    whole = (photos / "a" / "0.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "nowhere.jpg").symlink_to("/does/not/exist.jpg")
    os.mkfifo(photos / "pipe.jpg")
    report = workshop.ingest.add_paths([photos, photos / "no such file.jpg"])
    reasons = {Path(each.path).name: each for each in report.failed}
    assert set(reasons) == {"empty.jpg", "text.png", "cut.jpg", "nowhere.jpg", "no such file.jpg"}
    assert all(Path(each.path).name in each.reason for each in report.failed)
    assert reasons["no such file.jpg"].code == "path_missing"
    assert report.added == 5
    again = workshop.ingest.add_paths([photos])
    assert (again.skipped_known_failed, [Path(each.path).name for each in again.failed]) == (
        3,
        ["nowhere.jpg"],
    )
    write_picture(photos / "empty.jpg", 50)
    assert workshop.ingest.add_paths([photos]).added == 1
    assert {Path(each.path).name for each in workshop.store.records.failed_files()} == {"text.png", "cut.jpg"}
    (photos / "cut.jpg").unlink()
    workshop.ingest.add_paths([photos])
    assert {Path(each.path).name for each in workshop.store.records.failed_files()} == {"text.png"}


def test_names_that_are_no_utf8_are_added(workshop: Workshop, photos: Path) -> None:
    path = os.fsencode(photos) + b"/caf\xe9.jpg"
    os.rename(write_picture(photos / "plain.jpg", 1), path)  # noqa: PTH104 - the name is bytes
    report = workshop.ingest.add_paths([photos])
    assert (report.added, report.failed) == (1, ())
    (record,) = workshop.store.records.list_images()
    assert os.fsencode(record.path or "") == path
    assert record.name == "caf\\udce9.jpg"
    assert workshop.ingest.add_paths([photos]).unchanged == 1


def test_hidden_files_by_setting_and_the_library_itself_never(
    open_workshop: OpenWorkshop, tmp_path: Path
) -> None:
    write_picture(tmp_path / "seen.jpg", 1)
    write_picture(tmp_path / ".hidden" / "inside.jpg", 2)
    workshop = open_workshop()
    write_picture(workshop.folder / "files" / "upload.jpg", 3)
    assert workshop.ingest.add_paths([tmp_path]).added == 1
    assert workshop.ingest.add_paths([tmp_path / ".hidden"]).added == 1  # asked for by name
    (refused,) = workshop.ingest.add_paths([workshop.folder / "files"]).failed
    assert "belongs to the library itself" in refused.reason
    workshop.close()
    workshop = open_workshop(tmp_path / "other", ingest=IngestSettings(hidden=True))
    assert workshop.ingest.add_paths([tmp_path / ".hidden", tmp_path / "seen.jpg"]).added == 2


def test_ids_from_names(workshop: Workshop, photos: Path) -> None:
    write_picture(photos / "12.jpg", 1)
    write_picture(photos / "7.holiday.jpg", 2)
    write_picture(photos / "beach.jpg", 3)
    write_picture(photos / "sub" / "12.png", 4)
    write_picture(photos / f"{2**53}.jpg", 5)
    report = workshop.ingest.add_paths([photos], ids_from_names=True)
    assert report.added == 2
    assert workshop.store.records.by_path(str(photos / "7.holiday.jpg")) == 7
    assert workshop.store.records.images([12])[12].name in ("12.jpg", "12.png")
    codes = sorted(each.code for each in report.failed)
    assert codes == ["id_not_in_name", "id_not_in_name", "image_id_taken"]


class Flat:
    """A kind that has nothing to say of wide pictures, and breaks on tall ones."""

    def __init__(self) -> None:
        self.inner = made_extractors(("phash",))["phash"]
        self.spec, self.need = self.inner.spec, self.inner.need
        self.options_class, self.query_variants = type(self.inner).options_class, self.inner.query_variants

    def extract(self, pictures: list[Picture]) -> list[Feature]:
        if any(picture.width > 2 * picture.height for picture in pictures):
            raise EmptyFeatureError("too wide")
        if any(picture.height > 2 * picture.width for picture in pictures):
            raise ZeroDivisionError("too tall")
        return self.inner.extract(pictures)


def test_a_kind_that_fails_leaves_other_kinds_and_other_pictures_alone(
    open_workshop: OpenWorkshop, photos: Path
) -> None:
    workshop = open_workshop(extractors={"phash": Flat(), "color": made_extractors()["color"]})
    write_picture(photos / "1.jpg", 1)
    write_picture(photos / "2.jpg", 2, size=(300, 40))
    write_picture(photos / "3.jpg", 3, size=(40, 300))
    assert workshop.ingest.add_paths([photos]).added == 3
    states = {record.name: record.features for record in workshop.store.records.list_images()}
    assert [states[f"{n}.jpg"]["phash"] for n in (1, 2, 3)] == [
        (FeatureState.DONE, ""),
        (FeatureState.EMPTY, "too wide"),
        (FeatureState.FAILED, "ZeroDivisionError: too tall"),
    ]
    assert {features["color"][0] for features in states.values()} == {FeatureState.DONE}


def test_progress_has_rate_and_end_and_is_not_told_too_often(workshop: Workshop, photos: Path) -> None:
    fill(photos, 60)
    told: list[IngestProgress] = []
    began = time.monotonic()
    workshop.ingest.add_paths([photos], on_progress=told.append)
    assert len(told) <= 10 * (time.monotonic() - began) + 2
    assert (told[-1].done, told[-1].found, told[-1].added, told[-1].eta_s) == (60, 60, 60, 0.0)
    assert told[-1].scan_finished
    assert told[-1].rate > 0


def test_a_stop_commits_what_is_done_and_a_second_run_does_the_rest(
    open_workshop: OpenWorkshop, photos: Path
) -> None:
    fill(photos, 80)
    workshop = open_workshop(ingest=IngestSettings(threads=2, commit_images=5))
    stop = threading.Event()

    def stop_early(progress: IngestProgress) -> None:
        if progress.added:
            stop.set()

    report = workshop.ingest.add_paths([photos], on_progress=stop_early, stop=stop)
    assert report.was_stopped
    assert report.missing == 0
    assert workshop.store.records.count() == report.added
    assert workshop.ingest.add_paths([photos]).added == 80 - report.added


def test_a_stop_before_the_start_does_nothing(workshop: Workshop, photos: Path) -> None:
    fill(photos, 3)
    stop = threading.Event()
    stop.set()
    report = workshop.ingest.add_paths([photos], stop=stop)
    assert report.was_stopped
    assert workshop.store.records.count() == 0


ADD = """
import sys
sys.path.insert(0, sys.argv[3])
from pathlib import Path
from support.workshop import Workshop
from ambience.settings import IngestSettings
workshop = Workshop(Path(sys.argv[1]), ingest=IngestSettings(threads=2, commit_images=8))
workshop.ingest.add_paths([Path(sys.argv[2])], on_progress=lambda told: print(told.added, flush=True))
"""


def test_a_kill_in_the_middle_loses_nothing_and_a_second_run_ends_as_an_undisturbed_one(
    open_workshop: OpenWorkshop, photos: Path, tmp_path: Path
) -> None:
    for n in range(120):
        write_picture(photos / f"{n}.jpg", n, size=(160, 120))
    command = [
        sys.executable,
        "-c",
        ADD,
        str(tmp_path / "library"),
        str(photos),
        str(Path(__file__).parents[2]),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        told = 0
        while not told:
            told = int(child.stdout.readline())
        child.kill()
    resumed = open_workshop()
    kept = resumed.store.records.count()
    assert told <= kept <= 120
    report = resumed.ingest.add_paths([photos])
    assert (report.added, report.unchanged) == (120 - kept, kept)
    undisturbed = open_workshop(tmp_path / "other")
    undisturbed.ingest.add_paths([photos])
    assert stored_truth(resumed) == stored_truth(undisturbed)
    assert list(resumed.store.check()) == []


def test_extract_makes_all_kinds_from_one_picture(workshop: Workshop, photos: Path) -> None:
    data = write_picture(photos / "1.jpg", 1).read_bytes()
    picture = workshop.decoder.decode(data, name="upload")
    draft, features = workshop.ingest.extract(data, picture, name="upload")
    assert (draft.name, draft.path, draft.size, draft.width) == ("upload", None, len(data), 96)
    assert {kind: made.state for kind, made in features.items()} == dict.fromkeys(
        ("phash", "color"), FeatureState.DONE
    )
    _, only = workshop.ingest.extract(data, picture, name="upload", kinds=["color"])
    assert set(only) == {"color"}
    feature = only["color"].feature
    assert feature is not None
    assert np.isclose(np.asarray(feature.vector, np.float64).sum(), 1, atol=0.01)


def test_a_folder_whose_name_is_too_long_is_told(workshop: Workshop, photos: Path) -> None:
    fill(photos, 2)
    report = workshop.ingest.add_paths([photos, photos / ("x" * 300)])
    assert report.added == 2
    assert os.strerror(errno.ENAMETOOLONG) in report.failed[0].reason
