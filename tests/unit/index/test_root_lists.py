"""The lists that histograms are put into."""

import numpy as np

from ambience.index._root_lists import RootLists


def _clustered(generator: np.random.Generator, *, clusters: int, each: int) -> np.ndarray:
    """Histograms in groups of `each` around as many distinct ones, group after group."""
    centers = generator.dirichlet(np.full(64, 0.1), clusters)
    spread = 0.95 * np.repeat(centers, each, axis=0) + 0.05 * generator.dirichlet(
        np.ones(64), clusters * each
    )
    return spread.astype(np.float16)


def test_lists_hold_what_lies_together() -> None:
    histograms = _clustered(np.random.default_rng(0), clusters=20, each=500)
    lists = RootLists.trained(histograms[::2], lists=40)
    ids = np.arange(len(histograms))
    for start in (0, 9000):  # one large addition, spread over cores, and one small
        part = slice(start, 9000 if start == 0 else len(ids))
        lists.append(ids[part], histograms[part])
    assert len(lists) == len(histograms)
    found = lists.candidates(histograms[::250], 100, probes=4, allowed=None)
    own = [np.mean(row // 500 == number // 2) for number, row in enumerate(found)]
    assert np.mean(own) > 0.99


def test_training_twice_gives_the_same_lists() -> None:
    histograms = _clustered(np.random.default_rng(1), clusters=8, each=40)
    made = [RootLists.trained(histograms, lists=16) for _ in range(2)]
    for lists in made:
        lists.append(np.arange(len(histograms)), histograms)
    one, other = (lists.candidates(histograms[:50], 30, probes=2, allowed=None) for lists in made)
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_more_lists_than_distinct_histograms() -> None:
    histograms = np.repeat(np.eye(64, dtype=np.float16)[:3], 10, axis=0)
    lists = RootLists.trained(histograms, lists=12)
    lists.append(np.arange(30), histograms)
    assert set(lists.candidates(histograms[:1], 10, probes=12, allowed=None)[0].tolist()) == set(range(10))
