"""The read path of embeddings over a real store: what widening does, and what it survives."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambience.answers import Expansion, Ranking
from ambience.datatypes import Feature, FeatureSpec, FeatureState, Ids, ImageDraft, QueryVariant, Verdict
from ambience.errors import CorruptFeatureError, QueryError, UnknownImageError
from ambience.fuse.verdict import supported_verdict
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.search.embedding import USUAL, EmbeddingSearch, EmbeddingSearchOptions
from ambience.search.expansion import expanded
from ambience.search.original_figures import EmbeddingFigures, ExpandingKnobs
from ambience.store.base import FeatureDraft, PutImage
from ambience.store.commit import Store

SPEC = FeatureSpec("toy", "Toy", 3, "float16", "cosine", 1, 1, display_scale=2.0)
WORDS = FeatureSpec("toy", "Toy", 3, "float16", "cosine", 1, 1, display_scale=2.0, accepts_text=True)
NONE = Expansion(0, 0.0)

VECTORS = np.array(
    [[1, 0, 0], [0.98, 0.2, 0], [0.9, 0.44, 0], [0.76, 0.65, 0], [0.75, -0.2, 0.63], [-1, 0, 0]], np.float16
)
"""Pictures 1–6: four in a row, one aside that is as near as the fourth, and one opposite."""


class Following(ExactIndex):
    """An exact index that has seen everything."""

    pending = 0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "library", {"toy": SPEC}, writer=True) as opened:
        for number, vector in enumerate(VECTORS):
            made = FeatureDraft(SPEC.fingerprint, FeatureState.DONE, Feature(vector))
            opened.submit(
                PutImage(ImageDraft(bytes([number] * 32), 1, f"{number}", is_upload=True), {"toy": made})
            )
        yield opened


def search_over(
    store: Store, options: EmbeddingSearchOptions | None = None, spec: FeatureSpec = SPEC, held: int = 6
) -> EmbeddingSearch:
    index = Following(spec, ExactOptions())
    ids = store.records.all_feature_ids(spec.fingerprint)
    index.add(ids[:held], store.features.get(spec, ids)[0][:held])
    return EmbeddingSearch(spec, index, store, lambda exc: np.array(exc.feature_ids, np.int64), options)


def query(*numbers: float) -> list[QueryVariant]:
    return [QueryVariant(Feature(np.array(numbers, np.float16)))]


def ids_of(ranking: Ranking) -> list[int]:
    return [hit.image_id for hit in ranking.hits]


def test_a_widened_question_follows_its_neighbours(store: Store) -> None:
    search = search_over(store)
    plain = search.by_variants(query(1, 0, 0), k=5, expansion=NONE)
    widened = search.by_variants(query(1, 0, 0), k=5, expansion=Expansion(3, 0))
    assert ids_of(plain) == [1, 2, 3, 4, 5]
    asked = expanded(VECTORS[0], VECTORS[:3], 0)
    assert ids_of(widened)[0] == 2
    assert ids_of(widened)[-1] == 5
    away = 1 - VECTORS[1].astype("f8") @ asked / np.linalg.norm(VECTORS[1].astype("f8"))
    assert widened.hits[0].distance == pytest.approx(away, abs=1e-3)  # from the widened question
    assert widened.took_s > 0


def test_verdicts_go_by_the_question_as_it_was_asked(store: Store) -> None:
    """The fourth picture is near to what the question became, and no nearer to what was asked."""
    search, spec = search_over(store), replace(SPEC, verdicts=((Verdict.LOOK_ALIKE, 0.2),))
    plain = {hit.image_id: hit for hit in search.by_variants(query(1, 0, 0), k=6, expansion=NONE).hits}
    widened = search.by_variants(query(1, 0, 0), k=6, expansion=Expansion(3, 0)).hits
    for hit in widened:
        assert hit.plain_distance == pytest.approx(plain[hit.image_id].distance, abs=1e-3)
        assert supported_verdict(hit, spec) == supported_verdict(plain[hit.image_id], spec)
    (fourth,) = [hit for hit in widened if hit.image_id == 4]
    assert fourth.distance < 0.2 < plain[4].distance
    assert supported_verdict(fourth, spec) is None
    assert all(hit.plain_distance is None for hit in plain.values())


def test_settings_decide_where_a_query_does_not(store: Store) -> None:
    asked = query(1, 0, 0)
    at_first = ids_of(search_over(store).by_variants(asked, k=1))
    assert at_first == ids_of(search_over(store).by_variants(asked, k=1, expansion=USUAL)) != [1]
    takes_words = search_over(store, spec=WORDS)
    assert ids_of(takes_words.by_variants(asked, k=1)) == [1]
    wide = search_over(store, EmbeddingSearchOptions(aqe_n=3, aqe_alpha=0), spec=WORDS)
    assert ids_of(wide.by_variants(asked, k=1)) == [2]
    assert ids_of(wide.by_variants(asked, k=1, expansion=NONE)) == [1]


def test_each_variant_is_widened_by_its_own_neighbours(store: Store) -> None:
    search = search_over(store)
    both = search.by_variants(query(1, 0, 0) + query(-1, 0, 0), k=6, expansion=Expansion(2, 0))
    assert both.hits[0].distance == pytest.approx(0, abs=1e-3)
    assert {1, 2, 6} <= set(ids_of(both)[:3])


def test_more_neighbours_than_pictures_and_no_picture_at_all(store: Store) -> None:
    search = search_over(store)
    everything = search.by_variants(query(1, 0, 0), k=50, expansion=Expansion(10**9, 1))
    assert len(everything.hits) == 6
    empty = search_over(store, held=0)
    assert empty.by_variants(query(1, 0, 0), k=3, expansion=Expansion(10, 3)).hits == ()
    assert len(search.by_variants(query(0, 0, 0), k=3, expansion=Expansion(10, 3)).hits) == 3


def test_what_is_allowed_changes_the_answer_and_not_the_question(store: Store) -> None:
    search = search_over(store)
    wide = Expansion(4, 1)
    all_hits = search.by_variants(query(1, 0, 0), k=6, expansion=wide).hits
    allowed: Ids = store.records.feature_ids(SPEC.fingerprint, [4, 6])
    some = search.by_variants(query(1, 0, 0), k=6, allowed=allowed, expansion=wide).hits
    assert some == tuple(hit for hit in all_hits if hit.image_id in (4, 6))


def test_neighbours_whose_stored_bytes_are_gone_are_passed_over(store: Store) -> None:
    told: list[tuple[int, ...]] = []
    index = Following(SPEC, ExactOptions())
    ids = store.records.all_feature_ids(SPEC.fingerprint)
    index.add(np.append(ids, 999), np.concatenate([VECTORS, VECTORS[:1]]))

    def on_broken(exc: CorruptFeatureError | UnknownImageError) -> Ids:
        told.append(exc.feature_ids)
        return np.array(exc.feature_ids, np.int64)

    search = EmbeddingSearch(SPEC, index, store, on_broken)
    ranking = search.by_variants(query(1, 0, 0), k=3, expansion=Expansion(3, 0))
    assert told[0] == (999,)
    assert ids_of(ranking)[0] in (1, 2)


@pytest.mark.parametrize(
    ("expansion", "reason"),
    [
        (Expansion(-1, 3), "aqe_n = -1"),
        (Expansion(3, -0.5), "aqe_alpha = -0.5"),
        (Expansion(3, float("nan")), "aqe_alpha = nan"),
        (Expansion(3, float("inf")), "aqe_alpha = inf"),
    ],
)
def test_knobs_out_of_range_are_refused(store: Store, expansion: Expansion, reason: str) -> None:
    with pytest.raises(QueryError, match=reason):
        search_over(store).by_variants(query(1, 0, 0), k=1, expansion=expansion)


def test_the_original_widens_only_where_both_knobs_are_given(store: Store) -> None:
    figures = EmbeddingFigures(search_over(store, EmbeddingSearchOptions(aqe_n=3, aqe_alpha=0)))

    def first(**knobs: float) -> int:
        return figures.answer(query(1, 0, 0), ExpandingKnobs(k=2, **knobs)).rows[0][0]

    assert first() == first(aqe_n=3) == first(aqe_alpha=0) == 1
    assert first(aqe_n=3, aqe_alpha=0) == 2
    assert first(aqe_n=0, aqe_alpha=0) == 1


def test_the_original_answers_squared_l2_and_its_thresholds_are_inclusive(store: Store) -> None:
    figures = EmbeddingFigures(search_over(store))
    rows = figures.answer(query(1, 0, 0), ExpandingKnobs(k=6)).rows
    units = VECTORS / np.linalg.norm(VECTORS.astype("f8"), axis=1, keepdims=True)
    squared = np.square(units - [1, 0, 0]).sum(axis=1)
    assert [distance for _, distance in rows] == pytest.approx(sorted(squared), abs=1e-6)
    assert rows[0][1] == 0
    assert rows[-1] == (6, pytest.approx(4))
    third = rows[2][1]
    assert len(figures.answer(query(1, 0, 0), ExpandingKnobs(distance_threshold=third)).rows) == 3
    assert len(figures.answer(query(1, 0, 0), ExpandingKnobs(distance_threshold=0)).rows) == 1
    assert figures.answer([], ExpandingKnobs(k=1)).rows == ()
