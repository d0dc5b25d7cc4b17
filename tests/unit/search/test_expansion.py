"""αQE by hand, and what stays true for any vectors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ambience.search.expansion import expanded


def unit(*numbers: float) -> np.ndarray:
    return np.array(numbers) / np.linalg.norm(numbers)


def test_neighbours_count_by_their_likeness_to_a_power() -> None:
    query = np.array([1, 0], np.float32)
    neighbors = np.array([[0.8, 0.6], [0.6, 0.8]], np.float16)
    for alpha in (0, 1, 3, 0.5):
        one = unit(
            1 + 0.8**alpha * 0.8 + 0.6**alpha * 0.6,
            0.8**alpha * 0.6 + 0.6**alpha * 0.8,
        )
        np.testing.assert_allclose(expanded(query, neighbors, alpha), one, atol=1e-3)


def test_what_is_not_alike_counts_nothing_whatever_the_power() -> None:
    query = np.array([1, 0], np.float32)
    apart = np.array([[-0.6, 0.8], [0, 1], [0, 0]], np.float32)
    for alpha in (0, 0.5, 3):
        np.testing.assert_array_equal(expanded(query, apart, alpha), query)
    np.testing.assert_array_equal(expanded(query, apart[:0], 3), query)


def test_a_large_power_leaves_the_nearest_alone() -> None:
    query = unit(1, 0, 0)
    neighbors = np.array([unit(1, 0.1, 0), unit(1, 0, 1)])
    assert expanded(query, neighbors, 200)[2] == pytest.approx(0, abs=1e-6)


def test_a_loop_over_its_terms_gives_the_same() -> None:
    generator = np.random.default_rng(1)
    query, neighbors = generator.standard_normal(64), generator.standard_normal((20, 64))
    total = unit(*query)
    for neighbor in neighbors:
        one = unit(*neighbor)
        total = total + max(0.0, float(unit(*query) @ one)) ** 3 * one
    np.testing.assert_allclose(expanded(query, neighbors, 3), unit(*total), atol=1e-6)


@given(
    arrays(np.float32, 5, elements=st.floats(-4, 4, width=16)).filter(lambda q: bool(np.any(q))),
    arrays(np.float32, (4, 5), elements=st.floats(-4, 4, width=16)),
    st.floats(0, 50),
)
def test_it_stays_near_the_query_and_of_unit_length(q: np.ndarray, x: np.ndarray, alpha: float) -> None:
    one = expanded(q, x, alpha)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert float(one @ unit(*q)) > 0
