"""Followed folders: what appears, changes, moves and goes, on a system's events and by looking."""

import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ambience.datatypes import ImageState
from ambience.ingest import IngestReport
from ambience.settings import IngestSettings
from support.workshop import OpenWorkshop, Workshop, age, write_picture

WAIT_S = 20


class Watched:
    """Reports of a watch that runs in another thread."""

    def __init__(self, workshop: Workshop, paths: list[Path]) -> None:
        self.stop = threading.Event()
        self.reports: queue.Queue[IngestReport] = queue.Queue()
        self.thread = threading.Thread(
            target=workshop.ingest.watch,
            args=(paths,),
            kwargs={"stop": self.stop, "on_report": self.reports.put},
        )

    def until(self, is_enough: Callable[[IngestReport], bool]) -> IngestReport:
        """The next report of that sort."""
        while True:
            report = self.reports.get(timeout=WAIT_S)
            if is_enough(report):
                return report


@contextmanager
def watching(workshop: Workshop, *paths: Path) -> Iterator[Watched]:
    watched = Watched(workshop, list(paths))
    watched.thread.start()
    try:
        yield watched
    finally:
        watched.stop.set()
        watched.thread.join(WAIT_S)
    assert not watched.thread.is_alive()


@pytest.mark.parametrize("polls", [False, True])
def test_new_changed_moved_and_removed_files_are_followed(
    open_workshop: OpenWorkshop, photos: Path, tmp_path: Path, polls: bool
) -> None:
    workshop = open_workshop(ingest=IngestSettings(threads=1, watch_polls=polls))
    write_picture(photos / "0.jpg", 0)
    with watching(workshop, photos) as watched:
        assert watched.reports.get(timeout=WAIT_S).added == 1
        (photos / "notes.txt").write_text("no picture")
        write_picture(photos / ".hidden.jpg", 5)
        first = write_picture(photos / "1.jpg", 1)
        report = watched.until(lambda report: report.added > 0)
        assert (report.added, report.failed) == (1, ())
        image_id = workshop.store.records.by_path(str(first))
        write_picture(first, 2)
        age(first, 5)
        watched.until(lambda report: report.updated == 1)
        first.rename(photos / "moved.jpg")
        watched.until(lambda report: report.moved == 1)
        assert workshop.store.records.by_path(str(photos / "moved.jpg")) == image_id
        (photos / "0.jpg").unlink()
        watched.until(lambda report: report.missing == 1)
    assert workshop.store.records.count() == 2
    states = [record.state for record in workshop.store.records.list_images()]
    assert sorted(states) == [ImageState.MISSING, ImageState.PRESENT]


def test_a_folder_that_is_moved_in_is_added_whole_and_a_removed_one_is_missing(
    workshop: Workshop, photos: Path, tmp_path: Path
) -> None:
    write_picture(photos / "0.jpg", 0)
    for n in range(3):
        write_picture(tmp_path / "outside" / "deep" / f"{n}.jpg", n + 1)
    with watching(workshop, photos) as watched:
        watched.reports.get(timeout=WAIT_S)
        (tmp_path / "outside").rename(photos / "inside")
        added = 0
        while added < 3:
            added += watched.until(lambda report: report.added > 0).added
        shutil.rmtree(photos / "inside")
        missing = 0
        while missing < 3:
            missing += watched.until(lambda report: report.missing > 0).missing
    assert (added, missing) == (3, 3)


def test_an_unplugged_drive_marks_nothing_missing(workshop: Workshop, photos: Path, tmp_path: Path) -> None:
    write_picture(photos / "0.jpg", 0)
    with watching(workshop, photos) as watched:
        watched.reports.get(timeout=WAIT_S)
        photos.rename(tmp_path / "unplugged")
        with pytest.raises(queue.Empty):
            watched.reports.get(timeout=2)
    assert [record.state for record in workshop.store.records.list_images()] == [ImageState.PRESENT]


def test_watching_what_does_not_exist_says_so_and_ends(workshop: Workshop, tmp_path: Path) -> None:
    reports: list[IngestReport] = []
    workshop.ingest.watch([tmp_path / "nowhere"], stop=threading.Event(), on_report=reports.append)
    assert [each.code for each in reports[0].failed] == ["path_missing"]
