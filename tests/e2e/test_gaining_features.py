"""A library of the earlier version gains local features in the background; changed settings make others."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ambience
from ambience.answers import Query
from ambience.datatypes import FeatureState, Verdict
from ambience.ingest.uploads import Uploads
from ambience.library import Library
from ambience.settings import IngestSettings, Settings
from ambience.store.files import KeptFiles
from support.workshop import Workshop, wait_for, write_picture

KIND = "local_features"
COUNT = 18
OFF = {kind: {"enabled": False} for kind in ("global_features", "image_text_features")}
"""Kinds that would be gained beside it."""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        library=tmp_path / "library", ingest=IngestSettings(threads=1, commit_images=4), kinds=OFF
    )


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for seed in range(COUNT):
        write_picture(tmp_path / "photos" / f"{seed}.jpg", seed, size=(480, 320))
    return tmp_path / "photos"


@pytest.fixture
def old(settings: Settings, photos: Path) -> Settings:
    """A library that was made when there were hashes and colors alone."""
    workshop = Workshop(settings.library)
    assert workshop.ingest.add_paths([photos]).added == COUNT
    workshop.close()
    return settings


@pytest.fixture
def opened(old: Settings) -> Iterator[Library]:
    with ambience.open(settings=old, writer=True) as library:
        yield library


def pending(library: Library) -> int:
    """As an answer says it."""
    (status,) = library.search(Query(image_id=1), by=[KIND]).kinds
    return status.pending


def crop_of(file: Path) -> bytes:
    out = io.BytesIO()
    with Image.open(file) as picture:
        picture.crop((120, 60, 420, 280)).save(out, "JPEG", quality=85)
    return out.getvalue()


def test_searches_and_adds_go_on_while_features_are_gained(opened: Library, photos: Path) -> None:
    first = pending(opened)
    assert 0 < first <= COUNT  # a search answers before all is there, and says so
    assert opened.search(Query(data=(photos / "5.jpg").read_bytes())).matches[0].verdict is Verdict.SAME_FILE
    added = opened.add_image(write_picture(photos.parent / "new.jpg", 900, size=(480, 320)).read_bytes())
    assert added.states[KIND][0] is FeatureState.DONE
    wait_for(lambda: pending(opened) == 0)
    wait_for(lambda: any(job.state == "done" for job in opened.jobs()))
    assert opened.info().kinds[KIND].states[FeatureState.DONE] == COUNT + 1
    found = opened.search(Query(data=crop_of(photos / "7.jpg")), by=[KIND]).matches
    assert found[0].image_id == opened.image_by_name("7.jpg")
    (job,) = [job for job in opened.jobs() if job.name == "extract"]
    assert (job.subject, job.done, job.total, job.state) == (KIND, COUNT, COUNT, "done")
    assert opened.check() == []


def test_what_was_gained_is_not_made_again_after_a_restart(old: Settings) -> None:
    with ambience.open(settings=old, writer=True) as library:
        wait_for(lambda: pending(library) < COUNT - 4)
    with ambience.open(settings=old) as reader:
        kept = reader.info().kinds[KIND].states[FeatureState.DONE]
        store, spec = reader._parts.store, reader.kinds[KIND].spec
        before = set(store.records.all_feature_ids(spec.fingerprint).tolist())
    assert kept > 8
    with ambience.open(settings=old, writer=True) as library:
        wait_for(lambda: pending(library) == 0)
        after = set(library._parts.store.records.all_feature_ids(spec.fingerprint).tolist())
        assert len(after) == COUNT
        assert before <= after
        assert library.check() == []


def test_other_settings_make_features_beside_the_old_ones_which_clean_deletes(
    old: Settings, photos: Path
) -> None:
    with ambience.open(settings=old, writer=True) as library:
        wait_for(lambda: pending(library) == 0)
        assert library.info().unused == ()
        online = 2**52
        library.add_feature(KIND, online, (photos / "3.jpg").read_bytes())
        first = library.kinds[KIND].spec.fingerprint
    fewer = replace(old, kinds={**OFF, KIND: {"points": 200}})
    with ambience.open(settings=fewer, writer=True) as library:
        wait_for(lambda: pending(library) == 0)
        spec = library.kinds[KIND].spec
        assert spec.fingerprint != first
        assert [(each.kind, each.fingerprint, each.features) for each in library.info().unused] == [
            (KIND, first, COUNT + 1)
        ]
        assert library.check() == []
        answer = library.search(Query(data=crop_of(photos / "7.jpg")), by=[KIND])
        assert answer.matches[0].image_id == library.image_by_name("7.jpg")
        assert online not in {match.image_id for match in answer.matches}  # no fingerprint is mixed
        # What could not be made again is kept: only features of that image were ever given.
        assert [each.features for each in library.clean()] == [COUNT]
        assert [each.features for each in library.info().unused] == [1]
        assert library.clean() == []
        assert library.check() == []
        assert not (library.folder / "index" / first).exists()
        library.remove(online)
        assert [each.features for each in library.clean()] == [1]
        assert library.info().unused == ()
        assert library.check() == []
        stored = library._parts.store.features
        assert len(stored.ids(spec.fingerprint)) == COUNT
        assert len(stored.ids(first)) == 0
    with ambience.open(settings=old, writer=True) as library:
        wait_for(lambda: pending(library) == 0)  # and back again
        assert [each.features for each in library.info().unused] == [COUNT]


def test_a_file_that_vanished_or_changed_meanwhile_is_told(old: Settings, photos: Path) -> None:
    (photos / "4.jpg").unlink()
    (photos / "5.jpg").write_bytes(b"no picture any more")
    Image.fromarray(np.full((64, 64, 3), 128, np.uint8)).save(photos / "6.jpg")
    with ambience.open(settings=old, writer=True) as library:
        wait_for(lambda: pending(library) == 0)
        records = {each.name: each for each in library.list_images(limit=1000)}
        assert records["4.jpg"].state.value == "missing"
        assert records["5.jpg"].features[KIND][0] is FeatureState.FAILED
        assert records["6.jpg"].features[KIND][0] is FeatureState.EMPTY
        assert library.info().kinds[KIND].states[FeatureState.DONE] == COUNT - 3


def test_uploads_gain_features_from_the_bytes_that_are_kept(settings: Settings, photos: Path) -> None:
    workshop = Workshop(settings.library)
    data = (photos / "1.jpg").read_bytes()
    draft, made = workshop.ingest.extract(data, workshop.decoder.decode(data, name="u"), name="u")
    draft = replace(draft, path=None, mtime_ns=None, is_upload=True)
    written = Uploads(workshop.store, KeptFiles(settings.library)).add(
        data, draft, made, image_id=None, tags=()
    )
    workshop.close()
    with ambience.open(settings=settings, writer=True) as library:
        made_now = (FeatureState.DONE, "")
        wait_for(lambda: library.image(written.image_id).features.get(KIND) == made_now)
