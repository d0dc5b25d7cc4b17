"""Features that no kind uses are named, and deleted where asked, unless nothing could make them again."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambience.datatypes import Feature
from ambience.errors import StoreError
from ambience.inventory import UnusedFeatures
from ambience.store.base import PutFeatures, RemoveImage
from ambience.store.commit import Store
from support.store_writes import COLOR, PHASH, draft_of, image_of, made_of

NEWER = replace(PHASH, version=2)
GIVEN = 2**52


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Five images with files, one removed, one without; then hashes of another version."""
    with Store.open(tmp_path, {"phash": PHASH, "color": COLOR}, writer=True) as older:
        older.commit([image_of(number) for number in range(5)])
        older.submit(PutFeatures(GIVEN, made_of(9, "phash"), draft=draft_of(9, path=None, mtime_ns=None)))
        older.submit(RemoveImage(1))
        assert older.unused() == []
    with Store.open(tmp_path, {"phash": NEWER, "color": COLOR}, writer=True) as opened:
        yield opened


def test_they_are_named_with_what_they_were(store: Store) -> None:
    assert store.unused() == [UnusedFeatures("phash", PHASH.fingerprint, 5)]


def test_all_go_but_those_of_images_without_a_file(store: Store) -> None:
    index = store.folder / "index" / PHASH.fingerprint
    index.mkdir(parents=True)
    assert store.delete_unused(PHASH.fingerprint) == 5  # four, and the one that was only buried
    assert store.unused() == [UnusedFeatures("phash", PHASH.fingerprint, 1)]
    assert not index.exists()
    assert list(store.check()) == []
    assert len(store.features.ids(PHASH.fingerprint)) == 1
    assert len(store.features.ids(COLOR.fingerprint)) == 5
    store.submit(RemoveImage(GIVEN))
    assert store.delete_unused(PHASH.fingerprint) == 1
    assert store.unused() == []
    assert list(store.check()) == []


def test_what_a_kind_uses_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="color-scaled-v1 is in use"):
        store.delete_unused(COLOR.fingerprint)
    assert len(store.features.ids(COLOR.fingerprint)) == 5


def test_vectors_that_a_kill_left_without_rows_are_named_and_deleted(store: Store) -> None:
    store.features.put_many([("ghost-v1", 1, Feature(np.zeros(3, np.uint8)))])
    assert UnusedFeatures("", "ghost-v1", 0) in store.unused()
    assert store.delete_unused("ghost-v1") == 1
    assert [each.fingerprint for each in store.unused()] == [PHASH.fingerprint]


def test_going_back_to_the_older_version_makes_what_was_deleted_pending(store: Store, tmp_path: Path) -> None:
    store.delete_unused(PHASH.fingerprint)
    store.close()
    with Store.open(tmp_path, {"phash": PHASH, "color": COLOR}, writer=True) as again:
        assert again.records.pending_count(PHASH.fingerprint) == 4
        assert list(again.check()) == []
