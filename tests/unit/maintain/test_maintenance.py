"""Background work: what is pending is made, snapshots are written, and what a kill cut off goes on."""

from pathlib import Path

import pytest

from ambience.datatypes import FeatureState
from ambience.settings import IndexSettings
from ambience.store.base import RemoveImage
from support.workshop import OpenWorkshop, Workshop, made_extractors, wait_for, write_picture


@pytest.fixture
def lacking_color(open_workshop: OpenWorkshop, photos: Path) -> Workshop:
    """A library of pictures that were added before there was a kind "color"."""
    for n in range(12):
        write_picture(photos / f"{n}.jpg", n)
    before = open_workshop(extractors=made_extractors(("phash",)))
    before.ingest.add_paths([photos])
    before.close()
    workshop = open_workshop()
    for kind in workshop.specs:
        workshop.live_index(kind).open()
    return workshop


def test_a_kind_added_later_is_filled_in_the_background_and_can_be_found(lacking_color: Workshop) -> None:
    assert len(lacking_color.live["color"]) == 0
    maintenance = lacking_color.maintenance()
    maintenance.start()
    wait_for(lambda: any(job.state == "done" for job in lacking_color.store.records.jobs()))
    assert maintenance.stop()
    assert len(lacking_color.live["color"]) == 12
    (job,) = [job for job in lacking_color.store.records.jobs() if job.name == "extract"]
    assert (job.subject, job.done, job.total) == ("color", 12, 12)
    assert lacking_color.store.records.counts()["color"][FeatureState.DONE] == 12


def test_stop_writes_final_snapshots_and_only_where_something_changed(lacking_color: Workshop) -> None:
    maintenance = lacking_color.maintenance()
    maintenance.start()
    maintenance.stop()
    written = lacking_color.store.records.snapshots()
    assert set(written) == {spec.fingerprint for spec in lacking_color.specs.values()}
    second = lacking_color.maintenance()
    second.start()
    wait_for(lambda: len(lacking_color.live["color"]) == 12)
    lacking_color.store.commit([RemoveImage(0)])
    second.stop()
    folder = lacking_color.folder / "index"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    third = lacking_color.maintenance()
    third.start()
    third.stop()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_removed_features_are_forgotten_once_a_snapshot_is_past_them(
    open_workshop: OpenWorkshop, photos: Path
) -> None:
    workshop = open_workshop(index=IndexSettings(snapshot_interval_s=0))
    workshop.live_index().open()
    for n in range(3):
        write_picture(photos / f"{n}.jpg", n)
    workshop.ingest.add_paths([photos])
    fingerprint = workshop.specs["phash"].fingerprint
    stored = len(workshop.store.features.ids(fingerprint))
    maintenance = workshop.maintenance()
    maintenance.start()
    workshop.store.commit([RemoveImage(1)])
    wait_for(lambda: len(workshop.store.features.ids(fingerprint)) == stored - 1)
    maintenance.stop()
    assert workshop.store.records.snapshots()[fingerprint] >= workshop.live["phash"].seq - 1


def test_a_job_that_was_cut_off_is_closed_once_its_work_is_done(lacking_color: Workshop) -> None:
    records = lacking_color.store.records
    cut_off = [records.add_job("extract", "color", 12), records.add_job("rebuild", "phash")]
    maintenance = lacking_color.maintenance()
    maintenance.start()
    wait_for(lambda: not records.jobs(unfinished=True))
    maintenance.stop()
    jobs = {job.job_id: job for job in records.jobs()}
    assert [jobs[job.job_id].state for job in cut_off] == ["done", "done"]
    assert jobs[cut_off[0].job_id].done == 12


def test_an_index_that_was_opened_without_waiting_is_rebuilt(lacking_color: Workshop) -> None:
    live = lacking_color.live_index("phash")
    live.open(wait=False)
    assert (len(live), live.pending) == (0, 12)
    maintenance = lacking_color.maintenance()
    maintenance.start()
    wait_for(lambda: len(live) == 12)
    maintenance.stop()
    assert live.pending == 0


def test_stop_before_start_is_harmless(workshop: Workshop) -> None:
    assert workshop.maintenance().stop()
