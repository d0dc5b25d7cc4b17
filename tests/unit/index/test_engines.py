"""What the contract leaves to the engines: when they compile, when they are outgrown, what bounds hold."""

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ambience.datatypes import FeatureSpec
from ambience.index._flat_codes import ROOM
from ambience.index._ranking import nearest
from ambience.index._root_lists import RootLists
from ambience.index.binary import BinaryIndex
from ambience.index.exact import ExactIndex, measure
from ambience.index.histogram import HistogramIndex, l1_distances

BITS = FeatureSpec("toy", "toy", 576, "uint8", "hamming", 1, 1)
CELLS = FeatureSpec("toy", "toy", 64, "float16", "l1", 1, 1)


def test_metrics_by_hand() -> None:
    query = np.array([1.0, 2.0], np.float32)
    stored = np.array([[1.0, 2.0], [4.0, -2.0], [0.0, 0.0]], np.float32)
    assert measure("l1", query, stored).tolist() == [0, 7, 3]
    assert measure("l2", query, stored).tolist() == pytest.approx([0, 5, 5**0.5])
    assert measure("inner_product", query, stored).tolist() == [-5, 0, 0]
    assert measure("cosine", query, stored).tolist() == pytest.approx([0, 1, 1])
    assert measure("hamming", np.array([255, 1], np.uint8), np.array([[0, 1]], np.uint8)).tolist() == [8]


def test_ties_at_the_end_of_the_answer_go_to_the_smaller_id() -> None:
    distances = np.array([1, 0, 1, 1], np.float32)
    assert nearest(distances, np.array([9, 8, 3, 4]), 2)[1].tolist() == [8, 3]


def test_a_search_of_few_codes_imports_no_compiler() -> None:
    """One search from a terminal over a small library must not wait for numba."""
    code = """
import sys, numpy as np
from ambience.datatypes import FeatureSpec
from ambience.index.binary import BinaryIndex
index = BinaryIndex(FeatureSpec("toy", "toy", 576, "uint8", "hamming", 1, 1), BinaryIndex.options_class())
index.add(np.arange(50_000), np.zeros((50_000, 72), np.uint8))
index.search(np.zeros((8, 72), np.uint8), 10)
print(*sorted({"numba", "faiss", "cv2"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []


def test_without_numba_numpy_goes_on() -> None:
    code = """
import sys, numpy as np
sys.modules["numba"] = None
from ambience.datatypes import FeatureSpec
from ambience.index.binary import BinaryIndex
options = BinaryIndex.options_class(compile_from=0)
index = BinaryIndex(FeatureSpec("toy", "toy", 576, "uint8", "hamming", 1, 1), options)
index.add(np.arange(3), np.arange(216, dtype=np.uint8).reshape(3, 72))
print(index.search(np.arange(72, dtype=np.uint8)[None], 1).ids)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[[0]]"


@pytest.mark.parametrize("radius", [0, 20.5, 64, 128, 200, 576, float("inf")])
def test_compiled_range_searches_miss_nothing(radius: float) -> None:
    """Of clustered codes at any distance, some of them removed; by the first words of a code or by all."""
    generator = np.random.default_rng(1)
    centers = generator.integers(0, 256, (40, 72), dtype=np.uint8)
    flips = generator.random((4_000, 576)) < generator.random((4_000, 1)) / 2
    codes = centers[generator.integers(0, 40, 4_000)] ^ np.packbits(flips, axis=1)
    index, oracle = (
        BinaryIndex(BITS, BinaryIndex.options_class(compile_from=0)),
        ExactIndex(BITS, ExactIndex.options_class()),
    )
    for each in (index, oracle):
        each.add(np.arange(4_000) * 3, codes)
        each.remove(np.arange(0, 12_000, 33))
    for allowed in (None, np.arange(9_000)):
        true = oracle.range_search(centers, radius, allowed=allowed)
        found = index.range_search(centers, radius, allowed=allowed)
        for one, other in zip(found, true, strict=True):
            assert np.array_equal(one[1], other[1]) and np.array_equal(one[0], other[0])


def test_more_is_found_than_a_scan_has_room_for() -> None:
    index = BinaryIndex(BITS, BinaryIndex.options_class(compile_from=0, threads=2))
    count = 2 * ROOM + 5
    index.add(np.arange(count), np.zeros((count, 72), np.uint8))
    for distances, ids in index.range_search(np.zeros((3, 72), np.uint8), 0):
        assert np.array_equal(ids, np.arange(count))
        assert not distances.any()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_many_blocks_are_shared_among_threads(threads: int) -> None:
    """Enough blocks for several shares, searched from several threads at a time."""
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 256, (120_000, 72), dtype=np.uint8)
    index = BinaryIndex(BITS, BinaryIndex.options_class(threads=threads, compile_from=0))
    index.add(np.arange(len(codes)), codes)
    oracle = ExactIndex(BITS, ExactIndex.options_class())
    oracle.add(np.arange(len(codes)), codes)
    queries = codes[::40_000] ^ np.uint8(3)
    true, true_range = oracle.search(queries, 20), oracle.range_search(queries, 240)
    wrong: list[Any] = []

    def ask() -> None:
        found, found_range = index.search(queries, 20), index.range_search(queries, 240)
        if not np.array_equal(found.ids, true.ids):
            wrong.append(found)
        wrong.extend(
            one
            for one, other in zip(found_range, true_range, strict=True)
            if not np.array_equal(one[1], other[1])
        )

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert wrong == []


def test_inverted_lists_find_copies() -> None:
    """Codes within 24 bits of the query, among thousands at chance distance: recall@10 stays above 0.98."""
    generator = np.random.default_rng(1)
    sources = generator.integers(0, 256, (400, 72), dtype=np.uint8)
    copies = np.repeat(sources, 10, axis=0)
    for flip in generator.integers(0, 576, (24, len(copies))):
        copies[np.arange(len(copies)), flip // 8] ^= (1 << (flip % 8)).astype(np.uint8)
    index = BinaryIndex(BITS, BinaryIndex.options_class(inverted_from=1000, probes=24))
    index.train(copies[::3], expected=len(copies))
    index.add(np.arange(len(copies)), copies)
    found = index.search(sources, 10).ids // 10
    assert np.mean(found == np.arange(400)[:, None]) >= 0.98


def test_when_engines_are_outgrown() -> None:
    index = BinaryIndex(BITS, BinaryIndex.options_class(inverted_from=5))
    index.add(np.arange(4), np.zeros((4, 72), np.uint8))
    assert not index.is_outgrown()
    index.add(np.array([9]), np.zeros((1, 72), np.uint8))
    assert index.is_outgrown()
    cells = np.eye(64, dtype=np.float16)
    options = HistogramIndex.options_class(train_from=10)
    histogram = HistogramIndex(CELLS, options)
    histogram.add(np.arange(10), cells[:10])
    assert histogram.is_outgrown()
    trained = HistogramIndex(CELLS, options)
    trained.train(cells, expected=12)
    trained.add(np.arange(47), cells[:47])
    assert not trained.is_outgrown()
    trained.add(np.array([47]), cells[:1])
    assert trained.is_outgrown()
    untrained = HistogramIndex(CELLS, options)
    untrained.train(cells, expected=9)
    untrained.add(np.arange(9), cells[:9])
    assert not untrained.is_outgrown()


@given(
    arrays(np.float16, (7, 64), elements=st.floats(0, 1, width=16)),
    st.floats(0, 2),
)
def test_the_bound_of_range_searches_misses_nothing(raw: Any, radius: float) -> None:
    total = raw.astype(np.float64).sum(axis=1, keepdims=True)
    rows = np.divide(raw, total, out=np.zeros(raw.shape), where=total > 0).astype(np.float16)
    lists = RootLists.trained(rows, lists=2)
    lists.append(np.arange(len(rows)), rows)
    inside = np.flatnonzero(l1_distances(rows[0], rows) <= radius)
    assert set(inside.tolist()) <= set(lists.reachable(rows[0], radius).tolist())


@given(arrays(np.float16, (5, 64), elements=st.floats(0, 1, width=16)))
def test_l1_is_the_oracles_to_the_last_bit(rows: Any) -> None:
    assert np.array_equal(l1_distances(rows[0], rows), measure("l1", rows[0], rows))
