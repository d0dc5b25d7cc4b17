"""The drawing of a comparison: what is where, in which color, at any shape of picture."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ambience.answers import Alignment, Comparison, Evidence, Geometry, Match, PointMatch, SharedColor
from ambience.datatypes import Orientation, Picture, Verdict
from ambience.serve.proof import (
    IMAGE_COLOR,
    QUERY_COLOR,
    WIDTH,
    caption_of,
    draw_proof,
    spread_matches,
)

GREY = 120
LEAST_HEIGHT = 60


def picture(width: int, height: int, shown: float = 1.0) -> Picture:
    rgb = np.full((max(1, round(height * shown)), max(1, round(width * shown)), 3), GREY, np.uint8)
    return Picture(rgb, width, height, "png")


def crop(width: int, height: int, box: tuple[int, int, int, int]) -> Geometry:
    """A query of the size of the box, cut out of a picture of this size."""
    x, y, w, h = box
    corners = ((x, y), (x + w, y), (x + w, y + h), (x, y + h))
    back = ((-x, -y), (width - x, -y), (width - x, height - y), (-x, height - y))
    places = [(w * i / 4, h * j / 4) for i in range(1, 4) for j in range(1, 4)]
    return Geometry(
        9,
        -30.0,
        ((1.0, 0.0, float(x)), (0.0, 1.0, float(y)), (0.0, 0.0, 1.0)),
        tuple((float(a), float(b)) for a, b in corners),
        tuple((float(a), float(b)) for a, b in back),
        1.0,
        w * h / (width * height),
        correlation=0.99,
        is_copy=True,
        matches=tuple(PointMatch(a, b, a + x, b + y) for a, b in places),
    )


def comparison_of(query: Picture, image: Picture, geometry: Geometry | None, **given: object) -> Comparison:
    evidence = Evidence("local_features", 1e-30, 0.97, 1, Verdict.PART, geometry=geometry)
    match = Match(0, Verdict.PART, 0.97, Orientation(), (evidence,))
    values: dict[str, object] = {"match": match, "notes": {}} | given
    return Comparison(query, image, "query.jpg", "image.jpg", geometry=geometry, **values)  # type: ignore[arg-type]


def drawn(comparison: Comparison, **given: object) -> np.ndarray:
    data = draw_proof(comparison, format="png", **given)  # type: ignore[arg-type]
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def is_like(pixels: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.abs(pixels - np.array(color)).max(axis=-1) <= 6


def frame_of(pixels: np.ndarray, color: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the longest straight lines of a color: a frame."""
    found = is_like(pixels, color)
    columns, rows = np.flatnonzero(found.sum(0) > LEAST_HEIGHT), np.flatnonzero(found.sum(1) > LEAST_HEIGHT)
    return columns[0], rows[0], columns[-1], rows[-1]


def test_a_crop_is_outlined_where_it_was_cut_and_the_rest_is_dimmed() -> None:
    image = picture(600, 400)
    geometry = replace(crop(600, 400, (100, 50, 200, 150)), matches=())
    pixels = drawn(comparison_of(picture(200, 150), image, geometry), layout="beside")
    left, top, right, bottom = frame_of(pixels, IMAGE_COLOR)
    panel = pixels[top + 4 : bottom - 3, left + 4 : right - 3]
    scale = panel.shape[1] / 600
    assert panel.shape[0] / 400 == pytest.approx(scale, rel=0.01)
    edge = is_like(panel, QUERY_COLOR)
    rows, columns = np.nonzero(edge)
    expected = np.array([100, 50, 300, 200]) * scale
    found = np.array([columns.min() + 1, rows.min() + 1, columns.max() - 1, rows.max() - 1])
    assert np.abs(found - expected).max() <= 2
    inside = panel[round(125 * scale), round(200 * scale)]
    outside = panel[round(300 * scale), round(450 * scale)]
    assert np.abs(inside - GREY).max() <= 2
    assert outside.max() < 0.6 * GREY


def test_the_query_of_a_crop_is_not_dimmed_and_has_no_line_of_the_images_outline() -> None:
    geometry = replace(crop(600, 400, (100, 50, 200, 150)), matches=())
    pixels = drawn(comparison_of(picture(200, 150), picture(600, 400), geometry), layout="beside")
    left, top, right, _ = frame_of(pixels, QUERY_COLOR)
    x_image, *_ = frame_of(pixels, IMAGE_COLOR)
    assert left < x_image < right  # the frame of the query first, its outline in the image to the right
    query = pixels[top + 4 :, left + 4 : x_image - 30]
    assert not is_like(query, IMAGE_COLOR).any()
    assert np.abs(query[40, 40] - GREY).max() <= 2


def test_lines_join_the_places_that_match() -> None:
    geometry = crop(600, 400, (100, 50, 200, 150))
    both = comparison_of(picture(200, 150), picture(600, 400), geometry)
    without = drawn(comparison_of(both.query, both.image, replace(geometry, matches=())), layout="beside")
    changed = np.abs(drawn(both, layout="beside") - without).max(axis=-1) > 40
    ground = is_like(without, (22, 25, 30))
    left, *_ = frame_of(without, IMAGE_COLOR)
    gap = slice(left - 9, left - 3)  # between both frames, where nothing but lines is drawn
    assert ground[:, gap].any()
    crossing = changed[:, gap].any(axis=1) & ground[:, gap].all(axis=1)
    assert np.count_nonzero(np.diff(crossing.astype(int)) == 1) >= 5  # of nine lines, some meet


@pytest.mark.parametrize(
    ("query", "image"),
    [
        ((64, 48), (4000, 3000)),
        ((20, 20), (20, 20)),
        ((8000, 40), (300, 300)),
        ((30, 9000), (9000, 30)),
        ((1, 1), (1, 1)),
        ((1200, 1600), (1600, 1200)),
    ],
)
@pytest.mark.parametrize("layout", ["auto", "beside", "below"])
def test_any_shape_fits_a_drawing_of_bounded_size(
    query: tuple[int, int], image: tuple[int, int], layout: str
) -> None:
    geometry = crop(*image, (0, 0, *query))
    pixels = drawn(comparison_of(picture(*query), picture(*image, shown=0.1), geometry), layout=layout)
    height, width, _ = pixels.shape
    assert 700 <= width <= WIDTH
    assert 150 < height <= WIDTH
    for color in (QUERY_COLOR, IMAGE_COLOR):
        assert is_like(pixels, color).sum() > 200


@pytest.mark.parametrize("corner", [(1e12, -1e12), (-4e6, 3e6)], ids=str)
def test_corners_far_away_are_no_trouble(corner: tuple[float, float]) -> None:
    geometry = crop(600, 400, (100, 50, 200, 150))
    odd = replace(geometry, query_in_image=(corner, *geometry.query_in_image[1:]))
    assert drawn(comparison_of(picture(200, 150), picture(600, 400), odd)).shape[1] <= WIDTH


def test_nothing_in_common_is_said_and_nothing_is_outlined() -> None:
    none = comparison_of(
        picture(300, 200), picture(300, 200), None, match=None, notes={"local_features": "no keypoints"}
    )
    assert caption_of(none) == [
        "Nothing shows that they have anything in common",
        "local_features: no keypoints",
    ]
    pixels = drawn(none, layout="beside")
    left, top, right, bottom = frame_of(pixels, QUERY_COLOR)
    assert np.abs(pixels[top + 5 : bottom - 4, left + 5 : right - 4] - GREY).max() == 0


def test_a_hash_alone_is_named_as_what_told() -> None:
    evidence = (Evidence("phash", 4, 0.98, 1, Verdict.SAME_PICTURE), Evidence("other", 4, 0.1, 1))
    match = Match(0, Verdict.SAME_PICTURE, 0.98, Orientation(90), evidence)
    lying = Alignment("frame", ((0.0, 1.0, 0.0), (-1.0, 0.0, 9.0), (0.0, 0.0, 1.0)))
    both = picture(9, 9), picture(9, 9)
    lines = caption_of(comparison_of(*both, None, match=match, alignment=lying, evidence=evidence))
    assert lines[0].startswith("Same picture, rotated 90°")
    assert (
        lines[1]
        == "Told by phash; no places were matched: each is taken to be all of the other, corner on corner"
    )
    assert lines[2:] == ["phash: 0.98, distance 4", "other: 0.10, distance 4"]


def test_shared_colors_are_said_with_how_much_of_each_has_them() -> None:
    evidence = (Evidence("color", 0.4, 0.8, 1, Verdict.SAME_COLORS),)
    match = Match(0, Verdict.SAME_COLORS, 0.8, Orientation(), evidence)
    colors = (SharedColor((16, 48, 240), 0.5, 0.25),)
    lines = caption_of(
        comparison_of(picture(9, 9), picture(9, 9), None, match=match, colors=colors, evidence=evidence)
    )
    assert lines == [
        "Same colors   ·   score 0.80",
        "color: 0.80, distance 0.4",
        "Shared colors: #1030f0 50 % and 25 %",
    ]


def test_names_of_any_kind_and_length_are_drawn_within_the_drawing() -> None:
    base = comparison_of(picture(300, 200), picture(300, 200), None, match=None)
    plain = drawn(base)
    for name in ("x" * 400, "日本語 Ünïcödé.jpg", "two\nlines\x1b[31m.jpg", "half \ud800 letter"):
        pixels = drawn(replace(base, query_name=name, image_name=name))
        assert pixels.shape == plain.shape
        right_edge = pixels[:, -8:]
        assert is_like(right_edge, (22, 25, 30)).all()


def test_files_are_of_the_format_that_is_asked_for() -> None:
    comparison = comparison_of(picture(300, 200), picture(300, 200), None)
    assert Image.open(io.BytesIO(draw_proof(comparison))).format == "JPEG"
    assert Image.open(io.BytesIO(draw_proof(comparison, format="png"))).format == "PNG"


def test_lines_are_spread_and_no_place_is_taken_twice() -> None:
    close = [PointMatch(10 + i / 100, 10, 0, 0) for i in range(50)]
    far = [PointMatch(0, 100, 0, 0), PointMatch(100, 0, 0, 0), PointMatch(100, 100, 0, 0)]
    chosen = spread_matches([*close, *far], 4)
    assert set(chosen) == {0, 50, 51, 52}
    assert spread_matches([close[0]] * 5, 4) == [0]
    assert spread_matches([], 4) == []
