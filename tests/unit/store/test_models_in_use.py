"""The records remember which model each kind uses; features of one that is coming lie beside the others."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ambience.datatypes import Feature, FeatureState
from ambience.errors import OutdatedFeatureError, StoreError
from ambience.store.backup import BACKUP_NAME
from ambience.store.base import FeatureDraft, ModelChoice, PutFeatures, PutImage, RemoveFeature
from ambience.store.carrying import carry_removals, left_behind
from ambience.store.commit import Store
from support.store_writes import COLOR, KINDS, PHASH, draft_of, image_of, made_of, vector_of

LATER = replace(PHASH, model="later")
CHOICE = ModelChoice("first", "later")


def both(number: int) -> dict[str, FeatureDraft]:
    """A hash, and beside it the one of the model that is coming."""
    beside = FeatureDraft(LATER.fingerprint, FeatureState.DONE, Feature(vector_of(LATER, number + 500)))
    return {"phash": replace(made_of(number, "phash")["phash"], beside=beside)}


def test_choices_last_and_count_as_changes(store: Store, tmp_path: Path) -> None:
    assert store.records.models() == {}
    seq = store.records.last_seq()
    store.records.note_models("phash", ModelChoice("other"))
    store.records.note_models("phash", CHOICE)
    store.records.note_models("color", ModelChoice("x"))
    assert store.records.last_seq() == seq + 3
    store.close()
    with Store.open(tmp_path / "library", KINDS, writer=False) as reader:
        assert reader.records.models() == {"phash": CHOICE, "color": ModelChoice("x")}


def test_the_copy_of_the_records_has_them(store: Store, tmp_path: Path) -> None:
    store.commit([image_of(1)])
    assert store.back_up()
    store.records.note_models("phash", CHOICE)
    assert store.back_up(is_closing=True)
    with closing(sqlite3.connect(tmp_path / "library" / BACKUP_NAME)) as copy:
        assert copy.execute("SELECT kind, model, coming FROM models_in_use").fetchall() == [
            ("phash", "first", "later")
        ]


def test_a_library_of_the_version_before_gains_the_table(tmp_path: Path) -> None:
    with Store.open(tmp_path, KINDS, writer=True) as store:
        store.commit([image_of(number) for number in range(5)])
    with closing(sqlite3.connect(tmp_path / "records.sqlite")) as connection:
        lacking = ("models_in_use", "annotators", "annotations", "captions", "text_lines", "tag_forms")
        for table in (*lacking, "removals_elsewhere", "decisions", "source_urls"):
            connection.execute(f"DROP TABLE {table}")  # all that the first version lacks
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    with Store.open(tmp_path, KINDS, writer=False) as reader:
        assert reader.records.models() == {}
        with Store.open(tmp_path, KINDS, writer=True) as store:
            store.records.note_models("phash", CHOICE)
            assert store.records.count() == 5
            assert list(store.check()) == []
        assert reader.records.models() == {"phash": CHOICE}


def test_what_is_made_beside_is_stored_in_its_own_space(store: Store) -> None:
    store.records.coming = {"phash": LATER}
    written = store.submit(PutImage(draft_of(1), both(1), is_current=True))
    for spec in (PHASH, LATER):
        assert len(store.records.all_feature_ids(spec.fingerprint)) == 1
        assert store.records.pending_count(spec.fingerprint) == 0
    assert store.unused() == []
    store.submit(PutFeatures(written.image_id, both(2), renews=True))
    ids = store.records.feature_ids(LATER.fingerprint, [written.image_id])
    stored, _ = store.features.get(LATER, ids)
    assert (stored[0] == vector_of(LATER, 502)).all()
    assert list(store.check()) == []
    wrong = replace(both(3)["phash"].beside or made_of(3)["phash"], feature=Feature(vector_of(COLOR, 1)))
    with pytest.raises(StoreError, match="later"):
        store.submit(PutImage(draft_of(3), {"phash": replace(made_of(3)["phash"], beside=wrong)}))


def test_features_of_a_model_that_is_no_longer_in_use_are_refused_where_they_must_be_current(
    store: Store,
) -> None:
    made = both(1)
    alone = made_of(2, "phash")
    store.records.kinds = {**KINDS, "phash": LATER}
    with pytest.raises(OutdatedFeatureError, match=f"{LATER.fingerprint} is in use by now; make it again"):
        store.submit(PutImage(draft_of(2), alone, is_current=True))
    assert store.records.count() == 0
    added = store.submit(PutImage(draft_of(1), made, is_current=True))
    assert store.records.image(added.image_id).features["phash"] == (FeatureState.DONE, "")
    store.submit(PutFeatures(added.image_id, alone, renews=True))  # who fills a space may do so


def test_what_was_removed_is_removed_from_what_is_coming(store: Store) -> None:
    store.commit([image_of(1), image_of(2), image_of(3)])
    store.submit(RemoveFeature(1, "phash"))
    carry_removals(store, PHASH, LATER)
    store.records.coming = {"phash": LATER}
    store.submit(RemoveFeature(2, "phash"))
    assert store.records.pending(LATER.fingerprint) == [3]
    assert list(store.check()) == []


def test_what_was_removed_and_given_anew_is_made_by_the_other_model_as_well(store: Store) -> None:
    store.commit([image_of(1), image_of(2)])
    store.submit(RemoveFeature(1, "phash"))
    carry_removals(store, PHASH, LATER)
    store.submit(PutFeatures(1, made_of(1, "phash")))
    carry_removals(store, PHASH, LATER)
    assert store.records.pending(LATER.fingerprint) == [1, 2]


def test_images_without_a_file_are_left_behind(store: Store) -> None:
    store.commit([image_of(number) for number in range(4)])
    store.submit(PutFeatures(900, made_of(9, "phash"), draft=draft_of(9, path=None)))
    store.submit(PutFeatures(901, both(10), draft=draft_of(10, path=None)))
    assert left_behind(store.records, LATER) == 1
    assert left_behind(store.records, PHASH) == 0
    assert left_behind(store.records, COLOR) == 0
