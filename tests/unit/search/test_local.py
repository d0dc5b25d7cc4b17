import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from ambience.datatypes import Orientation, RgbImage, Verdict
from ambience.errors import QueryError, UnknownImageError
from support.local_library import LocalLibrary, picture_of, saved, variant_of
from support.point_samples import chosen, random_keypoints

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg")


def _pixels(folder: Path, name: str) -> RgbImage:
    with Image.open(folder / name) as file:
        small = file.convert("RGB")
        small.thumbnail((400, 400))
        return np.asarray(small)


@pytest.fixture
def library(tmp_path: Path, shipped_photographs: Path) -> Iterator[LocalLibrary]:
    """Five photographs, whose ids follow the order of `NAMES`."""
    with LocalLibrary(tmp_path / "library") as opened:
        for name in NAMES:
            opened.put_file(saved(_pixels(shipped_photographs, name), tmp_path))
        yield opened


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[LocalLibrary]:
    with LocalLibrary(tmp_path / "library") as opened:
        yield opened


@pytest.fixture
def cat(shipped_photographs: Path) -> RgbImage:
    return _pixels(shipped_photographs, "chelsea.png")


def _id(library: LocalLibrary, name: str) -> int:
    return library.store.records.list_images(limit=10)[NAMES.index(name)].image_id


def test_the_same_picture_is_found_alone_and_named(library: LocalLibrary, cat: RgbImage) -> None:
    ranking = library.ask(picture_of(cat))

    (hit,) = ranking.hits
    assert hit.image_id == _id(library, "chelsea.png")
    assert hit.verdict == Verdict.SAME_PICTURE
    assert hit.orientation == Orientation()
    assert hit.distance < 1e-60
    assert hit.geometry is not None
    assert hit.geometry.correlation == pytest.approx(1.0, abs=0.01)
    assert np.abs(np.array(hit.geometry.transform) - np.eye(3)).max() < 0.5


def test_a_mirrored_crop_is_a_part_and_says_where(library: LocalLibrary, cat: RgbImage) -> None:
    (hit,) = library.ask(picture_of(cat[60:220, 100:300][:, ::-1])).hits

    assert hit.verdict == Verdict.PART
    assert hit.orientation == Orientation(0, True)
    assert hit.geometry is not None
    assert hit.geometry.is_copy
    expected = np.array([[300, 60], [100, 60], [100, 220], [300, 220]])
    assert np.abs(np.array(hit.geometry.query_in_image) - expected).max() < 3


def test_a_quarter_turn_is_named(library: LocalLibrary, cat: RgbImage) -> None:
    """The query was turned counter-clockwise by 90°; to match, it is turned on by 270°."""
    (hit,) = library.ask(picture_of(np.rot90(cat))).hits

    assert hit.orientation == Orientation(270, False)
    assert hit.verdict == Verdict.SAME_PICTURE


def test_a_painted_picture_is_an_edited_one(library: LocalLibrary, cat: RgbImage) -> None:
    painted = cat.copy()
    painted[100:200, 150:330] = 200
    (hit,) = library.ask(picture_of(painted)).hits

    assert hit.verdict == Verdict.EDITED


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_query_is_refused_by_the_extractor_or_finds_nothing(
    library: LocalLibrary, value: int
) -> None:
    blank = random_keypoints(0, 0)

    assert library.search.by_variants([variant_of(blank)], k=5).hits == ()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_query_of_a_few_points_finds_nothing(library: LocalLibrary, cat: RgbImage, count: int) -> None:
    points = chosen(library.extractor.keypoints(picture_of(cat), 512, 50), np.arange(count))

    assert library.search.by_variants([variant_of(points)], k=5).hits == ()


def test_noise_finds_nothing(library: LocalLibrary) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)

    assert library.ask(picture_of(noise)).hits == ()


def test_an_empty_library_answers_nothing(empty: LocalLibrary, cat: RgbImage) -> None:
    assert empty.ask(picture_of(cat)).hits == ()


def test_a_stored_picture_finds_itself_and_its_mirror_image(
    library: LocalLibrary, cat: RgbImage, tmp_path: Path
) -> None:
    mirrored = library.put_file(saved(np.ascontiguousarray(cat[:, ::-1]), tmp_path))
    original = _id(library, "chelsea.png")
    ranking = library.search.by_variants([library.search.stored_variant(original)], k=5)

    assert [hit.image_id for hit in ranking.hits] == [original, mirrored]
    assert [hit.orientation.mirrored for hit in ranking.hits] == [False, True]


def test_a_stored_picture_hints_at_its_copies_and_not_at_itself(
    library: LocalLibrary, cat: RgbImage, tmp_path: Path
) -> None:
    assert not any(
        library.search.has_hints(image.image_id) for image in library.store.records.list_images(limit=10)
    )
    part = library.put_file(saved(np.ascontiguousarray(cat[40:260, 60:330, :][:, ::-1]), tmp_path))

    assert library.search.has_hints(part)
    assert library.search.has_hints(_id(library, "chelsea.png"))
    assert not library.search.has_hints(_id(library, "rocket.jpg"))
    with pytest.raises(UnknownImageError):
        library.search.has_hints(10**6)


def test_an_image_without_features_has_no_stored_variant(library: LocalLibrary) -> None:
    with pytest.raises(UnknownImageError, match="999"):
        library.search.stored_variant(999)


@pytest.mark.parametrize("extent", [{}, {"k": 0}, {"radius": -1.0}, {"k": 1, "radius": 1.0}])
def test_an_extent_that_makes_no_sense_is_refused(library: LocalLibrary, extent: dict[str, float]) -> None:
    with pytest.raises(QueryError):
        library.search.by_variants([variant_of(random_keypoints(0, 5))], **extent)  # type: ignore[arg-type]


def test_a_radius_is_a_chance(library: LocalLibrary, cat: RgbImage) -> None:
    variants = library.extractor.query_variants(picture_of(cat))

    assert len(library.search.by_variants(variants, radius=1e-30).hits) == 1
    assert library.search.by_variants(variants, radius=0.0).hits == ()


def test_only_what_is_allowed_is_answered(library: LocalLibrary, cat: RgbImage) -> None:
    allowed = library.index.ids()[2:]
    variants = library.extractor.query_variants(picture_of(cat))

    assert library.search.by_variants(variants, k=5, allowed=allowed, picture=picture_of(cat)).hits == ()


def test_a_file_that_vanished_leaves_a_hit_that_claims_no_copy(
    library: LocalLibrary, cat: RgbImage, tmp_path: Path
) -> None:
    image_id = _id(library, "chelsea.png")
    path = library.store.records.image(image_id).path
    assert path is not None
    Path(path).unlink()
    (hit,) = library.ask(picture_of(cat)).hits

    assert hit.image_id == image_id
    assert hit.geometry is not None
    assert hit.geometry.is_copy is None
    assert hit.geometry.correlation is None
    assert hit.verdict == Verdict.SAME_SCENE


def test_second_looks_pass_over_files_that_are_gone(library: LocalLibrary, cat: RgbImage) -> None:
    """A tiny part, of which nothing is sure: candidates' files are wanted, and not there."""
    for record in library.store.records.list_images(limit=10):
        assert record.path is not None
        Path(record.path).unlink()

    ranking = library.ask(picture_of(cat[100:150, 100:150]))
    assert all(hit.geometry is not None and hit.geometry.is_copy is None for hit in ranking.hits)


def test_a_second_look_finds_what_stored_points_do_not(
    tmp_path: Path, shipped_photographs: Path, cat: RgbImage
) -> None:
    crop = picture_of(cat[90:170, 130:230])
    found = []
    for second_tries in (False, True):
        with LocalLibrary(tmp_path / str(second_tries), second_tries=second_tries, accept=40.0) as opened:
            for name in NAMES:
                opened.put_file(saved(_pixels(shipped_photographs, name), tmp_path))
            found.append(len(opened.ask(crop).hits))

    assert found == [0, 1]


def test_features_whose_bytes_are_broken_are_passed_over(library: LocalLibrary, cat: RgbImage) -> None:
    feature = int(
        library.store.records.feature_ids(library.spec.fingerprint, [_id(library, "chelsea.png")])[0]
    )
    library.store.features.delete(library.spec.fingerprint, [feature])

    assert library.ask(picture_of(cat)).hits == ()
    assert feature in library.broken


@pytest.mark.parametrize(
    ("place", "byte"), [(0, 9), (2, 0), (3, 255), (3, 0), (16, 0), (17, 255), (9_000, 77)]
)
def test_a_blob_that_was_tampered_with_is_reported_and_never_answered(
    library: LocalLibrary, cat: RgbImage, place: int, byte: int
) -> None:
    """Form, count, a size that is no number any more, a descriptor."""
    fingerprint = library.spec.fingerprint
    feature = int(library.store.records.feature_ids(fingerprint, [_id(library, "chelsea.png")])[0])
    key = feature.to_bytes(8, "big")
    environment = library.store.features._environment
    with environment.reading(fingerprint) as (transaction, database):
        value = bytearray(transaction.get(key, db=database))
    value[place] = byte if value[place] != byte else byte ^ 1
    environment.write({fingerprint: [(key, bytes(value))]}, {})

    assert library.ask(picture_of(cat)).hits == ()
    assert feature in library.broken


def test_pictures_of_text_that_share_words_are_no_copies(empty: LocalLibrary, tmp_path: Path) -> None:
    first = _page(["The quick brown fox jumps", "over the lazy dog at noon", "while it rains in Spain"])
    second = _page(["Nothing here is as it was", "over the lazy dog at noon", "and never will be again"])
    empty.put_file(saved(first, tmp_path))
    ranking = empty.ask(picture_of(second))

    assert all(hit.verdict != Verdict.SAME_PICTURE for hit in ranking.hits)
    assert [hit.verdict for hit in empty.ask(picture_of(first)).hits] == [Verdict.SAME_PICTURE]


def test_all_of_many_copies_are_found(empty: LocalLibrary) -> None:
    """A list of ten neighbours holds ten of a hundred copies."""
    picture = random_keypoints(0, 60)
    rng = np.random.default_rng(0)
    strangers = [(None, random_keypoints(seed, 60)) for seed in range(1, 100)]
    copies = [(None, chosen(picture, rng.permutation(60)[:50])) for _ in range(100)]
    stranger_ids = empty.put(strangers)
    copy_ids = empty.put(copies)
    ranking = empty.search.by_variants([variant_of(picture)], k=150)

    assert {hit.image_id for hit in ranking.hits} == set(copy_ids)
    assert not {hit.image_id for hit in ranking.hits} & set(stranger_ids)


def test_a_query_identical_to_many_is_answered_in_bounded_time(empty: LocalLibrary) -> None:
    picture = random_keypoints(0, 24)
    ids = empty.put([(None, picture)] * 1_500)
    started = time.process_time()
    few = empty.search.by_variants([variant_of(picture)], k=20)
    everything = empty.search.by_variants([variant_of(picture)], radius=1.0)

    assert len(few.hits) == 20
    assert [hit.image_id for hit in everything.hits] == sorted(ids)
    assert time.process_time() - started < 20


def test_many_threads_get_the_answers_of_one(library: LocalLibrary, cat: RgbImage) -> None:
    queries = [picture_of(cat[20 * step : 200 + 20 * step, 40:340]) for step in range(4)]
    alone = [library.ask(query).hits for query in queries]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda query: library.ask(query).hits, queries * 2))

    assert together == alone * 2


def test_two_pictures_are_compared_without_a_library(empty: LocalLibrary, cat: RgbImage) -> None:
    smaller = cv2.resize(cat, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    geometry = empty.search.compare(picture_of(np.asarray(smaller)[:, ::-1]), picture_of(cat))

    assert geometry is not None
    assert geometry.is_mirrored
    assert geometry.is_copy
    assert geometry.image_overlap == pytest.approx(1, abs=0.02)


def test_unlike_and_blank_pictures_compare_to_nothing(
    empty: LocalLibrary, cat: RgbImage, shipped_photographs: Path
) -> None:
    coffee = _pixels(shipped_photographs, "coffee.png")

    assert empty.search.compare(picture_of(cat), picture_of(coffee)) is None
    assert empty.search.compare(picture_of(cat), picture_of(np.full_like(cat, 90))) is None


def _page(lines: list[str]) -> RgbImage:
    page = Image.new("RGB", (400, 200), "white")
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        draw.text((20, 20 + 55 * number), line, "black", ImageFont.load_default(28))
    return np.asarray(page)


@pytest.mark.slow
def test_ten_thousand_identical_pictures_are_all_found(empty: LocalLibrary) -> None:
    picture = random_keypoints(0, 24)
    ids = empty.put([(None, picture)] * 10_000)
    started = time.process_time()
    everything = empty.search.by_variants([variant_of(picture)], radius=1.0)

    assert [hit.image_id for hit in everything.hits] == sorted(ids)
    assert time.process_time() - started < 60
