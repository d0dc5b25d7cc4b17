"""Where ids lie: any order, gone and come again, files that stay as they are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.errors import IndexFileError
from ambience.index._slots import IdSlots, Rows, State, read_array, read_state, write_state


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=60))
def test_slots_follow_a_dictionary(steps: list[tuple[bool, int]]) -> None:
    slots, truth, next_slot = IdSlots(), dict[int, int](), 0
    for adds, key in steps:
        if adds and key not in truth:
            slots.append(np.array([key]), count=1)
            truth[key], next_slot = next_slot, next_slot + 1
        elif not adds:
            dropped = slots.drop(np.array([key, key]))
            assert dropped.tolist() == ([truth.pop(key)] if key in truth else [])
    every = np.arange(14)
    assert slots.find(every).tolist() == [truth.get(int(key), -1) for key in every]
    assert slots.ids[slots.chosen(None)].tolist() == sorted(truth)
    assert slots.ids[slots.chosen(every[::-2])].tolist() == sorted(truth.keys() & set(every[::-2].tolist()))
    assert slots.count == len(truth)


def test_a_mapped_file_is_never_written_to(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.arange(6).reshape(3, 2))
    before = (tmp_path / "rows.npy").read_bytes()
    rows = Rows(read_array(tmp_path, "rows", dtype=np.int64, shape=(None, 2)))
    rows.view[0] = -1
    rows.append(np.array([[7, 8]]))
    rows.view[1] = -2
    assert rows.view.tolist() == [[-1, -1], [-2, -2], [4, 5], [7, 8]]
    assert (tmp_path / "rows.npy").read_bytes() == before


def test_rows_grow_by_a_share_and_begin_at_a_cache_line() -> None:
    rows = Rows(np.empty((0, 3), np.uint64))
    moves, last = 0, 0
    for number in range(3000):
        rows.append(np.full((1, 3), number, np.uint64))
        moves += rows.view.ctypes.data != last
        last = rows.view.ctypes.data
    assert rows.view[:, 1].tolist() == list(range(3000))
    assert last % 64 == 0
    assert moves < 40


def test_arrays_of_another_form_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((3, 2)))
    with pytest.raises(IndexFileError, match=r"float64\(3, 2\)"):
        read_array(tmp_path, "rows", dtype=np.int64, shape=(None, 2))
    with pytest.raises(IndexFileError, match="rebuild"):
        read_array(tmp_path, "rows", dtype=np.float64, shape=(4, 2))


def test_the_state_comes_back(tmp_path: Path) -> None:
    write_state(tmp_path, State(is_trained=True, expected=12))
    assert read_state(tmp_path) == State(is_trained=True, expected=12)
