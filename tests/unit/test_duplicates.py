"""Duplicates of a real library: found once, kept up with, told apart for ever; broken files are made anew."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

import ambience
from ambience.copies import PAIRED
from ambience.datatypes import Orientation, Verdict
from ambience.errors import IndexFileError, LibraryLockedError, QueryError, UnknownImageError
from ambience.library import Library
from ambience.settings import Settings
from support.silent import SILENT

NAMES = ("astronaut.png", "coffee.png", "chelsea.png")
OFF = {"enabled": False}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory, shipped_photographs: Path) -> Path:
    """Three photographs: each as it is, its bytes again, smaller, brighter, and a part of it."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in NAMES:
        with Image.open(shipped_photographs / name) as opened:
            whole = opened.convert("RGB")
        whole.thumbnail((420, 420))
        width, height = whole.size
        stem = name.partition(".")[0]
        whole.save(folder / f"{stem}.png")
        shutil.copy(folder / f"{stem}.png", folder / f"{stem}_again.png")
        whole.resize((width // 2, height // 2)).save(folder / f"{stem}_half.jpg", quality=85)
        ImageEnhance.Brightness(whole).enhance(1.3).save(folder / f"{stem}_bright.jpg", quality=90)
        middle = (width // 5, height // 5, width * 4 // 5, height * 4 // 5)
        whole.crop(middle).save(folder / f"{stem}_part.png")
    return folder


def settings_at(folder: Path) -> Settings:
    kinds = {"global_features": OFF, "image_text_features": OFF}
    return replace(Settings(library=folder), kinds=kinds, annotate=SILENT)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """Folder of a library whose duplicates were found; tests copy it."""
    folder = tmp_path_factory.mktemp("found") / "library"
    with ambience.open(settings=settings_at(folder), writer=True) as library:
        library.add_paths([pictures])
        report = library.find_duplicates()
        assert (report.compared, report.pending) == (2 * 15, 0)
    return folder


@pytest.fixture
def library(tmp_path: Path, found: Path) -> Iterator[Library]:
    shutil.copytree(found, tmp_path / "library")
    with ambience.open(settings=settings_at(tmp_path / "library"), writer=True) as opened:
        yield opened


def groups(library: Library, *verdicts: Verdict) -> dict[str, dict[str, str]]:
    """By the name of what is kept: the names of its copies, and what they are."""
    page = library.duplicates(verdicts=verdicts)
    assert page.next is None
    assert page.total == len(page.groups)
    names = {record.image_id: record.name for record in library.list_images()}
    return {
        names[group.keep]: {names[each.image_id]: each.verdict.value for each in group.members}
        for group in page.groups
    }


def test_every_copy_is_found_with_the_best_one_to_keep(library: Library) -> None:
    by_picture = groups(library)
    assert {name.partition(".")[0].removesuffix("_again") for name in by_picture} == {
        name.partition(".")[0] for name in NAMES
    }
    for keep, members in by_picture.items():
        stem = keep.partition(".")[0].removesuffix("_again")
        assert keep in (f"{stem}.png", f"{stem}_again.png")
        (again,) = {f"{stem}.png", f"{stem}_again.png"} - {keep}
        assert members.pop(again) == "same_file"
        assert set(members) == {f"{stem}_half.jpg", f"{stem}_bright.jpg"}
        assert set(members.values()) <= {"same_picture", "edited"}


def test_parts_are_found_where_they_are_asked_for(library: Library) -> None:
    for keep, members in groups(library, *PAIRED).items():
        stem = keep.partition(".")[0].removesuffix("_again")
        assert members[f"{stem}_part.png"] == "part"
    assert all(set(each.values()) == {"part"} for each in groups(library, Verdict.PART).values())


def test_what_was_compared_is_not_compared_again_and_new_pictures_are(
    library: Library, pictures: Path, tmp_path: Path
) -> None:
    assert library.find_duplicates().compared == 0
    new = tmp_path / "new" / "smaller.jpg"
    new.parent.mkdir()
    with Image.open(pictures / "coffee.png") as opened:
        opened.resize((150, 100)).save(new, quality=80)
    library.add_paths([new])
    assert library.duplicates().pending == 1
    told: list[tuple[str, int, int]] = []
    report = library.find_duplicates(on_progress=lambda *said: told.append(said))
    assert (report.compared, report.pending) == (2, 0)
    assert told == [("phash", 1, 1), ("local_features", 1, 1)]
    kept = next(keep for keep, members in groups(library).items() if "smaller.jpg" in members)
    assert kept.startswith("coffee")


def test_pages_by_rising_id(library: Library) -> None:
    whole = library.duplicates()
    assert [group.group_id for group in whole.groups] == sorted(group.group_id for group in whole.groups)
    paged, after = [], -1
    for _ in range(3):
        page = library.duplicates(after=after, limit=1)
        paged += page.groups
        after = page.next if page.next is not None else 2**53 - 1
    assert tuple(paged) == whole.groups
    assert library.duplicates(after=after, limit=1).groups == ()


def test_what_is_told_apart_stays_apart(library: Library, found: Path, tmp_path: Path) -> None:
    group = library.duplicates().groups[0]
    other = next(each.image_id for each in group.members if each.verdict is not Verdict.SAME_FILE)
    library.tell_apart(group.keep, other)
    assert other not in {each.image_id for each in library.duplicates().groups[0].members}
    library.tell_apart(other, group.keep, is_different=False)
    assert library.duplicates().groups[0] == group
    library.tell_apart(other, group.keep)
    record = library.image(other)
    library.remove(other)
    assert record.path is not None
    library.add_paths([Path(record.path)])  # as a new image, with the same bytes
    library.find_duplicates()
    (again,) = {each.image_id for each in library.list_images() if each.sha256 == record.sha256}
    assert again not in {each.image_id for each in library.duplicates().groups[0].members}


def test_a_removed_picture_leaves_its_group_at_once(library: Library) -> None:
    group = library.duplicates().groups[0]
    for each in group.members[1:]:
        library.remove(each.image_id)
    (first, *_) = library.duplicates().groups
    assert (first.keep, first.members) == (group.keep, group.members[:1])


def test_a_broken_file_of_pairs_is_made_anew(tmp_path: Path, found: Path) -> None:
    folder = tmp_path / "library"
    shutil.copytree(found, folder)
    for old in (folder / "index").glob("copies.sqlite*"):
        old.unlink()
    (folder / "index" / "copies.sqlite").write_bytes(b"no database" * 1000)
    with ambience.open(settings=settings_at(folder), writer=True) as library:
        with pytest.raises(IndexFileError, match="made anew"):
            library.find_duplicates()
        assert library.duplicates().pending == 15
        assert library.find_duplicates().pending == 0
        assert len(groups(library)) == 3


def test_a_reader_lists_and_changes_nothing(library: Library) -> None:
    with ambience.open(settings=library.settings) as reader:
        assert reader.duplicates() == library.duplicates()
        with pytest.raises(LibraryLockedError):
            reader.find_duplicates()
        with pytest.raises(LibraryLockedError):
            reader.tell_apart(1, 2)


def test_stopping_keeps_what_was_compared(tmp_path: Path, pictures: Path) -> None:
    import threading

    with ambience.open(settings=settings_at(tmp_path / "library"), writer=True) as library:
        library.add_paths([pictures])
        stop = threading.Event()
        report = library.find_duplicates(on_progress=lambda *_: stop.set(), stop=stop)
        assert (report.compared, report.pending) == (15, 15)
        assert library.find_duplicates().compared == 15


def test_refusals_say_what_is_wrong(library: Library) -> None:
    group = library.duplicates().groups[0]
    same = next(each.image_id for each in group.members if each.verdict is Verdict.SAME_FILE)
    with pytest.raises(QueryError, match="same bytes"):
        library.tell_apart(group.keep, same)
    with pytest.raises(UnknownImageError, match="999"):
        library.tell_apart(group.keep, 999)
    with pytest.raises(QueryError, match=r"look_alike.*same_file"):
        library.duplicates(verdicts=[Verdict.LOOK_ALIKE])
    with pytest.raises(QueryError, match="limit = 0"):
        library.duplicates(limit=0)


def test_turned_copies_say_how(library: Library, pictures: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.mkdir()
    with Image.open(pictures / "coffee.png") as opened:
        opened.transpose(Image.Transpose.ROTATE_90).save(new / "turned.png")
        opened.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((150, 100)).save(new / "mirrored.png")
    library.add_paths([new])
    library.find_duplicates()
    names = {record.image_id: record.name for record in library.list_images()}
    told = {
        (names[group.keep], names[each.image_id]): each.orientation
        for group in library.duplicates().groups
        for each in group.members
    }
    ((kept, turned),) = [(pair, how) for pair, how in told.items() if "turned.png" in pair]
    assert turned == (Orientation(90) if kept[1] == "turned.png" else Orientation(270))
    assert next(how for pair, how in told.items() if pair[1] == "mirrored.png") in (
        Orientation(0, True),
        Orientation(90, True),  # of the turned one, where that is kept
        Orientation(270, True),
    )


def test_pairs_of_what_is_gone_are_forgotten_and_found_again(
    tmp_path: Path, found: Path, pictures: Path
) -> None:
    shutil.copytree(found, tmp_path / "library")
    settings = settings_at(tmp_path / "library")
    with ambience.open(settings=settings, writer=True) as library:
        (half,) = (each for each in library.list_images() if each.name == "coffee_half.jpg")
        before = library.find_duplicates().pairs
        library.remove(half.image_id)
    with ambience.open(settings=settings, writer=True) as library:
        left = library.find_duplicates().pairs
        assert left < before
        library.add_paths([pictures / "coffee_half.jpg"])
        assert library.find_duplicates().pairs == before
        assert any("coffee_half.jpg" in members for members in groups(library).values())
