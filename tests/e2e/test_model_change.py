"""A kind changes its model while its library is searched, added to and killed: nothing is lost or mixed."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import ambience
from ambience import registry
from ambience.answers import Query
from ambience.datatypes import FeatureState
from ambience.errors import (
    AmbienceError,
    MissingModelError,
    ModelError,
    SettingsError,
    StoreError,
    UnknownKindError,
)
from ambience.library import Library
from ambience.settings import Settings
from support.changing_models import (
    ABSENT,
    KIND,
    ONE,
    TOY,
    TWO,
    assert_found,
    model_of,
    picture,
    settings_of,
    write_pictures,
)
from support.workshop import wait_for

COUNT = 24


@pytest.fixture(autouse=True)
def toy_kind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kind is known for as long as a test lasts."""
    monkeypatch.syspath_prepend(TOY)
    registry.known.cache_clear()
    yield
    registry.known.cache_clear()


@pytest.fixture
def settings(tmp_path: Path, toy_kind: None) -> Settings:
    """Of a library with pictures, made with the first model."""
    made = settings_of(tmp_path)
    with ambience.open(settings=made, writer=True) as library:
        assert library.add_paths([write_pictures(tmp_path / "photos", range(COUNT))]).added == COUNT
    return made


@pytest.fixture
def opened(settings: Settings) -> Iterator[Library]:
    with ambience.open(settings=settings, writer=True) as library:
        yield library


def slow(settings: Settings, pause_s: float) -> Settings:
    """The second model takes its time."""
    return replace(settings, kinds={**settings.kinds, KIND: {"pause_s": pause_s}})


def test_a_kind_uses_another_model_once_all_features_are_there(opened: Library) -> None:
    told: list[tuple[str, int, int]] = []
    done = opened.use_model(TWO, on_progress=lambda *said: told.append(said))
    assert (done.kind, done.model, done.before, done.is_in_use) == (KIND, TWO, ONE, True)
    assert (done.left_behind, done.pending) == (0, 0)
    assert model_of(opened) == TWO
    info = opened.info().kinds[KIND]
    assert (info.entries, info.states[FeatureState.DONE], info.coming) == (COUNT, COUNT, None)
    for seed in range(COUNT):
        assert_found(opened, seed)
    assert told[-1][0] == KIND
    assert told[-1][1] == told[-1][2] <= COUNT
    jobs = {job.subject: job for job in opened.jobs() if job.name == "extract"}
    assert (jobs[f"{KIND} ({TWO})"].done, jobs[f"{KIND} ({TWO})"].state) == (COUNT, "done")
    assert opened.check() == []


def test_the_choice_lasts_and_going_back_is_instant(settings: Settings) -> None:
    with ambience.open(settings=settings, writer=True) as library:
        library.use_model(TWO)
    with ambience.open(settings=settings, writer=True) as library:
        assert model_of(library) == TWO
        extracted = [job for job in library.jobs() if job.name == "extract"]
        library.use_model(ONE)
        assert model_of(library) == ONE
        assert [job for job in library.jobs() if job.name == "extract"] == extracted
        assert_found(library, 3)
        assert library.check() == []
    with ambience.open(settings=settings) as reader:
        assert model_of(reader) == ONE


def test_pictures_added_since_are_filled_in_before_going_back(opened: Library) -> None:
    opened.use_model(TWO)
    opened.add_image(picture(100), name="100.png")
    opened.remove(opened.image_by_name("5.png"))
    opened.use_model(ONE)
    assert_found(opened, 100)
    assert opened.info().kinds[KIND].entries == COUNT
    assert opened.check() == []


def test_every_search_during_a_change_is_answered_from_one_space(settings: Settings) -> None:
    faults: list[Exception] = []
    stop = threading.Event()
    seen: set[str] = set()

    def ask(seeds: range) -> None:
        while not stop.is_set():
            for seed in seeds:
                seen.add(model_of(library))
                try:
                    assert_found(library, seed)
                except (AssertionError, AmbienceError) as exc:
                    faults.append(exc)

    with ambience.open(settings=slow(settings, 0.01), writer=True) as library:
        threads = [threading.Thread(target=ask, args=(range(start, COUNT, 2),)) for start in range(2)]
        for thread in threads:
            thread.start()
        for model in (TWO, ONE, TWO):
            assert library.use_model(model).is_in_use
        stop.set()
        for thread in threads:
            thread.join()
    assert faults == []
    assert seen == {ONE, TWO}


def test_pictures_added_and_removed_meanwhile_are_as_they_should_be(settings: Settings) -> None:
    with ambience.open(settings=slow(settings, 0.03), writer=True) as library:
        stop = threading.Event()
        changing = threading.Thread(target=library.use_model, args=(TWO,))
        changing.start()
        seed = 1000
        while changing.is_alive():
            added = library.add_image(picture(seed), name=f"{seed}.png")
            assert added.states[KIND][0] is FeatureState.DONE
            assert_found(library, seed)  # before the switch and after it
            if seed % 3 == 0:
                library.remove(added.image_id)
            seed += 1
        changing.join()
        stop.set()
        assert model_of(library) == TWO
        kept = [each for each in range(1000, seed) if each % 3]
        assert seed > 1003
        for each in kept:
            assert_found(library, each)
        assert library.info().kinds[KIND].entries == COUNT + len(kept)
        assert library.check() == []


def test_a_picture_in_work_when_the_model_changes_is_made_with_the_new_one(settings: Settings) -> None:
    with ambience.open(settings=settings, writer=True) as library:
        parts = library._parts
        data = picture(77)
        made = parts.decoder.decode(data, name="77.png")
        draft, features = parts.ingest.extract(data, made, name="77.png")  # by the first model alone
        library.use_model(TWO)
        with pytest.raises(StoreError, match="make it again"):
            parts.uploads.add(data, replace(draft, is_upload=True), features, image_id=None, tags=[])
        library.add_image(data, name="77.png")
        assert_found(library, 77)


def test_a_reading_process_follows_at_its_next_look(settings: Settings) -> None:
    with ambience.open(settings=settings) as reader, ambience.open(settings=settings, writer=True) as library:
        assert model_of(reader) == ONE
        assert_found(reader, 1)
        library.use_model(TWO)
        assert_found(reader, 1)
        assert model_of(reader) == TWO
        library.add_image(picture(200), name="200.png")
        assert_found(reader, 200)
        library.use_model(ONE)
        assert_found(reader, 200)
        assert model_of(reader) == ONE


def test_a_second_choice_takes_the_place_of_the_one_that_is_coming(settings: Settings) -> None:
    with ambience.open(settings=slow(settings, 0.5), writer=True) as library:
        faults: list[StoreError] = []

        def change() -> None:
            try:
                library.use_model(TWO)
            except StoreError as exc:
                faults.append(exc)

        changing = threading.Thread(target=change)
        changing.start()
        wait_for(lambda: library.info().kinds[KIND].coming is not None)
        coming = library.info().kinds[KIND].coming
        assert coming is not None
        assert (coming.model, coming.done + coming.pending) == (TWO, COUNT)
        assert library.use_model(ONE).is_in_use
        changing.join()
        assert "another model was chosen" in str(faults[0])
        assert library.info().kinds[KIND].coming is None
        assert_found(library, 2)


def test_images_without_a_file_are_named_and_not_waited_for(opened: Library, tmp_path: Path) -> None:
    opened.add_feature(KIND, 5000, picture(300))
    (tmp_path / "photos" / "4.png").unlink()
    assert opened.add_paths([tmp_path / "photos"]).missing == 1
    done = opened.use_model(TWO)
    assert (done.is_in_use, done.left_behind) == (True, 2)
    assert opened.info().kinds[KIND].left_behind == 2
    assert all(hit.image_id != 5000 for hit in opened.search_kind(KIND, Query(data=picture(300)), k=99).hits)
    assert opened.clean()[0].features == COUNT - 1  # what nothing could make again is kept
    opened.use_model(ONE)
    (hit,) = opened.search_kind(KIND, Query(data=picture(300)), k=1).hits
    assert hit.image_id == 5000
    assert opened.info().kinds[KIND].left_behind == 0


def test_features_that_came_alone_meanwhile_are_made_of_both_models(settings: Settings) -> None:
    with ambience.open(settings=slow(settings, 0.05), writer=True) as library:
        changing = threading.Thread(target=library.use_model, args=(TWO,))
        changing.start()
        wait_for(lambda: library.info().kinds[KIND].coming is not None)
        library.add_feature(KIND, 6000, picture(400))
        changing.join()
        assert model_of(library) == TWO
        (hit,) = library.search_kind(KIND, Query(data=picture(400)), k=1).hits
        assert (hit.image_id, hit.distance < 1e-3) == (6000, True)


def test_what_people_removed_is_not_made_again_by_another_model(opened: Library) -> None:
    gone = opened.image_by_name("7.png")
    opened.remove_feature(KIND, gone)
    done = opened.use_model(TWO)
    assert done.is_in_use
    assert opened.info().kinds[KIND].entries == COUNT - 1
    assert opened.image(gone).features[KIND][0] is FeatureState.FAILED


def test_clean_keeps_what_is_coming(settings: Settings) -> None:
    stop = threading.Event()
    with ambience.open(settings=slow(settings, 0.2), writer=True) as library:
        changing = threading.Thread(target=library.use_model, args=(TWO,), kwargs={"stop": stop})
        changing.start()
        wait_for(lambda: (each := library.info().kinds[KIND].coming) is not None and each.done > 0)
        assert library.info().unused == ()
        assert library.clean() == []
        stop.set()
        changing.join()
        coming = library.info().kinds[KIND].coming
        assert coming is not None
    with ambience.open(settings=settings, writer=True) as library:  # the next one goes on
        wait_for(lambda: model_of(library) == TWO)
        assert [each.fingerprint for each in library.info().unused] == [f"toy-{ONE}-scaled-v1"]
        assert sum(each.features for each in library.clean()) == COUNT
        assert_found(library, 9)
        assert library.use_model(ONE).is_in_use  # made again from the pictures
        assert_found(library, 9)


@pytest.mark.parametrize(
    ("model", "kind", "error", "words"),
    [
        ("nonsense", "", ModelError, "no model 'nonsense'; have"),
        (TWO, "smell", UnknownKindError, "no kind 'smell'"),
        (TWO, "phash", ModelError, "phash has no model that can be chosen; have toy"),
        ("minilm", "", ModelError, f"minilm does not fit: toy takes .*{ONE}, {TWO}"),
        ("minilm", "toy", ModelError, f"minilm does not fit: toy takes .*{ONE}, {TWO}"),
    ],
)
def test_what_cannot_be_used_is_refused(
    opened: Library, model: str, kind: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        opened.use_model(model, kind)
    assert (model_of(opened), opened.info().kinds[KIND].coming) == (ONE, None)


def test_a_model_that_is_not_installed_is_refused(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with ambience.open(settings=settings, writer=True) as library:
        with pytest.raises(MissingModelError, match=ABSENT):
            library.use_model(ABSENT)
        assert library.info().kinds[KIND].coming is None


def test_a_model_that_settings_name_wins_and_says_so(settings: Settings) -> None:
    fixed = replace(settings, kinds={**settings.kinds, KIND: {"model": ONE}})
    with ambience.open(settings=settings, writer=True) as library:
        library.use_model(TWO)
    with ambience.open(settings=fixed, writer=True) as library:
        assert model_of(library) == ONE
        with pytest.raises(SettingsError, match=rf"kinds.toy.model = '{ONE}' is set .* wins"):
            library.use_model(TWO)


def test_a_model_that_is_gone_while_it_is_used_is_named_and_nothing_else_is_lost(settings: Settings) -> None:
    with ambience.open(settings=settings, writer=True) as library:
        library.use_model(TWO)
    gone = replace(settings, kinds={**settings.kinds, KIND: {"is_gone": True}})
    with ambience.open(settings=gone, writer=True) as library:
        with pytest.raises(MissingModelError, match=f"{TWO} is not installed"):
            library.search_kind(KIND, Query(data=picture(3)), k=1)
        by_kind = {status.kind: status for status in library.search(Query(data=picture(3))).kinds}
        assert (by_kind[KIND].state, by_kind["phash"].state) == ("failed", "ok")
        assert TWO in by_kind[KIND].message
        by_id = library.search_kind(KIND, Query(image_id=library.image_by_name("3.png")), k=1)
        assert by_id.hits[0].distance < 1e-3  # what is stored serves still
        added = library.add_image(picture(500), name="500.png")
        assert added.states[KIND][0] is FeatureState.PENDING
        assert library.check() == []
        assert library.use_model(ONE).is_in_use
        assert_found(library, 500)
    with ambience.open(settings=settings, writer=True) as library:
        library.use_model(TWO)
        assert_found(library, 500)


def test_a_model_that_goes_while_it_is_coming_is_said_and_the_other_serves_on(settings: Settings) -> None:
    gone = replace(settings, kinds={**settings.kinds, KIND: {"is_gone": True}})
    with ambience.open(settings=gone, writer=True) as library:
        with pytest.raises(StoreError, match=f"{TWO} is not installed.*tried again"):
            library.use_model(TWO)
        assert model_of(library) == ONE
        assert_found(library, 3)
    with ambience.open(settings=settings, writer=True) as library:
        wait_for(lambda: model_of(library) == TWO)


def test_with_real_models_look_alikes_are_found_before_and_after(tmp_path: Path, photographs: Path) -> None:
    others = {kind: {"enabled": False} for kind in registry.names("ambience.extract")}
    settings = Settings(library=tmp_path / "library", kinds={**others, "global_features": {}})
    coffee = Query(data=(photographs / "coffee.png").read_bytes())
    with ambience.open(settings=settings, writer=True) as library:
        library.add_paths([photographs])
        for model, dim in (("starter", 384), ("efficientnet-lite0", 1280)):
            assert library.use_model(model, "global_features").is_in_use
            assert library.kinds["global_features"].spec.dim == dim
            (hit, *_) = library.search_kind("global_features", coffee, k=5).hits
            assert (library.image(hit.image_id).name, hit.distance < 1e-3) == ("coffee.png", True)
        assert library.check() == []
