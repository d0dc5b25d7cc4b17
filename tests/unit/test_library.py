"""A library as programs use it: add, search, remove, check; nothing but the real parts."""

import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import ambience
from ambience.answers import Query
from ambience.datatypes import FeatureState, ImageState, Orientation, Verdict
from ambience.errors import (
    ImageError,
    ImageIdTakenError,
    LibraryLockedError,
    QueryError,
    SettingsError,
    StoreError,
    UnknownImageError,
    UnknownKindError,
)
from ambience.library import Library
from ambience.registry import names
from ambience.search.question import picture_of_nothing
from ambience.settings import Settings
from support.picture_samples import encoded
from support.silent import SILENT

KINDS = names("ambience.extract")


def jpeg(picture: Image.Image, quality: int = 80) -> bytes:
    return encoded(picture.convert("RGB"), "JPEG", quality=quality)


def flat(value: int) -> bytes:
    return jpeg(Image.new("RGB", (300, 200), (value, value, value)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(library=tmp_path / "library", annotate=SILENT)


@pytest.fixture
def library(settings: Settings, photographs: Path) -> Iterator[Library]:
    with ambience.open(settings=settings, writer=True) as opened:
        report = opened.add_paths([photographs])
        assert (report.added, report.failed) == (5, ())
        yield opened


@pytest.fixture
def chelsea(photographs: Path) -> Image.Image:
    with Image.open(photographs / "chelsea.png") as opened:
        return opened.convert("RGB")


def id_of(library: Library, name: str) -> int:
    return library.image_by_name(name)


def test_the_same_file_is_found_by_its_bytes(library: Library, photographs: Path) -> None:
    answer = library.search(Query(data=(photographs / "coffee.png").read_bytes()))
    best = answer.matches[0]
    assert (best.image_id, best.verdict, best.score) == (id_of(library, "coffee.png"), Verdict.SAME_FILE, 1.0)
    assert {each.kind for each in best.evidence} == {"sha256", *library.kinds}
    assert [(status.state, status.pending) for status in answer.kinds] == [("ok", 0)] * len(library.kinds)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_a_turned_small_copy_is_the_same_picture(
    library: Library, chelsea: Image.Image, quarter_turns: int, mirrored: bool
) -> None:
    pixels = np.asarray(chelsea.resize((chelsea.width // 2, chelsea.height // 2)))
    pixels = np.rot90(pixels, quarter_turns)
    pixels = pixels[:, ::-1] if mirrored else pixels
    best = library.search(Query(data=jpeg(Image.fromarray(np.ascontiguousarray(pixels))))).matches[0]
    assert (best.image_id, best.verdict) == (id_of(library, "chelsea.png"), Verdict.SAME_PICTURE)
    # The query mirrored first (if at all), then rotated counter-clockwise, is the stored picture.
    turned = pixels[:, ::-1] if best.orientation.mirrored else pixels
    turned = np.rot90(turned, best.orientation.rotation // 90)
    expected = np.asarray(chelsea.resize((turned.shape[1], turned.shape[0])))
    assert np.abs(turned.astype(int) - expected).mean() < 1
    assert best.orientation.mirrored is mirrored


def test_a_picture_of_the_same_colors_is_found_by_color(library: Library, chelsea: Image.Image) -> None:
    pixels = np.asarray(chelsea).reshape(-1, 3)
    shuffled = np.random.default_rng(0).permutation(pixels).reshape(chelsea.height, chelsea.width, 3)
    data = encoded(Image.fromarray(shuffled), "PNG")
    answer = library.search(Query(data=data), by=["color"])
    assert (answer.matches[0].image_id, answer.matches[0].verdict) == (
        id_of(library, "chelsea.png"),
        Verdict.SAME_COLORS,
    )
    assert answer.matches[0].score > 0.95
    by_hash = library.search(Query(data=data), by=["phash"])
    assert by_hash.matches == ()


def test_flat_pictures_are_no_copies_of_each_other(library: Library) -> None:
    white = library.add_image(flat(255), name="white")
    grey = library.add_image(flat(250), name="grey")
    assert white.duplicates == ()
    assert all(match.verdict is not Verdict.SAME_PICTURE for match in grey.duplicates)
    again = library.search(Query(data=flat(255))).matches[0]
    assert (again.image_id, again.verdict) == (white.image_id, Verdict.SAME_FILE)


def test_an_upload_names_its_copies_and_survives(
    library: Library, settings: Settings, chelsea: Image.Image
) -> None:
    data = jpeg(chelsea.rotate(90, expand=True))
    added = library.add_image(data, name="turned.jpg", tags=["cat"])
    assert [match.image_id for match in added.duplicates] == [id_of(library, "chelsea.png")]
    assert added.duplicates[0].orientation == Orientation(270, False)
    assert {state for state, _ in added.states.values()} == {FeatureState.DONE}
    assert {status.kind for status in added.asked} == {"local_features", "phash"}  # who can tell copies
    second = library.add_image(data, name="again.jpg")
    assert second.same_file_of == (added.image_id,)
    library.close()
    with ambience.open(settings=settings) as reader:
        record = reader.image(added.image_id)
        assert (record.name, record.tags, record.state) == ("turned.jpg", ("cat",), ImageState.PRESENT)
        assert reader.file_bytes(added.image_id) == (data, "jpeg")
        assert reader.search(Query(image_id=second.image_id)).matches[0].verdict is Verdict.SAME_FILE


def test_a_removed_upload_goes_to_the_trash_and_a_purged_one_for_ever(
    library: Library, chelsea: Image.Image
) -> None:
    data = jpeg(chelsea)
    first, second = (library.add_image(data, name=name).image_id for name in ("a", "b"))
    library.remove(first)
    assert library.file_bytes(second)[0] == data
    library.remove(second)
    trashed = [path for path in (library.folder / "trash").iterdir() if path.suffix != ".jsonl"]
    assert [path.read_bytes() for path in trashed] == [data]
    third = library.add_image(data, name="c").image_id
    assert third > second
    library.remove(third, purge=True)
    assert not list((library.folder / "files").glob("??/*"))
    with pytest.raises(UnknownImageError, match=f"image {third}"):
        library.image(third)
    assert library.check() == []


def test_files_added_in_place_are_never_touched(library: Library, photographs: Path) -> None:
    before = {path: path.read_bytes() for path in photographs.iterdir()}
    library.remove(id_of(library, "coffee.png"), purge=True)
    assert {path: path.read_bytes() for path in photographs.iterdir()} == before


def test_features_alone_under_given_ids(library: Library, photographs: Path) -> None:
    data = (photographs / "rocket.jpg").read_bytes()
    library.add_feature("phash", 7_000, data)
    library.add_feature("color", 7_000, data)
    assert library.image(7_000).state is ImageState.FEATURES_ONLY
    assert library.image(7_000).name == "7000.online"
    with pytest.raises(ImageIdTakenError):
        library.add_feature("phash", 7_000, data)
    with pytest.raises(ImageIdTakenError):
        library.add_feature("phash", 7_000, flat(3))
    ranking = library.search_kind("phash", Query(image_id=7_000), radius=0, turned=False)
    assert {hit.image_id for hit in ranking.hits} == {7_000, id_of(library, "rocket.jpg")}
    library.remove_feature("phash", 7_000)
    library.remove_feature("color", 7_000)
    with pytest.raises(UnknownImageError):
        library.image(7_000)


@pytest.mark.parametrize(
    ("k", "radius"), [(None, None), (3, 5.0), (0, None), (None, -1.0), (None, float("nan"))]
)
def test_exactly_one_sound_extent(library: Library, k: int | None, radius: float | None) -> None:
    with pytest.raises(QueryError):
        library.search_kind("phash", Query(image_id=1), k=k, radius=radius)


def test_k_beyond_the_collection_is_the_collection(library: Library) -> None:
    ranking = library.search_kind("color", Query(image_id=1), k=500)
    assert sorted(hit.image_id for hit in ranking.hits) == [1, 2, 3, 4, 5]
    assert ranking.hits[0].image_id == 1
    assert list(ranking.hits) == sorted(ranking.hits, key=lambda hit: (hit.distance, hit.image_id))


def test_what_cannot_be_asked_is_named(library: Library) -> None:
    with pytest.raises(UnknownKindError, match=rf"no kind 'phsh'; have {', '.join(KINDS)}"):
        library.search(Query(image_id=1), by=["phsh"])
    with pytest.raises(QueryError, match="query is empty"):
        library.search(Query())
    with pytest.raises(QueryError, match=r"\(color, phash\) none takes words"):
        library.search(Query(text="a cat"), by=["color", "phash"])
    with pytest.raises(QueryError, match="k = 0"):
        library.search(Query(image_id=1), k=0)
    with pytest.raises(QueryError, match=r"search\.max_k"):
        library.search(Query(image_id=1), k=10**9)
    with pytest.raises(ImageError, match=r"notes\.txt"):
        library.search(Query(data=b"just some notes", name="notes.txt"))
    for image_id in (-1, 2**53, 999):
        with pytest.raises(UnknownImageError, match=str(image_id)):
            library.search(Query(image_id=image_id))


def test_exclude_self_leaves_room_for_k_others(library: Library) -> None:
    library.add_image(library.file_bytes(1)[0], name="copy")
    matches = library.search(Query(image_id=1), k=1, by=["phash"], exclude_self=True).matches
    assert len(matches) == 1
    assert matches[0].image_id != 1


def test_copies_of_one_picture_are_folded_into_one_match(library: Library) -> None:
    data = library.file_bytes(1)[0]
    copies = [library.add_image(data, name=f"copy {number}").image_id for number in range(3)]
    plain = library.search(Query(data=data), by=["phash"])
    assert {1, *copies} <= {match.image_id for match in plain.matches}
    assert all(match.copies == () for match in plain.matches)
    whole = library.search(Query(data=data), by=["phash"], fold=True)
    assert {whole.matches[0].image_id, *whole.matches[0].copies} >= {1, *copies}
    assert {1, *copies}.isdisjoint(match.image_id for match in whole.matches[1:])
    plain = library.search(Query(data=data), k=1)
    with pytest.raises(QueryError, match="another question"):
        library.search(Query(data=data), k=1, fold=True, cursor=plain.next)


READER = """
import sys
import ambience
from ambience.answers import Query
from ambience.errors import LibraryLockedError

with ambience.open(sys.argv[1]) as reader:
    print(reader.info().images, flush=True)
    sys.stdin.readline()
    print(*[match.image_id for match in reader.search(Query(image_id=1), by=["phash"]).matches], flush=True)
    try:
        reader.remove(1)
    except LibraryLockedError as exc:
        print(exc)
"""


def test_a_reading_process_follows_the_writer(library: Library) -> None:
    command = [sys.executable, "-c", READER, str(library.folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "5\n"
        added = library.add_image(library.file_bytes(1)[0], name="new")
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == f"1 {added.image_id}\n"
        assert "opened for reading" in reader.stdout.readline()


def test_a_second_writer_is_refused_and_told_who_writes(library: Library, settings: Settings) -> None:
    with pytest.raises(LibraryLockedError, match="process"):
        ambience.open(settings=settings, writer=True)


def test_no_library_to_read_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="ambience add"):
        ambience.open(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_exact_features_live_in_a_space_of_their_own(
    library: Library, settings: Settings, photographs: Path
) -> None:
    library.close()
    exact = replace(settings, decode=replace(settings.decode, exact=True))
    with ambience.open(settings=exact, writer=True) as opened:
        opened.rebuild(features=True)
        assert all(info.entries == 5 for info in opened.info().kinds.values())
        assert all("exact" in info.spec.fingerprint for info in opened.info().kinds.values())
        query = Query(data=(photographs / "chelsea.png").read_bytes())
        assert opened.search_kind("phash", query, k=1).hits[0].distance == 0
        assert opened.check() == []
    with ambience.open(settings=settings) as before:
        assert before.search_kind("phash", query, k=1).hits[0].distance == 0


def test_thumbnails_are_small_jpegs(library: Library) -> None:
    picture = Image.open(io.BytesIO(library.thumbnail(1, 100)))
    assert (picture.format, max(picture.size)) == ("JPEG", 100)
    assert library.thumbnail(1, 100) == library.thumbnail(1, 100)
    for size in (0, -5, 100_000):
        with pytest.raises(QueryError, match="16 to 1024"):
            library.thumbnail(1, size)


def test_a_picture_whose_file_is_gone_is_still_searched_by_its_features(library: Library) -> None:
    path = library.file_path(3)
    path.unlink()
    matches = library.search(Query(image_id=3)).matches
    assert matches[0].image_id == 3
    with pytest.raises(UnknownImageError, match="is gone"):
        library.file_bytes(3)
    assert [(problem.code, problem.image_id) for problem in library.check()] == [("file_missing", 3)]


def test_a_closed_library_says_so(library: Library) -> None:
    library.close()
    library.close()
    for ask in (library.info, library.jobs, lambda: library.search(Query(data=flat(1)))):
        with pytest.raises(StoreError, match="closed; open the library again"):
            ask()


def test_an_opening_that_fails_keeps_nothing_open(library: Library, settings: Settings) -> None:
    library.close()
    wrong = replace(settings, kinds={"phash": {"index_lists": "many"}})
    with pytest.raises(SettingsError, match=r"kinds\.phash\.index\.lists"):
        ambience.open(settings=wrong, writer=True)
    assert (library.folder / "features" / "closed-cleanly.json").exists()
    with ambience.open(settings=settings, writer=True) as opened:
        assert opened.info().images == 5


def test_a_kind_that_is_switched_off_is_neither_made_nor_asked(settings: Settings, photographs: Path) -> None:
    off = replace(settings, kinds={"local_features": {"enabled": False}})
    with ambience.open(settings=off, writer=True) as library:
        library.add_paths([photographs])
        assert set(library.kinds) == set(library.info().kinds) == {*KINDS} - {"local_features"}
        assert set(library.image(id_of(library, "coffee.png")).features) == set(library.kinds)
        with pytest.raises(UnknownKindError, match=r"switched off \(kinds\.local_features\.enabled\)"):
            library.search(Query(image_id=1), by=["local_features"])
        assert library.check() == []


def test_at_least_one_kind_is_on(settings: Settings) -> None:
    none = {kind: {"enabled": "false"} for kind in KINDS}
    with pytest.raises(SettingsError, match="every kind is switched off"):
        ambience.open(settings=replace(settings, kinds=none), writer=True)
    with pytest.raises(SettingsError, match=r"kinds\.color\.enabled = 'perhaps' is not true or false"):
        ambience.open(settings=replace(settings, kinds={"color": {"enabled": "perhaps"}}), writer=True)


def test_warming_up_asks_every_kind_of_an_empty_library_and_leaves_nothing(settings: Settings) -> None:
    with ambience.open(settings=settings, writer=True) as library:
        questions = library._parts.spaces.view.questions
        question = questions.from_picture(picture_of_nothing(), kinds=tuple(library.kinds))
        assert all(not isinstance(found, Exception) for found in question.variants.values())
        library.warm_up()
        assert library.info().images == 0


RIGHT_HALF = (0.5, 0.0, 0.5, 1.0)


def test_a_region_finds_what_was_cut_out_of_it(library: Library, photographs: Path) -> None:
    """The right half of a stored picture, against a library that holds just that half as a file."""
    with Image.open(photographs / "chelsea.png") as opened:
        whole = opened.convert("RGB")
    half = library.add_image(jpeg(whole.crop((whole.width // 2, 0, whole.width, whole.height)), 95)).image_id
    chelsea = id_of(library, "chelsea.png")
    by_id = library.search(Query(image_id=chelsea, region=RIGHT_HALF))
    by_bytes = library.search(Query(data=(photographs / "chelsea.png").read_bytes(), region=RIGHT_HALF))
    for answer in (by_id, by_bytes):
        assert (answer.matches[0].image_id, answer.matches[0].verdict) == (half, Verdict.SAME_PICTURE)
        found = {match.image_id: match for match in answer.matches}
        assert found[chelsea].verdict is Verdict.PART
        assert all(match.verdict is not Verdict.SAME_FILE for match in answer.matches)
    alone = library.search_kind("phash", Query(image_id=chelsea, region=RIGHT_HALF), k=1, turned=False)
    assert alone.hits[0].image_id == half
    comparison = library.match(Query(image_id=chelsea, region=RIGHT_HALF), Query(image_id=half))
    assert comparison.match is not None and comparison.match.verdict is Verdict.SAME_PICTURE


def test_a_region_of_a_picture_whose_file_is_gone_cannot_be_asked(library: Library) -> None:
    library.file_path(3).unlink()
    with pytest.raises(UnknownImageError, match="is gone"):
        library.search(Query(image_id=3, region=RIGHT_HALF))


def test_pages_of_an_answer_hold_every_match_once(library: Library, chelsea: Image.Image) -> None:
    for side in (400, 300, 200):
        library.add_image(jpeg(chelsea.resize((side, side * 2 // 3))))
    query = Query(image_id=id_of(library, "chelsea.png"))
    every = [match.image_id for match in library.search(query, k=1000).matches]
    seen, cursor = [], None
    while True:
        answer = library.search(query, k=1, cursor=cursor)
        seen += [match.image_id for match in answer.matches]
        cursor = answer.next
        if cursor is None:
            break
    assert sorted(seen) == sorted(every)
    assert len(every) >= 4
    with pytest.raises(QueryError, match="another question"):
        library.search(query, by=["color"], cursor=library.search(query, k=1).next)


def test_an_upload_that_is_sent_again_under_its_id_changes_nothing(library: Library) -> None:
    first = library.add_image(flat(1), name="a.jpg", image_id=70, tags=["sea"])
    again = library.add_image(flat(1), name="b.jpg", image_id=70, tags=["hill"])
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.image_id, again.same_file_of, again.duplicates) == (70, (), ())
    assert (library.image(70).name, library.image(70).tags) == ("a.jpg", ("sea",))
    with pytest.raises(ImageIdTakenError):
        library.add_image(flat(200), image_id=70)
    with pytest.raises(ImageIdTakenError):  # a file of a folder, which is no upload
        library.add_image(library.file_bytes(1)[0], image_id=1)
    assert library.check() == []
