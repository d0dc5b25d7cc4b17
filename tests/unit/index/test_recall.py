"""How much an index finds, measured against its own range search."""

from typing import Any

import numpy as np
import pytest

from ambience.datatypes import FeatureSpec, Ids, Neighbors
from ambience.index._recall import recall_by_radius
from ambience.index.exact import ExactIndex, ExactOptions

SPEC = FeatureSpec("toy", "toy", 8, "float32", "l2", 1, 1)


class Missing(ExactIndex):
    """Never finds a share of the ids."""

    modulus = 2

    def search(self, queries: Any, k: int, *, allowed: Ids | None = None) -> Neighbors:
        seen = self.ids()
        return super().search(queries, k, allowed=seen[seen % self.modulus != 0])


def filled(kind: type[ExactIndex], count: int = 400) -> tuple[Any, Any]:
    index = kind(SPEC, ExactOptions())
    vectors = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    index.add(np.arange(count), vectors)
    return index, vectors


def test_an_exact_search_finds_everything() -> None:
    index, vectors = filled(ExactIndex)
    assert recall_by_radius(index, vectors[:20]) == 1


@pytest.mark.parametrize(("modulus", "share"), [(2, 0.5), (5, 0.8)])
def test_what_is_never_found_is_counted(modulus: int, share: float) -> None:
    index, vectors = filled(Missing)
    index.modulus = modulus
    assert recall_by_radius(index, vectors[:100]) == pytest.approx(share, abs=0.05)


def test_ties_count_whichever_is_named() -> None:
    index = Missing(SPEC, ExactOptions())
    index.add(np.arange(100), np.zeros((100, 8), np.float32))
    assert recall_by_radius(index, np.zeros((1, 8), np.float32)) == 1


def test_little_or_nothing_held() -> None:
    index, vectors = filled(ExactIndex, 3)
    assert recall_by_radius(index, vectors) == 1
    assert recall_by_radius(ExactIndex(SPEC, ExactOptions()), vectors) == 1
    assert recall_by_radius(index, vectors[:0]) == 1
