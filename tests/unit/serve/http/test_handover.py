"""The command line's side of a running server, over its Unix socket."""

import os
import stat
import threading
import time

import httpx
import pytest

from ambience.answers import Query
from ambience.errors import (
    FilterError,
    LibraryLockedError,
    QueryError,
    StoreError,
    UnknownImageError,
    UnknownKindError,
)
from ambience.serve.handover import Handover


@pytest.fixture
def running(library, serve):
    return serve(library)


@pytest.fixture
def handover(running, holder):
    with Handover(holder(running.server)) as made:
        yield made


@pytest.fixture
def folder(tmp_path, picture):
    made = tmp_path / "photos \udcff"
    made.mkdir()
    for seed in range(6):
        (made / f"{seed}.png").write_bytes(picture(seed))
    return made


def test_reading_methods_answer_what_the_library_answers(handover, library, picture):
    library.add_image(picture(1), name="\udcff.png", tags=["x"])
    library.add_image(picture(2), name="b")
    assert handover.image(0) == library.image(0)
    assert handover.images([0, 1, 9]) == library.images([0, 1])
    assert handover.list_images(filter="x") == library.list_images(filter="x") == [library.image(0)]
    assert (handover.count_images(filter="!x"), handover.count_images()) == (1, 2)
    with pytest.raises(FilterError, match="column 2"):
        handover.search(Query(image_id=0), filter="a)")
    (hit,) = handover.search_kind("color", Query(image_id=0), k=5, filter="x").hits
    assert hit.image_id == 0
    assert handover.list_images(newest_first=True, limit=1) == [library.image(1)]
    assert handover.image_by_name("b") == 1
    assert handover.info() == library.info()
    assert handover.jobs() == library.jobs()
    question = Query(data=picture(1, turn=90), name="q")
    assert handover.search(question, k=3).matches == library.search(question, k=3).matches
    asked = {"radius": 64.0, "turned": False}
    assert (
        handover.search_kind("phash", Query(image_id=0), **asked).hits
        == library.search_kind("phash", Query(image_id=0), **asked).hits
    )


def test_errors_are_those_of_the_library(handover):
    with pytest.raises(UnknownImageError, match="no image 9"):
        handover.image(9)
    with pytest.raises(UnknownImageError):
        handover.remove(9)
    with pytest.raises(UnknownKindError, match="smell"):
        handover.train("smell")
    with pytest.raises(QueryError):
        handover.search(Query())


def test_writing_methods_change_the_library(handover, library, picture):
    library.add_image(picture(1))
    handover.set_tags(0, ["sea"])
    assert library.image(0).tags == ("sea",)
    handover.remove(0, purge=True)
    assert library.list_images() == []


def test_adding_tells_its_progress_and_its_report(handover, library, folder):
    told = []
    report = handover.add_paths([folder], on_progress=told.append)
    assert (report.found, report.added, report.was_stopped) == (6, 6, False)
    assert report.failed[0].path == "/no\udcff.jpg"
    assert [progress.done for progress in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].current == str(folder / "5.png")
    assert len(library.list_images()) == 6


def test_a_stop_here_stops_the_run_there_and_its_report_still_comes(handover, library, folder):
    stop = threading.Event()
    library.gate.clear()
    threading.Timer(0.2, stop.set).start()
    threading.Timer(0.8, library.gate.set).start()
    report = handover.add_paths([folder], stop=stop)
    assert report.was_stopped
    assert report.added == len(library.list_images()) == 1


def test_a_command_line_that_is_killed_stops_its_run(running, library, folder):
    library.gate.clear()
    transport = httpx.HTTPTransport(uds=str(running.server.socket_path))
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        from ambience.serve.handover import _body

        body = _body({"paths": [folder]}, token="t")
        headers = {"content-type": "application/json"}
        with client.stream("POST", "/local/add", content=body, headers=headers):
            event = running.server.app.state.server.stops["t"]
    assert event.wait(5)
    library.gate.set()
    deadline = time.monotonic() + 5
    while running.server.app.state.server.stops and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(library.list_images()) <= 1  # none where the stop came before the first


def test_watching_reports_until_it_is_stopped(handover, folder):
    stop, reports = threading.Event(), []

    def take(report):
        reports.append(report)
        stop.set()

    handover.watch([folder], stop=stop, on_report=take)
    assert [report.added for report in reports] == [6]


def test_check_and_rebuild_tell_what_they_look_at(handover, library):
    told = []
    assert handover.check(on_progress=told.append) == library.check()
    handover.rebuild(on_progress=lambda *said: told.append(said))
    assert told == ["records", "files", ("color", 1, 1), ("phash", 1, 1)]


def test_a_run_is_stopped_by_the_client_and_by_the_end_of_the_server(handover, running):
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StoreError, match="stopped before"):
        handover.train("color", stop=stop)
    threading.Timer(0.2, running.server.app.state.server.begin_closing).start()
    with pytest.raises(StoreError, match="stopped before"):
        handover.train("color")


def test_only_the_owner_can_open_the_socket(running):
    path = running.server.socket_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_uid == os.getuid()
    assert len(os.fsencode(path)) < 100


def test_methods_that_are_not_listed_cannot_be_called(running):
    transport = httpx.HTTPTransport(uds=str(running.server.socket_path))
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        for path in ("call/close", "call/__init__", "call/_images", "close", "call/search%2f"):
            assert client.post(f"/local/{path}", json={"arguments": {}}).status_code == 404
        odd = client.post("/local/call/image", json={"arguments": {"$": "mapping", "value": [["odd", 1]]}})
        assert (odd.status_code, odd.json()["code"]) == (400, "query_malformed")
        assert client.post("/local/call/image", json={"arguments": [1]}).status_code == 400


# httpcore 1.0 leaves a Unix socket that could not connect to the garbage collector, which warns.
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning"
)
def test_a_server_that_is_gone_is_said_to_be_gone(library, serve, tmp_path):
    from types import SimpleNamespace

    nobody = SimpleNamespace(pid=4242, socket=str(tmp_path / "gone.sock"))
    with Handover(nobody) as handover, pytest.raises(StoreError, match="4242"):
        handover.info()
    with Handover(nobody) as handover, pytest.raises(StoreError, match="run the command again"):
        handover.add_paths([tmp_path])
    assert not issubclass(StoreError, LibraryLockedError)


def test_stopping_the_server_finishes_requests_and_commits_runs(library, serve, folder, picture, holder):
    library.add_image(picture(9))
    running = serve(library)
    library.gate.clear()
    answers = {}

    def ask():
        answers["search"] = httpx.get(f"{running.server.url}v1/search?id=0", timeout=30).status_code

    def add():
        with Handover(holder(running.server)) as handover:
            answers["add"] = handover.add_paths([folder])

    threads = [threading.Thread(target=ask), threading.Thread(target=add)]
    for thread in threads:
        thread.start()
    state = running.server.app.state.server
    while not (state.work.taken and state.runs.taken):
        time.sleep(0.01)
    running.server.stop()
    while not state.is_closing:
        time.sleep(0.01)
    library.gate.set()
    for thread in threads:
        thread.join(20)
    assert answers["search"] == 200
    assert answers["add"].was_stopped
    assert answers["add"].added == len(library.list_images()) - 1 == 1
