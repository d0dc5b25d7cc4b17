"""What takes memory is made once, used by all, let go of when nobody uses it, and made again."""

import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from ambience.models.idle import MadeWhenUsed


class Thing:
    pass


def wait_until_gone(kept: "MadeWhenUsed[Thing]") -> None:
    deadline = time.monotonic() + 30
    while kept.is_made and time.monotonic() < deadline:
        time.sleep(0.005)
    assert not kept.is_made


def test_it_is_let_go_of_and_made_again() -> None:
    made: list[weakref.ref[Thing]] = []

    def make() -> Thing:
        thing = Thing()
        made.append(weakref.ref(thing))
        return thing

    kept = MadeWhenUsed(make, idle_s=0.03)
    with kept.use() as first:
        assert kept.is_made
        with kept.use() as again:
            assert again is first
        time.sleep(0.1)
        assert kept.is_made  # it is in use, however long
    del first, again
    wait_until_gone(kept)
    assert made[0]() is None
    with kept.use():
        assert len(made) == 2


def test_without_a_time_it_stays() -> None:
    kept = MadeWhenUsed(Thing, idle_s=0)
    with kept.use() as first:
        pass
    time.sleep(0.05)
    with kept.use() as again:
        assert again is first


def test_threads_that_come_together_make_it_once() -> None:
    made: list[Thing] = []

    def make() -> Thing:
        time.sleep(0.02)
        made.append(Thing())
        return made[-1]

    kept = MadeWhenUsed(make, idle_s=0.001)

    def use(_: int) -> bool:
        with kept.use() as thing:
            return thing in made

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(200)))
    wait_until_gone(kept)


def test_a_failure_is_told_and_tried_again() -> None:
    tries: list[int] = []

    def make() -> int:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("not yet")
        return 7

    kept = MadeWhenUsed(make, idle_s=0)
    with pytest.raises(OSError, match="not yet"), kept.use():
        pass
    with kept.use() as number:
        assert number == 7
