"""Two pictures compared by every kind that can tell copies."""

import numpy as np
import pytest

from ambience.answers import Geometry, Hit
from ambience.comparer import Comparer
from ambience.datatypes import FeatureSpec, Orientation, Picture, Verdict
from ambience.errors import EmptyFeatureError

PICTURE = Picture(np.zeros((4, 4, 3), np.uint8), 4, 4, "png")
EYE = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
PROOF = Geometry(20, -40.0, EYE, ((0, 0),) * 4, ((0, 0),) * 4, 1.0, 0.2)


def spec(kind: str, *verdicts: tuple[Verdict, float], metric: str = "hamming") -> FeatureSpec:
    return FeatureSpec(kind, kind, 64, "uint8", metric, 1, 1, verdicts=verdicts)  # type: ignore[arg-type]


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
    return Comparer(specs, {kind: asked(answer) for kind, answer in answers.items()})


def test_the_strongest_verdict_of_all_kinds_is_the_answer_with_everybodys_evidence() -> None:
    points = hit(1e-40, geometry=PROOF, verdict=Verdict.PART, orientation=Orientation(90))
    match, proof, notes = comparer(hash=hit(3), points=points).compare(PICTURE, PICTURE, is_same_file=False)
    assert match is not None
    assert match.verdict is Verdict.SAME_PICTURE
    assert {each.kind: each.verdict for each in match.evidence} == {
        "hash": Verdict.SAME_PICTURE,
        "points": Verdict.PART,
    }
    assert proof is PROOF
    assert notes == {}


def test_like_colors_are_no_match_and_are_not_even_asked() -> None:
    asked = comparer(hash=hit(60), points=None, colors=AssertionError("asked"))
    assert asked.compare(PICTURE, PICTURE, is_same_file=False) == (None, None, {})


def test_a_kind_that_cannot_tell_is_noted_and_the_others_answer() -> None:
    match, proof, notes = comparer(hash=hit(3), points=EmptyFeatureError("no keypoints")).compare(
        PICTURE, PICTURE, is_same_file=False
    )
    assert match is not None
    assert match.verdict is Verdict.SAME_PICTURE
    assert (proof, notes) == (None, {"points": "no keypoints"})


@pytest.mark.parametrize("points", [None, EmptyFeatureError("blank")])
def test_the_same_bytes_are_the_same_file_whatever_the_kinds_say(points: Exception | None) -> None:
    match, *_ = comparer(points=points).compare(PICTURE, PICTURE, is_same_file=True)
    assert match is not None
    assert (match.verdict, match.score) == (Verdict.SAME_FILE, 1.0)
