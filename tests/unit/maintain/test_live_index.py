"""Indexes that follow the store: equal to the oracle whatever happens, from snapshots that are checked."""

import json
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ambience.datatypes import Feature, FeatureState, ImageDraft
from ambience.errors import StoreError
from ambience.ingest.filling import Filled
from ambience.maintain import LiveIndex
from ambience.settings import IndexSettings
from ambience.store.base import FeatureDraft, PutFeatures, PutImage, RemoveImage, Write
from support.workshop import OpenWorkshop, Workshop, vectors_of, write_picture


def put(workshop: Workshop, seed: int, *, image_id: int | None = None, replaces: bool = False) -> Write:
    """An image with features of random content."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 256, 72, np.uint8)
    cells = rng.random(512).astype(np.float16)
    specs = workshop.specs
    features = {
        "phash": FeatureDraft(specs["phash"].fingerprint, FeatureState.DONE, Feature(bits)),
        "color": FeatureDraft(specs["color"].fingerprint, FeatureState.DONE, Feature(cells)),
    }
    draft = ImageDraft(seed.to_bytes(32, "big"), 1, f"{seed}.jpg", f"/nowhere/{seed}.jpg", 1)
    return PutImage(draft, features, image_id, replaces=replaces)


def fill(workshop: Workshop, seeds: range) -> list[int]:
    outcomes = workshop.store.commit([put(workshop, seed) for seed in seeds])
    return [outcome.image_id for outcome in outcomes if not isinstance(outcome, StoreError)]


def assert_equals_oracle(workshop: Workshop, live: LiveIndex) -> None:
    oracle = vectors_of(workshop, live.spec)
    assert live.ids().tolist() == oracle.ids().tolist()
    queries = np.random.default_rng(9).integers(0, 256, (3, 72), np.uint8)
    expected, found = oracle.search(queries, 20), live.search(queries, 20)
    assert found.ids.tolist() == expected.ids.tolist()
    assert found.distances.tolist() == expected.distances.tolist()
    ranged, wanted = live.range_search(queries, 290), oracle.range_search(queries, 290)
    assert [ids.tolist() for _, ids in ranged] == [ids.tolist() for _, ids in wanted]


def test_it_equals_the_oracle_over_random_adds_changes_and_removals(open_workshop: OpenWorkshop) -> None:
    workshop, rng, seeds = open_workshop(), random.Random(4), iter(range(10_000))
    live = workshop.live_index()
    live.open()
    alive: list[int] = []
    for _ in range(60):
        writes: list[Write] = [put(workshop, next(seeds)) for _ in range(rng.randrange(6))]
        for image_id in rng.sample(alive, min(len(alive), rng.randrange(4))):
            if rng.random() < 0.5:
                writes.append(RemoveImage(image_id))
                alive.remove(image_id)
            else:
                writes.append(put(workshop, next(seeds), image_id=image_id, replaces=True))
        outcomes = workshop.store.commit(writes)
        alive += [each.image_id for each in outcomes if not isinstance(each, StoreError) and each.is_new]
        assert len(live) == len(alive)
        match rng.randrange(8):
            case 0:
                live.snapshot()
                live.forget_removed()
            case 1:
                assert live.rebuild()
            case 2:
                live = workshop.live_index()
                assert live.open() is None
    assert len(alive) > 30
    assert_equals_oracle(workshop, live)
    assert list(live.check()) == []


def test_a_snapshot_is_taken_up_and_later_changes_are_applied(open_workshop: OpenWorkshop) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    ids = fill(workshop, range(50))
    live.snapshot()
    seq = live.seq
    assert workshop.store.records.snapshots()[live.spec.fingerprint] == seq
    workshop.store.commit([RemoveImage(ids[0]), put(workshop, 99)])
    again = workshop.live_index()
    assert again.open(wait=False) is None  # no rebuild was due
    assert not again.needs_rebuild
    assert again.seq > seq
    assert_equals_oracle(workshop, again)
    again.snapshot()
    assert [int(each.name) for each in (workshop.folder / "index" / live.spec.fingerprint).iterdir()] == [
        again.seq
    ]
    again.snapshot()  # nothing changed: nothing is written


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest", "seq"])
def test_a_broken_snapshot_is_told_and_made_anew(open_workshop: OpenWorkshop, damage: str) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    fill(workshop, range(20))
    live.snapshot()
    (folder,) = (workshop.folder / "index" / live.spec.fingerprint).iterdir()
    vectors, manifest = folder / "vectors.npy", folder / "manifest.json"
    match damage:
        case "flip":
            data = bytearray(vectors.read_bytes())
            data[-1] ^= 1
            vectors.write_bytes(data)
        case "cut":
            vectors.write_bytes(vectors.read_bytes()[:-1])
        case "remove":
            vectors.unlink()
        case "manifest":
            manifest.write_text("{")
        case "seq":
            manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"seq": 3}))
    assert [problem.code for problem in live.check()] == ["snapshot_corrupt"]
    again = workshop.live_index()
    problem = again.open()
    assert problem is not None
    assert (problem.code, problem.kind) == ("snapshot_corrupt", "phash")
    assert str(folder) in problem.message
    assert_equals_oracle(workshop, again)
    again.snapshot()
    assert list(again.check()) == []


def test_a_snapshot_from_after_the_store_or_of_another_engine_is_not_used(
    open_workshop: OpenWorkshop,
) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    fill(workshop, range(5))
    live.snapshot()
    (folder,) = (workshop.folder / "index" / live.spec.fingerprint).iterdir()
    other = json.loads((folder / "manifest.json").read_text()) | {"engine": "somewhere.Else"}
    (folder / "manifest.json").write_text(json.dumps(other))
    again = workshop.live_index()
    assert again.open(wait=False) is None
    assert again.needs_rebuild
    assert again.pending == 5
    newer = workshop.folder / "index" / live.spec.fingerprint / "000000099999"
    shutil.copytree(folder, newer)
    (newer / "manifest.json").write_text(
        json.dumps(other | {"engine": "ambience.index.exact.ExactIndex", "seq": 99999})
    )
    last = workshop.live_index()
    assert last.open() is None
    assert_equals_oracle(workshop, last)


def test_a_reader_follows_and_starts_anew_where_removals_were_forgotten(open_workshop: OpenWorkshop) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    ids = fill(workshop, range(30))
    live.snapshot()
    reading = open_workshop(writer=False)
    follower = reading.live_index()
    follower.open()
    fill(workshop, range(100, 110))
    assert follower.pending == 10
    assert follower.catch_up() == 10
    assert follower.pending == 0
    workshop.store.commit([RemoveImage(image_id) for image_id in ids[:7]])
    live.snapshot()
    assert live.forget_removed() == 7
    follower.catch_up()
    assert len(follower) == 33
    assert_equals_oracle(reading, follower)
    with pytest.raises(StoreError, match="only the process that writes"):
        follower.snapshot()


def flip_stored_byte(workshop: Workshop, feature_id: int) -> None:
    """Breaks one stored vector as a bad disk would: through LMDB, past the store."""
    import lmdb

    fingerprint = workshop.specs["phash"].fingerprint
    with lmdb.open(str(workshop.store.features.folder), max_dbs=256) as environment:
        database = environment.open_db(fingerprint.encode())
        with environment.begin(db=database, write=True) as transaction:
            key = feature_id.to_bytes(8, "big")
            value = bytearray(transaction.get(key))
            value[0] ^= 1
            transaction.put(key, bytes(value))


@pytest.fixture
def with_broken_feature(open_workshop: OpenWorkshop, photos: Path) -> Iterator[tuple[Workshop, int]]:
    """A workshop of six pictures, of which one stored hash has a flipped bit; and that feature's id."""
    for n in range(6):
        write_picture(photos / f"{n}.jpg", n)
    before = open_workshop()
    before.ingest.add_paths([photos])
    (broken,) = before.store.records.feature_ids(before.specs["phash"].fingerprint, [3]).tolist()
    before.close()
    flip_stored_byte(before, broken)
    yield open_workshop(), broken


def test_a_flipped_byte_is_passed_over_and_extracted_again(with_broken_feature: tuple[Workshop, int]) -> None:
    workshop, broken = with_broken_feature
    live = workshop.live_index()
    heard = threading.Event()
    live.source.on_distrust = heard.set
    live.open()
    assert heard.is_set()
    assert len(live) == 5
    assert broken not in live.ids()
    assert live.mend() == 1
    assert workshop.store.records.pending(live.spec.fingerprint) == [3]
    assert workshop.ingest.fill_pending("phash") == Filled(1)
    assert len(live) == 6
    assert_equals_oracle(workshop, live)
    assert list(live.check()) == []


def test_a_feature_that_breaks_while_it_is_searched_is_dropped(open_workshop: OpenWorkshop) -> None:
    from ambience.index.exact import ExactIndex

    class Fetching(ExactIndex):
        """Reads what it holds back from the store for each search, as engines that re-rank do."""

        def __init__(self, spec: object, options: object, *, fetch: object = None) -> None:
            super().__init__(spec, options, fetch=fetch)
            self.fetch = fetch

        def search(self, queries: object, k: int, *, allowed: object = None) -> object:
            self.fetch(self.ids())
            return super().search(queries, k, allowed=allowed)

    workshop = open_workshop()
    fill(workshop, range(10))
    spec = workshop.specs["phash"]
    live = LiveIndex(
        workshop.store,
        spec,
        Fetching,
        None,
        workshop.folder / "index" / "x",
        settings=IndexSettings(),
        is_writer=True,
    )
    live.open()
    victims = live.ids()[[2, 5]]
    workshop.store.features.delete(spec.fingerprint, victims)
    found = live.search(np.zeros((1, 72), np.uint8), 10)
    assert (found.ids[0] >= 0).sum() == 8
    assert not set(victims.tolist()) & set(found.ids[0].tolist())
    assert live.mend() == 2
    assert workshop.store.records.pending_count(spec.fingerprint) == 2


def test_check_names_what_is_missing_and_what_is_stale(open_workshop: OpenWorkshop) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    ids = fill(workshop, range(4))
    engine = live._replica.engine
    held = live.ids()
    engine.remove(held[:1])
    engine.add(np.array([10_000]), np.zeros((1, 72), np.uint8))
    problems = list(live.check())
    assert [(each.code, each.image_id) for each in problems] == [
        ("index_missing_entry", ids[0]),
        ("index_stale_entry", None),
    ]
    live.rebuild()
    assert list(live.check()) == []


def test_a_rebuild_beside_searches_and_commits_loses_nothing(open_workshop: OpenWorkshop) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    fill(workshop, range(3000))
    done, errors = threading.Event(), []

    def search() -> None:
        query = np.zeros((1, 72), np.uint8)
        while not done.is_set():
            if (live.search(query, 5).ids < 0).any():
                errors.append("a search came back short")

    def write() -> None:
        for n in range(5000, 5030):
            fill(workshop, range(n, n + 1))
            workshop.store.commit([RemoveImage(n - 4990)])

    searcher, writer = threading.Thread(target=search), threading.Thread(target=write)
    searcher.start()
    writer.start()
    told: list[tuple[int, int]] = []
    while writer.is_alive():
        assert live.rebuild(lambda done, total: told.append((done, total)))
    writer.join()
    done.set()
    searcher.join()
    assert errors == []
    assert told[-1][0] == told[-1][1]
    assert_equals_oracle(workshop, live)
    stop = threading.Event()
    stop.set()
    assert not live.rebuild(stop=stop)


def test_features_written_later_appear_at_once(open_workshop: OpenWorkshop) -> None:
    workshop = open_workshop()
    live = workshop.live_index()
    live.open()
    (image_id,) = fill(workshop, range(1))
    spec = workshop.specs["phash"]
    bits = np.full(72, 255, np.uint8)
    renewed = FeatureDraft(spec.fingerprint, FeatureState.DONE, Feature(bits))
    workshop.store.commit([PutFeatures(image_id, {"phash": renewed}, renews=True)])
    found = live.search(bits[None], 2)
    assert found.distances.tolist() == [[0, np.inf]]
