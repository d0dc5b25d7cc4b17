"""What a commit does, what it refuses, and that a refused write never spoils the others."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from ambience.datatypes import MAX_IMAGE_ID, Feature, FeatureState, ImageState
from ambience.errors import ImageIdTakenError, StoreError, UnknownImageError
from ambience.store.base import (
    FeatureDraft,
    MarkMissing,
    MoveImage,
    PutFeatures,
    RemoveFeature,
    RemoveImage,
    SetTags,
    Written,
)
from ambience.store.commit import Store
from ambience.store.plan import MAX_ASSIGNED_ID
from support.store_writes import COLOR, KINDS, PHASH, draft_of, image_of, made_of, vector_of


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


def refusal(outcome: Written | StoreError) -> StoreError:
    assert isinstance(outcome, StoreError)
    return outcome


@pytest.mark.parametrize("image_id", [-1, MAX_IMAGE_ID + 1, 2**70, True, 1.5, "7"])
def test_an_id_out_of_range_is_refused(store: Store, image_id: object) -> None:
    writes = (
        image_of(1, image_id=image_id),
        PutFeatures(image_id, made_of(1), draft_of(1)),  # type: ignore[arg-type]
        RemoveImage(image_id),  # type: ignore[arg-type]
        SetTags(image_id, ("a",)),  # type: ignore[arg-type]
        MarkMissing(image_id),  # type: ignore[arg-type]
        RemoveFeature(image_id, "phash"),  # type: ignore[arg-type]
    )
    for outcome in store.commit(writes):
        assert f"image_id is {image_id!r}" in str(refusal(outcome))
    assert store.records.count() == 0


def test_the_largest_id_leaves_the_sequence_usable(store: Store) -> None:
    assert store.submit(image_of(1, image_id=MAX_IMAGE_ID)).image_id == MAX_IMAGE_ID
    assert store.submit(image_of(2, image_id=0)).image_id == 0
    assert store.submit(image_of(3)).image_id == 1
    assert store.submit(image_of(4, image_id=40)).image_id == 40
    assert store.submit(image_of(5)).image_id == 41


def test_ids_at_the_end_of_the_sequence_are_refused_not_repeated(store: Store) -> None:
    store.submit(image_of(1, image_id=MAX_ASSIGNED_ID))
    with pytest.raises(StoreError, match="no id is left"):
        store.submit(image_of(2))
    assert store.submit(image_of(3, image_id=7)).image_id == 7


def test_a_refused_write_spoils_no_other(store: Store) -> None:
    store.submit(image_of(1))
    before = store.records.last_feature_id()
    outcomes = store.commit([image_of(2), image_of(3, image_id=1), image_of(4), RemoveImage(77), image_of(5)])
    assert [type(each) for each in outcomes] == [
        Written,
        ImageIdTakenError,
        Written,
        UnknownImageError,
        Written,
    ]
    assert store.records.count() == 4
    assert store.records.last_feature_id() == before + 6
    assert list(store.check()) == []


def test_replacing_keeps_tags_and_buries_the_old_features_first(store: Store) -> None:
    store.submit(image_of(1, tags=("kept",)))
    old = int(store.records.feature_ids(PHASH.fingerprint, [1])[0])
    seq = store.records.last_seq()
    written = store.submit(image_of(2, image_id=1, replaces=True, tags=("new",)))
    assert not written.is_new
    record = store.records.image(1)
    assert (record.name, record.tags) == ("2.jpg", ("kept", "new"))
    new = int(store.records.feature_ids(PHASH.fingerprint, [1])[0])
    changes = store.records.changes(PHASH.fingerprint, seq)
    assert [(each.feature_id, each.is_removal) for each in changes] == [(old, True), (new, False)]
    assert new > old
    assert store.records.by_path("/photos/1.jpg") is None


def test_replacing_needs_an_image_that_exists(store: Store) -> None:
    with pytest.raises(UnknownImageError, match="no image 3"):
        store.submit(image_of(1, image_id=3, replaces=True))
    with pytest.raises(StoreError, match="needs its image_id"):
        store.submit(image_of(1, replaces=True))


def test_a_path_belongs_to_one_image(store: Store) -> None:
    store.commit([image_of(1), image_of(2)])
    with pytest.raises(ImageIdTakenError, match="image 1 already"):
        store.submit(image_of(3, path="/photos/1.jpg"))
    with pytest.raises(ImageIdTakenError, match="image 1 already"):
        store.submit(MoveImage(2, "/photos/1.jpg", "1.jpg", 0))
    outcomes = store.commit([image_of(8, path="/photos/x.jpg"), image_of(9, path="/photos/x.jpg")])
    assert [type(each) for each in outcomes] == [Written, ImageIdTakenError]


def test_paths_can_be_swapped_in_one_commit(store: Store) -> None:
    store.commit([image_of(1), image_of(2)])
    outcomes = store.commit(
        [
            MoveImage(1, "/photos/aside.jpg", "aside.jpg", 5),
            MoveImage(2, "/photos/1.jpg", "1.jpg", 6),
            MoveImage(1, "/photos/2.jpg", "2.jpg", 7),
        ]
    )
    assert all(isinstance(each, Written) for each in outcomes)
    assert (store.records.by_path("/photos/1.jpg"), store.records.by_path("/photos/2.jpg")) == (2, 1)
    assert store.records.image(1).mtime_ns == 7


def test_features_of_other_bytes_are_refused(store: Store) -> None:
    store.submit(image_of(1, "phash", path=None))
    with pytest.raises(ImageIdTakenError, match="other bytes"):
        store.submit(PutFeatures(1, made_of(2, "color"), draft_of(2, path=None)))
    with pytest.raises(ImageIdTakenError, match="phash feature already"):
        store.submit(PutFeatures(1, made_of(1, "phash"), draft_of(1, path=None)))
    with pytest.raises(UnknownImageError):
        store.submit(PutFeatures(5, made_of(1, "phash")))
    with pytest.raises(StoreError, match="no feature is given"):
        store.submit(PutFeatures(1, {}))
    assert store.submit(PutFeatures(1, made_of(1, "color"), draft_of(1, path=None))) == Written(1, 4)


def test_features_alone_make_an_image_and_take_it_along(store: Store) -> None:
    assert store.submit(PutFeatures(9, made_of(1), draft_of(1, path=None))).is_new
    assert store.records.image(9).state == ImageState.FEATURES_ONLY
    assert store.records.pending(PHASH.fingerprint) == []
    with pytest.raises(StoreError, match="never had a file"):
        store.submit(MarkMissing(9))
    store.submit(RemoveFeature(9, "phash"))
    assert set(store.records.image(9).features) == {"color"}
    with pytest.raises(UnknownImageError, match="no 'phash' feature"):
        store.submit(RemoveFeature(9, "phash"))
    store.submit(RemoveFeature(9, "color"))
    assert store.records.count() == 0
    assert list(store.check()) == []


def test_a_removed_feature_of_a_file_is_not_made_again_by_itself(store: Store) -> None:
    store.submit(image_of(1))
    store.submit(RemoveFeature(1, "phash"))
    assert store.records.image(1).features["phash"] == (FeatureState.FAILED, "removed on request")
    assert store.records.pending(PHASH.fingerprint) == []
    with pytest.raises(UnknownImageError):
        store.submit(RemoveFeature(1, "phash"))
    store.submit(PutFeatures(1, made_of(1, "phash")))
    assert store.records.image(1).features["phash"] == (FeatureState.DONE, "")


def test_renewing_to_pending_buries_the_feature_and_asks_for_another(store: Store) -> None:
    store.submit(image_of(1))
    draft = {"phash": FeatureDraft(PHASH.fingerprint, FeatureState.PENDING)}
    with pytest.raises(ImageIdTakenError):
        store.submit(PutFeatures(1, draft))
    store.submit(PutFeatures(1, draft, renews=True))
    assert store.records.pending(PHASH.fingerprint) == [1]
    assert store.records.pending_count(PHASH.fingerprint) == 1
    assert store.records.feature_ids(PHASH.fingerprint, [1]).tolist() == [-1]
    assert list(store.check()) == []


def test_kinds_that_are_not_named_are_pending(store: Store) -> None:
    store.submit(image_of(1, "phash"))
    assert store.records.image(1).features["color"] == (FeatureState.PENDING, "")
    assert store.records.pending(COLOR.fingerprint) == [1]
    store.submit(MarkMissing(1))
    assert store.records.pending(COLOR.fingerprint) == []
    store.submit(MarkMissing(1, is_missing=False))
    assert store.records.pending_count(COLOR.fingerprint) == 1


def test_an_upload_without_a_path_has_its_bytes(store: Store) -> None:
    store.submit(image_of(1, "phash", path=None, is_upload=True))
    assert store.records.image(1).state == ImageState.PRESENT
    assert store.records.pending(COLOR.fingerprint) == [1]


def test_what_comes_and_goes_in_one_commit_leaves_nothing(store: Store) -> None:
    store.commit([image_of(1, image_id=1), RemoveImage(1)])
    assert store.records.count() == 0
    assert store.records.changes(PHASH.fingerprint, 0) == []
    store.commit([image_of(2, image_id=2, tags=("a",)), RemoveImage(2), image_of(3, image_id=2)])
    assert (store.records.image(2).name, store.records.image(2).tags) == ("3.jpg", ())
    store.commit([RemoveImage(2), image_of(4, image_id=2, tags=("b",))])
    assert (store.records.image(2).name, store.records.image(2).tags) == ("4.jpg", ("b",))
    assert list(store.check()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": b"short"}, "it is 32 bytes"),
        ({"size": -1}, "size"),
        ({"size": 2**63}, "size"),
        ({"path": "photos/1.jpg"}, "not absolute"),
        ({"path": "/photos/\ud800.jpg"}, "no valid text"),
        ({"path": "/photos/\0.jpg"}, "not absolute"),
        ({"name": "\ud800"}, "no valid text"),
        ({"width": -3}, "width"),
        ({"height": 2**31}, "height"),
        ({"tags": ("",)}, "tag"),
        ({"tags": ("x" * 257,)}, "tag"),
        ({"tags": ("a\nb",)}, "tag"),
        ({"tags": ("\ud800",)}, "tag"),
    ],
)
def test_a_malformed_draft_is_refused(store: Store, changes: dict[str, Any], message: str) -> None:
    refused, kept = store.commit([image_of(1, **changes), image_of(2)])
    assert message in str(refusal(refused))
    assert isinstance(kept, Written)
    assert store.records.count() == 1


@pytest.mark.parametrize(
    ("kind", "made", "message"),
    [
        ("shape", FeatureDraft("shape-v1", FeatureState.PENDING), "no kind 'shape'; have color, phash"),
        ("phash", FeatureDraft(PHASH.fingerprint, FeatureState.DONE), "exactly where its state is done"),
        ("phash", FeatureDraft("", FeatureState.PENDING), "fingerprint has 1 to"),
        ("phash", FeatureDraft(COLOR.fingerprint, FeatureState.PENDING), "is of color, not of phash"),
        (
            "phash",
            FeatureDraft(PHASH.fingerprint, FeatureState.DONE, Feature(np.zeros(71, np.uint8))),
            r"shape \(71,\)",
        ),
        (
            "color",
            FeatureDraft(COLOR.fingerprint, FeatureState.DONE, Feature(np.full(512, np.nan, np.float16))),
            "not finite",
        ),
        (
            "phash",
            FeatureDraft(PHASH.fingerprint, FeatureState.DONE, Feature(np.zeros(72, np.uint8), 2.0)),
            "between 0 and 1",
        ),
    ],
)
def test_a_malformed_feature_is_refused(store: Store, kind: str, made: FeatureDraft, message: str) -> None:
    store.submit(image_of(1, "color"))
    with pytest.raises(StoreError, match=message):
        store.submit(PutFeatures(1, {kind: made}, renews=True))
    assert list(store.check()) == []


def test_a_path_that_is_no_utf8_comes_back_as_it_was(store: Store) -> None:
    path = "/photos/caf\udce9.jpg"
    store.submit(image_of(1, path=path, name="caf\udce9.jpg"))
    assert (store.records.image(1).path, store.records.by_path(path)) == (path, 1)
    assert store.records.by_name("caf\udce9.jpg") == 1


def test_tags_are_replaced(store: Store) -> None:
    store.submit(image_of(1, tags=("a", "b")))
    store.submit(SetTags(1, ("c", "b")))
    assert store.records.image(1).tags == ("b", "c")
    with pytest.raises(UnknownImageError):
        store.submit(SetTags(2, ()))


def test_callers_at_the_same_time_share_commits_and_keep_their_own_errors(store: Store) -> None:
    commits = []
    store.on_commit.append(lambda: commits.append(1))

    def put(number: int) -> Written | StoreError:
        try:
            return store.submit(image_of(number, image_id=number if number % 10 else 1))
        except StoreError as exc:
            return exc

    store.submit(image_of(1000, image_id=1))
    with ThreadPoolExecutor(32) as threads:
        outcomes = list(threads.map(put, range(2, 202)))
    refused = [each for each in outcomes if isinstance(each, ImageIdTakenError)]
    assert len(refused) == 20
    assert store.records.count() == 181
    assert len(commits) < 180
    assert list(store.check()) == []


def test_a_failing_listener_is_logged_and_the_others_are_called(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    called = []
    store.on_commit += [lambda: called[5], lambda: called.append(store.records.count())]
    store.submit(image_of(1))
    assert called == [1]
    assert "a listener failed after a commit" in caplog.text


def test_a_listener_may_write(store: Store) -> None:
    def tag_once() -> None:
        if not store.records.image(1).tags:
            store.submit(SetTags(1, ("seen",)))

    store.on_commit.append(tag_once)
    store.submit(image_of(1))
    assert store.records.image(1).tags == ("seen",)
    store.commit([SetTags(1, ())])
    assert store.records.image(1).tags == ("seen",)


def test_listeners_hear_nothing_of_a_commit_that_changed_nothing(store: Store) -> None:
    called = []
    store.on_commit.append(lambda: called.append(1))
    store.commit([RemoveImage(5)])
    store.commit([])
    assert called == []


def test_a_closed_or_reading_store_refuses_to_write(open_store: Callable[..., Store]) -> None:
    writer = open_store()
    reader = open_store(writer=False)
    for write in (reader.submit, lambda write: reader.commit([write])):
        with pytest.raises(StoreError, match="open for reading"):
            write(image_of(1))
    with pytest.raises(StoreError, match="open for reading"):
        reader.records.note_snapshot("a-v1", 1)
    with pytest.raises(StoreError, match="open for reading"):
        reader.features.delete(PHASH.fingerprint, [1])
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.submit(image_of(1))
    with pytest.raises(StoreError, match="closed"):
        writer.commit([image_of(1)])


def test_forgetting_deletes_what_every_snapshot_is_past(store: Store) -> None:
    store.commit([image_of(number) for number in range(4)])
    first = store.submit(RemoveImage(1)).seq
    store.submit(RemoveImage(2))
    assert len(store.features.ids(PHASH.fingerprint)) == 4
    assert store.forget_below(PHASH.fingerprint, first) == 1
    assert store.forget_below(PHASH.fingerprint, first) == 0
    assert len(store.features.ids(PHASH.fingerprint)) == 3
    assert len(store.features.ids(COLOR.fingerprint)) == 4
    assert store.forget_below("nothing-v1", 10**9) == 0
    assert list(store.check()) == []
