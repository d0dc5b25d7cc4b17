"""Pairs of one scene: who is asked among whom, what is counted, what is listed apart."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from photos import Photo, find_photos
from same_scene import Pair, grouped, report_of, scene_photos, verified_pairs
from scene_sheet import draw_pairs


def photo(name: str, label: str) -> Photo:
    return Photo(Path("x") / name, name, label, 300, 300)


def pair(first: str, second: str, *, is_copy: bool, group: str = "castle", near: bool = False) -> Pair:
    return Pair(group, first, second, 80.0, 0.95 if is_copy else 0.7, is_copy, near)


KEPT = {
    "jpeg q 30": {"asked": 4, "found": 4, "copies": 4},
    "crop keeping 15 %": {"asked": 4, "found": 3, "copies": 2},
}


def test_groups_are_labels_of_two_photos_or_more():
    photos = [photo("a", "cat"), photo("b", ""), photo("c", "dog"), photo("d", "cat"), photo("e", "")]
    assert {label: [each.key for each in members] for label, members in grouped(photos).items()} == {
        "cat": ["a", "d"]
    }


def test_shares_are_of_verified_pairs_and_of_all_copies_asked():
    pairs = [pair("a", "b", is_copy=True), pair("a", "c", is_copy=False), pair("b", "c", is_copy=False)]
    figures, tables, notes = report_of(pairs, {"castle": 3, "hill": 1}, KEPT)
    assert figures == {
        "same_scene_as_copy": 0.3333,
        "same_scene_pairs": 3,
        "copy_kept": 0.75,
        "copy_kept_of_found": 0.8571,
        "pairs_apart": 0,
    }
    assert tables[0].rows == [["castle", 3, 3, 1]]
    assert tables[2].rows[0][0] == "a – b"
    assert "only indicative" in notes[-1]


def test_pairs_that_people_call_copies_count_in_neither():
    pairs = [pair("a", "b", is_copy=True, near=True), pair("a", "c", is_copy=False)]
    figures, _, _ = report_of(pairs, {"castle": 3}, KEPT, true_copies={frozenset({"b", "a"})})
    assert (figures["same_scene_as_copy"], figures["same_scene_pairs"], figures["pairs_apart"]) == (0, 1, 1)


def test_scenes_take_their_groups_from_the_manifest(tmp_path: Path, photographs: Path):
    for name in ("coffee.png", "rocket.jpg"):
        shutil.copy(photographs / name, tmp_path)
    (tmp_path / "manifest.csv").write_text("group,path\nkitchen,coffee.png\npad,rocket.jpg\n")
    assert {each.path.name: each.label for each in scene_photos(tmp_path)} == {
        "coffee.png": "kitchen",
        "rocket.jpg": "pad",
    }


def test_a_pair_is_verified_within_its_group_alone(
    tmp_path: Path, photographs: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(photographs / "coffee.png") as file:
        coffee = np.asarray(file.convert("RGB"))
    Image.fromarray(coffee).save(folder / "whole.jpg")
    Image.fromarray(coffee[20:380, 30:500]).save(folder / "part.jpg")
    Image.fromarray(coffee[:350, 100:]).save(folder / "elsewhere.jpg")
    shutil.copy(photographs / "chelsea.png", folder)
    photos = {each.path.name: each for each in find_photos(folder)}
    group = [photos[name] for name in ("whole.jpg", "part.jpg", "chelsea.png")]
    (found,) = verified_pairs({"kitchen": group}, list(photos.values()))
    assert {Path(found.first).name, Path(found.second).name} == {"whole.jpg", "part.jpg"}
    assert found.score > 50
    assert found.is_copy


def test_a_sheet_shows_every_pair(tmp_path: Path, photographs: Path):
    places = {path.name: path for path in photographs.iterdir()}
    pairs = [pair("coffee.png", "rocket.jpg", is_copy=True) for _ in range(4)]
    draw_pairs(pairs, places, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        shown = np.asarray(sheet)
    assert shown.shape[0] == 2 * 250, "three in a row"
    assert np.ptp(shown[250:450, :200]) > 100, "the fourth begins the second row"
    assert shown[250:, 500:].min() == 255, "nothing beside it"
