"""All kinds of one picture at once, over a real library and over services."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import ambience
from ambience.answers import OriginalAnswer, Query
from ambience.datatypes import FeatureState
from ambience.errors import (
    CorruptImageError,
    ImageIdTakenError,
    LibraryLockedError,
    ServiceError,
    UnknownImageError,
    UnknownKindError,
)
from ambience.library import Library
from support.services import gateway_to, only, services

KINDS = ("color", "phash")
DONE = (FeatureState.DONE, "")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    with ambience.open(settings=only(tmp_path / "library", {kind: {} for kind in KINDS}), writer=True) as it:
        yield it


@pytest.fixture
def coffee(shipped_photographs: Path) -> bytes:
    return (shipped_photographs / "coffee.png").read_bytes()


@pytest.fixture
def rocket(shipped_photographs: Path) -> bytes:
    return (shipped_photographs / "rocket.jpg").read_bytes()


def questions(library: Library) -> dict[str, object]:
    return {kind: library.original_knobs(kind)(k=5) for kind in KINDS}


def rows(found: object) -> tuple[tuple[int, float], ...]:
    assert isinstance(found, OriginalAnswer)
    return found.rows


def test_what_is_added_at_once_is_what_each_kind_adds_alone(library: Library, coffee: bytes) -> None:
    assert library.every_kind.add(7, coffee, name="7.online") == dict.fromkeys(KINDS, DONE)
    for kind in KINDS:
        library.add_feature(kind, 8, coffee)
        near = library.every_kind.original(coffee, questions(library))[kind]
        assert [image_id for image_id, _ in rows(near)] == [7, 8]
        assert len({figure for _, figure in rows(near)}) == 1
    assert library.image(7).name == "7.online"


def test_a_kind_that_is_there_keeps_no_other_back(library: Library, coffee: bytes) -> None:
    library.add_feature("phash", 7, coffee)
    outcomes = library.every_kind.add(7, coffee, name="x")
    assert outcomes["color"] == DONE
    assert isinstance(outcomes["phash"], ImageIdTakenError)


def test_other_bytes_under_a_taken_id_change_nothing(library: Library, coffee: bytes, rocket: bytes) -> None:
    library.every_kind.add(7, coffee, name="x")
    library.remove_feature("color", 7)
    outcomes = library.every_kind.add(7, rocket, name="x")
    assert [type(found) for found in outcomes.values()] == [ImageIdTakenError] * 2
    assert set(library.image(7).features) == {"phash"}


def test_of_two_at_the_same_time_one_adds_each_kind(library: Library, coffee: bytes) -> None:
    outcomes: list[dict[str, object]] = []

    def add() -> None:
        outcomes.append(dict(library.every_kind.add(7, coffee, name="x")))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for kind in KINDS:
        found = [each[kind] for each in outcomes]
        assert found.count(DONE) == 1
        assert sum(isinstance(each, ImageIdTakenError) for each in found) == 3


def test_a_broken_picture_leaves_nothing(library: Library, coffee: bytes) -> None:
    with pytest.raises(CorruptImageError):
        library.every_kind.add(7, coffee[:5000], name="x")
    with pytest.raises(UnknownImageError):
        library.every_kind.remove(7)


def test_the_image_goes_with_its_features(library: Library, coffee: bytes) -> None:
    library.add_feature("phash", 7, coffee)
    assert library.every_kind.remove(7) == {"color": False, "phash": True}
    assert library.images([7]) == {}


def test_an_unknown_kind_is_named_and_the_others_answer(library: Library, coffee: bytes) -> None:
    library.every_kind.add(7, coffee, name="x")
    found = library.every_kind.original(coffee, questions(library) | {"smell": None})
    assert isinstance(found["smell"], UnknownKindError)
    assert rows(found["phash"]) == ((7, 0),)


def test_a_reader_adds_nothing(library: Library) -> None:
    with (
        ambience.open(library.folder, settings=library.settings) as reader,
        pytest.raises(LibraryLockedError),
    ):
        _ = reader.every_kind


def test_services_are_filled_and_asked_likewise_and_one_that_is_down_is_named(
    tmp_path: Path, coffee: bytes, rocket: bytes
) -> None:
    with services(tmp_path, *KINDS) as started:
        urls = {kind: each.url for kind, each in started.items()}
        with ambience.open(settings=gateway_to(tmp_path / "gateway", urls), writer=True) as gateway:
            assert gateway.every_kind.add(7, coffee, name="x") == dict.fromkeys(KINDS, DONE)
            assert {kind: each.ids for kind, each in started.items()} == {kind: [7] for kind in KINDS}
            found = gateway.every_kind.original(coffee, questions(gateway))
            assert {kind: rows(each) for kind, each in found.items()} == dict.fromkeys(KINDS, ((7, 0),))

            started["color"].stop()
            outcomes = gateway.every_kind.add(8, rocket, name="x")
            assert outcomes["phash"] == DONE
            late = outcomes["color"]
            assert not isinstance(late, Exception)
            assert late[0] is FeatureState.PENDING
            found = gateway.every_kind.original(rocket, questions(gateway))
            assert isinstance(found["color"], ServiceError)
            assert isinstance(found["phash"], OriginalAnswer)
            assert found["phash"].pending == 0
            assert rows(found["phash"])[0] == (8, 0)
            assert gateway.every_kind.remove(8) == {"color": True, "phash": True}
            knobs = gateway.original_knobs("color")(k=1)
            with pytest.raises(UnknownImageError):  # whether or not its service knows that yet
                gateway.search_original("color", Query(image_id=8), knobs, turned=False)
