"""What is read off hits, by hand."""

import math
from dataclasses import replace

import pytest

from ambience.answers import Geometry, Hit
from ambience.datatypes import FeatureSpec, Orientation
from ambience.fuse.calibration import Claim
from ambience.fuse.evidence import CHANCE, FRAME, Reading, frame_deviation, reading, readings

HASH = FeatureSpec("hash", "", 64, "uint8", "hamming", 1, 1, min_quality=0.1)
POINTS = FeatureSpec("points", "", 128, "uint8", "points", 1, 1)
CORNERS = ((0.0, 0.0), (200.0, 0.0), (200.0, 100.0), (0.0, 100.0))
HALVED = Geometry(
    30,
    -55.0,
    ((0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 1.0)),
    tuple((x / 2, y / 2) for x, y in CORNERS),
    CORNERS,
    1.0,
    1.0,
    correlation=0.98,
    is_copy=True,
)
"""A query of 200 × 100 pixels, and the same at half the size."""


@pytest.mark.parametrize(
    ("hit", "expected"),
    [
        (Hit(1, 7.0), Reading("distance", 7.0)),
        (Hit(1, 7.0, plain_distance=5.0), Reading("distance", 5.0)),
        (Hit(1, 0.0, quality=0.05), Reading("flat")),
        (Hit(1, 0.0, geometry=HALVED), Reading("pixels_agree", 0.98)),
        (Hit(1, 0.0, geometry=replace(HALVED, is_copy=False)), Reading("pixels_differ", 0.98)),
        (
            Hit(1, 0.0, geometry=replace(HALVED, is_copy=None, correlation=None)),
            Reading("pixels_unseen"),
        ),
    ],
)
def test_what_a_kind_gives(hit: Hit, expected: Reading) -> None:
    assert reading(hit, HASH) == expected


def test_a_kind_that_did_not_name_an_image_says_that() -> None:
    given = readings({"hash": Hit(1, 3.0)}, {"hash": HASH, "points": POINTS}, Claim.COPY)
    absent = Reading("absent")
    assert given == {"hash": Reading("distance", 3.0), "points": absent, CHANCE: absent}


def test_a_proof_tells_its_frame_or_how_sure_it_is() -> None:
    hits = {"points": Hit(1, 0.0, geometry=HALVED)}
    assert readings(hits, {"points": POINTS}, Claim.COPY)[CHANCE] == Reading("pixels_agree", 55.0)
    assert readings(hits, {"points": POINTS}, Claim.UNALTERED)[FRAME] == Reading(
        "deviation", pytest.approx(0)
    )


def test_where_pixels_differ_the_other_kinds_are_read_apart() -> None:
    """For a copy alone; the kind that compared the pixels, and its chance, already say so."""
    hits = {"points": Hit(1, 0.0, geometry=replace(HALVED, is_copy=False)), "hash": Hit(1, 3.0)}
    specs = {"hash": HASH, "points": POINTS, "other": replace(HASH, kind="other")}
    assert readings(hits, specs, Claim.COPY) == {
        "hash": Reading("distance pixels differ", 3.0),
        "other": Reading("absent pixels differ"),
        "points": Reading("pixels_differ", 0.98),
        CHANCE: Reading("pixels_differ", 55.0),
    }
    assert readings(hits, specs, Claim.SCENE)["hash"] == Reading("distance", 3.0)
    agreeing = hits | {"points": Hit(1, 0.0, geometry=HALVED)}
    assert readings(agreeing, specs, Claim.COPY)["hash"] == Reading("distance", 3.0)


def test_a_smaller_copy_fills_the_frame() -> None:
    assert frame_deviation(HALVED, 0) == pytest.approx(0.0)


def test_a_quarter_turn_fills_the_frame() -> None:
    """(x, y) of 200 × 100 pixels comes to (100 − y, x) of 100 × 200."""
    turned = replace(
        HALVED,
        transform=((0.0, -1.0, 100.0), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
        query_in_image=((100.0, 0.0), (100.0, 200.0), (0.0, 200.0), (0.0, 0.0)),
        image_in_query=((0.0, 100.0), (0.0, 0.0), (200.0, 0.0), (200.0, 100.0)),
    )
    assert frame_deviation(turned, 90) == pytest.approx(0.0)


def test_a_stretched_copy_deviates_by_the_logarithm_of_its_aspect() -> None:
    stretched = replace(
        HALVED,
        transform=((1.3, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        query_in_image=tuple((1.3 * x, y) for x, y in CORNERS),
        image_in_query=CORNERS,
    )
    assert frame_deviation(stretched, 0) == pytest.approx(math.log(1.3))


def test_a_crop_deviates_by_the_way_to_the_corner_that_it_lacks() -> None:
    """A query of the left half of a picture of 400 × 100 pixels: 200 of a diagonal of 412."""
    cropped = replace(
        HALVED,
        transform=((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
        query_in_image=CORNERS,
        image_in_query=((0.0, 0.0), (400.0, 0.0), (400.0, 100.0), (0.0, 100.0)),
    )
    assert frame_deviation(cropped, Orientation().rotation) == pytest.approx(math.log(2))
