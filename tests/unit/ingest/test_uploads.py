"""File and row of an upload come together and go together, whatever else happens at the time."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ambience
from ambience.datatypes import FeatureState, ImageState
from ambience.errors import ImageIdTakenError, UnknownImageError
from ambience.library import Library
from support.picture_samples import encoded


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    return encoded(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC), "PNG")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with ambience.open(tmp_path / "library", writer=True) as opened:
        yield opened


def test_removing_one_never_takes_the_file_of_another_with_the_same_bytes(library: Library) -> None:
    data = [picture(seed) for seed in range(2)]

    def work(thread: int) -> list[tuple[int, bytes]]:
        mine: list[tuple[int, bytes]] = []
        for turn in range(40):
            each = data[(thread + turn) % 2]
            mine.append((library.add_image(each).image_id, each))
            if turn % 8 < 7:
                library.remove(mine.pop(0)[0], purge=turn % 2 == 0)
            for image_id, expected in mine:
                assert library.file_bytes(image_id)[0] == expected
        return mine

    with ThreadPoolExecutor(4) as threads:
        left = [pair for part in threads.map(work, range(4)) for pair in part]
    assert len(left) == 4 * 5
    for image_id, expected in left:
        assert library.file_bytes(image_id)[0] == expected
    assert library.check() == []
    for image_id, _ in left:
        library.remove(image_id, purge=True)
    assert list(library._parts.kept.kept()) == []
    assert library.check() == []


def test_a_refused_upload_leaves_no_file(library: Library) -> None:
    first = library.add_image(picture(1)).image_id
    with pytest.raises(ImageIdTakenError):
        library.add_image(picture(2), image_id=first)
    assert not library.add_image(picture(1), image_id=first).is_new
    assert len(list(library._parts.kept.kept())) == 1
    assert library.check() == []


def test_uploads_get_the_features_that_they_lack_from_their_own_bytes(library: Library) -> None:
    image_id = library.add_image(picture(3)).image_id
    library.add_image(picture(4))
    library._parts.spaces.in_use("phash").live.source._distrusted.add(
        int(library._parts.store.records.feature_ids(library.kinds["phash"].spec.fingerprint, [image_id])[0])
    )
    assert library._parts.spaces.in_use("phash").live.mend() == 1
    assert library.image(image_id).features["phash"][0] is FeatureState.PENDING
    library.rebuild(features=True)
    assert library.image(image_id).features["phash"][0] is FeatureState.DONE
    assert library.image(image_id).is_upload
    assert library.check() == []


def test_an_upload_whose_bytes_broke_keeps_its_identity(library: Library) -> None:
    image_id = library.add_image(picture(5)).image_id
    sha256 = library.image(image_id).sha256
    library.file_path(image_id).write_bytes(picture(6))
    library._parts.spaces.in_use("color").live.source._distrusted.add(
        int(library._parts.store.records.feature_ids(library.kinds["color"].spec.fingerprint, [image_id])[0])
    )
    library._parts.spaces.in_use("color").live.mend()
    library.rebuild(["color"], features=True)
    record = library.image(image_id)
    assert (record.sha256, record.is_upload, record.path) == (sha256, True, None)
    state, reason = record.features["color"]
    assert state is FeatureState.FAILED
    assert "are not those that were sent" in reason
    assert [each.code for each in library.check()] == ["file_corrupt"]


def test_sending_the_bytes_again_brings_a_missing_upload_back(library: Library) -> None:
    image_id = library.add_image(picture(7)).image_id
    library.file_path(image_id).unlink()
    spec = library.kinds["phash"].spec
    library._parts.spaces.in_use("phash").live.source._distrusted.update(
        library._parts.store.records.feature_ids(spec.fingerprint, [image_id]).tolist()
    )
    library._parts.spaces.in_use("phash").live.mend()
    library.rebuild(["phash"], features=True)
    assert library.image(image_id).state is ImageState.MISSING
    assert [(each.code, each.image_id) for each in library.check()] == [("feature_lost", image_id)]
    library.add_image(picture(7))
    assert library.image(image_id).state is ImageState.PRESENT
    library.rebuild(["phash"], features=True)
    assert library.check() == []


def test_the_trash_log_says_what_every_file_was(library: Library) -> None:
    ids = [library.add_image(picture(seed), name=f"{seed}.png", tags=["sea"]).image_id for seed in range(8)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(library.remove, ids))
    lines = (library.folder / "trash" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    notes = [json.loads(line) for line in lines]
    assert sorted(note["image_id"] for note in notes) == ids
    assert all((library.folder / "trash" / note["sha256"]).is_file() for note in notes)
    assert notes[0]["tags"] == ["sea"]


def test_what_a_killed_writer_left_is_settled_at_the_next_opening(tmp_path: Path) -> None:
    with ambience.open(tmp_path / "library", writer=True) as library:
        library.add_image(picture(1))
        kept, unsettled = library._parts.kept, tmp_path / "library" / "files" / "unsettled"
    (half := unsettled / f"{'ab' * 32}.partial").write_bytes(b"half of a pict")
    # Killed between file and row; between row and file, once with and once without `purge`; before either.
    for first, is_purge in ((1, False), (2, True)):
        sha256 = bytes([first]) * 32
        kept.put(sha256, b"whole picture")
        (unsettled / sha256.hex()).write_text("purge" if is_purge else "", encoding="ascii")
    (unsettled / ("03" * 32)).touch()
    with ambience.open(tmp_path / "library") as reader:
        assert reader.check() == []  # another process could be between file and row
        assert half.exists()
    with ambience.open(tmp_path / "library", writer=True) as library:
        assert not unsettled.exists()
        assert library.check() == []
        assert library.file_bytes(1)[0] == picture(1)
        assert [path.name for path in (library.folder / "trash").glob("0*")] == ["01" * 32]


def test_removing_the_same_image_twice_at_once_removes_it_once(library: Library) -> None:
    image_id = library.add_image(picture(1)).image_id
    gate = threading.Barrier(2)

    def remove(_: int) -> str:
        gate.wait(5)
        try:
            library.remove(image_id)
        except UnknownImageError:
            return "unknown"
        return "removed"

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(remove, range(2))) == ["removed", "unknown"]
    assert library.check() == []
