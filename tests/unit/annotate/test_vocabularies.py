"""Lists of words: what of a file counts, what is refused, and that a list is kept whole."""

import os
from pathlib import Path

import pytest

from ambience.annotate._vocabularies import (
    MAX_BYTES,
    MAX_WORDS,
    Vocabularies,
    built_in,
    parsed_words,
    readable,
)
from ambience.errors import SettingsError, VocabularyError


def test_words_are_one_a_line_and_once() -> None:
    data = "\ufeff# mine\n Rex  the\tdog \r\n\nСобака\nrex the DOG\n海滩\ncafe\u0301\n  # no word\n".encode()
    assert parsed_words(data, "list.txt") == ("Rex the dog", "Собака", "海滩", "café")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "holds 0 words"),
        (b"# only\n\n", "holds 0 words"),
        ("ä".encode("latin-1"), r"no text in UTF-8 \(byte 0\)"),
        (b"dog\n\x00\x01\x02\n", "line 2 of list.txt is '.*', which is no word"),
        ("dog\na\u202eb\n".encode(), "line 2 of list.txt"),
        (b"!!!\n", "line 1 of list.txt is '!!!'"),
        (b"a" * 101, "has 101 letters"),
        (b"a" * (MAX_BYTES + 1), "1,000,001 bytes"),
        ("\n".join(map(str, range(MAX_WORDS + 1))).encode(), "holds 10,001 words"),
    ],
)
def test_what_is_no_list_is_refused_with_its_place(data: bytes, said: str) -> None:
    with pytest.raises(VocabularyError, match=said):
        parsed_words(data, "list.txt")


def test_lists_that_come_along_can_be_read_by_people() -> None:
    general, places = built_in("general"), built_in("places365")
    assert len(general.words) > 400
    assert {"dog", "beach", "living room", "birthday"} <= set(general.words)
    assert len(places.words) == 365
    assert readable("bakery/shop") in places.words
    assert not any("_" in word or "/" in word for word in places.words)


def test_a_library_keeps_its_own_lists(tmp_path: Path) -> None:
    lists = Vocabularies(tmp_path)
    assert [each.name for each in lists.all()] == ["general", "places365"]
    assert [each.name for each in lists.chosen(())] == ["general"]
    made = lists.add("pets", ("Rex", "my cat"))
    assert [each.name for each in Vocabularies(tmp_path).chosen(())] == ["general", "pets"]
    assert Vocabularies(tmp_path).chosen(["pets"]) == [made]
    assert [place.name for place in (tmp_path / "vocabularies").iterdir()] == ["pets.txt"]
    lists.remove("pets")
    assert [each.name for each in lists.chosen(())] == ["general"]
    assert list((tmp_path / "vocabularies").iterdir()) == []


def test_a_changed_list_is_another_one_for_whoever_has_read_it(tmp_path: Path) -> None:
    reader, writer = Vocabularies(tmp_path), Vocabularies(tmp_path)
    writer.add("pets", ("Rex",))
    (before,) = reader.chosen(["pets"])
    writer.add("pets", ("Rex", "Tom"))
    (after,) = reader.chosen(["pets"])
    assert after.words == ("Rex", "Tom")
    assert after.digest != before.digest
    assert reader.chosen(["pets"])[0] is after  # not read again


@pytest.mark.parametrize(
    "name", ["", "user", "general", "starter", "siglip2-b32-256", "a b", "../x", "Ä", "a" * 41, "-a"]
)
def test_names_that_would_be_mistaken_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VocabularyError, match="is no name for a list"):
        Vocabularies(tmp_path).add(name, ("dog",))
    assert not (tmp_path / "vocabularies").exists()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    lists = Vocabularies(tmp_path)
    with pytest.raises(SettingsError, match=r"names 'pets'; have general, places365"):
        lists.chosen(["pets"])
    with pytest.raises(VocabularyError, match="'pets' is not there"):
        lists.remove("pets")
    with pytest.raises(VocabularyError, match="'general' comes with Ambience"):
        lists.remove("general")
    with pytest.raises(VocabularyError, match="belong to a library"):
        Vocabularies(None).add("pets", ("Rex",))
    assert [each.name for each in Vocabularies(None).all()] == ["general", "places365"]


def test_a_damaged_list_says_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "vocabularies"
    folder.mkdir()
    (folder / "pets.txt").write_bytes(b"\xff\xfe\x00")
    (folder / "pets.txt.part").write_bytes(b"what a kill left")
    (folder / "No List.txt").write_bytes(b"\xff")
    with pytest.raises(VocabularyError, match=r"vocabularies.pets\.txt is no text"):
        Vocabularies(tmp_path).all()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "vocabularies").write_text("a file in the folder's place", encoding="utf-8")
    with pytest.raises(VocabularyError, match="the list pets is not kept"):
        Vocabularies(tmp_path).add("pets", ("Rex",))
    assert os.listdir(tmp_path) == ["vocabularies"]  # noqa: PTH208 -- a list of names
