"""Two pictures compared by every kind that can tell copies."""

import numpy as np
import pytest

from ambience.answers import Alignment, Geometry, Hit, SharedColor
from ambience.comparer import Comparer
from ambience.datatypes import FeatureSpec, Orientation, Picture, Verdict
from ambience.errors import EmptyFeatureError

PICTURE = Picture(np.zeros((4, 4, 3), np.uint8), 4, 4, "png")
EYE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PROOF = Geometry(20, -40.0, EYE, ((0, 0),) * 4, ((0, 0),) * 4, 1.0, 0.2)


def spec(kind: str, *verdicts: tuple[Verdict, float], metric: str = "hamming") -> FeatureSpec:
    return FeatureSpec(kind, kind, 64, "uint8", metric, 1, 1, verdicts=verdicts)  # type: ignore[arg-type]


SHARED = (SharedColor((16, 48, 240), 0.5, 0.25),)

HASH = spec("hash", (Verdict.SAME_PICTURE, 8))
POINTS = spec("points", (Verdict.PART, 1e-12), metric="points")
COLORS = spec("colors", (Verdict.SAME_COLORS, 1), metric="l1")


def hit(distance: float, **given: object) -> Hit:
    return Hit(0, distance, **given)  # type: ignore[arg-type]


def comparer(**answers: Hit | Exception | None) -> Comparer:
    def asked(answer: Hit | Exception | None):  # type: ignore[no-untyped-def]
        def compare(_query: Picture, _image: Picture) -> Hit | None:
            if isinstance(answer, Exception):
                raise answer
            return answer

        return compare

    specs = {each.kind: each for each in (HASH, POINTS, COLORS)}
    compares = {kind: asked(answer) for kind, answer in answers.items()}
    return Comparer(specs, compares, colors=lambda _query, _image: SHARED)


def test_the_strongest_verdict_of_all_kinds_is_the_answer_with_everybodys_evidence() -> None:
    points = hit(1e-40, geometry=PROOF, verdict=Verdict.PART, orientation=Orientation(90))
    found = comparer(hash=hit(3), points=points).compare(PICTURE, PICTURE, is_same_file=False)
    assert found.match is not None
    assert found.match.verdict is Verdict.SAME_PICTURE
    assert {each.kind: each.verdict for each in found.evidence} == {
        "hash": Verdict.SAME_PICTURE,
        "points": Verdict.PART,
    }
    assert found.geometry is PROOF
    assert (found.alignment, found.notes) == (None, {})


def test_like_colors_are_told_and_which_they_are() -> None:
    found = comparer(hash=hit(60), points=None, colors=hit(0.4)).compare(PICTURE, PICTURE, is_same_file=False)
    assert found.match is not None
    assert found.match.verdict is Verdict.SAME_COLORS
    assert found.colors == SHARED
    assert (found.geometry, found.alignment) == (None, None)


def test_of_nothing_in_common_it_is_told_what_was_looked_at() -> None:
    found = comparer(hash=hit(60), points=None, colors=hit(1.9)).compare(PICTURE, PICTURE, is_same_file=False)
    assert (found.match, found.alignment, found.colors) == (None, None, ())
    assert {each.kind: (each.distance, each.verdict) for each in found.evidence} == {
        "hash": (60, None),
        "colors": (1.9, None),
    }


def test_a_kind_that_cannot_tell_is_noted_and_the_others_answer() -> None:
    found = comparer(hash=hit(3), points=EmptyFeatureError("no keypoints")).compare(
        PICTURE, PICTURE, is_same_file=False
    )
    assert found.match is not None
    assert found.match.verdict is Verdict.SAME_PICTURE
    assert (found.geometry, found.notes) == (None, {"points": "no keypoints"})


def test_a_copy_of_the_whole_without_points_lies_corner_on_corner_as_it_is_turned() -> None:
    turned = comparer(hash=hit(3, orientation=Orientation(90)), points=None)
    tall = Picture(np.zeros((40, 20, 3), np.uint8), 20, 40, "png")
    wide = Picture(np.zeros((10, 20, 3), np.uint8), 20, 10, "png")
    found = turned.compare(tall, wide, is_same_file=False)
    assert found.alignment is not None
    assert found.alignment.basis == "frame"
    assert np.array(found.alignment.transform) @ (20, 0, 1) == pytest.approx((0, 0, 1)), "its upper right"


@pytest.mark.parametrize("points", [None, EmptyFeatureError("blank")])
def test_the_same_bytes_are_the_same_file_whatever_the_kinds_say(points: Exception | None) -> None:
    found = comparer(points=points).compare(PICTURE, PICTURE, is_same_file=True)
    assert found.match is not None
    assert (found.match.verdict, found.match.score) == (Verdict.SAME_FILE, 1.0)
    assert found.alignment == Alignment("bytes", EYE)
