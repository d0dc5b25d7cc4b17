"""Lines are put in the order in which people read them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ambience.annotate._reading_order import reading_order


def quads(*boxes: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Upright boxes from left, top, right, bottom."""
    return np.array([[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes], np.float32).reshape(-1, 4, 2)


def order(made: NDArray[np.float32], from_right: bool = False) -> list[int]:
    return reading_order(made, from_right).tolist()


def test_rows_from_top_to_bottom_in_each_from_left_to_right() -> None:
    assert order(quads((300, 12, 400, 30), (10, 10, 200, 30), (10, 50, 200, 70))) == [1, 0, 2]
    assert order(quads((300, 12, 400, 30), (10, 10, 200, 30), (10, 50, 200, 70)), True) == [0, 1, 2]
    assert order(quads()) == []


def test_columns_are_read_one_after_the_other() -> None:
    left = [(10, top, 300, top + 20) for top in range(100, 300, 30)]
    right = [(340, top, 640, top + 20) for top in range(100, 300, 30)]
    title = [(10, 10, 640, 50)]
    shuffled = np.random.default_rng(2).permutation(15)
    made = quads(*title, *left, *right)[shuffled]
    assert [int(shuffled[place]) for place in order(made)] == list(range(15))


def test_prices_stay_beside_their_products() -> None:
    rows = [(30 * n, 30 * n + 20) for n in range(5)]
    made = quads(*((10, a, 300, b) for a, b in rows), *((500, a, 540, b) for a, b in rows))
    assert order(made) == [0, 5, 1, 6, 2, 7, 3, 8, 4, 9]


def test_columns_that_run_down_are_read_from_the_right() -> None:
    down = [[(x + 20, 0), (x + 20, 300), (x, 300), (x, 0)] for x in (10, 50, 90)]
    assert order(np.array(down, np.float32)) == [2, 1, 0]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_page_is_read_as_it_would_be_upright(turns: int) -> None:
    page = quads((10, 10, 300, 30), (10, 40, 200, 60), (240, 42, 300, 60), (10, 70, 300, 90))
    turned = page
    for _ in range(turns):
        turned = np.stack((-turned[..., 1], turned[..., 0]), axis=-1) + np.float32(1000)
    assert order(turned) == [0, 1, 2, 3]


@given(st.lists(st.tuples(*[st.floats(0, 1000, width=32)] * 8), max_size=30))
def test_every_line_is_read_once(corners: list[tuple[float, ...]]) -> None:
    made = np.array(corners, np.float32).reshape(-1, 4, 2)
    assert sorted(order(made)) == list(range(len(corners)))


def test_thousands_of_lines_take_no_depth() -> None:
    made = quads(*((10, 30 * n, 300, 30 * n + 20) for n in range(5000)))
    assert order(made) == list(range(5000))
