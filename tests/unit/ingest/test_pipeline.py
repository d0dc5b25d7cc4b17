"""Threads and bounded queues: every task once, failures carried over, stops that end, bounded memory."""

import contextlib
import threading
import time
from collections.abc import Iterator

import pytest

from ambience.ingest.pipeline import SMALL_BYTES, TASK_BATCHES, ByteBudget, Pipeline


def test_every_task_is_done_once() -> None:
    pipeline = Pipeline(range(5000), lambda n: n * 2, threads=4, stop=threading.Event())
    assert sorted(each for each in pipeline if each is not None) == list(range(0, 10_000, 2))


def test_none_comes_while_nothing_is_done() -> None:
    pipeline = Pipeline([1], lambda n: time.sleep(0.1) or n, threads=1, stop=threading.Event(), tick_s=0.01)
    results = list(pipeline)
    assert results.count(None) >= 2
    assert [each for each in results if each is not None] == [1]


@pytest.mark.parametrize("where", ["tasks", "work"])
def test_a_failure_of_the_run_is_raised_where_it_is_iterated(where: str) -> None:
    def tasks() -> Iterator[int]:
        yield 1
        if where == "tasks":
            raise ZeroDivisionError("tasks")

    def work(number: int) -> int:
        if where == "work":
            raise ZeroDivisionError("work")
        return number

    before = threading.active_count()
    with pytest.raises(ZeroDivisionError, match=where):
        list(Pipeline(tasks(), work, threads=2, stop=threading.Event()))
    assert threading.active_count() == before


def test_the_scan_does_not_run_ahead_without_end() -> None:
    taken, before = 0, set(threading.enumerate())  # servers of other tests may be running

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = iter(Pipeline(endless(), lambda n: n, threads=1, stop=threading.Event(), tick_s=0.01))
    with contextlib.closing(results):
        next(results)
        time.sleep(0.2)
    assert taken < TASK_BATCHES + 200
    mine = set(threading.enumerate()) - before
    assert not [each for each in mine if each.name.startswith("ambience-")]


def test_a_stop_ends_it_after_the_tasks_in_hand() -> None:
    stop, done = threading.Event(), []

    def work(number: int) -> int:
        if number == 10:
            stop.set()
        return number

    done = [each for each in Pipeline(range(10**6), work, threads=1, stop=stop) if each is not None]
    assert done == list(range(11))


def test_big_files_wait_for_each_other_and_small_ones_for_nobody() -> None:
    budget, most, now, lock = ByteBudget(4 * SMALL_BYTES), 0, 0, threading.Lock()

    def hold() -> None:
        nonlocal most, now
        with budget.holding(2 * SMALL_BYTES):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.02)
            with lock:
                now -= 1

    threads = [threading.Thread(target=hold) for _ in range(6)]
    for thread in threads:
        thread.start()
    with budget.holding(SMALL_BYTES):
        for thread in threads:
            thread.join()
    assert most == 2
    with budget.holding(100 * SMALL_BYTES):  # more than all of it: waits until it is alone, and goes on
        pass
