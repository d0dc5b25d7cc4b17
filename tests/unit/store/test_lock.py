"""One writer: who holds the lock is known, and death lets go of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ambience.errors import LibraryLockedError, StoreError
from ambience.store.lock import LOCK_NAME, LockHolder, WriterLock

HOLDER = (
    "import sys, time; sys.path[:0] = sys.argv[2:]\n"
    "from pathlib import Path\n"
    "from ambience.store.lock import WriterLock\n"
    "lock = WriterLock.acquire(Path(sys.argv[1]), purpose='serve')\n"
    "lock.announce(socket='/run/a.sock', url='http://127.0.0.1:44444')\n"
    "print('held', flush=True)\n"
    "if 'fork' in sys.argv[2]:\n"
    "    import os\n"
    "    if os.fork() == 0: time.sleep(20); os._exit(0)\n"
    "sys.stdin.read()\n"
)


def start_holder(folder: Path, mode: str = "plain") -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", HOLDER, str(folder), mode, *sys.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with start_holder(tmp_path) as process:
        with pytest.raises(LibraryLockedError) as caught:
            WriterLock.acquire(tmp_path, purpose="add")
        held_by = caught.value.holder
        assert isinstance(held_by, LockHolder)
        assert (held_by.pid, held_by.purpose, held_by.socket, held_by.url) == (
            process.pid,
            "serve",
            "/run/a.sock",
            "http://127.0.0.1:44444",
        )
        assert f"process {process.pid} (serve at http://127.0.0.1:44444" in str(caught.value)
        assert WriterLock.holder(tmp_path) == held_by
        process.kill()


@pytest.mark.parametrize("mode", ["plain", "fork"])
def test_a_killed_holder_lets_go_even_if_a_child_of_it_lives(tmp_path: Path, mode: str) -> None:
    with start_holder(tmp_path, mode) as process:
        time.sleep(0.2 if mode == "fork" else 0)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert WriterLock.holder(tmp_path) is None
        WriterLock.acquire(tmp_path, purpose="add").release()


def test_waiting_gets_the_lock_when_the_first_writer_ends(tmp_path: Path) -> None:
    with start_holder(tmp_path) as process:
        assert process.stdin is not None
        process.stdin.close()
        with WriterLock.acquire(tmp_path, purpose="add", timeout_s=10):
            held_by = WriterLock.holder(tmp_path)
            assert held_by is not None
            assert (held_by.pid, held_by.purpose) == (os.getpid(), "add")


def test_the_same_process_is_refused_too(tmp_path: Path) -> None:
    with (
        WriterLock.acquire(tmp_path / "new" / "library", purpose="add"),
        pytest.raises(LibraryLockedError, match=str(os.getpid())),
    ):
        WriterLock.acquire(tmp_path / "new" / "library", purpose="add")


def test_released_means_free_and_twice_is_harmless(tmp_path: Path) -> None:
    lock = WriterLock.acquire(tmp_path, purpose="add")
    lock.release()
    lock.release()
    assert WriterLock.holder(tmp_path) is None
    assert WriterLock.holder(tmp_path / "nowhere") is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", json.dumps({"pid": "x"}).encode(), b"\xff\xfe"])
def test_what_lies_in_the_file_counts_only_while_it_is_held(tmp_path: Path, content: bytes) -> None:
    lock = WriterLock.acquire(tmp_path, purpose="add")
    (tmp_path / LOCK_NAME).write_bytes(content)
    held_by = WriterLock.holder(tmp_path)
    assert held_by is not None
    assert held_by.pid == 0
    lock.release()
    (tmp_path / LOCK_NAME).write_bytes(content)
    assert WriterLock.holder(tmp_path) is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write to the library folder"):
        WriterLock.acquire(tmp_path / "file" / "library", purpose="add")
