"""A filter beside a question: the answer is the ranking without what the filter drops, and it is full."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.answers import Hit, Ranking
from ambience.datatypes import Feature, FeatureSpec, FeatureState, Ids, ImageDraft, Neighbors, QueryVariant
from ambience.index.exact import ExactIndex, ExactOptions
from ambience.search.filters import parsed
from ambience.search.narrowing import WIDE, Narrowing, narrowed
from ambience.search.vector import VectorSearch
from ambience.store.base import FeatureDraft, PutImage, SetTags
from ambience.store.commit import Store
from ambience.store.selection import Selections

SPEC = FeatureSpec("toy", "Toy", 2, "float32", "l2", 1, 1)
COUNT = 600


class Watched(ExactIndex):
    """An exact index that has seen everything, and remembers how it was asked."""

    pending = 0

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked: list[tuple[int, int | None]] = []

    def search(self, queries: NDArray[Any], k: int, *, allowed: Ids | None = None) -> Neighbors:
        self.asked.append((k, None if allowed is None else len(allowed)))
        return super().search(queries, k, allowed=allowed)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Pictures 1–600 along a line; tags say by what their numbers can be divided."""
    with Store.open(tmp_path / "library", {"toy": SPEC}, writer=True) as opened:
        opened.commit(
            [
                PutImage(
                    ImageDraft(b"%032d" % number, 1, f"{number}", is_upload=True),
                    {"toy": FeatureDraft(SPEC.fingerprint, FeatureState.DONE, Feature(_at(number)))},
                    tags=tuple(f"of {divisor}" for divisor in (2, 3, 50) if number % divisor == 0),
                )
                for number in range(1, COUNT + 1)
            ]
        )
        yield opened


def _at(number: int) -> NDArray[np.float32]:
    return np.array([number, 0], np.float32)


@pytest.fixture
def index(store: Store) -> Watched:
    made = Watched(SPEC, ExactOptions())
    ids = store.records.all_feature_ids(SPEC.fingerprint)
    made.add(ids, store.features.get(SPEC, ids)[0])
    return made


@pytest.fixture
def search(store: Store, index: Watched) -> VectorSearch:
    return VectorSearch(SPEC, index, store, lambda exc: np.array(exc.feature_ids, np.int64))


@pytest.fixture
def selections(store: Store) -> Selections:
    return Selections(store.records, lambda _text: [])


QUERY = [QueryVariant(Feature(_at(0)))]


@pytest.mark.parametrize(
    ("text", "is_wide"),
    [("of 2", True), ("!of 50", True), ("of 2 || of 3", True), ("of 50", False), ("of 2 && of 3", False)],
)
@pytest.mark.parametrize("k", [1, 10, 300, 1_000])
def test_as_many_hits_come_back_as_the_filter_keeps(
    search: VectorSearch, selections: Selections, index: Watched, text: str, is_wide: bool, k: int
) -> None:
    kept = selections.image_ids(parsed(text)).tolist()
    narrowing = Narrowing(selections, parsed(text))
    ranking = narrowing.by_variants(search, QUERY, k=k)
    assert [hit.image_id for hit in ranking.hits] == kept[:k]
    assert (index.asked[0][1] is None) == is_wide
    assert len(index.asked) == 1
    around = narrowing.by_variants(search, QUERY, radius=float(kept[min(k, len(kept)) - 1]))
    assert [hit.image_id for hit in around.hits] == kept[:k]


def test_a_wide_filter_of_which_the_nearest_are_not_is_looked_up_after_all(
    search: VectorSearch, selections: Selections, index: Watched
) -> None:
    narrowing = Narrowing(selections, parsed("id>300"))
    hits = narrowing.by_variants(search, QUERY, k=10).hits
    assert [hit.image_id for hit in hits] == list(range(301, 311))
    assert [allowed for _, allowed in index.asked] == [None, 300]


def test_a_filter_that_keeps_nothing_is_known_to(search: VectorSearch, selections: Selections) -> None:
    narrowing = Narrowing(selections, parsed("of 7"))
    assert narrowing.is_empty
    assert narrowing.by_variants(search, QUERY, k=5).hits == ()
    assert not Narrowing(selections, parsed("id:599")).is_empty  # though no sample holds it
    assert not Narrowing(selections, parsed("of 2")).is_empty


def test_an_image_is_judged_once_for_all_kinds(
    search: VectorSearch, selections: Selections, store: Store
) -> None:
    for text in ("of 2", "of 50"):
        narrowing = Narrowing(selections, parsed(text))
        before = [hit.image_id for hit in narrowing.by_variants(search, QUERY, k=3).hits]
        store.submit(SetTags(before[0], ()))
        again = [hit.image_id for hit in narrowing.by_variants(search, QUERY, k=3).hits]
        assert again == before
        fresh = Narrowing(selections, parsed(text)).by_variants(search, QUERY, k=3)
        assert before[0] not in [hit.image_id for hit in fresh.hits]


def test_without_a_filter_the_search_itself_is_asked(search: VectorSearch, index: Watched) -> None:
    assert len(narrowed(search, None)(QUERY, k=4).hits) == 4
    assert index.asked == [(4, None)]
    assert 0 < WIDE < 1


class Alphabet:
    """Answers pictures 1, 2, 3 … to any words."""

    spec = SPEC

    has_words = True

    def by_text(self, text: str, *, k: int, allowed_images: Ids | None = None) -> Ranking:
        known = np.arange(1, COUNT + 1)
        if allowed_images is not None:
            known = known[np.isin(known, allowed_images)]
        return Ranking("toy", tuple(Hit(number, 0.0) for number in known[:k].tolist()))


@pytest.mark.parametrize("text", ["of 2", "of 50", "of 7"])
@pytest.mark.parametrize("k", [1, 10, 1_000])
def test_searches_for_words_are_narrowed_as_well(selections: Selections, text: str, k: int) -> None:
    ranking = Narrowing(selections, parsed(text)).by_text(Alphabet(), "abc", k=k)
    assert [hit.image_id for hit in ranking.hits] == selections.image_ids(parsed(text)).tolist()[:k]
