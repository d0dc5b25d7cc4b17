"""Kill -9 at random moments under concurrent adds, updates and deletes: what was acknowledged is there."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from io import RawIOBase
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest

import ambience
from ambience.answers import Expansion, Query
from ambience.datatypes import FeatureState, Ids, ImageRecord, ImageState
from ambience.errors import UnknownImageError
from ambience.index.descriptors import DescriptorIndex, DescriptorOptions
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.keypoints import stacked_descriptors
from ambience.library import Library
from support.killed_writer import FIRST_GIVEN_ID, KINDS, picture, settings_of

WRITER = Path(__file__).parents[1] / "support" / "killed_writer.py"
TORN = {"file_missing", "file_changed"}
"""What `check` may say where a folder was changed and the library was killed before it had heard of it."""


@dataclass
class Expected:
    """An image as it must be.

    Attributes:
        version: of its picture.
        tags: sorted.
        kinds: that have a feature.
        image_id: -1 for a file whose id has not been seen yet.
        is_missing: whether its file was deleted.
    """

    version: int
    tags: tuple[str, ...] = ()
    kinds: set[str] = field(default_factory=lambda: set(KINDS))
    image_id: int = -1
    is_missing: bool = False


@dataclass
class Ledger:
    """What the killed processes said.

    Attributes:
        images: by id, uploads and images of which only features are kept.
        files: by name, images of files in the folder.
        ever: every id that was ever given.
        open: thread → what it was about to do when its process died.
        acknowledged: how many calls returned.
    """

    images: dict[int, Expected] = field(default_factory=dict)
    files: dict[str, Expected] = field(default_factory=dict)
    ever: set[int] = field(default_factory=set)
    open: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: int = 0

    def read(self, lines: Iterable[str]) -> None:
        """Takes up the lines of one process."""
        self.open = {}
        for line in lines:
            said = json.loads(line)
            if said["event"] == "about":
                self.open[said["thread"]] = said
            elif said["event"] == "done":
                self.take(self.open.pop(said["thread"]) | said)
                self.acknowledged += 1

    def take(self, said: dict[str, Any]) -> None:
        """What was done is from now on the truth."""
        what, image_id = said["what"], said.get("image_id", -1)
        if what == "upload":
            self.given(image_id)
            self.images[image_id] = Expected(said["version"], ("new",), image_id=image_id)
        elif what == "feature":
            if image_id not in self.images:
                self.given(image_id)
                self.images[image_id] = Expected(image_id, kinds=set(), image_id=image_id)
            self.images[image_id].kinds.add(said["kind"])
        elif what == "remove_feature":
            self.images[image_id].kinds.discard(said["kind"])
            if not self.images[image_id].kinds:
                del self.images[image_id]
        elif what == "tag":
            self.found(said).tags = tuple(said["tags"])
        elif what == "remove":
            self.found(said)
            self.files.pop(said["file"]) if "file" in said else self.images.pop(image_id)
        else:
            for change in said["changes"]:
                self.change(*change)

    def change(self, what: str, name: str, number: int = -1) -> None:
        """One change of one file of the folder."""
        if what == "delete":
            self.files[name].is_missing = True
        elif what == "move":
            self.files[f"{number}.png"] = self.files.pop(name)
        elif name in self.files:
            self.files[name].version, self.files[name].is_missing = number, False
        else:
            self.files[name] = Expected(number)

    def found(self, said: dict[str, Any]) -> Expected:
        """The image that a line is about."""
        if "file" not in said:
            return self.images[said["image_id"]]
        expected = self.files[said["file"]]
        if expected.image_id < 0:
            self.given(said["image_id"])
            expected.image_id = said["image_id"]
        assert expected.image_id == said["image_id"]
        return expected

    def given(self, image_id: int) -> None:
        """Ids of images are given once."""
        assert image_id not in self.ever, f"id {image_id} was given twice"
        self.ever.add(image_id)


def settle(ledger: Ledger, library: Library, photos: Path) -> bool:
    """What was in flight came through or not; either is right. Whether the folder was being changed."""
    is_torn = False
    for said in ledger.open.values():
        if said["what"] == "folder":
            before = {name: each.version for name, each in ledger.files.items()}
            ledger.take(said | {"changes": [each for each in said["changes"] if _is_made(photos, *each)]})
            assert_torn_only(ledger, library, before, photos)
            is_torn = True
        elif said["what"] == "upload":
            with suppress(UnknownImageError):
                ledger.take(said | {"image_id": library.image_by_name(said["name"])})
        elif _came_through(said, library):
            ledger.take(said)
    return is_torn


def _is_made(photos: Path, what: str, name: str, number: int = -1) -> bool:
    file = photos / name
    if what == "move":
        return (photos / f"{number}.png").exists()
    return not file.exists() if what == "delete" else file.exists() and file.read_bytes() == picture(number)


def _came_through(said: dict[str, Any], library: Library) -> bool:
    record = library.images([said["image_id"]]).get(said["image_id"])
    match said["what"]:
        case "tag":
            assert record is not None
            return record.tags == tuple(said["tags"])
        case "feature":
            return record is not None and said["kind"] in record.features
        case "remove_feature":
            return record is None or said["kind"] not in record.features
        case _:
            return record is None


def assert_torn_only(ledger: Ledger, library: Library, before: dict[str, int], photos: Path) -> None:
    """Each file is as it was before the changes or as it is now, and no other file is known."""
    for record in library.list_images(limit=1_000_000):
        if record.path is not None:
            now = ledger.files.get(record.name)
            allowed = {before.get(record.name), now.version if now else None} - {None}
            assert record.path == str(photos / record.name)
            assert record.sha256 in {sha256_of(version) for version in allowed if version is not None}


@cache
def sha256_of(version: int) -> bytes:
    return hashlib.sha256(picture(version)).digest()


_VECTORS: dict[int, dict[str, np.ndarray[Any, Any]]] = {}


def vectors_of(version: int, library: Library) -> dict[str, np.ndarray[Any, Any]]:
    """Features of a version of a picture, extracted here."""
    if version not in _VECTORS:
        parts, data = library._parts, picture(version)
        _, made = parts.ingest.extract(data, parts.decoder.decode(data, name="expected"), name="expected")
        _VECTORS[version] = {kind: each.feature.vector for kind, each in made.items() if each.feature}
    return _VECTORS[version]


def assert_agrees(ledger: Ledger, library: Library, photos: Path) -> None:
    """Everything acknowledged is there with the right bytes, tags and features, and nothing else is."""
    records = {record.image_id: record for record in library.list_images(limit=1_000_000)}
    files = {record.name: record for record in records.values() if record.path is not None}
    assert files.keys() == ledger.files.keys()
    for name, record in files.items():
        expected = ledger.files[name]
        if expected.image_id < 0:
            ledger.given(record.image_id)
            expected.image_id = record.image_id
        assert record.path == str(photos / name)
    alive = ledger.images | {each.image_id: each for each in ledger.files.values()}
    assert records.keys() == alive.keys()
    for image_id, expected in alive.items():
        assert_image(records[image_id], expected, library)
    for kind in KINDS:
        ids = [image_id for image_id, expected in alive.items() if kind in expected.kinds]
        spec, store = library.kinds[kind].spec, library._parts.store
        feature_ids = store.records.feature_ids(spec.fingerprint, ids)
        stored, _ = store.features.get(spec, feature_ids)
        assert np.array_equal(np.sort(feature_ids), store.records.all_feature_ids(spec.fingerprint))
        for image_id, vector in zip(ids, stored, strict=True):
            assert np.array_equal(vector, vectors_of(alive[image_id].version, library)[kind])


def assert_image(record: ImageRecord, expected: Expected, library: Library) -> None:
    """One image is as it was acknowledged."""
    image_id = record.image_id
    assert record.sha256 == sha256_of(expected.version)
    assert record.tags == expected.tags
    assert record.features == dict.fromkeys(expected.kinds, (FeatureState.DONE, ""))
    if expected.is_missing:
        assert record.state is ImageState.MISSING
    elif image_id >= FIRST_GIVEN_ID:
        assert record.state is ImageState.FEATURES_ONLY
    else:
        assert (record.state, library.file_bytes(image_id)[0]) == (
            ImageState.PRESENT,
            picture(expected.version),
        )


def assert_searches_agree(library: Library, draw: random.Random) -> None:
    """Every kind answers what an exact search over the stored features answers, by k and by radius."""
    records, features = library._parts.store.records, library._parts.store.features
    for kind in KINDS:
        spec = library.kinds[kind].spec
        ids = records.all_feature_ids(spec.fingerprint)
        if not len(ids):
            continue
        if spec.is_blob:
            assert_points_agree(library, kind, ids, draw)
            continue
        oracle = ExactIndex(spec, ExactOptions())
        oracle.add(ids, features.get(spec, ids)[0])
        owners = records.image_ids(spec.fingerprint, ids)
        for image_id in draw.sample(owners.tolist(), min(3, len(owners))):
            own = records.feature_ids(spec.fingerprint, [image_id])
            found = oracle.search(features.get(spec, own)[0], len(ids))
            truth = dict(
                zip(records.image_ids(spec.fingerprint, found.ids[0]), found.distances[0], strict=True)
            )
            k = min(draw.randint(1, 20), len(ids))
            asked = Query(image_id=image_id, expansion=Expansion(0, 0.0))  # as it is, as the oracle is asked
            hits = library.search_kind(kind, asked, k=k, turned=False).hits
            assert np.allclose([hit.distance for hit in hits], found.distances[0][:k], atol=1e-5)
            assert all(abs(truth[hit.image_id] - hit.distance) < 1e-5 for hit in hits)
            radius = float(np.median(found.distances[0])) + 1e-4
            within = library.search_kind(kind, Query(image_id=image_id), radius=radius, turned=False).hits
            assert {hit.image_id for hit in within} == {
                each for each, distance in truth.items() if distance <= radius
            }


def assert_points_agree(library: Library, kind: str, ids: Ids, draw: random.Random) -> None:
    """Points are found as by an index that is made here, of the same stored blobs.

    Trained, the index estimates distances: which of many equal ones it names, and in what order, is its own.
    """
    live, features = library._parts.spaces.in_use(kind).live, library._parts.store.features
    blobs = features.get(library.kinds[kind].spec, ids)[0]
    fresh = DescriptorIndex(live.spec, DescriptorOptions(train_from=10**9))
    fresh.add(ids, blobs)
    assert np.array_equal(live.ids(), fresh.ids())
    queries = stacked_descriptors(ids[:1], [draw.choice(list(blobs))])[1][:20]
    found, true = live.search(queries, 10), fresh.search(queries, 60)
    same = [
        np.isin(near, exact[distances == 0]).any()
        for near, exact, distances in zip(found.ids, *true[::-1], strict=True)
    ]
    assert np.mean(same) >= 0.9
    owners = library._parts.store.records.image_ids(live.spec.fingerprint, ids).tolist()
    image_id = draw.choice(owners)
    hits = library.search_kind(kind, Query(image_id=image_id), k=len(owners), turned=False).hits
    assert image_id in {hit.image_id for hit in hits}


class Nursery:
    """Writers to be killed, forked from one process that has imported everything, which takes seconds.

    Args:
        folder: of the library and the photos.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, str(WRITER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def run_and_kill(self, seed: int, draw: random.Random) -> list[str]:
        """Runs a writer, kills it while it works (or now and then while it opens), returns its whole lines.

        While it works, it is killed after so many lines, however fast the machine is, and a moment more.
        """
        is_early = draw.random() < 0.15
        output, errors = self._folder / f"output-{seed}", self._folder / f"errors-{seed}"
        os.mkfifo(output)
        pid = self._started(seed, output, errors)
        with output.open("rb", buffering=0) as stream:
            first = b"" if is_early else _first_line(stream)
            assert is_early or json.loads(first or b"{}") == {"event": "open"}, errors.read_text()
            # Read while it works, else the pipe fills up and the writer stands still.
            os.set_blocking(stream.fileno(), False)
            most_s = draw.uniform(0, 0.5) if is_early else 20
            end, lines, parts = time.monotonic() + most_s, draw.randint(0, 60), [b""]
            while (left := end - time.monotonic()) > 0 and sum(part.count(b"\n") for part in parts) < lines:
                time.sleep(min(left, 0.005))
                parts.append(stream.read() or b"")
            time.sleep(draw.uniform(0, 0.03))
            os.kill(pid, signal.SIGKILL)
            code = self._answer()["code"]
            os.set_blocking(stream.fileno(), True)
            parts.append(stream.read())
        said = errors.read_text()
        assert code == -signal.SIGKILL, said
        assert "Traceback" not in said, said
        return b"".join(parts).decode().splitlines()

    def _started(self, seed: int, output: Path, errors: Path) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(self._folder), seed, str(output), str(errors)]) + "\n")
        self._process.stdin.flush()
        return self._answer()["pid"]

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        answer: dict[str, int] = json.loads(self._process.stdout.readline())
        return answer


def _first_line(stream: RawIOBase) -> bytes:
    """Byte by byte: what comes behind it is read by others."""
    line = b""
    while not line.endswith(b"\n") and (byte := stream.read(1)):
        line += byte
    return line


def kill_repeatedly(folder: Path, times: int) -> Ledger:
    """The loop over one library; returns what was said in all."""
    draw, ledger = random.Random(20), Ledger()
    (folder / "photos").mkdir()
    last_seq = 0
    with Nursery(folder) as nursery:
        for seed in range(1, times + 1):
            ledger.read(nursery.run_and_kill(seed, draw))
            seq = look_through(ledger, folder, draw)
            assert seq >= last_seq
            last_seq = seq
    return ledger


def look_through(ledger: Ledger, folder: Path, draw: random.Random) -> int:
    """The library, opened after a kill, is whole and holds what was acknowledged; its change number."""
    photos = (folder / "photos").resolve()
    with ambience.open(settings=settings_of(folder), writer=True, timeout_s=10) as library:
        assert library.repairs == ()
        is_torn = settle(ledger, library, photos)
        codes = {problem.code for problem in library.check()}
        assert codes <= (TORN if is_torn else set())
        report = library.add_paths([photos])
        assert report.failed == ()
        assert is_torn or report.unchanged == report.found
        assert_agrees(ledger, library, photos)
        assert not codes or library.check() == []
        assert_searches_agree(library, draw)
        return library.info().seq


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    ledger = kill_repeatedly(tmp_path, 10)
    assert ledger.acknowledged > 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    ledger = kill_repeatedly(tmp_path, 200)
    assert ledger.acknowledged > 1000
    assert ledger.images
    assert ledger.files
