"""`ambience match` as people run it: two files, ids of a library, and through a running server."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

BOX = (120, 90, 380, 290)


@pytest.fixture
def coffee(shipped_photographs: Path) -> Path:
    return shipped_photographs / "coffee.png"


@pytest.fixture
def crop(coffee: Path, tmp_path: Path) -> Path:
    """A mirrored crop of a fifth of the picture."""
    path = tmp_path / "cut & mirrored.jpg"
    with Image.open(coffee) as image:
        ImageOps.mirror(image.convert("RGB").crop(BOX)).save(path, quality=90)
    return path


def test_two_files_need_no_library(terminal, coffee: Path, crop: Path) -> None:
    told = terminal.run("match", crop, coffee)
    title, *facts = told.out.splitlines()
    assert title.startswith("Part of it (22 %), mirrored")
    assert any(
        "cut & mirrored.jpg covers x 1" in fact and "of coffee.png (600 × 400)" in fact for fact in facts
    )
    assert any("pixels agree: a copy" in fact for fact in facts)
    assert any("places agree" in fact for fact in facts)
    assert not terminal.library.exists()


def test_a_crop_has_its_place_in_json_and_a_drawing(terminal, coffee: Path, crop: Path) -> None:
    drawing = terminal.folder / "proof.PNG"
    document = json.loads(terminal.run("match", crop, coffee, "--json", "-o", drawing).out)
    assert document["verdict"] == "part"
    assert [abs(document["place"][side] - want) <= 3 for side, want in zip("xy", BOX, strict=False)] == [
        True
    ] * 2
    assert document["geometry"]["is_mirrored"] is True
    assert len(document["geometry"]["matches"]) >= 10
    assert document["proof"] == str(drawing)
    with Image.open(drawing) as drawn:
        assert drawn.format == "PNG"
        assert 700 <= drawn.width <= 1600


def test_the_exit_code_tells_a_match_from_none_and_from_trouble(
    terminal, coffee: Path, crop: Path, shipped_photographs: Path, tmp_path: Path
) -> None:
    other = shipped_photographs / "rocket.jpg"
    drawing = tmp_path / "none.jpg"
    none = terminal.run("match", crop, other, "-o", drawing, code=1)
    assert none.out.startswith("Nothing shows that they have anything in common")
    assert "phash: " in none.out
    assert drawing.stat().st_size > 1000
    assert json.loads(terminal.run("match", crop, other, "--json", code=1).out)["verdict"] is None
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(crop.read_bytes()[:3000])
    for words, said in (
        ((crop, tmp_path / "gone.jpg"), "gone.jpg"),
        ((broken, coffee), "broken.jpg"),
        ((crop, "4"), "no library"),
        ((crop, coffee, "-o", tmp_path / "no folder" / "a.jpg"), "no folder"),
        ((crop, coffee, "-o", "proof.gif"), ".png"),
    ):
        assert said in terminal.run("match", *words, code=2).err


def test_what_no_points_prove_says_what_speaks_for_it_and_claims_no_place(
    terminal, coffee: Path, tmp_path: Path
) -> None:
    """A turned thumbnail, told by its hash alone; and the same pixels in another order."""
    bare = ("--set", "kinds.local_features.enabled=false", "match")
    thumbnail = tmp_path / "thumbnail.png"
    with Image.open(coffee) as opened:
        opened.convert("RGB").resize((300, 200)).transpose(Image.Transpose.ROTATE_90).save(thumbnail)
    found = json.loads(terminal.run(*bare, thumbnail, coffee, "--json").out)
    assert (found["verdict"], found["geometry"]) == ("same_picture", None)
    assert found["alignment"]["basis"] == "frame"
    lies = np.array(found["alignment"]["transform"]) @ np.array([[0, 0, 1], [200, 0, 1]]).T
    assert np.allclose(lies.T, [[600, 0, 1], [600, 400, 1]]), "its upper corners"
    told = terminal.run(*bare, thumbnail, coffee).out
    assert "Told by phash;" in told
    assert "corner on corner" in told
    same = json.loads(terminal.run(*bare, coffee, coffee, "--json").out)
    assert (same["verdict"], same["alignment"]["basis"]) == ("same_file", "bytes")

    with Image.open(coffee) as opened:
        pixels = np.asarray(opened.convert("RGB")).reshape(-1, 3)
    shuffled = tmp_path / "shuffled.png"
    Image.fromarray(np.random.default_rng(3).permutation(pixels).reshape(400, 600, 3)).save(shuffled)
    colors = json.loads(terminal.run("match", shuffled, coffee, "--json", code=1).out)
    assert (colors["verdict"], colors["geometry"], colors["alignment"]) == ("same_colors", None, None)
    assert len(colors["colors"]) == 6
    assert colors["colors"][0]["query_share"] == pytest.approx(colors["colors"][0]["image_share"], abs=0.01)
    assert "Shared colors: #" in terminal.run("match", shuffled, coffee, code=1).out


def test_pictures_of_the_library_are_compared_also_through_its_server(
    terminal, coffee: Path, crop: Path, free_port: int
) -> None:
    terminal.run("add", coffee, crop.parent / crop.name)
    ids = {
        match["name"]: match["image_id"]
        for match in json.loads(terminal.run("search", crop, "--json").out)["matches"]
    }
    alone = terminal.run("match", str(ids[crop.name]), str(ids["coffee.png"])).out
    assert alone.startswith("Part of it (22 %), mirrored")
    assert "no image 99" in terminal.run("match", crop, "99", code=2).err
    with terminal.server("--port", str(free_port), port=free_port):
        drawing = terminal.folder / "proof.jpg"
        served = terminal.run("match", crop, str(ids["coffee.png"]), "-o", drawing).out
        assert served.splitlines()[0] == alone.splitlines()[0]
        with Image.open(drawing) as drawn:
            assert drawn.format == "JPEG"
        assert "no image 99" in terminal.run("match", crop, "99", code=2).err


def test_a_search_says_how_much_of_a_hit_is_asked_for(terminal, coffee: Path, crop: Path) -> None:
    terminal.run("add", coffee)
    found = terminal.run("search", crop)
    assert "part of it (22 %), mirrored" in found.out
    (match,) = json.loads(terminal.run("search", crop, "--json", "--by", "local_features").out)["matches"]
    (evidence,) = match["evidence"]
    assert match["verdict"] == "part"
    assert evidence["geometry"]["query_overlap"] > 0.95
    assert len(evidence["geometry"]["query_in_image"]) == 4
