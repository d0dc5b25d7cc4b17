"""Indexes on their way: kept on disk, taken up again, and refused where they find too little."""

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ambience.datatypes import Feature, FeatureState, Ids, ImageDraft
from ambience.errors import IndexRecallError
from ambience.index._files import link
from ambience.index.exact import ExactIndex
from ambience.maintain import LiveIndex
from ambience.maintain.snapshots import BUILDING, SMALL_BYTES, SnapshotFolder
from ambience.settings import IndexSettings
from ambience.store.base import FeatureDraft, PutFeatures, RemoveImage
from support.workshop import OpenWorkshop, Workshop, vectors_of, wait_for

COUNT = 60
AT_ONCE = IndexSettings(snapshot_interval_s=0)


@dataclass(frozen=True, slots=True)
class TrainedOptions:
    """What such an engine says of itself."""

    train_from: int = 40
    found: float = 1.0


class Trained(ExactIndex):
    """An exact index that behaves like one that is trained."""

    options_class = TrainedOptions
    added: ClassVar[list[int]] = []
    samples: ClassVar[list[int]] = []

    def __init__(self, spec: Any, options: Any, **more: Any) -> None:
        super().__init__(spec, options, **more)
        self.options, self.is_trained = options, False

    def add(self, ids: Ids, features: Any) -> None:
        super().add(ids, features)
        self.added.extend(ids.tolist())

    def is_outgrown(self) -> bool:
        return not self.is_trained and len(self) >= self.options.train_from

    def sample_size(self, expected: int) -> int:
        return 7 if expected >= self.options.train_from else 0

    def train(self, sample: Any, *, expected: int) -> None:
        self.samples.append(len(sample))
        self.is_trained = True

    def recall(self, queries: Any) -> float:
        assert len(queries)
        return self.options.found if self.is_trained else 1.0


class Based(ExactIndex):
    """Writes a large file once, and links it from then on; it lies apart, as the base of an index does."""

    def save(self, folder: Path, *, previous: Path | None = None) -> None:
        super().save(folder)
        if previous is not None:
            link(previous / "base.bin", folder / "base.bin")
        else:
            with (folder / "base.bin").open("wb") as file:
                file.truncate(SMALL_BYTES + 1)


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    Trained.added.clear()
    Trained.samples.clear()
    yield


@pytest.fixture
def filled(open_workshop: OpenWorkshop) -> Workshop:
    workshop = open_workshop(index=AT_ONCE)
    for seed in range(COUNT):
        give(workshop, 2**52 + seed)
    return workshop


def give(workshop: Workshop, image_id: int) -> None:
    """An image of which only a hash is kept."""
    spec = workshop.specs["phash"]
    bits = np.random.default_rng(image_id).integers(0, 256, 72, np.uint8)
    made = FeatureDraft(spec.fingerprint, FeatureState.DONE, Feature(bits))
    draft = ImageDraft(image_id.to_bytes(32, "big"), 1, f"{image_id}.online")
    workshop.store.submit(PutFeatures(image_id, {"phash": made}, draft=draft))


def index(workshop: Workshop, **options: Any) -> LiveIndex:
    live = workshop.live_index(engine=Trained, options=TrainedOptions(**options))
    live.source.most_rows = 4
    return live


def cut_off(live: LiveIndex, after: int) -> None:
    """Makes the index until so many features are in, then stops."""
    stop = threading.Event()
    assert not live.rebuild(lambda done, _total: stop.set() if done >= after else None, stop=stop)


def building(live: LiveIndex) -> Path:
    return live._snapshots.folder / BUILDING


def assert_right(workshop: Workshop, live: LiveIndex) -> None:
    oracle = vectors_of(workshop, live.spec)
    queries = np.random.default_rng(9).integers(0, 256, (3, 72), np.uint8)
    assert np.array_equal(live.ids(), oracle.ids())
    assert np.array_equal(live.search(queries, 20).ids, oracle.search(queries, 20).ids)


def test_what_was_cut_off_goes_on_where_it_was(filled: Workshop) -> None:
    cut_off(index(filled), 32)
    before = set(Trained.added)
    assert 24 <= len(before) <= 36
    assert Trained.samples == [7]
    Trained.added.clear()
    told: list[tuple[int, int]] = []
    live = index(filled)
    assert live.rebuild(lambda *progress: told.append(progress))
    kept = told[0][0]
    assert 0 < kept <= len(before)
    assert told[-1] == (COUNT, COUNT)
    assert len(Trained.added) == COUNT - kept  # what was kept is not added again
    assert Trained.samples == [7]
    assert_right(filled, live)
    live.snapshot()
    assert not building(live).exists()


def test_what_came_and_went_meanwhile_is_followed(filled: Workshop) -> None:
    cut_off(index(filled), 32)
    for gone in (0, 3, COUNT - 1):
        filled.store.submit(RemoveImage(2**52 + gone))
    filled.store.forget_below(filled.specs["phash"].fingerprint, filled.store.records.last_seq())
    give(filled, 2**52 + 500)
    live = index(filled)
    assert live.rebuild()
    assert_right(filled, live)
    assert list(live.check()) == []


@pytest.mark.parametrize("harm", ["flipped", "manifest", "options"])
def test_what_cannot_be_believed_is_made_from_the_start(filled: Workshop, harm: str) -> None:
    first = index(filled)
    cut_off(first, 32)
    (kept,) = building(first).iterdir()
    if harm == "flipped":
        data = bytearray((kept / "vectors.npy").read_bytes())
        data[-1] ^= 1
        (kept / "vectors.npy").write_bytes(data)
    elif harm == "manifest":
        (kept / "manifest.json").write_text("{")
    Trained.added.clear()
    live = index(filled, train_from=41 if harm == "options" else 40)
    assert live.rebuild()
    assert sorted(Trained.added) == live.ids().tolist()
    assert_right(filled, live)


def test_a_reading_process_leaves_no_trace_of_its_own(filled: Workshop, open_workshop: OpenWorkshop) -> None:
    reader = open_workshop(filled.folder, writer=False, index=AT_ONCE)
    live = index(reader)
    cut_off(live, 32)
    assert not live._snapshots.folder.exists()
    assert live.rebuild()
    assert_right(reader, live)


def test_a_reader_that_did_not_wait_takes_up_what_the_writer_makes(
    filled: Workshop, open_workshop: OpenWorkshop
) -> None:
    reader = open_workshop(filled.folder, writer=False)
    follower = index(reader)
    follower.open(wait=False)
    assert (len(follower), follower.catch_up(), follower.pending) == (0, 0, COUNT)
    live = index(filled)
    live.open()
    live.snapshot()
    follower.catch_up()
    assert follower.pending == 0
    assert_right(reader, follower)


def test_others_are_written_while_one_is_made(filled: Workshop) -> None:
    live = index(filled)
    live.open(wait=False)
    color = filled.live_index("color")
    color.open()
    maintenance = filled.maintenance()
    written: list[int] = []
    rebuild = maintenance._writing_others("phash", lambda done, _total: written.append(done))
    assert color.rebuild()
    assert color.is_changed
    assert live.rebuild(rebuild)
    assert not color.is_changed
    assert written[-1] == COUNT


def test_an_index_that_finds_too_little_takes_nobodys_place(filled: Workshop) -> None:
    serving = index(filled, found=0.5)
    serving.open()
    assert not serving.is_outgrown()  # made at once for so many, since there was no other
    exact = filled.live_index(engine=Trained, options=TrainedOptions(train_from=COUNT + 1))
    exact.open()
    live = index(filled, found=0.5)
    live._replica, live._needs_rebuild = exact._replica, False
    exact._replica.engine.options = live._options  # as many features came since it was made
    assert live.is_outgrown()
    with pytest.raises(
        IndexRecallError, match=r"finds 0\.50 .* index\.min_recall asks for 0\.8.*train phash"
    ):
        live.rebuild()
    assert live._replica is exact._replica
    assert_right(filled, live)
    assert not live.is_outgrown()  # it is not tried over and over
    assert not building(live).exists()
    for more in range(COUNT // 3):
        give(filled, 2**52 + 1000 + more)
    assert live.is_outgrown()


def test_where_there_is_no_other_it_is_used_and_said(
    filled: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    live = index(filled, found=0.5)
    with caplog.at_level(logging.WARNING):
        live.open()
    assert "it is used, since there is no other" in caplog.text
    assert_right(filled, live)


def test_background_work_says_why_and_keeps_the_index_that_serves(filled: Workshop) -> None:
    live = index(filled, train_from=COUNT + 5, found=0.1)
    live.open()
    maintenance = filled.maintenance()
    maintenance.start()
    for more in range(10):
        give(filled, 2**52 + 2000 + more)
    wait_for(lambda: any(job.state == "failed" for job in filled.store.records.jobs()))
    maintenance.stop()
    failed = [job for job in filled.store.records.jobs() if job.state == "failed"]
    assert [job.name for job in failed] == ["train"]
    assert "finds 0.10 of what an exact search finds" in failed[0].message
    assert_right(filled, live)


def test_a_file_that_snapshots_share_is_written_once(filled: Workshop) -> None:
    live = filled.live_index(engine=Based)
    live.open()
    live.snapshot()
    first = live._snapshots.found()[0].folder / "base.bin"
    inode = first.stat().st_ino
    give(filled, 2**52 + 700)
    live.snapshot()
    (second,) = live._snapshots.found()
    assert (second.folder / "base.bin").stat().st_ino == inode
    assert not first.exists()
    assert list(live._snapshots.problems(second)) == []
    again = filled.live_index(engine=Based)
    assert again.open() is None
    give(filled, 2**52 + 701)
    again.snapshot()
    assert (again._snapshots.found()[0].folder / "base.bin").stat().st_ino == inode
    assert again.rebuild()
    again.snapshot()  # made anew: nothing of the old one is believed
    assert (again._snapshots.found()[0].folder / "base.bin").stat().st_ino != inode


def test_large_files_are_verified_after_opening(filled: Workshop) -> None:
    live = filled.live_index(engine=Based)
    live.open()
    live.snapshot()
    assert live.verify_rest(threading.Event()) is None
    base = live._snapshots.found()[0].folder / "base.bin"
    with base.open("r+b") as file:
        file.seek(SMALL_BYTES // 2)
        file.write(b"x")
    again = filled.live_index(engine=Based)
    assert again.open() is None  # it answers at once
    stop = threading.Event()
    stop.set()
    assert again.verify_rest(stop) is None
    problem = again.verify_rest(threading.Event())
    assert problem is not None
    assert (problem.code, problem.kind) == ("snapshot_corrupt", "phash")
    assert (again.needs_rebuild, len(again), again.pending) == (True, 0, COUNT)
    assert again.rebuild()
    assert_right(filled, again)


def test_a_large_file_of_another_size_is_found_at_once(filled: Workshop) -> None:
    live = filled.live_index(engine=Based)
    live.open()
    live.snapshot()
    with (live._snapshots.found()[0].folder / "base.bin").open("ab") as file:
        file.write(b"x")
    problem = filled.live_index(engine=Based).open()
    assert problem is not None
    assert f"has {SMALL_BYTES + 2} bytes" in problem.message


def test_a_snapshot_without_sizes_is_read_as_a_whole(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path, kind="phash", fingerprint="f", engine="e")
    snapshot = folder.publish(folder.stage(lambda staged: (staged / "a.bin").write_bytes(b"abc")), 5)  # type: ignore[arg-type, return-value]
    manifest = snapshot.folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"sizes"', '"weights"'))
    assert folder.verify(snapshot)
    (snapshot.folder / "a.bin").write_bytes(b"abd")
    assert [each for each in folder.problems(snapshot, most_bytes=0) if "sha256 differs" in each]
