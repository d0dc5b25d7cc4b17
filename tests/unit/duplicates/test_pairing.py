"""Hashes of a library compared in all eight orientations: who is paired with whom, and how it is turned."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import ambience
from ambience.copies import CopyPair
from ambience.datatypes import UPRIGHT, Orientation, Picture, Verdict
from ambience.duplicates.pairing import Pairing
from ambience.extract.phash import EDITED_BITS, PHash
from ambience.library import Library
from ambience.settings import Settings
from ambience.store.pair_file import PairFile
from support.silent import SILENT

OFF = {"enabled": False}
OTHERS = ("color", "local_features", "global_features", "image_text_features")
WAYS = [Orientation(rotation, mirrored) for mirrored in (False, True) for rotation in (0, 90, 180, 270)]


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Empty, of hashes alone."""
    kinds = dict.fromkeys(OTHERS, OFF)
    settings = replace(Settings(library=tmp_path / "library"), kinds=kinds, annotate=SILENT)
    with ambience.open(settings=settings, writer=True) as opened:
        yield opened


@pytest.fixture(scope="module")
def photo(shipped_photographs: Path) -> Image.Image:
    with Image.open(shipped_photographs / "coffee.png") as opened:
        whole = opened.convert("RGB")
    whole.thumbnail((300, 300))
    return whole


def turned(rgb: Any, orientation: Orientation) -> Any:
    """Mirrored first (if so), then rotated counter-clockwise."""
    mirrored = rgb[:, ::-1] if orientation.mirrored else rgb
    return np.ascontiguousarray(np.rot90(mirrored, orientation.rotation // 90))


def added(library: Library, folder: Path, **images: Image.Image) -> None:
    """Adds pictures as files without a loss."""
    folder.mkdir(exist_ok=True)
    for name, image in images.items():
        image.save(folder / f"{name}.png")
    library.add_paths([folder])


def pairs(library: Library) -> list[CopyPair]:
    return PairFile(library.settings.library / "index" / "copies.sqlite", writes=False).pairs()


def pixels(library: Library) -> dict[bytes, Any]:
    """By content."""
    found = {}
    for record in library.list_images():
        assert record.path is not None
        with Image.open(record.path) as opened:
            found[record.sha256] = np.asarray(opened.convert("RGB"))
    return found


def in_all_ways(photo: Image.Image) -> dict[str, Image.Image]:
    rgb = np.asarray(photo)
    return {f"way{number}": Image.fromarray(turned(rgb, way)) for number, way in enumerate(WAYS)}


def test_every_turned_copy_is_paired_and_told_how_it_lies(
    library: Library, photo: Image.Image, tmp_path: Path
) -> None:
    added(library, tmp_path / "pictures", **in_all_ways(photo))
    library.find_duplicates()
    found, by_content = pairs(library), pixels(library)
    assert len(found) == 8 * 7 // 2
    assert {pair.orientation for pair in found} == set(WAYS) - {UPRIGHT}
    for pair in found:
        assert pair.verdict is Verdict.SAME_PICTURE
        assert np.array_equal(turned(by_content[pair.low], pair.orientation), by_content[pair.high])
    (group,) = library.duplicates().groups
    of = {record.image_id: by_content[record.sha256] for record in library.list_images()}
    assert len(group.members) == 7
    for member in group.members:
        assert np.array_equal(turned(of[group.keep], member.orientation), of[member.image_id])


def test_what_comes_later_is_paired_as_if_all_had_come_at_once(
    library: Library, photo: Image.Image, tmp_path: Path
) -> None:
    """Each new one is asked for, whichever of the two has the smaller sha256."""
    for number, (name, image) in enumerate(in_all_ways(photo).items()):
        added(library, tmp_path / "pictures", **{name: image})
        assert library.find_duplicates().compared == 1
        found, by_content = pairs(library), pixels(library)
        assert len(found) == number * (number + 1) // 2
        for pair in found:
            assert np.array_equal(turned(by_content[pair.low], pair.orientation), by_content[pair.high])


def test_symmetric_and_blank_pictures_pair_with_no_other(
    library: Library, photo: Image.Image, tmp_path: Path
) -> None:
    ellipse = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(ellipse).ellipse((24, 24, 174, 174), outline="black", width=3)
    cross = Image.new("RGB", (200, 200), "white")
    ImageDraw.Draw(cross).line((20, 20, 180, 180), fill="black", width=5)
    ImageDraw.Draw(cross).line((20, 180, 180, 20), fill="black", width=5)
    blank = {f"blank{level}": Image.new("L", (200, 150), level) for level in (0, 128, 255)}
    extractor = PHash(PHash.options_class())
    rgb = np.asarray(ellipse)
    hashes = np.stack([extractor.extract([Picture(rgb, 200, 200, "png")])[0].vector])
    ways = [vectors for _, vectors in extractor.turned(hashes)[1:]]
    assert min(np.bitwise_count(hashes ^ each).sum() for each in ways) <= EDITED_BITS  # near to itself
    added(library, tmp_path / "pictures", photo=photo, ellipse=ellipse, cross=cross, **blank)
    assert library.find_duplicates().pairs == 0
    again = ellipse.resize((150, 150))
    added(library, tmp_path / "pictures", again=again)
    library.find_duplicates()
    (pair,) = pairs(library)
    assert set(pixels(library)) >= {pair.low, pair.high}
    assert pair.verdict is Verdict.SAME_PICTURE


class Upright:
    """A kind of hashes that cannot turn what is stored."""

    def __init__(self, hashes: PHash) -> None:
        self.options_class, self.spec, self.need = hashes.options_class, hashes.spec, hashes.need
        self.extract, self.query_variants = hashes.extract, hashes.query_variants


def test_kinds_that_cannot_turn_what_is_stored_are_compared_upright(
    library: Library, photo: Image.Image, tmp_path: Path
) -> None:
    added(library, tmp_path / "pictures", smaller=photo.resize((150, 100)), **in_all_ways(photo))
    parts = library._parts
    space = parts.spaces.view.spaces["phash"]
    assert isinstance(space.extractor, PHash)
    view = replace(parts.spaces.view, spaces={"phash": replace(space, extractor=Upright(space.extractor))})
    file = PairFile(tmp_path / "upright.sqlite", writes=True)
    Pairing(parts.store, file, lambda: view).catch_up(stop=lambda: False)
    (pair,) = file.pairs()
    file.close()
    assert pair.orientation == UPRIGHT
    assert {pixels(library)[each].shape for each in (pair.low, pair.high)} == {
        (100, 150, 3),
        np.asarray(photo).shape,
    }
