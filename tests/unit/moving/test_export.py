"""A library written to files says the same as the library, and what was broken off leaves nothing."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ambience
from ambience.datatypes import FeatureState
from ambience.errors import StoreError, UnknownKindError
from ambience.library import Library
from ambience.moving import export as exporting
from ambience.settings import Settings
from ambience.store.base import PutAnnotation
from ambience.words import Annotation, Corner, TextLine
from support.silent import SILENT
from support.workshop import write_picture

KINDS = ("phash", "color", "local_features")
LINE = TextLine(
    "Привет, 東京", (Corner(0, 0), Corner(0.5, 0), Corner(0.5, 0.25), Corner(0, 0.25)), 0.75, "Cyrl", "ru"
)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    for number in range(7):
        write_picture(tmp_path / "photos" / f"{number}.jpg", number)
    write_picture(tmp_path / "photos" / "grün \udcff.jpg", 50)
    off = {kind: {"enabled": False} for kind in ("global_features", "image_text_features")}
    settings = Settings(library=tmp_path / "library", kinds=off, annotate=SILENT)
    with ambience.open(settings=settings, writer=True) as opened:
        opened.add_paths([tmp_path / "photos"])
        yield opened


def lines_of(folder: Path) -> list[dict[str, Any]]:
    with (folder / "images.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_every_image_is_there_as_the_library_has_it(library: Library, tmp_path: Path) -> None:
    first, second = library.list_images(limit=2)
    library.set_tags(first.image_id, ["beach", "Straße"])
    library.set_caption(second.image_id, 'a line\nand "another"\u2028')
    made = library.export(tmp_path / "out")
    lines = lines_of(tmp_path / "out")
    records = library.list_images()
    assert made.images == len(lines) == len(records) == 8
    for line, record in zip(lines, records, strict=True):
        assert line["image_id"] == record.image_id
        assert bytes.fromhex(line["sha256"]) == record.sha256
        assert (line["name"], line["path"]) == (record.name, record.path)
        assert (line["width"], line["height"], line["format"]) == (96, 64, "jpeg")
        assert line["features"] == dict.fromkeys(KINDS, "done")
    assert {tag["text"] for tag in lines[0]["tags"]} == {"beach", "Straße"}
    assert lines[1]["captions"][0]["text"] == library.words(second.image_id).captions[0].text


def test_text_comes_with_its_places(library: Library, tmp_path: Path) -> None:
    record = library.list_images(limit=1)[0]
    store = library._parts.store
    store.records.annotators = {"text": "ocr-1"}
    while not store.records.enlist("text", "ocr-1"):
        continue
    said = Annotation(lines=(LINE,))
    store.submit(PutAnnotation(record.image_id, record.sha256, "text", "ocr-1", FeatureState.DONE, said))
    library.export(tmp_path / "out", kinds=())
    (line,) = lines_of(tmp_path / "out")[0]["text"]
    assert line["text"] == LINE.text
    assert line["quad"] == [[0, 0], [0.5, 0], [0.5, 0.25], [0, 0.25]]


@pytest.mark.parametrize("shard_bytes", [exporting.SHARD_BYTES, 200])
def test_features_read_back_as_they_are_stored(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_bytes: int
) -> None:
    monkeypatch.setattr(exporting, "SHARD_BYTES", shard_bytes)
    made = library.export(tmp_path / "out")
    assert made.features == dict.fromkeys(KINDS, 8)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text("utf-8"))
    assert manifest["images"] == 8
    store = library._parts.store
    for kind, said in manifest["kinds"].items():
        spec = library.specs[kind]
        assert said["fingerprint"] == spec.fingerprint
        assert (len(said["files"]) > 1) == (shard_bytes == 200)
        seen: dict[int, bytes] = {}
        for name in said["files"]:
            with np.load(tmp_path / "out" / name) as shard:
                if said["is_blob"]:
                    rows = np.split(shard["joined"], np.cumsum(shard["lengths"])[:-1])
                else:
                    rows = list(shard["vectors"])
                    assert shard["vectors"].dtype == spec.dtype
                seen |= {int(one): row.tobytes() for one, row in zip(shard["image_ids"], rows, strict=True)}
        ids = [record.image_id for record in library.list_images()]
        stored = store.features.get(spec, store.records.feature_ids(spec.fingerprint, ids))[0]
        assert seen == {one: np.asarray(row).tobytes() for one, row in zip(ids, stored, strict=True)}


def test_a_lost_feature_is_left_out_and_counted(library: Library, tmp_path: Path) -> None:
    spec, store = library.specs["color"], library._parts.store
    lost = library.list_images(limit=1)[0].image_id
    store.features.delete(spec.fingerprint, store.records.feature_ids(spec.fingerprint, [lost]))
    made = library.export(tmp_path / "out")
    assert (made.features["color"], dict(made.unreadable)) == (7, {"color": 1})
    with np.load(tmp_path / "out" / "color-00000.npz") as shard:
        assert lost not in shard["image_ids"].tolist()


def test_an_empty_library_gives_empty_files(tmp_path: Path) -> None:
    with ambience.open(
        settings=Settings(library=tmp_path / "library", annotate=SILENT), writer=True
    ) as opened:
        made = opened.export(tmp_path / "out", kinds=("phash",))
    assert (made.images, made.features) == (0, {"phash": 0})
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["images.jsonl", "manifest.json"]


def test_what_is_stopped_leaves_nothing(library: Library, tmp_path: Path) -> None:
    stop = threading.Event()
    made = library.export(tmp_path / "out", on_progress=lambda what, done, of: stop.set(), stop=stop)
    assert not made.is_whole
    assert {each.name for each in tmp_path.iterdir()} == {"photos", "library"}


def test_a_folder_that_holds_something_is_left_alone(library: Library, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="exists; name a folder"):
        library.export(tmp_path / "photos")
    with pytest.raises(StoreError, match=r"cannot be written: .* name another folder"):
        library.export(tmp_path / "nowhere" / "out")
    with pytest.raises(UnknownKindError, match="no kind 'hash' has features"):
        library.export(tmp_path / "out", kinds=("hash",))
    (tmp_path / "empty").mkdir()
    assert library.export(tmp_path / "empty", kinds=()).images == 8
    assert {each.name for each in tmp_path.iterdir()} == {"photos", "library", "empty"}
