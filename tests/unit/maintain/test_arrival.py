"""What is coming takes the place of what is in use once it is complete, and waits no longer than it must."""

from dataclasses import replace
from pathlib import Path

import pytest

from ambience.errors import IndexRecallError
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.maintain import LiveIndex, Maintenance
from ambience.settings import IndexSettings
from support.workshop import OpenWorkshop, Workshop, made_extractors, wait_for, write_picture

COUNT = 6


class Arrival:
    """A second space of the colors that is coming in a workshop, and what is told of it.

    Attributes:
        live: its index.
        told: pending images at each switch that was asked for.
        refuses: whether the switch is refused.
    """

    def __init__(self, workshop: Workshop) -> None:
        now = workshop.extractors["color"]
        (later,) = made_extractors(("color",)).values()
        later.spec = replace(now.spec, model="later")
        workshop.ingest.use({"phash": (workshop.extractors["phash"],), "color": (now, later)})
        workshop.store.records.coming = {"color": later.spec}
        self.workshop = workshop
        self.live = LiveIndex(
            workshop.store,
            later.spec,
            ExactIndex,
            ExactOptions(),
            workshop.folder / "index" / later.spec.fingerprint,
            settings=workshop.settings.index,
            is_writer=True,
        )
        self.live.open()
        self.told: list[int] = []
        self.refuses = False

    def maintenance(self, *, retry_every_s: float) -> Maintenance:
        workshop = self.workshop
        lives = [*workshop.live.values(), self.live]
        return Maintenance(
            workshop.store,
            workshop.ingest,
            lambda: lives,
            workshop.settings,
            switch=self._switch,
            retry_every_s=retry_every_s,
        )

    def _switch(self, live: LiveIndex, pending: int) -> bool:
        assert live is self.live
        self.told.append(pending)
        if self.refuses:
            raise IndexRecallError("finds too little")
        self.workshop.store.records.coming = {}
        return True


@pytest.fixture
def arrival(open_workshop: OpenWorkshop, photos: Path) -> Arrival:
    for n in range(COUNT):
        write_picture(photos / f"{n}.jpg", n)
    workshop = open_workshop(index=IndexSettings(snapshot_interval_s=0.05))
    workshop.ingest.add_paths([photos])
    workshop.live_index("color").open()
    return Arrival(workshop)


def make_unreadable(photos: Path, count: int) -> None:
    """Something is there still, so that they are not gone; but nothing can be read."""
    for n in range(count):
        (photos / f"{n}.jpg").unlink()
        (photos / f"{n}.jpg").mkdir()


def test_once_all_is_there_it_switches(arrival: Arrival) -> None:
    maintenance = arrival.maintenance(retry_every_s=300)
    maintenance.start()
    wait_for(lambda: any(job.state == "done" for job in arrival.workshop.store.records.jobs()))
    wait_for(lambda: bool(arrival.told))
    maintenance.stop()
    assert arrival.told == [0]
    assert len(arrival.live) == COUNT
    (job,) = [job for job in arrival.workshop.store.records.jobs() if job.name == "extract"]
    assert (job.subject, job.done, job.state) == ("color (later)", COUNT, "done")


def test_files_that_cannot_be_read_are_waited_for_until_a_second_try(arrival: Arrival, photos: Path) -> None:
    make_unreadable(photos, 2)
    waiting = arrival.maintenance(retry_every_s=300)
    waiting.start()
    wait_for(lambda: any(job.state == "done" for job in arrival.workshop.store.records.jobs()))
    waiting.stop()
    assert arrival.told == []
    again = arrival.maintenance(retry_every_s=0.2)
    again.start()
    wait_for(lambda: bool(arrival.told))
    again.stop()
    assert arrival.told == [2]


def test_where_most_files_cannot_be_read_it_waits_on(arrival: Arrival, photos: Path) -> None:
    make_unreadable(photos, 4)
    maintenance = arrival.maintenance(retry_every_s=0.02)
    maintenance.start()
    records = arrival.workshop.store.records
    wait_for(lambda: len([job for job in records.jobs() if job.state == "done"]) >= 4)
    maintenance.stop()
    assert arrival.told == []


def test_one_that_finds_too_little_is_not_asked_again_at_once(arrival: Arrival) -> None:
    arrival.refuses = True
    maintenance = arrival.maintenance(retry_every_s=300)
    maintenance.start()
    wait_for(lambda: bool(arrival.told))
    first = len(arrival.told)
    wait_for(lambda: arrival.workshop.store.records.snapshots() != {})
    maintenance.stop()
    assert (first, arrival.told) == (1, [0])
