"""Files of the original's gallery: what they say is kept under a source of its own."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ambience
from ambience.datatypes import FeatureState
from ambience.errors import StoreError
from ambience.library import Library
from ambience.moving import file_import
from ambience.moving.file_import import FileReport, rows_of
from ambience.settings import Settings
from ambience.store.base import PutAnnotation
from ambience.words import IMPORT, Annotation, Caption, Tag
from support.silent import SILENT
from support.workshop import write_picture

OFF = {
    kind: {"enabled": False} for kind in ("color", "global_features", "image_text_features", "local_features")
}


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """Six images, 1 to 6."""
    for number in range(1, 7):
        write_picture(tmp_path / "photos" / f"{number}.jpg", number)
    settings = Settings(library=tmp_path / "library", kinds=OFF, annotate=SILENT)
    with ambience.open(settings=settings, writer=True) as opened:
        opened.add_paths([tmp_path / "photos"], ids_from_names=True)
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "some.txt"


def imported(library: Library, file: Path, rows: Any, **choice: bool) -> FileReport:
    file.write_text(rows if isinstance(rows, str) else json.dumps(rows), encoding="utf-8")
    return library.moving_in.file(file, **choice)


def said(library: Library, image_id: int) -> set[tuple[str, str]]:
    return {(tag.text, tag.source) for tag in library.words(image_id).tags}


def test_tags_are_added_beside_those_of_people(library: Library, file: Path) -> None:
    library.set_tags(1, ["beach", "mine"])
    report = imported(
        library, file, [{"id": 1, "tags": ["beach", " dog "]}, {"id": "2", "tags": ["Straße", ""]}]
    )
    assert (report.rows, report.said, report.refused) == (2, 2, ())
    assert said(library, 1) == {("beach", "user"), ("mine", "user"), ("beach", IMPORT), ("dog", IMPORT)}
    assert said(library, 2) == {("Straße", IMPORT)}
    imported(library, file, [{"id": 1, "tags": ["sea"]}])
    assert said(library, 1) >= {("dog", IMPORT), ("sea", IMPORT)}
    library.set_tags(1, [])
    assert said(library, 1) == {("beach", IMPORT), ("dog", IMPORT), ("sea", IMPORT)}
    assert [record.image_id for record in library.list_images(filter="sea || straße")] == [1, 2]


def test_captions_and_addresses_take_the_place_of_those_before(library: Library, file: Path) -> None:
    library.set_caption(1, "what I say")
    imported(library, file, [{"id": 1, "caption": "a dog", "source_url": "https://example.org/a"}])
    imported(library, file, [{"id": 1, "caption": "a cat"}])
    words = library.words(1)
    assert [(each.text, each.source) for each in words.captions] == [
        ("what I say", "user"),
        ("a cat", IMPORT),
    ]
    assert words.source_url == "https://example.org/a"
    imported(library, file, [{"id": 1, "source_url": "https://example.org/b"}, {"id": 2, "caption": ""}])
    assert library.words(1).source_url == "https://example.org/b"
    assert library.words(2).captions == ()


def test_machines_and_new_bytes_leave_it(library: Library, file: Path, tmp_path: Path) -> None:
    imported(library, file, [{"id": 1, "tags": ["dog"], "caption": "a dog", "source_url": "https://x.org"}])
    store = library._parts.store
    record = library.image(1)
    for name, annotation in (
        ("tags", Annotation(tags=(Tag("cat", "net", 0.5),))),
        ("caption", Annotation(caption=Caption("a cat", "net", -1.0))),
    ):
        for _ in range(2):
            store.submit(PutAnnotation(1, record.sha256, name, "1", FeatureState.DONE, annotation))
    assert said(library, 1) == {("dog", IMPORT), ("cat", "net")}
    write_picture(tmp_path / "photos" / "1.jpg", 99)
    assert library.add_paths([tmp_path / "photos"]).updated == 1
    words = library.words(1)
    assert said(library, 1) == {("dog", IMPORT)}
    assert [each.text for each in words.captions] == ["a dog"]
    assert words.source_url == "https://x.org"
    for number in (2, 3):  # several at once
        write_picture(tmp_path / "photos" / f"{number}.jpg", 90 + number)
    assert library.add_paths([tmp_path / "photos"]).updated == 2
    library.remove(1)
    assert library.check() == []
    assert library.add_paths([tmp_path / "photos"], ids_from_names=True).added == 1
    assert (said(library, 1), library.words(1).source_url) == (set(), "")


def test_machines_do_not_speak_under_its_name(library: Library) -> None:
    record = library.image(1)
    for annotator in ("tags", IMPORT):
        said_so = Annotation(tags=(Tag("cat", IMPORT, 0.5),))
        with pytest.raises(StoreError, match="which is not its own"):
            library._parts.store.submit(
                PutAnnotation(1, record.sha256, annotator, "1", FeatureState.DONE, said_so)
            )


def test_ids_are_deleted_where_that_is_asked(library: Library, file: Path, tmp_path: Path) -> None:
    refused = imported(library, file, [2, "3"])
    assert (refused.deleted, refused.refused[0].reason) == (0, file_import.NOT_ASKED)
    dry = imported(library, file, [2, "3"], deletes=True, is_dry_run=True)
    assert (dry.deleted, library.info().images) == (2, 6)
    report = imported(library, file, [2, "3", 2, 77], deletes=True)
    assert (report.deleted, library.info().images) == (2, 4)
    assert [(row.reason, row.count) for row in report.refused] == [(file_import.NO_IMAGE, 2)]
    assert (tmp_path / "photos" / "2.jpg").exists()


@pytest.mark.parametrize(
    "row",
    [
        None, True, -1, 2**53, 1.5, "x", "", [], [1], {}, {"id": 1}, {"tags": ["a"]},
        {"id": None, "tags": []}, {"id": True, "tags": []}, {"id": -1, "tags": []},
        {"id": "9" * 5000, "tags": []}, {"id": 1, "tags": "beach"}, {"id": 1, "tags": [1]},
        {"id": 1, "caption": 5}, {"id": 1, "source_url": ["x"]},
    ],
)  # fmt: skip
def test_rows_of_another_form_are_passed_over(library: Library, file: Path, row: Any) -> None:
    report = imported(library, file, [row, {"id": 1, "tags": ["good"]}], deletes=True)
    assert (report.rows, report.said, report.deleted) == (2, 1, 0)
    assert [(each.reason, each.examples) for each in report.refused] == [(file_import.NO_ROW, ("row 1",))]


@pytest.mark.parametrize(
    "said", [{"tags": ["a\nb"]}, {"tags": ["x" * 257]}, {"caption": "x" * 10_001},
             {"source_url": "h" * 2_084}, {"source_url": "a\u0000b"}, {"tags": ["\ud800"]},
             {"caption": "\ud800"}]
)  # fmt: skip
def test_texts_that_cannot_be_kept_are_refused_alone(library: Library, file: Path, said: Any) -> None:
    report = imported(library, file, [{"id": 1, **said}, {"id": 2, "tags": ["good"]}])
    assert (report.said, len(report.refused), report.refused[0].examples) == (1, 1, ("id 1",))
    assert library.words(1).tags == ()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "which begins with"),
        ("{}", "which begins with"),
        ("[1, 2", "row 2, which begins with '2', is no whole JSON"),
        ("[1 2]", "not a comma or ]"),
        ('[{"id": 1, "tags": ["a"}]', "no whole JSON"),
        ("[" * 100_000, "no whole JSON"),
    ],
)
def test_what_is_no_list_is_told(library: Library, file: Path, text: str, reason: str) -> None:
    with pytest.raises(StoreError) as caught:
        imported(library, file, text)
    assert reason in str(caught.value)


def test_files_that_cannot_be_read_are_told(library: Library, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b'[{"id": 1, "caption": "gr\xfcn"}]')
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "latin"):
        with pytest.raises(StoreError, match="cannot be read"):
            library.moving_in.file(path)


@pytest.mark.parametrize("read_bytes", [1, 2, 7, 2**20])
def test_lists_are_read_in_pieces(file: Path, monkeypatch: pytest.MonkeyPatch, read_bytes: int) -> None:
    monkeypatch.setattr(file_import, "READ_BYTES", read_bytes)
    rows = [{"id": 12, "tags": ["a, ]", "ü", '"[\\']}, 1234, "56", [], {}, 7]
    for text in (
        json.dumps(rows),
        json.dumps(rows, indent=3, ensure_ascii=False),
        "\ufeff" + json.dumps(rows),
    ):
        file.write_text(text, encoding="utf-8")
        assert list(rows_of(file)) == rows
    file.write_text(" [ ] ", encoding="utf-8")
    assert list(rows_of(file)) == []


def test_a_run_that_is_stopped_says_so(library: Library, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_import, "GROUP", 2)
    stop = threading.Event()
    file.write_text(json.dumps([{"id": number, "tags": ["a"]} for number in range(1, 7)]), encoding="utf-8")
    report = library.moving_in.file(file, on_progress=lambda *_: stop.set(), stop=stop)
    assert (report.is_whole, report.said) == (False, 2)
