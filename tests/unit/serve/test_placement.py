import math
from dataclasses import replace

import numpy as np
import pytest

from ambience.answers import Evidence, Geometry, Match
from ambience.datatypes import Orientation, Verdict
from ambience.serve.placement import (
    Box,
    chance_words,
    geometry_of,
    overlap_words,
    percent,
    pixel_words,
    place,
    relation,
    turn_deg,
    verdict_words,
)

SIZE = (200.0, 100.0)


def geometry_for(linear: list[list[float]], shift: tuple[float, float] = (0, 0), **given: object) -> Geometry:
    """A query of 200 × 100 pixels under an affine transform."""
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = linear, shift
    corners = np.array([[0, 0, 1], [SIZE[0], 0, 1], [*SIZE, 1], [0, SIZE[1], 1]])
    places = tuple((float(x), float(y)) for x, y, _ in corners @ transform.T)
    values = {"query_overlap": 1.0, "image_overlap": 0.15} | given
    rows = tuple(tuple(float(value) for value in row) for row in transform)
    return Geometry(30, -42.4, rows, places, places, **values)  # type: ignore[arg-type]


def rotation(degrees: float) -> np.ndarray:
    """Counter-clockwise as people see it: y points down."""
    angle = math.radians(degrees)
    return np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])


@pytest.mark.parametrize("degrees", [0, 30, 90, 179, 180, -30, -90])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_turn_is_told_counter_clockwise_after_the_mirror(degrees: float, is_mirrored: bool) -> None:
    linear = 0.5 * rotation(degrees) @ np.diag([-1.0 if is_mirrored else 1.0, 1.0])
    turned = turn_deg(geometry_for(linear.tolist(), is_mirrored=is_mirrored))
    assert turned == pytest.approx(degrees, abs=1e-6)


def test_a_turn_is_that_of_the_middle_under_a_perspective() -> None:
    flat = geometry_for(rotation(20).tolist())
    tilted = np.array([[1, 0, 0], [0, 1, 0], [0.001, 0, 1.0]])
    middle = np.array([100.0, 50.0])
    away = np.array([[1, 0, -middle[0]], [0, 1, -middle[1]], [0, 0, 1]])
    whole = np.array(flat.transform) @ np.linalg.inv(away) @ tilted @ away
    corners = np.array([[0, 0, 1], [200, 0, 1], [200, 100, 1], [0, 100, 1]]) @ whole.T
    places = tuple((float(x / w), float(y / w)) for x, y, w in corners)
    rows = tuple(tuple(float(value) for value in row) for row in whole / whole[2, 2])
    assert turn_deg(Geometry(9, -20, rows, places, places, 1, 1)) == pytest.approx(20, abs=1e-6)


@pytest.mark.parametrize(
    ("query", "image", "expected", "words"),
    [
        (1.0, 0.15, "within", "part of it (15 %)"),
        (0.3, 0.99, "around", "within the query (30 %)"),
        (0.95, 0.97, "whole", "all of it"),
        (0.5, 0.4, "across", "shares 40 % of it"),
    ],
)
def test_which_picture_holds_the_other(query: float, image: float, expected: str, words: str) -> None:
    geometry = geometry_for([[1, 0], [0, 1]], query_overlap=query, image_overlap=image)
    assert relation(geometry) == expected
    assert verdict_words(Verdict.PART, Orientation(), geometry) == words


def test_the_place_is_the_box_of_the_corners_within_the_image() -> None:
    assert place(geometry_for([[1, 0], [0, 1]], (30.4, 20.6)), 640, 480) == Box(30, 21, 200, 100)
    assert place(geometry_for([[1, 0], [0, 1]], (-50, 400)), 640, 480) == Box(0, 400, 150, 80)
    assert place(geometry_for([[1, 0], [0, 1]], (-500, 0)), 640, 480) == Box(0, 0, 0, 100)


def test_turns_are_said_to_the_degree_where_geometry_tells_them() -> None:
    turned = geometry_for((rotation(-30) @ np.diag([-1.0, 1.0])).tolist(), is_mirrored=True)
    words = verdict_words(Verdict.PART, Orientation(0, True), turned)
    assert words == "part of it (15 %), mirrored, rotated 30° clockwise"
    over = geometry_for(rotation(180).tolist())
    assert verdict_words(Verdict.SAME_PICTURE, Orientation(180), over) == "same picture, rotated 180°"
    level = geometry_for(rotation(1).tolist())
    assert verdict_words(Verdict.EDITED, Orientation(90), level) == "edited copy"
    assert verdict_words(Verdict.SAME_FILE, Orientation(90), turned) == "same file"


def test_sentences_about_overlap_pixels_and_chance() -> None:
    geometry = geometry_for([[1, 0], [0, 1]], correlation=0.981, is_copy=True)
    assert overlap_words(geometry, "a.jpg", "b.jpg") == "a.jpg shows 15 % of b.jpg"
    across = geometry_for([[1, 0], [0, 1]], query_overlap=0.5, image_overlap=0.004)
    assert overlap_words(across, "a", "b") == "50 % of a shows 0.4 % of b"
    assert pixel_words(geometry) == "pixels agree: a copy (correlation 0.98)"
    assert "same scene" in pixel_words(geometry_for([[1, 0], [0, 1]], correlation=0.4, is_copy=False))
    assert pixel_words(across) == ""
    assert chance_words(geometry) == "30 places agree: chance is ruled out"
    rare = chance_words(replace(geometry, log10_chance=-17.6))
    assert rare == "30 places agree: chance does as well in 1 of 10^18 pictures"
    assert [percent(share) for share in (0, 0.0042, 0.154, 1)] == ["0 %", "0.4 %", "15 %", "100 %"]


def test_the_proof_of_a_match_is_found_whoever_gives_it() -> None:
    geometry = geometry_for([[1, 0], [0, 1]])
    plain, proven = (
        Evidence(kind, 1.0, 0.5, 1, geometry=has) for kind, has in (("a", None), ("b", geometry))
    )
    assert geometry_of(Match(1, Verdict.PART, 0.5, Orientation(), (plain, proven))) is geometry
    assert geometry_of(Match(1, Verdict.PART, 0.5, Orientation(), (plain,))) is None
