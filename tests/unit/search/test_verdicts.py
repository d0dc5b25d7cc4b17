from dataclasses import replace

import pytest

from ambience.answers import Geometry
from ambience.datatypes import Verdict
from ambience.search.verdicts import verdict_of

ROW = (1.0, 0.0, 0.0)
PROOF = Geometry(50, -80.0, (ROW, ROW, ROW), ((0.0, 0.0),) * 4, ((0.0, 0.0),) * 4, 1.0, 1.0)


@pytest.mark.parametrize(
    ("is_copy", "correlation", "query_overlap", "image_overlap", "verdict"),
    [
        (True, 0.99, 1.0, 1.0, Verdict.SAME_PICTURE),
        (True, 0.99, 0.95, 0.92, Verdict.SAME_PICTURE),
        (True, 0.80, 1.0, 1.0, Verdict.EDITED),
        (True, 0.99, 1.0, 0.8, Verdict.EDITED),
        (True, 0.99, 1.0, 0.3, Verdict.PART),
        (True, 0.99, 0.3, 1.0, Verdict.PART),
        (True, 0.50, 0.1, 0.1, Verdict.PART),
        (False, 0.99, 1.0, 1.0, Verdict.SAME_SCENE),
        (None, None, 1.0, 1.0, Verdict.SAME_SCENE),
    ],
)
def test_what_a_proof_means(
    is_copy: bool | None,
    correlation: float | None,
    query_overlap: float,
    image_overlap: float,
    verdict: Verdict,
) -> None:
    proof = replace(
        PROOF,
        is_copy=is_copy,
        correlation=correlation,
        query_overlap=query_overlap,
        image_overlap=image_overlap,
    )

    assert verdict_of(proof) == verdict
