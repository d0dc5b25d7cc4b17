"""Indexes of blobs follow the store as those of vectors do, a bounded number of bytes at a time."""

import random
import threading
from typing import Any

import numpy as np
import pytest

from ambience.datatypes import Feature, FeatureState, ImageDraft
from ambience.index.descriptors import DescriptorIndex
from ambience.keypoints import DESCRIPTOR, unpack
from ambience.maintain import LiveIndex
from ambience.settings import IndexSettings
from ambience.store.base import FeatureDraft, PutFeatures, RemoveImage
from support.points_oracle import blobs_of
from support.workshop import OpenWorkshop, Workshop, made_extractors

KIND = "local_features"
FIRST = 2**52


@pytest.fixture
def workshop(open_workshop: OpenWorkshop) -> Workshop:
    return open_workshop(extractors=made_extractors((KIND,)), index=IndexSettings(snapshot_interval_s=0))


def index(workshop: Workshop) -> LiveIndex:
    live = workshop.live_index(KIND, engine=DescriptorIndex, options=DescriptorIndex.options_class())
    live.source.most_bytes = 4_000
    return live


def blob_of(number: int) -> Any:
    """Of 0 to 40 points, which is up to 5 kB."""
    count = number * 7 % 41
    descriptors = np.random.default_rng(number).integers(0, 200, (count, DESCRIPTOR)).astype(np.uint8)
    return blobs_of(descriptors, [count])[0]


def put(workshop: Workshop, *numbers: int) -> None:
    fingerprint = workshop.specs[KIND].fingerprint
    workshop.store.commit(
        [
            PutFeatures(
                FIRST + number,
                {KIND: FeatureDraft(fingerprint, FeatureState.DONE, Feature(blob_of(number)))},
                draft=ImageDraft(number.to_bytes(32, "big"), 1, f"{number}.online"),
            )
            for number in numbers
        ]
    )


def assert_right(workshop: Workshop, live: LiveIndex) -> None:
    """Ids and answers are those of an index that is made here."""
    store, spec = workshop.store, workshop.specs[KIND]
    ids = store.records.all_feature_ids(spec.fingerprint)
    blobs = store.features.get(spec, ids)[0]
    fresh = DescriptorIndex(spec, DescriptorIndex.options_class())
    fresh.add(ids, blobs)
    assert np.array_equal(live.ids(), ids)
    queries = np.concatenate([unpack(blob).descriptors[:3] for blob in blobs])
    assert len(queries) > 30
    found, true = live.search(queries, 4), fresh.search(queries, 4)
    assert np.array_equal(found.ids, true.ids)
    assert np.array_equal(found.distances, true.distances)


def test_a_long_log_of_adds_and_removals_is_applied_in_runs(workshop: Workshop) -> None:
    live, draw, alive = index(workshop), random.Random(3), set[int]()
    live.open()
    workshop.store.on_commit.clear()  # it hears of everything at once, in the end
    for number in range(80):
        put(workshop, number)
        alive.add(number)
        if number == 40:
            assert live.catch_up() == 41
        if draw.random() < 0.4:
            gone = draw.choice(sorted(alive))
            workshop.store.submit(RemoveImage(FIRST + gone))
            alive.remove(gone)
    assert live.catch_up() > 40
    assert live.seq == workshop.store.records.last_seq()
    assert_right(workshop, live)
    assert list(live.check()) == []
    assert live.catch_up() == 0


def test_a_rebuild_reads_a_bounded_number_of_bytes_and_goes_on(workshop: Workshop) -> None:
    put(workshop, *range(60))
    stop, told = threading.Event(), list[int]()

    def tell(done: int, _total: int) -> None:
        told.append(done)
        if done > 40:
            stop.set()

    assert not index(workshop).rebuild(tell, stop=stop)
    assert len(told) > 20
    workshop.store.submit(RemoveImage(FIRST + 5))
    put(workshop, 100)
    live = index(workshop)
    live.open()
    assert_right(workshop, live)


def test_a_broken_blob_is_left_out_and_named(workshop: Workshop) -> None:
    put(workshop, *range(50))
    spec, store = workshop.specs[KIND], workshop.store
    (feature_id,) = store.records.feature_ids(spec.fingerprint, [FIRST + 8]).tolist()
    key = int(feature_id).to_bytes(8, "big")
    environment = store.features._environment
    with environment.reading(spec.fingerprint) as (transaction, database):
        value = bytearray(transaction.get(key, db=database))
    value[len(value) // 2] ^= 1
    environment.write({spec.fingerprint: [(key, bytes(value))]}, {})
    assert [(each.code, each.image_id) for each in store.check()] == [("feature_corrupt", FIRST + 8)]
    live = index(workshop)
    live.open()
    assert feature_id not in live.ids()
    assert len(live) == 49
    assert live.mend() == 1
    assert store.records.image(FIRST + 8).features[KIND][0] is FeatureState.FAILED
    assert_right(workshop, live)
