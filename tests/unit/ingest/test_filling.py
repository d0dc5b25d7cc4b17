"""Features that images lack are made from their files."""

import threading
from pathlib import Path

import pytest

from ambience.datatypes import FeatureState, ImageState
from ambience.errors import UnknownKindError
from ambience.ingest.filling import Filled
from support.workshop import OpenWorkshop, Workshop, age, made_extractors, write_picture


def test_a_kind_added_later_is_filled_from_the_files(open_workshop: OpenWorkshop, photos: Path) -> None:
    for n in range(40):
        write_picture(photos / f"{n}.jpg", n)
    before = open_workshop(extractors=made_extractors(("phash",)))
    before.ingest.add_paths([photos])
    before.close()
    workshop = open_workshop()
    told: list[tuple[int, int]] = []
    assert workshop.ingest.fill_pending("phash") == Filled()
    filled = workshop.ingest.fill_pending("color", on_progress=lambda done, of: told.append((done, of)))
    assert filled == Filled(40)
    assert told[-1][1] == 40
    assert workshop.store.records.counts()["color"][FeatureState.DONE] == 40


def test_files_that_went_changed_or_broke_meanwhile(open_workshop: OpenWorkshop, photos: Path) -> None:
    names = ("gone", "changed", "broken", "whole")
    for n, name in enumerate(names):
        write_picture(photos / f"{name}.jpg", n)
    before = open_workshop(extractors=made_extractors(("phash",)))
    before.ingest.add_paths([photos])
    before.close()
    (photos / "gone.jpg").unlink()
    write_picture(photos / "changed.jpg", 99)
    age(photos / "changed.jpg", 5)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture any more")
    workshop = open_workshop()
    records = workshop.store.records
    old = {name: records.image(records.by_path(str(photos / f"{name}.jpg")) or -1) for name in names}
    assert workshop.ingest.fill_pending("color") == Filled(2, 2)
    new = {name: records.image(old[name].image_id) for name in names}
    assert new["gone"].state is ImageState.MISSING
    assert new["changed"].sha256 != old["changed"].sha256
    assert new["changed"].features["color"][0] is FeatureState.DONE
    assert new["changed"].features["phash"][0] is FeatureState.PENDING
    assert new["broken"].features["color"][0] is FeatureState.FAILED
    assert "broken.jpg" in new["broken"].features["color"][1]
    assert new["whole"].features["color"][0] is FeatureState.DONE
    assert records.pending_count(workshop.specs["color"].fingerprint) == 0
    assert workshop.ingest.fill_pending("phash") == Filled(1)


def test_files_that_are_only_away_are_left_and_counted(open_workshop: OpenWorkshop, photos: Path) -> None:
    for n in range(3):
        write_picture(photos / f"{n}.jpg", n)
    before = open_workshop(extractors=made_extractors(("phash",)))
    before.ingest.add_paths([photos])
    before.close()
    (photos / "1.jpg").unlink()
    (photos / "1.jpg").mkdir()  # something is there still, so that it is not gone
    workshop = open_workshop()
    assert workshop.ingest.fill_pending("color") == Filled(2, 1, 1)
    assert workshop.ingest.fill_pending("color") == Filled(0, 1, 1)


def test_a_stop_leaves_the_rest_pending(open_workshop: OpenWorkshop, photos: Path) -> None:
    write_picture(photos / "1.jpg", 1)
    before = open_workshop(extractors=made_extractors(("phash",)))
    before.ingest.add_paths([photos])
    before.close()
    workshop, stop = open_workshop(), threading.Event()
    stop.set()
    assert workshop.ingest.fill_pending("color", stop=stop) == Filled()
    assert workshop.store.records.pending_count(workshop.specs["color"].fingerprint) == 1


def test_two_that_fill_at_once_make_nothing_twice(open_workshop: OpenWorkshop, photos: Path) -> None:
    for n in range(30):
        write_picture(photos / f"{n}.jpg", n)
    before = open_workshop(extractors=made_extractors(("phash",)))
    before.ingest.add_paths([photos])
    before.close()
    workshop = open_workshop()
    made: list[Filled] = []
    together = threading.Barrier(3)

    def fill() -> None:
        together.wait(10)
        made.append(workshop.ingest.fill_pending("color"))

    threads = [threading.Thread(target=fill) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made) == [Filled(), Filled(), Filled(30)]
    assert len(workshop.store.features.ids(workshop.specs["color"].fingerprint)) == 30


def test_an_unknown_kind_is_refused(workshop: Workshop) -> None:
    with pytest.raises(UnknownKindError, match=r"'smell'; have color, phash"):
        workshop.ingest.fill_pending("smell")
