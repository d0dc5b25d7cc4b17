"""A library of real photographs, searched and listed under filters; every example of the page on them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import ambience
from ambience.answers import Answer, Query
from ambience.datatypes import FeatureState, Verdict
from ambience.errors import FilterError
from ambience.expression import Saying
from ambience.library import Library
from ambience.search.filter_terms import FIELDS, UNITS
from ambience.search.filters import parsed
from ambience.settings import Settings
from ambience.store.base import PutAnnotation
from ambience.words import Annotation, Corner, TextLine
from support.workshop import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "filters.md"
TAGS = {
    "astronaut.png": ["Person", "space"],
    "chelsea.png": ["cat", "Animal"],
    "coffee.png": ["cup", "indoor"],
    "rocket.jpg": ["space", "Forest (dark)"],
    "hubble_deep_field.jpg": ["space", "artist:hubble"],
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory, shipped_photographs: Path) -> Iterator[Library]:
    settings = Settings(library=tmp_path_factory.mktemp("filtered") / "library")
    settings = replace(settings, kinds={"local_features": {"enabled": False}})
    with ambience.open(settings=settings, writer=True) as opened:
        opened.add_paths([shipped_photographs / name for name in TAGS])
        for name, tags in TAGS.items():
            opened.set_tags(opened.image_by_name(name), tags)
        yield opened


def names(library: Library, filter: str) -> set[str]:
    found = library.list_images(filter=filter)
    assert library.count_images(filter=filter) == len(found)
    return {record.name for record in found}


def answered(library: Library, answer: Answer) -> set[str]:
    return {record.name for record in library.images([each.image_id for each in answer.matches]).values()}


@pytest.mark.parametrize(
    ("filter", "kept"),
    [
        ("SPACE", {"astronaut.png", "rocket.jpg", "hubble_deep_field.jpg"}),
        ("space && !person", {"rocket.jpg", "hubble_deep_field.jpg"}),
        ("space, -forest (dark)", {"astronaut.png", "hubble_deep_field.jpg"}),
        ("artist:hubble || cat", {"hubble_deep_field.jpg", "chelsea.png"}),
        ('"Person"', {"astronaut.png"}),
        ('"person"', set()),
        ("format:jpg", {"rocket.jpg", "hubble_deep_field.jpg"}),
        ("width>=600 && name:*.png", {"coffee.png"}),
        ("!space && height<350", {"chelsea.png"}),
        ("path:*/HUBBLE*", {"hubble_deep_field.jpg"}),
    ],
)
def test_a_library_is_listed_by_a_filter(library: Library, filter: str, kept: set[str]) -> None:
    assert names(library, filter) == kept


def test_pages_of_a_listing_go_on_where_they_were(library: Library) -> None:
    first = library.list_images(filter="space", limit=2, newest_first=True)
    second = library.list_images(filter="space", limit=2, newest_first=True, after=first[-1].image_id)
    ids = [record.image_id for record in (*first, *second)]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert library.count_images() == 5


def test_every_kind_answers_only_what_the_filter_keeps(library: Library, shipped_photographs: Path) -> None:
    question = Query(data=(shipped_photographs / "coffee.png").read_bytes())
    free = library.search(question)
    assert free.matches[0].verdict is Verdict.SAME_FILE
    kept = library.search(question, filter="cup")
    assert answered(library, kept) == {"coffee.png"}
    assert {each.kind for each in kept.matches[0].evidence} == {
        each.kind for each in free.matches[0].evidence
    }
    assert "coffee.png" not in answered(library, library.search(question, filter="!cup"))
    for kind in library.kinds:
        hits = library.search_kind(kind, question, k=5, filter="space").hits
        found = {library.image(hit.image_id).name for hit in hits}
        assert found == {"astronaut.png", "rocket.jpg", "hubble_deep_field.jpg"}, kind
        one = library.search_kind(kind, question, k=1, filter="space || cat").hits
        assert len(one) == 1


def test_an_empty_answer_comes_at_once_and_says_why(library: Library) -> None:
    answer = library.search(Query(image_id=library.image_by_name("coffee.png")), filter="no such tag")
    assert answer.matches == ()
    assert {status.kind for status in answer.kinds} == set(library.kinds)
    assert {(status.state, status.message) for status in answer.kinds} == {
        ("ok", "the filter keeps no picture")
    }


def test_malformed_filters_are_refused_with_their_column(library: Library) -> None:
    image_id = library.image_by_name("coffee.png")
    for ask in (
        lambda: library.search(Query(image_id=image_id), filter="a && (b"),
        lambda: library.search_kind("phash", Query(image_id=image_id), k=1, filter="a && (b"),
        lambda: library.list_images(filter="a && (b"),
        lambda: library.count_images(filter="a && (b"),
    ):
        with pytest.raises(FilterError, match="column 6"):
            ask()
    with pytest.raises(FilterError, match="column 1"):
        library.count_images(filter="")


def examples() -> list[str]:
    """Filters of the page: the first column of its tables, and its code blocks."""
    text = PAGE.read_text(encoding="utf-8")
    cells = [cell.replace("\\|", "|") for cell in re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)]
    blocks = "\n".join(re.findall(r"```text\n(.*?)```", text, re.DOTALL))
    return [*cells, *(line for line in blocks.splitlines() if line)]


@pytest.mark.parametrize("filter", examples())
def test_every_example_of_the_page_works(library: Library, filter: str) -> None:
    if not _says_words(filter):
        assert 0 <= library.count_images(filter=filter) <= 5


def _says_words(filter: str) -> bool:
    return isinstance(parsed(filter), Saying)


def test_the_page_names_every_field_and_unit() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(examples()) > 30
    for field in FIELDS:
        assert f"`{field}" in text, field
    for unit in filter_units():
        assert unit in text


def filter_units() -> list[str]:
    written = {"b": "B", "kb": "kB", "mb": "MB", "gb": "GB", "kib": "KiB", "mib": "MiB", "gib": "GiB"}
    assert set(UNITS) == {"", *written}
    return list(written.values())


def test_words_that_stand_in_pictures_are_looked_up(library: Library) -> None:
    record = library.image(library.image_by_name("rocket.jpg"))
    assert names(library, 'text:"grand hotel"') == set()
    line = TextLine("The Grand Hotel", (Corner(0, 0), Corner(1, 0), Corner(1, 1), Corner(0, 1)), 0.9, "Latn")
    said = Annotation(lines=(line,))
    fingerprint = library.annotators["text"].fingerprint
    library._parts.store.submit(
        PutAnnotation(record.image_id, record.sha256, "text", fingerprint, FeatureState.DONE, said)
    )
    wait_for(lambda: library.count_images(filter='text:"grand hotel"') == 1)
    assert names(library, 'text:"grand hotel"') == {"rocket.jpg"}
    assert names(library, "text:hotle && space") == {"rocket.jpg"}
    assert names(library, "text:hotel && cat") == set()
    found = library.search(Query(text="grand hotle"), by=["text"], filter="space")
    assert [each.image_id for each in found.matches] == [record.image_id]
    (evidence,) = found.matches[0].evidence
    assert [(match.asked, match.found) for match in evidence.words] == [
        ("grand", "Grand"),
        ("hotle", "Hotel"),
    ]
    assert not library.search(Query(text="grand hotel"), by=["text"], filter="cat").matches
    both = library.search(Query(text="grand hotel"), by=["text", "phash"])
    assert {each.kind: each.state for each in both.kinds} == {"phash": "empty", "text": "ok"}
    assert [hit.image_id for hit in library.search_words(Query(text="grand"), k=3)] == [record.image_id]
    assert [line.text for line in library.words(record.image_id).lines] == ["The Grand Hotel"]
