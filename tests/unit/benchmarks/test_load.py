"""The clients of the load benchmark, against a real server, and what is made of what they saw."""

from argparse import Namespace
from pathlib import Path

import httpx
import numpy as np
import pytest

import ambience
import load
from load_clients import ADD, SEARCH, Pictures, Request, figures_of, lost, run_clients
from support.services import only, served


@pytest.fixture
def photos():
    rng = np.random.default_rng(4)
    return [np.repeat(np.repeat(rng.integers(0, 256, (6, 8, 3)), 40, 0), 40, 1).astype(np.uint8)]


def test_figures_are_those_of_what_was_done():
    requests = [Request(SEARCH, 200, seconds / 100) for seconds in range(1, 20)]
    requests += [Request(SEARCH, 503, 0.01), Request(ADD, 201, 9.0), Request(SEARCH, 500, 0.2)]
    requests += [Request(SEARCH, 200, 0.2, ("phash",), ended_s) for ended_s in (7.26, 3.0)]
    found = figures_of(requests, SEARCH, 10.0)
    assert (found["requests"], found["rate"]) == (23, 2.1)
    assert (found["done"], found["refused"]) == (round(21 / 23, 4), round(1 / 23, 4))
    assert (found["others"], found["unanswered"]) == ({"500": 1}, {"phash": 2})
    assert found["away_s"] == {"phash": [3.0, 7.3]}
    assert found["p50_s"] == pytest.approx(0.11)
    assert figures_of([], ADD, 1.0)["p95_s"] is None


def test_every_topology_runs_with_every_kind_and_only_services_are_killed():
    options = Namespace(topology="both", kinds="both", seconds=60.0, seconds_all=12.0, kill="phash")
    assert load.runs_of(options) == [
        load.Run("one", "cheap", 60.0),
        load.Run("nine", "cheap", 60.0, "phash"),
        load.Run("one", "all", 12.0),
        load.Run("nine", "all", 12.0, "phash"),
    ]
    alone = Namespace(topology="one", kinds="all", seconds=5.0, seconds_all=None, kill=None)
    assert load.runs_of(alone) == [load.Run("one", "all", 5.0)]


def test_the_report_tells_each_run_apart_and_who_was_away():
    requests = [
        Request(SEARCH, 200, 0.25, ("phash",), 3.0),
        Request(SEARCH, 500, 0.1),
        Request(ADD, 201, 1.0),
    ]
    found = {"searches": figures_of(requests, SEARCH, 2.0), "adds": figures_of(requests, ADD, 2.0)}
    found |= {"acknowledged": 1, "lost": 0, "pending": 0}
    options = Namespace(
        topology="nine", kinds="cheap", seconds=2.0, seconds_all=None, kill="phash", photos=None,
        searching=16, adding=2, json=None, update_docs=False,
    )  # fmt: skip
    report = load._report(options, {load.Run("nine", "cheap", 2.0, "phash"): found})
    assert report.command == (
        "python benchmarks/load.py --topology nine --kinds cheap --seconds 2 --kill phash"
    )
    assert report.figures["nine_cheap_searches_rate"] == 0.5
    assert report.figures["nine_cheap_adds_done"] == 1.0
    assert report.figures["nine_cheap_lost"] == 0
    assert "1 × 500" in report.tables[0].rows[0]
    assert "phash in 1 answers, 3 to 3 s after the start" in report.notes[1]


def test_no_two_pictures_are_alike(photos):
    pictures = Pictures(photos, 1)
    assert len({pictures.next() for _ in range(20)}) == 20
    assert Pictures(photos, 1).next() == Pictures(photos, 1).next()


def test_clients_search_and_add_at_once_and_what_is_lost_is_found(tmp_path: Path, photos):
    settings = only(tmp_path / "library", {"phash": {}, "color": {}})
    with ambience.open(settings=settings, writer=True) as library, served(library) as port:
        url = f"http://127.0.0.1:{port}"
        seen = run_clients(url, photos, searching=2, adding=1, seconds=1.0, by=("phash", "color"))
        assert {each.status for each in seen.requests} == {200, 201}
        assert {each.unanswered for each in seen.requests} == {()}
        assert sum(each.what == ADD for each in seen.requests) == len(seen.added) > 0
        first = next(iter(seen.added))
        with httpx.Client(base_url=url, trust_env=False) as client:
            assert lost(client, seen.added) == []
            library.remove(first)
            assert lost(client, seen.added) == [first]
            assert lost(client, {first + 1: "0" * 64}) == [first + 1]
