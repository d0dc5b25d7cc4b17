"""Requests that come while a model is busy run together; none waits for company, and none is mixed up."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ambience.models.batching import Arrays, Gathering


class Slow:
    """Doubles numbers once it is let; says how large the batches were."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.started = threading.Semaphore(0)
        self.goes_on = threading.Semaphore(0)
        self.fails = False

    def __call__(self, inputs: Arrays) -> np.ndarray:
        self.sizes.append(len(inputs[0]))
        self.started.release()
        assert self.goes_on.acquire(timeout=30)
        if self.fails:
            raise ValueError("broken")
        return np.asarray(2 * inputs[0], np.float32)


def test_what_gathers_meanwhile_is_one_batch() -> None:
    slow = Slow()
    gathering = Gathering(slow, lanes=1, limit=8)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gathering.run, [np.array([[1.0]])])
        assert slow.started.acquire(timeout=30)
        later = [pool.submit(gathering.run, [np.full((2, 1), float(n))]) for n in range(3)]
        while len(gathering._waiting) < 3:
            pass
        slow.goes_on.release(2)
        assert first.result(30).tolist() == [[2.0]]
        assert [each.result(30).tolist() for each in later] == [[[2.0 * n]] * 2 for n in range(3)]
    assert slow.sizes == [1, 6]


def test_no_batch_is_over_the_limit_and_order_is_kept() -> None:
    sizes: list[int] = []

    def run(inputs: Arrays) -> np.ndarray:
        sizes.append(len(inputs[0]))
        return np.asarray(inputs[0] + inputs[1], np.float32)

    gathering = Gathering(run, lanes=2, limit=4)
    numbers = np.arange(11.0)[:, None]
    assert gathering.run([numbers, numbers]).ravel().tolist() == (2 * numbers).ravel().tolist()
    assert sizes == [4, 4, 3]


def test_many_threads_get_their_own_answers() -> None:
    gathering = Gathering(lambda inputs: np.asarray(inputs[0] ** 2, np.float32), lanes=2, limit=5)
    wanted = [np.full((1 + n % 7, 3), float(n)) for n in range(300)]
    with ThreadPoolExecutor(16) as pool:
        for given, answered in zip(wanted, pool.map(lambda each: gathering.run([each]), wanted), strict=True):
            assert np.array_equal(answered, given**2)


def test_an_error_reaches_everyone_of_the_batch_and_the_lane_goes_on() -> None:
    slow = Slow()
    slow.fails = True
    gathering = Gathering(slow, lanes=1, limit=8)
    with ThreadPoolExecutor(3) as pool:
        failed = [pool.submit(gathering.run, [np.ones((1, 1))]) for _ in range(3)]
        slow.goes_on.release(3)
        for each in failed:
            with pytest.raises(ValueError, match="broken"):
                each.result(30)
        slow.fails = False
        slow.goes_on.release()
        assert pool.submit(gathering.run, [np.ones((1, 1))]).result(30).tolist() == [[2.0]]
