"""What services have yet to be told is written with what it follows from."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambience.datatypes import FeatureSpec, FeatureState, ImageDraft
from ambience.errors import ImageIdTakenError, StoreError
from ambience.store.base import FeatureDraft, PutFeatures, PutImage, RemoveFeature, RemoveImage
from ambience.store.commit import Store
from ambience.store.elsewhere import Elsewhere, Removal

SPEC = FeatureSpec("toy", "Toy", 2, "float32", "l2", 1, 1, is_elsewhere=True)
OLD, NEW = bytes(32), bytes([1] * 32)
DONE, PENDING = (FeatureDraft(SPEC.fingerprint, state) for state in (FeatureState.DONE, FeatureState.PENDING))


def draft(sha256: bytes = OLD, *, is_upload: bool = True) -> ImageDraft:
    return ImageDraft(sha256, 1, "p", is_upload=is_upload)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path, {"toy": SPEC}, writer=True) as opened:
        yield opened


@pytest.fixture
def queue(store: Store) -> Elsewhere:
    return Elsewhere(store.records)


def test_an_image_waits_for_its_service_until_that_is_noted(store: Store, queue: Elsewhere) -> None:
    store.submit(PutImage(draft(), {}, image_id=4))
    store.submit(PutFeatures(9, {"toy": PENDING}, draft=draft(NEW, is_upload=False)))
    assert (queue.pending(SPEC), queue.pending_count(SPEC)) == ([4, 9], 2)
    assert queue.pending(SPEC, after=4) == [9]
    with pytest.raises(ImageIdTakenError):
        store.submit(PutFeatures(9, {"toy": PENDING}, draft=draft(NEW, is_upload=False)))
    for image_id in (4, 9):
        store.submit(PutFeatures(image_id, {"toy": DONE}, renews=True))
    assert (queue.pending(SPEC), queue.pending_count(SPEC)) == ([], 0)
    assert store.records.image(9).features == {"toy": (FeatureState.DONE, "")}
    assert list(store.check()) == [], "nobody misses a feature that is kept elsewhere"
    assert queue.removals("toy") == []


def test_an_image_that_has_other_bytes_by_now_is_not_noted_as_given(store: Store) -> None:
    store.submit(PutImage(draft(), {}, image_id=4))
    with pytest.raises(ImageIdTakenError, match="other bytes"):
        store.submit(PutFeatures(4, {"toy": DONE}, renews=True, sha256=NEW))


def test_a_feature_is_missing_only_where_it_is_kept_elsewhere(tmp_path: Path) -> None:
    here = replace(SPEC, is_elsewhere=False)
    with Store.open(tmp_path, {"toy": here}, writer=True) as store, pytest.raises(StoreError, match="state"):
        store.submit(PutImage(draft(), {"toy": FeatureDraft(here.fingerprint, FeatureState.DONE)}))


def test_what_is_removed_or_replaced_is_to_be_forgotten(store: Store, queue: Elsewhere) -> None:
    for image_id in (1, 2, 3):
        store.submit(PutImage(draft(), {"toy": DONE}, image_id=image_id))
    store.submit(RemoveImage(1))
    store.submit(PutImage(draft(NEW), {}, image_id=2, replaces=True))
    store.submit(RemoveFeature(3, "toy"))
    assert queue.removals("toy") == [Removal(1, OLD), Removal(2, OLD), Removal(3, OLD)]
    assert queue.removals("toy", image_id=2) == [Removal(2, OLD)]
    assert (queue.removal_count("toy"), queue.removals("other")) == (3, [])
    assert queue.known("toy", [1, 2, 3, 4]) == set(), "hits of what is to be forgotten are none"
    assert queue.known("other", [1, 2, 3]) == {2, 3}
    queue.note_forgotten("toy", Removal(2, OLD))
    queue.note_forgotten("toy", Removal(3, NEW))
    assert queue.removals("toy") == [Removal(1, OLD), Removal(3, OLD)]
    assert queue.pending(SPEC) == [2]


def test_the_same_removal_twice_is_one(store: Store, queue: Elsewhere) -> None:
    for _ in range(2):
        store.submit(PutImage(draft(), {}, image_id=1))
        store.submit(RemoveImage(1))
    assert queue.removals("toy") == [Removal(1, OLD)]


def test_images_from_before_the_kind_was_served_elsewhere_wait_as_well(tmp_path: Path) -> None:
    with Store.open(tmp_path, {}, writer=True) as store:
        store.submit(PutImage(draft(), {}, image_id=7))
    with Store.open(tmp_path, {"toy": SPEC}, writer=True) as store:
        assert Elsewhere(store.records).pending(SPEC) == [7]
