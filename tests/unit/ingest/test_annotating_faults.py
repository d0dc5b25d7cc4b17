"""Annotators that say what cannot be kept, or change while they look."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ambience.datatypes import FeatureState, Picture, PixelNeed
from ambience.maintain import Annotating
from ambience.words import Annotation, Corner, TextLine
from support.workshop import Workshop, write_picture


@dataclass(frozen=True, slots=True)
class _NoOptions:
    """It has no settings."""


class _Reader:
    """Says one line of every picture."""

    options_class: ClassVar[type[Any]] = _NoOptions
    batch: ClassVar[int] = 1
    name = "text"
    need = PixelNeed(longest_side=32)

    def __init__(self) -> None:
        self.fingerprint = "v1"
        self.seen = 0
        self.look: Callable[[], None] = lambda: None
        self.unfit: frozenset[int] = frozenset()

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        self.seen += len(pictures)
        self.look()
        confidence = float("nan") if self.seen in self.unfit else 0.5
        line = TextLine("hello", (Corner(0, 0),) * 4, confidence)
        return [Annotation(lines=(line,)) for _ in pictures]


def _enlisted(workshop: Workshop, photos: Path, number: int, reader: _Reader) -> None:
    for n in range(number):
        write_picture(photos / f"{n}.jpg", n)
    workshop.ingest.add_paths([photos])
    Annotating(workshop.store, workshop.ingest, {"text": reader}).enlist(threading.Event())


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_what_cannot_be_kept_has_failed_and_stops_nothing(workshop: Workshop, photos: Path) -> None:
    reader = _Reader()
    reader.unfit = frozenset({3})
    _enlisted(workshop, photos, 20, reader)
    report = workshop.ingest.annotate({"text": reader})["text"]
    assert (report.done, report.failed, report.left) == (19, 1, 0)
    assert workshop.store.records.pending_annotation_count("text") == 0
    assert workshop.ingest.annotate({"text": reader})["text"].failed == 0


def test_words_carry_the_fingerprint_by_which_they_were_made(workshop: Workshop, photos: Path) -> None:
    reader = _Reader()
    _enlisted(workshop, photos, 1, reader)

    def changes() -> None:
        reader.fingerprint = "v2"

    reader.look = changes
    workshop.ingest.annotate({"text": reader})
    Annotating(workshop.store, workshop.ingest, {"text": reader}).enlist(threading.Event())
    assert workshop.store.records.pending_annotation_count("text") == 1


def test_an_annotator_that_changes_looks_again_without_a_restart(workshop: Workshop, photos: Path) -> None:
    reader = _Reader()
    _enlisted(workshop, photos, 3, reader)
    annotating = Annotating(workshop.store, workshop.ingest, {"text": reader})
    annotating.start()
    try:
        _until(lambda: workshop.store.records.annotation_counts("text") == {FeatureState.DONE: 3})
        reader.fingerprint = "v2"
        annotating.wake()
        _until(lambda: reader.seen == 6)
    finally:
        assert annotating.stop()


def test_no_further_picture_is_looked_at_while_paused(workshop: Workshop, photos: Path) -> None:
    reader, paused, stop = _Reader(), threading.Event(), threading.Event()
    reader.look = lambda: paused.set() if reader.seen == 4 else None
    _enlisted(workshop, photos, 30, reader)
    run = threading.Thread(
        target=workshop.ingest.annotate,
        args=({"text": reader},),
        kwargs={"stop": stop, "is_paused": paused.is_set},
    )
    run.start()
    assert paused.wait(20)
    time.sleep(0.5)
    seen = reader.seen
    time.sleep(0.5)
    assert reader.seen == seen < 30
    paused.clear()
    run.join(20)
    assert reader.seen == 30


def test_adding_comes_before_annotating(workshop: Workshop, photos: Path) -> None:
    assert not workshop.ingest.is_busy
    for n in range(8):
        write_picture(photos / f"{n}.jpg", n)
    seen: list[bool] = []
    workshop.ingest.add_paths([photos], on_progress=lambda _: seen.append(workshop.ingest.is_busy))
    assert seen
    assert all(seen)
    assert not workshop.ingest.is_busy


def test_who_asks_for_it_takes_over_from_the_background(workshop: Workshop, photos: Path) -> None:
    reader = _Reader()
    reader.look = lambda: time.sleep(0.02)
    _enlisted(workshop, photos, 60, reader)
    annotating = Annotating(workshop.store, workshop.ingest, {"text": reader})
    annotating.start()
    try:
        _until(lambda: reader.seen > 0)
        report = workshop.ingest.annotate({"text": reader})["text"]
    finally:
        assert annotating.stop()
    assert report.done > 0
    assert workshop.store.records.annotation_counts("text") == {FeatureState.DONE: 60}
