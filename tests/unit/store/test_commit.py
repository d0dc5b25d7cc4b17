"""What a commit does, what it refuses, and that a refused write never spoils the others."""

import numpy as np
from store_writes import COLOR, KINDS, PHASH, image_of, vector_of

from ambience.datatypes import FeatureState, ImageState
from ambience.store.base import RemoveImage, Written
from ambience.store.commit import Store


def test_what_is_put_comes_back(store: Store) -> None:
    outcomes = store.commit([image_of(number, tags=("b", "a")) for number in range(5)])
    assert [each.image_id for each in outcomes if isinstance(each, Written)] == [1, 2, 3, 4, 5]
    record = store.records.image(3)
    assert (record.name, record.path, record.size) == ("2.jpg", "/photos/2.jpg", 1002)
    assert (record.state, record.tags) == (ImageState.PRESENT, ("a", "b"))
    assert record.features == {"phash": (FeatureState.DONE, ""), "color": (FeatureState.DONE, "")}
    for spec in (PHASH, COLOR):
        ids = store.records.feature_ids(spec.fingerprint, [5, 1, 99])
        assert ids[2] == -1
        vectors, qualities = store.features.get(spec, ids[:2])
        assert np.array_equal(vectors, [vector_of(spec, 4), vector_of(spec, 0)])
        assert qualities.tolist() == [0.5, 0.5]
        assert store.records.image_ids(spec.fingerprint, ids).tolist() == [5, 1, -1]
    assert list(store.check()) == []


def test_removal_leaves_tombstones_and_nothing_else(store: Store) -> None:
    store.commit([image_of(1), image_of(2)])
    gone = int(store.records.feature_ids(PHASH.fingerprint, [1])[0])
    before = store.records.last_seq()
    written = store.submit(RemoveImage(1))
    assert store.records.last_seq() == written.seq
    changes = store.records.changes(PHASH.fingerprint, before)
    assert [(each.feature_id, each.is_removal) for each in changes] == [(gone, True)]
    assert store.records.count() == 1
    assert store.records.counts() == {
        kind: {state: int(state == FeatureState.DONE) for state in FeatureState} for kind in KINDS
    }
    assert list(store.check()) == []
