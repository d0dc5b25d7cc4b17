"""What a kind answers goes whole from one process to another."""

import json
from dataclasses import fields, replace

import pytest

from ambience.answers import Geometry, Hit, Ranking
from ambience.datatypes import Orientation, Verdict
from ambience.search.ranking_document import GeometryDocument, HitDocument, RankingDocument

GEOMETRY = Geometry(
    inliers=40,
    log10_chance=-17.25,
    transform=((1.0, 0.1, 3.0), (-0.1, 1.0, 4.0), (0.0, 1e-9, 1.0)),
    query_in_image=((0.0, 0.0), (9.5, 0.0), (9.5, 7.0), (0.0, 7.0)),
    image_in_query=((1.0, 0.0), (9.5, 0.0), (9.5, 7.0), (0.0, 7.0)),
    query_overlap=1.0,
    image_overlap=0.1 + 0.2,
    is_mirrored=True,
    correlation=0.99,
    is_copy=True,
)
HIT = Hit(2**53 - 1, 1 / 3, Orientation(270, True), 0.7, GEOMETRY, Verdict.PART, plain_distance=2 / 3)


def test_a_ranking_comes_back_as_it_was() -> None:
    ranking = Ranking("toy", (HIT, Hit(0, 0.5)), pending=3, took_s=0.25, note="so it is")
    sent = RankingDocument.of_ranking(ranking, "toy-v1").model_dump_json()
    assert RankingDocument.model_validate(json.loads(sent)).ranking == ranking


def test_nothing_of_a_hit_is_left_out_but_what_never_comes_from_a_service() -> None:
    names = {row.name for row in fields(Hit)} - {"words", "orientation"}
    assert set(HitDocument.model_fields) == names | {"rotation", "mirrored"}
    assert set(GeometryDocument.model_fields) == {row.name for row in fields(Geometry)} - {"matches"}


def test_a_proof_that_cannot_be_is_refused() -> None:
    flat = replace(GEOMETRY, transform=((1.0, 2.0, 0.0), (2.0, 4.0, 0.0), (0.0, 0.0, 1.0)))
    with pytest.raises(ValueError, match="no inverse"):
        GeometryDocument.of(flat)
