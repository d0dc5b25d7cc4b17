"""Bytes that wait for services are there after a kill, and gone when they are not needed."""

from pathlib import Path

import pytest

from ambience.errors import StoreError
from ambience.store.outbox import Outbox


def test_bytes_are_kept_until_they_are_discarded(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    assert (outbox.read(5), outbox.held()) == (None, [])
    outbox.put(5, b"one")
    outbox.put(12, b"two")
    assert (outbox.read(5), outbox.held()) == (b"one", [5, 12])
    outbox.discard(5)
    outbox.discard(5)
    assert (outbox.read(5), outbox.held()) == (None, [12])


def test_what_a_killed_process_did_not_finish_is_deleted(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.put(1, b"whole")
    (tmp_path / "outbox" / "2.partial").write_bytes(b"ha")
    assert outbox.held() == [1]
    assert [path.name for path in (tmp_path / "outbox").iterdir()] == ["1"]


def test_a_folder_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(StoreError, match="cannot be written"):
        Outbox(tmp_path).put(1, b"x")
