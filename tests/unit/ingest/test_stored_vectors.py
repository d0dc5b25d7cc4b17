"""Annotators to which embeddings are of use get those that the library has, each image its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ambience.annotate.base import Stored
from ambience.datatypes import FeatureState, Picture, PixelNeed
from ambience.errors import FeatureError
from ambience.ingest.annotating import Annotated
from ambience.words import Annotation, Tag
from support.workshop import OpenWorkshop, Workshop, write_picture


@dataclass
class ColorNamer:
    """Tags an image with its fullest bin of colors, by the stored histogram, and says how it came by it."""

    stored_kind: str = "color"
    needs_pixels: bool = False
    name: str = "colors"
    fingerprint: str = "colors-1"
    ways: list[str] = field(default_factory=list)

    options_class: ClassVar[type[Any]] = dict
    batch: ClassVar[int] = 4
    need: ClassVar[PixelNeed] = PixelNeed(50)

    def follow(self, model: Callable[[], str]) -> None:
        raise AssertionError("a workshop has no models")

    def annotate(self, pictures: Sequence[Picture], stored: Stored | None = None) -> list[Annotation]:
        self.ways += ["looked" if stored is None else "looked and given"] * len(pictures)
        if stored is None:
            return [Annotation(tags=(Tag("seen", self.name, 0.5),)) for _ in pictures]
        assert len(stored.vectors) == len(pictures)
        return self._named(stored)

    def annotate_stored(self, stored: Stored) -> list[Annotation] | None:
        if self.needs_pixels:
            return None
        if self.fingerprint == "broken":
            raise FeatureError("cannot do this")
        if self.fingerprint == "careless":
            return []
        self.ways += ["given"] * len(stored.vectors)
        return self._named(stored)

    def _named(self, stored: Stored) -> list[Annotation]:
        return [Annotation(tags=(Tag(f"b{np.argmax(row)}", self.name, 0.5),)) for row in stored.vectors]


def added(open_workshop: OpenWorkshop, photos: Path, namer: ColorNamer) -> Workshop:
    for n in range(10):
        write_picture(photos / f"{n}.jpg", n)
    workshop = open_workshop()
    workshop.store.records.annotators = {namer.name: namer.fingerprint}
    workshop.ingest.add_paths([photos])
    return workshop


def said(workshop: Workshop) -> dict[int, str]:
    ids = [record.image_id for record in workshop.store.records.list_images()]
    return {
        each: words.tags[0].text for each, words in workshop.store.records.words(ids).items() if words.tags
    }


def own_bins(workshop: Workshop) -> dict[int, str]:
    """By image, what its own histogram says."""
    spec = workshop.specs["color"]
    ids = [record.image_id for record in workshop.store.records.list_images()]
    rows, _ = workshop.store.features.get(spec, workshop.store.records.feature_ids(spec.fingerprint, ids))
    return {image_id: f"b{np.argmax(row)}" for image_id, row in zip(ids, rows, strict=True)}


def test_no_file_is_opened_where_vectors_are_enough(open_workshop: OpenWorkshop, photos: Path) -> None:
    namer = ColorNamer()
    workshop = added(open_workshop, photos, namer)
    for file in photos.iterdir():
        file.unlink()
    assert workshop.ingest.annotate({namer.name: namer}) == {"colors": Annotated(10)}
    assert namer.ways == ["given"] * 10
    assert said(workshop) == own_bins(workshop)
    assert len(set(own_bins(workshop).values())) > 3, "or mixed up images would go unseen"


def test_pictures_come_with_their_own_vectors(open_workshop: OpenWorkshop, photos: Path) -> None:
    namer = ColorNamer(needs_pixels=True)
    workshop = added(open_workshop, photos, namer)
    (photos / "3.jpg").unlink()
    assert workshop.ingest.annotate({namer.name: namer}) == {"colors": Annotated(9)}
    assert namer.ways == ["looked and given"] * 9
    gone = workshop.store.records.list_images()[3].image_id
    assert said(workshop) == {key: name for key, name in own_bins(workshop).items() if key != gone}


@pytest.mark.parametrize("kind", ["", "unknown"])
def test_without_vectors_pictures_are_looked_at(open_workshop: OpenWorkshop, photos: Path, kind: str) -> None:
    namer = ColorNamer(stored_kind=kind)
    workshop = added(open_workshop, photos, namer)
    assert workshop.ingest.annotate({namer.name: namer}) == {"colors": Annotated(10)}
    assert namer.ways == ["looked"] * 10


def test_vectors_that_are_lost_are_no_obstacle(open_workshop: OpenWorkshop, photos: Path) -> None:
    namer = ColorNamer()
    workshop = added(open_workshop, photos, namer)
    spec = workshop.specs["color"]
    first = workshop.store.records.list_images()[0].image_id
    workshop.store.features.delete(
        spec.fingerprint, workshop.store.records.feature_ids(spec.fingerprint, [first])
    )
    assert workshop.ingest.annotate({namer.name: namer}) == {"colors": Annotated(10)}
    assert set(namer.ways) == {"given", "looked", "looked and given"}


@pytest.mark.parametrize("fault", ["broken", "careless"])
def test_what_fails_by_vectors_is_tried_with_pictures(
    open_workshop: OpenWorkshop, photos: Path, fault: str
) -> None:
    namer = ColorNamer(fingerprint=fault)
    workshop = added(open_workshop, photos, namer)
    assert workshop.ingest.annotate({namer.name: namer}) == {"colors": Annotated(10)}
    assert namer.ways == ["looked and given"] * 10
    assert workshop.store.records.annotation_counts("colors") == {FeatureState.DONE: 10}
