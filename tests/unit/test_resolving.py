"""Copies of a real library go to the trash and come back, whoever is killed in between."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from PIL import Image

import ambience
from ambience.copies import Choice, Outcome, Trashed, TrashRun
from ambience.datatypes import ImageState
from ambience.duplicates import resolving
from ambience.errors import LibraryLockedError, QueryError, StoreFullError, UnknownImageError
from ambience.library import Library
from ambience.settings import Settings
from ambience.store import trash
from ambience.store.base import PutImported
from ambience.store.trash import Stage, Trash
from support.silent import SILENT

OFF = {"enabled": False}
WHOLE, AGAIN, HALF, OTHER = 1, 2, 3, 4


def settings_at(folder: Path) -> Settings:
    kinds = {"global_features": OFF, "image_text_features": OFF, "local_features": OFF}
    return replace(Settings(library=folder), kinds=kinds, annotate=SILENT)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, shipped_photographs: Path) -> Path:
    """A folder with pictures, of which three are copies, and a library in which they were found."""
    folder = tmp_path_factory.mktemp("made")
    pictures = folder / "pictures"
    pictures.mkdir()
    with Image.open(shipped_photographs / "coffee.png") as opened:
        whole = opened.convert("RGB")
    whole.thumbnail((320, 320))
    whole.save(pictures / "1.coffee.png")
    shutil.copy(pictures / "1.coffee.png", pictures / "2.coffee_again.png")
    whole.resize((160, 120)).save(pictures / "3.coffee_half.jpg", quality=90)
    with Image.open(shipped_photographs / "chelsea.png") as opened:
        opened.convert("RGB").resize((200, 150)).save(pictures / "4.cat.png")
    with ambience.open(settings=settings_at(folder / "library"), writer=True) as library:
        library.add_paths([pictures], ids_from_names=True)
        library.find_duplicates()
    return folder


@pytest.fixture
def home(tmp_path: Path, made: Path) -> Path:
    """The same pictures and library; paths of the library are those of this copy."""
    shutil.copytree(made, tmp_path / "home")
    with ambience.open(settings=settings_at(tmp_path / "home" / "library"), writer=True) as library:
        shutil.move(made / "pictures", made / "away")  # so that the copies are met as moved
        try:
            library.add_paths([tmp_path / "home" / "pictures", made / "pictures"])
        finally:
            shutil.move(made / "away", made / "pictures")
        assert library.find_duplicates().pending == 0
    return tmp_path / "home"


@pytest.fixture
def pictures(home: Path) -> Path:
    return home / "pictures"


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with ambience.open(settings=settings_at(home / "library"), writer=True) as opened:
        yield opened


def outcomes(run: TrashRun) -> list[tuple[int, str, str]]:
    return [(step.image_id, step.outcome.value, step.reason) for step in run.steps]


def everything(library: Library) -> dict[int, tuple[object, ...]]:
    """Of each image what is to be the same after it was put away and brought back."""
    found = {}
    for record in library.list_images():
        words = library.words(record.image_id)
        said = (record.tags, [(each.text, each.source) for each in words.captions], words.source_url)
        file = (record.path, record.mtime_ns, record.sha256, record.state, record.name, record.is_upload)
        found[record.image_id] = (*file, *said)
    return found


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {each.name: (each.read_bytes(), each.stat().st_mtime_ns) for each in folder.iterdir()}


def test_copies_go_and_come_back_as_they_were(library: Library, pictures: Path) -> None:
    library.set_tags(WHOLE, ["cup"])
    library.set_tags(AGAIN, ["cup", "breakfast"])
    library.set_tags(HALF, ["small", "breakfast"])
    library.set_caption(HALF, "a cup of coffee")
    before, files_before = everything(library), files(pictures)

    run = library.resolve([Choice(WHOLE, (AGAIN, HALF))])
    assert outcomes(run) == [(AGAIN, "trashed", ""), (HALF, "trashed", "")]
    assert run.size == sum(len(files_before[name][0]) for name in ("2.coffee_again.png", "3.coffee_half.jpg"))
    assert set(files(pictures)) == {"1.coffee.png", "4.cat.png"}
    assert sorted(everything(library)) == [WHOLE, OTHER]
    assert library.image(WHOLE).tags == ("breakfast", "cup", "small")
    assert [each.text for each in library.words(WHOLE).captions] == ["a cup of coffee"]
    assert library.duplicates().groups == ()
    page = library.trashed()
    assert [(each.image_id, each.kept, each.name) for each in page.entries] == [
        (HALF, WHOLE, "3.coffee_half.jpg"),
        (AGAIN, WHOLE, "2.coffee_again.png"),
    ]
    assert (page.total, page.size) == (2, run.size)
    assert len({each.batch for each in page.entries}) == 1
    again = library.add_paths([pictures])
    assert (again.added, again.missing) == (0, 0)

    back = library.restore([each.entry for each in page.entries])
    assert outcomes(back) == [(HALF, "restored", ""), (AGAIN, "restored", "")]
    assert everything(library) == before
    assert files(pictures) == files_before
    assert library.trashed().total == 0
    assert library.find_duplicates().pending == 0
    assert [
        (group.keep, {each.image_id for each in group.members}) for group in library.duplicates().groups
    ] == [(WHOLE, {AGAIN, HALF})]
    again = library.add_paths([pictures])
    assert (again.added, again.updated, again.missing) == (0, 0, 0)


def test_tags_that_others_in_the_trash_gave_as_well_stay(library: Library) -> None:
    library.set_tags(AGAIN, ["breakfast"])
    library.set_tags(HALF, ["breakfast"])
    first, second = library.resolve([Choice(WHOLE, (AGAIN, HALF))]).steps
    assert first.entry is not None
    assert second.entry is not None
    library.restore([first.entry])
    assert library.image(WHOLE).tags == ("breakfast",)
    assert library.image(AGAIN).tags == ("breakfast",)


def test_what_an_imported_file_said_goes_along(library: Library) -> None:
    library._parts.store.submit(PutImported(HALF, ("old",), "from elsewhere", "https://example.org/1"))
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    words = library.words(WHOLE)
    assert ([each.text for each in words.tags], words.source_url) == (["old"], "https://example.org/1")
    assert step.entry is not None
    library.restore([step.entry])
    words = library.words(HALF)
    assert [each.text for each in words.tags] == ["old"]
    assert [each.text for each in words.captions] == ["from elsewhere"]
    assert words.source_url == "https://example.org/1"


def test_a_dry_run_changes_nothing(library: Library, pictures: Path, home: Path) -> None:
    before, files_before = everything(library), files(pictures)
    run = library.resolve([Choice(WHOLE, (AGAIN, HALF, OTHER))], is_dry_run=True)
    assert [step.outcome for step in run.steps] == [Outcome.WOULD_TRASH] * 2 + [Outcome.REFUSED]
    assert run.is_dry_run
    assert (everything(library), files(pictures)) == (before, files_before)
    assert not (home / "library" / "trash").exists()
    (step,) = library.resolve([Choice(WHOLE, (AGAIN,))]).steps
    assert step.entry is not None
    back = library.restore([step.entry], is_dry_run=True)
    assert [each.outcome for each in back.steps] == [Outcome.WOULD_RESTORE]
    assert library.trashed().total == 1


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (Choice(WHOLE, (OTHER,)), "it is not known as a copy of image 1"),
        (Choice(WHOLE, (99,)), "there is no such image"),
        (Choice(99, (AGAIN,)), "there is no image 99 to keep"),
    ],
)
def test_what_is_no_copy_stays(library: Library, pictures: Path, choice: Choice, reason: str) -> None:
    (step,) = library.resolve([choice]).steps
    assert (step.outcome, step.reason) == (Outcome.REFUSED, reason)
    assert len(files(pictures)) == 4


def test_pictures_that_people_told_apart_stay(library: Library) -> None:
    library.tell_apart(WHOLE, HALF)
    library.tell_apart(AGAIN, HALF)  # the same contents, said twice
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    assert step.outcome is Outcome.REFUSED


def test_another_of_the_group_can_be_kept(library: Library, pictures: Path) -> None:
    run = library.resolve([Choice(HALF, (WHOLE, AGAIN))])
    assert [step.outcome for step in run.steps] == [Outcome.TRASHED] * 2
    assert set(files(pictures)) == {"3.coffee_half.jpg", "4.cat.png"}


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("spoil", "name", "reason"),
    [
        (Path.unlink, "1.coffee.png", "the file that is to be kept is gone"),
        (change, "1.coffee.png", "the file that is to be kept was changed since it was added"),
        (Path.unlink, "3.coffee_half.jpg", "its file is gone"),
        (change, "3.coffee_half.jpg", "its file was changed since it was added"),
    ],
)
def test_nothing_goes_where_a_file_is_not_what_was_compared(
    library: Library, pictures: Path, spoil: Callable[[Path], None], name: str, reason: str
) -> None:
    spoil(pictures / name)
    left = files(pictures)
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    assert step.outcome is Outcome.REFUSED
    assert step.reason.startswith(reason)
    assert files(pictures) == left


def test_links_to_what_is_kept_stay(library: Library, pictures: Path) -> None:
    again = pictures / "2.coffee_again.png"
    again.unlink()
    again.hardlink_to(pictures / "1.coffee.png")
    half = pictures / "3.coffee_half.jpg"
    half.rename(pictures.parent / "elsewhere.jpg")
    half.symlink_to(pictures.parent / "elsewhere.jpg")
    run = library.resolve([Choice(WHOLE, (AGAIN, HALF))])
    assert [step.reason for step in run.steps] == [
        "it is the very file that is to be kept, under another name; nothing would be won",
        "its file is a symbolic link; remove it yourself",
    ]


def test_choices_that_contradict_each_other_are_refused_whole(library: Library, pictures: Path) -> None:
    with pytest.raises(QueryError, match="image 2 is to be kept and to be put away"):
        library.resolve([Choice(WHOLE, (AGAIN,)), Choice(AGAIN, (HALF,))])
    with pytest.raises(QueryError, match="image 3 is to be put away 2 times"):
        library.resolve([Choice(WHOLE, (HALF,)), Choice(AGAIN, (HALF,))])
    with pytest.raises(UnknownImageError):
        library.resolve([Choice(WHOLE, (-4,))])
    assert len(files(pictures)) == 4


def test_what_took_the_place_meanwhile_is_not_written_over(library: Library, pictures: Path) -> None:
    first, second = library.resolve([Choice(WHOLE, (AGAIN, HALF))]).steps
    assert first.entry is not None
    assert second.entry is not None
    (pictures / "2.coffee_again.png").write_text("mine")
    library.add_image((pictures / "4.cat.png").read_bytes(), image_id=HALF)
    run = library.restore([first.entry, second.entry, 77])
    assert [step.reason for step in run.steps] == [
        "there is another file in its place by now",
        "there is another image 3 by now",
        "there is no such entry in the trash",
    ]
    assert (pictures / "2.coffee_again.png").read_text() == "mine"
    assert library.trashed().total == 2


def test_a_folder_that_is_gone_is_made_again(library: Library, pictures: Path) -> None:
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    shutil.move(pictures, pictures.parent / "moved")
    assert step.entry is not None
    assert library.restore([step.entry]).steps[0].outcome is Outcome.RESTORED
    assert (pictures / "3.coffee_half.jpg").is_file()


def test_uploads_go_to_the_same_trash_and_come_back(library: Library, pictures: Path, home: Path) -> None:
    data = (pictures / "3.coffee_half.jpg").read_bytes() + b"\0"  # other bytes, the same picture
    added = library.add_image(data, name="mine.jpg", tags=["hot"]).image_id
    library.find_duplicates()
    (step,) = library.resolve([Choice(WHOLE, (added,))]).steps
    assert (step.outcome, library.image(WHOLE).tags) == (Outcome.TRASHED, ("hot",))
    digest = library.trashed().entries[0].sha256.hex()
    assert (home / "library" / "trash" / digest).read_bytes() == data
    assert step.entry is not None
    assert library.restore([step.entry]).steps[0].outcome is Outcome.RESTORED
    record = library.image(added)
    assert (record.name, record.tags, record.is_upload) == ("mine.jpg", ("hot",), True)
    assert not (home / "library" / "trash" / digest).exists()
    assert library.check() == []


def test_the_trash_is_emptied_of_what_is_old_enough(library: Library, home: Path) -> None:
    first, second = library.resolve([Choice(WHOLE, (AGAIN, HALF))]).steps
    assert library.empty_trash(older_than_s=3600).total == 0
    assert library.empty_trash(older_than_s=0, is_dry_run=True).total == 2
    assert library.trashed().total == 2
    gone = library.empty_trash(older_than_s=0)
    assert (gone.total, gone.size) == (2, first.size + second.size)
    assert library.trashed().total == 0
    assert [each.name for each in (home / "library" / "trash").iterdir()] == [trash.JOURNAL]
    assert first.entry is not None
    assert library.restore([first.entry]).steps[0].reason == "there is no such entry in the trash"
    assert library._parts.resolving._trash.next_entry() == 3  # numbers are never given twice
    with pytest.raises(QueryError):
        library.empty_trash(older_than_s=-1)


def test_uploads_of_the_same_bytes_keep_their_file_while_one_is_in_the_trash(
    library: Library, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = (pictures / "3.coffee_half.jpg").read_bytes() + b"\0"
    first, second = (library.add_image(data, image_id=image_id).image_id for image_id in (71, 72))
    library.find_duplicates()

    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) - timedelta(days=1)

    with monkeypatch.context() as earlier:
        earlier.setattr(resolving, "datetime", Yesterday)
        library.resolve([Choice(WHOLE, (first,))])
    library.resolve([Choice(WHOLE, (second,))])
    assert library.empty_trash(older_than_s=3600).total == 1
    (left,) = library.trashed().entries
    assert left.image_id == second
    assert library.restore([left.entry]).steps[0].outcome is Outcome.RESTORED
    assert library.file_bytes(second)[0] == data


def test_an_image_that_took_the_id_in_the_meantime_is_not_forgotten(
    library: Library, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    assert step.entry is not None
    data = (pictures / "4.cat.png").read_bytes()
    whole = Trash.note

    def note(trash: Trash, trashed: Trashed, stage: Stage) -> None:
        whole(trash, trashed, stage)
        if stage is Stage.COMING:
            library.add_image(data, image_id=HALF)

    monkeypatch.setattr(Trash, "note", note)
    assert library.restore([step.entry]).steps[0].reason == "it cannot be brought back: image_id_taken"
    assert library.image(HALF).is_upload
    assert library.trashed().total == 1


def test_a_file_that_took_the_place_after_a_kill_is_not_touched(
    home: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, file = settings_at(home / "library"), pictures / "3.coffee_half.jpg"
    data = file.read_bytes()
    with ambience.open(settings=settings, writer=True) as library:
        (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
        assert step.entry is not None
        with monkeypatch.context() as dying:
            kill_at(dying, Trash, "note", 1, after=True)
            with pytest.raises(Killed):
                library.restore([step.entry])
    file.write_bytes(data)  # the very same bytes, by somebody else
    with ambience.open(settings=settings, writer=True) as library:
        assert file.read_bytes() == data
        assert library.trashed().total == 1


def test_a_journal_with_nonsense_in_it_still_opens(library: Library, home: Path, pictures: Path) -> None:
    library.resolve([Choice(WHOLE, (AGAIN,))])
    library.close()
    with (home / "library" / "trash" / trash.JOURNAL).open("ab") as file:
        file.write(
            b'{"entry": "x", "stage": "in"}\n{"entry": 7, "stage": "going"}\n{"entry": 8}\n[1]\n\xff\n'
        )
    with ambience.open(settings=settings_at(home / "library"), writer=True) as opened:
        assert opened.trashed().total == 1
        (step,) = opened.resolve([Choice(WHOLE, (HALF,))]).steps
        assert step.outcome is Outcome.TRASHED


def test_readers_see_the_trash_and_change_nothing(library: Library, home: Path) -> None:
    library.resolve([Choice(WHOLE, (AGAIN,))])
    with ambience.open(settings=settings_at(home / "library")) as reader:
        assert reader.trashed().total == 1
        with pytest.raises(LibraryLockedError):
            reader.resolve([Choice(WHOLE, (HALF,))])
        with pytest.raises(LibraryLockedError):
            reader.restore([1])
        with pytest.raises(LibraryLockedError):
            reader.empty_trash(older_than_s=0)


def test_files_go_across_file_systems(
    library: Library, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(pictures)

    def refuse(*_paths: object, **_options: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    assert step.outcome is Outcome.TRASHED
    assert "3.coffee_half.jpg" not in files(pictures)
    assert step.entry is not None
    assert library.restore([step.entry]).steps[0].outcome is Outcome.RESTORED
    assert files(pictures) == before


def test_a_full_disk_leaves_everything_where_it_was(
    library: Library, pictures: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(pictures)

    def refuse(_source: Path, target: Path, **_options: object) -> None:
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    def cross(*_paths: object, **_options: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", cross)
    monkeypatch.setattr(shutil, "copy2", refuse)
    with pytest.raises(StoreFullError):
        library.resolve([Choice(WHOLE, (HALF,))])
    assert files(pictures) == before
    assert library.trashed().total == 0
    left = [each for each in (home / "library" / "trash").rglob("*") if each.is_file()]
    assert [each.name for each in left] == [trash.JOURNAL]


class Killed(BaseException):
    """Stands for the death of the process: nothing after it runs."""


def kill_at(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, call: int, *, after: bool) -> None:
    """Ends the run at some call of a function, before or after it did its work."""
    done = 0
    whole = getattr(owner, name)

    def deadly(*given: object, **named: object) -> object:
        nonlocal done
        done += 1
        if done == call and not after:
            raise Killed
        result = whole(*given, **named)
        if done == call:
            raise Killed
        return result

    monkeypatch.setattr(owner, name, deadly)


DEATHS = [
    (owner, name, call, after)
    for owner, name, calls in (
        (Trash, "note", 2),
        (Trash, "move_in", 1),
        (os, "link", 1),
        (Path, "unlink", 1),
    )
    for call in range(1, calls + 1)
    for after in (False, True)
]


@pytest.mark.parametrize(("owner", "name", "call", "after"), DEATHS)
def test_whoever_is_killed_while_putting_away_a_picture_is_in_one_place(
    home: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    call: int,
    after: bool,
) -> None:
    data = (pictures / "3.coffee_half.jpg").read_bytes()
    settings = settings_at(home / "library")
    with ambience.open(settings=settings, writer=True) as library:
        library.set_tags(HALF, ["small"])
        with monkeypatch.context() as dying:
            kill_at(dying, owner, name, call, after=after)
            with pytest.raises(Killed):
                library.resolve([Choice(WHOLE, (HALF,))])
    with ambience.open(settings=settings, writer=True) as library:
        entries = library.trashed().entries
        if entries:
            assert not (pictures / "3.coffee_half.jpg").exists()
            assert HALF not in everything(library)
            assert library.image(WHOLE).tags == ("small",)
            assert library.restore([entries[0].entry]).steps[0].outcome is Outcome.RESTORED
        assert (pictures / "3.coffee_half.jpg").read_bytes() == data
        assert library.image(HALF).state is ImageState.PRESENT
        assert library.image(HALF).tags == ("small",)
        assert library.image(WHOLE).tags == ()
        assert library.check() == []
    in_trash = [each for each in (home / "library" / "trash").rglob("*") if each.is_file()]
    assert [each.name for each in in_trash] in ([], [trash.JOURNAL])


COMING = [
    (owner, name, call, after)
    for owner, name, calls in (
        (Trash, "note", 2),
        (Trash, "move_back", 1),
        (os, "link", 1),
        (Path, "unlink", 1),
    )
    for call in range(1, calls + 1)
    for after in (False, True)
]


@pytest.mark.parametrize(("owner", "name", "call", "after"), COMING)
def test_whoever_is_killed_while_bringing_back_a_picture_is_in_one_place(
    home: Path,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    call: int,
    after: bool,
) -> None:
    data = (pictures / "3.coffee_half.jpg").read_bytes()
    settings = settings_at(home / "library")
    with ambience.open(settings=settings, writer=True) as library:
        library.set_tags(HALF, ["small"])
        (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
        assert step.entry is not None
        with monkeypatch.context() as dying:
            kill_at(dying, owner, name, call, after=after)
            with pytest.raises(Killed):
                library.restore([step.entry])
    with ambience.open(settings=settings, writer=True) as library:
        if library.trashed().total:
            assert not (pictures / "3.coffee_half.jpg").exists()
            assert HALF not in everything(library)
            assert library.image(WHOLE).tags == ("small",)
            assert library.restore([step.entry]).steps[0].outcome is Outcome.RESTORED
        assert (pictures / "3.coffee_half.jpg").read_bytes() == data
        assert library.image(HALF).tags == ("small",)
        assert library.image(WHOLE).tags == ()
        assert library.check() == []
    in_trash = [each for each in (home / "library" / "trash").rglob("*") if each.is_file()]
    assert [each.name for each in in_trash] == [trash.JOURNAL]


def test_a_line_that_was_cut_off_is_passed_over(library: Library, home: Path) -> None:
    library.resolve([Choice(WHOLE, (AGAIN,))])
    journal = home / "library" / "trash" / trash.JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"entry": 2, "stage": "goi')
    (step,) = library.resolve([Choice(WHOLE, (HALF,))]).steps
    assert (step.entry, library.trashed().total) == (2, 2)
    lines = journal.read_bytes().splitlines()
    assert [json.loads(line)["stage"] for line in lines if line.endswith(b"}")] == ["going", "in"] * 2
