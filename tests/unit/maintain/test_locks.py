"""Many readers or one writer, and a waiting writer goes first."""

import threading
import time

from ambience.maintain.locks import ReadWriteLock


def test_readers_share_and_writers_do_not() -> None:
    lock, inside, most, shared = ReadWriteLock(), 0, 0, 0
    together = threading.Barrier(3, timeout=10)

    def read() -> None:
        with lock.reading():
            together.wait()  # reached only where all three are inside at once

    def write() -> None:
        nonlocal inside, most, shared
        for _ in range(50):
            with lock.writing():
                inside += 1
                most = max(most, inside)
                shared += 1
                inside -= 1

    for work, number in ((read, 3), (write, 4)):
        threads = [threading.Thread(target=work) for _ in range(number)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert (most, shared) == (1, 200)


def test_a_waiting_writer_keeps_new_readers_out() -> None:
    lock, order = ReadWriteLock(), []

    def write() -> None:
        with lock.writing():
            order.append("write")

    def read() -> None:
        with lock.reading():
            order.append("read")

    with lock.reading():
        writer = threading.Thread(target=write)
        writer.start()
        while not lock._waiting_writers:
            time.sleep(0.001)
        reader = threading.Thread(target=read)
        reader.start()
        time.sleep(0.05)
        assert order == []
    writer.join(10)
    reader.join(10)
    assert order == ["write", "read"]
