"""Annotators look at the pictures that they have yet to look at: once each, and whatever happens to files."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ambience.annotate.base import Annotator
from ambience.datatypes import FeatureState, ImageState, Picture, PixelNeed
from ambience.errors import FeatureError, MissingModelError
from ambience.ingest.annotating import Annotated
from ambience.maintain import Annotating
from ambience.words import Annotation, Tag
from support.workshop import OpenWorkshop, Workshop, age, wait_for, write_picture


@dataclass
class Namer:
    """Tags a picture with its width, under its own name; has nothing to say of pictures of 64 pixels."""

    name: str = "toy"
    fingerprint: str = "toy-1"
    longest_side: int | None = 50
    ask: Callable[[Sequence[Picture]], None] = lambda pictures: None
    seen: list[int] = field(default_factory=list)

    options_class: ClassVar[type[Any]] = dict
    batch: ClassVar[int] = 4

    @property
    def need(self) -> PixelNeed:
        return PixelNeed(self.longest_side)

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        self.ask(pictures)
        self.seen += [max(picture.rgb.shape[:2]) for picture in pictures]
        return [
            Annotation()
            if picture.width == 64
            else Annotation(tags=(Tag(f"w{picture.width}", self.name, 0.5),))
            for picture in pictures
        ]


def added(open_workshop: OpenWorkshop, photos: Path, *toys: Namer, count: int = 10) -> Workshop:
    for n in range(count):
        write_picture(photos / f"{n}.jpg", n, size=(96 + n, 64))
    workshop = open_workshop()
    workshop.store.records.annotators = {toy.name: toy.fingerprint for toy in toys}
    workshop.ingest.add_paths([photos])
    return workshop


def look(workshop: Workshop, *toys: Namer, **more: Any) -> dict[str, Annotated]:
    annotators: dict[str, Annotator] = {toy.name: toy for toy in toys}
    return dict(workshop.ingest.annotate(annotators, **more))


def tags(workshop: Workshop) -> list[str]:
    ids = [record.image_id for record in workshop.store.records.list_images()]
    return sorted(tag.text for words in workshop.store.records.words(ids).values() for tag in words.tags)


def test_every_picture_is_looked_at_once(open_workshop: OpenWorkshop, photos: Path) -> None:
    one, other = Namer(), Namer("other", "other-1", longest_side=None)
    workshop = added(open_workshop, photos, one, other)
    write_picture(photos / "narrow.jpg", 99, size=(64, 64))
    workshop.ingest.add_paths([photos])
    told: list[tuple[str, int, int]] = []
    report = look(workshop, one, other, on_progress=lambda *said: told.append(said))
    assert report == {"toy": Annotated(10, 1), "other": Annotated(10, 1)}
    assert told[-2:] == [("toy", 11, 11), ("other", 11, 11)]
    assert tags(workshop) == sorted(f"w{96 + n}" for n in range(10) for _ in range(2))
    assert max(other.seen) == 105, "one that wants all pixels gets them"
    assert look(workshop, one, other) == {"toy": Annotated(), "other": Annotated()}
    assert len(one.seen) == len(other.seen) == 11


def test_one_bad_picture_spoils_no_other(open_workshop: OpenWorkshop, photos: Path) -> None:
    def fail(pictures: Sequence[Picture]) -> None:
        if any(picture.width == 98 for picture in pictures):
            raise FeatureError("cannot look at this one")

    toy = Namer(ask=fail)
    workshop = added(open_workshop, photos, toy)
    assert look(workshop, toy) == {"toy": Annotated(9, 0, 1)}
    assert workshop.store.records.annotation_counts("toy") == {FeatureState.DONE: 9, FeatureState.FAILED: 1}
    (image_id,) = [each.image_id for each in workshop.store.records.list_images() if each.width == 98]
    words = workshop.store.records.words([image_id])[image_id]
    assert words.states["toy"] == ("failed", "cannot look at this one")


def test_a_missing_model_leaves_all_and_says_why(open_workshop: OpenWorkshop, photos: Path) -> None:
    def miss(pictures: Sequence[Picture]) -> None:
        raise MissingModelError("toys are not installed: ambience models install toys")

    lacking, other = Namer(ask=miss), Namer("other", "other-1")
    workshop = added(open_workshop, photos, lacking, other)
    report = look(workshop, lacking, other)
    assert report["other"] == Annotated(10)
    assert (report["toy"].left, report["toy"].done) == (10, 0)
    assert "models install toys" in report["toy"].reason
    lacking.ask = lambda pictures: None
    assert look(workshop, lacking) == {"toy": Annotated(10)}


def test_files_that_went_changed_or_broke(open_workshop: OpenWorkshop, photos: Path) -> None:
    toy = Namer()
    workshop = added(open_workshop, photos, toy, count=4)
    (photos / "0.jpg").unlink()
    write_picture(photos / "1.jpg", 77)
    age(photos / "1.jpg", 5)
    (photos / "2.jpg").unlink()
    (photos / "2.jpg").mkdir()
    assert look(workshop, toy) == {"toy": Annotated(1, left=2)}
    records = workshop.store.records
    assert records.image(records.by_path(str(photos / "0.jpg")) or -1).state is ImageState.MISSING
    assert records.pending_annotation_count("toy") == 2, "the missing one is not waited for"
    workshop.ingest.add_paths([photos / "1.jpg"])
    assert look(workshop, toy) == {"toy": Annotated(1, left=1)}


def test_a_stop_keeps_what_is_done(open_workshop: OpenWorkshop, photos: Path) -> None:
    stop = threading.Event()
    toy = Namer(ask=lambda pictures: stop.set())
    workshop = added(open_workshop, photos, toy, count=40)
    done = look(workshop, toy, stop=stop)["toy"].done
    assert 0 < done < 40
    toy.ask = lambda pictures: None
    assert look(workshop, toy)["toy"].done == 40 - done
    assert len(toy.seen) == 40


def test_a_new_fingerprint_has_all_looked_at_anew(open_workshop: OpenWorkshop, photos: Path) -> None:
    toy = Namer()
    workshop = added(open_workshop, photos, toy, count=3)
    look(workshop, toy)
    toy.fingerprint = "toy-2"
    while not workshop.store.records.enlist("toy", "toy-2"):
        continue
    assert look(workshop, toy) == {"toy": Annotated(3)}
    assert len(tags(workshop)) == 3


def test_the_background_does_it_when_pictures_come(open_workshop: OpenWorkshop, photos: Path) -> None:
    toy, lacking = Namer(), Namer("lacking", "lacking-1")

    def miss(pictures: Sequence[Picture]) -> None:
        raise MissingModelError("not installed")

    lacking.ask = miss
    workshop = added(open_workshop, photos, count=3)  # before there was any annotator
    workshop.store.records.annotators = {"toy": "toy-1", "lacking": "lacking-1"}
    annotating = Annotating(workshop.store, workshop.ingest, {"toy": toy, "lacking": lacking})
    annotating.start()
    try:
        wait_for(lambda: len(tags(workshop)) == 3)
        wait_for(lambda: annotating.reasons.get("lacking") == "not installed")
        write_picture(photos / "later.jpg", 50)
        workshop.ingest.add_paths([photos])
        annotating.wake()
        wait_for(lambda: len(tags(workshop)) == 4)
        lacking.ask = lambda pictures: None
        annotating.wake()
        wait_for(lambda: len(tags(workshop)) == 8)
        wait_for(lambda: all(job.state == "done" for job in workshop.store.records.jobs()))
        assert annotating.reasons["lacking"] == ""
    finally:
        assert annotating.stop()
    assert {job.name for job in workshop.store.records.jobs()} == {"annotate"}


@pytest.mark.parametrize("is_stopped", [True, False])
def test_one_without_annotators_does_nothing(open_workshop: OpenWorkshop, is_stopped: bool) -> None:
    workshop = open_workshop()
    annotating = Annotating(workshop.store, workshop.ingest, {})
    if not is_stopped:
        annotating.start()
    assert annotating.stop()
