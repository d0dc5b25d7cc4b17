"""`ambience tags`: tags of people, and lists of words."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ambience
from ambience.errors import StoreError, UnknownImageError, VocabularyError
from ambience.serve.cli.session import Session
from ambience.serve.cli.tags import tags


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(overrides={"library": str(tmp_path / "library")})


def run(session: Session, *words: str) -> Any:
    """A command to its end; an error of ours is raised as it is, and standard output alone is the answer."""
    return CliRunner().invoke(tags, words, obj=session, catch_exceptions=False, standalone_mode=False)


def test_tags_of_people_are_set_and_shown(session: Session, photographs: Path) -> None:
    with ambience.open(settings=session.settings, writer=True) as library:
        library.add_image((photographs / "coffee.png").read_bytes(), tags=["old"])
        (image,) = library.list_images()
    place = str(image.image_id)
    assert run(session, "show", place).stdout == f"{place}: old\n"
    assert (
        run(session, "set", place, "winter,forest", "a b", "winter").stdout
        == f"{place}: winter, forest, a b\n"
    )
    assert json.loads(run(session, "show", place, "--json").stdout) == {place: ["a b", "forest", "winter"]}
    assert run(session, "set", place).stdout == f"{place}: (no tags of people)\n"
    assert run(session, "show", place).stdout == f"{place}: (no tags)\n"
    with pytest.raises(UnknownImageError):
        run(session, "set", "99", "x")


def test_lists_are_added_listed_and_removed(session: Session, tmp_path: Path) -> None:
    (tmp_path / "library").mkdir()
    words = tmp_path / "My Pets.txt"
    words.write_text("# ours\nRex\nTom the cat\n", encoding="utf-8")
    assert run(session, "vocabulary", "add", str(words)).stdout == "my-pets: 2 words\n"
    assert run(session, "vocabulary", "add", str(words), "--name", "pets").stdout == "pets: 2 words\n"
    shown = run(session, "vocabulary", "list").stdout
    assert "Tom the cat" in shown
    assert [each["name"] for each in json.loads(run(session, "vocabulary", "list", "--json").stdout)] == [
        "general",
        "places365",
        "my-pets",
        "pets",
    ]
    assert run(session, "vocabulary", "remove", "pets").stdout == "pets is removed\n"
    with pytest.raises(VocabularyError, match="lists of your own: my-pets"):
        run(session, "vocabulary", "remove", "pets")


def test_what_is_no_list_is_told_and_nothing_is_made(session: Session, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no library in"):
        run(session, "vocabulary", "list")
    assert not (tmp_path / "library").exists()
    (tmp_path / "library").mkdir()
    with pytest.raises(VocabularyError, match=r"gone\.txt cannot be read: No such file"):
        run(session, "vocabulary", "add", str(tmp_path / "gone.txt"))
    with pytest.raises(VocabularyError, match="Is a directory"):
        run(session, "vocabulary", "add", str(tmp_path))
    assert not (tmp_path / "library" / "vocabularies").exists()
