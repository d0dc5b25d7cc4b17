"""What a service of a kind may do wrong: each is named as what it is, and none of it becomes an answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from ambience.answers import Hit, Query, QueryPart
from ambience.datatypes import FeatureSpec, FeatureState, Orientation, Verdict
from ambience.errors import (
    AmbienceError,
    BusyError,
    EmptyFeatureError,
    ImageIdTakenError,
    ModelError,
    QueryError,
    ServiceError,
    ServiceLateError,
    ServiceMismatchError,
    SettingsError,
)
from ambience.search.original_figures import ExtentKnobs
from ambience.search.remote import RemoteKind
from ambience.search.service_client import FAILURES, Breaker
from support.fake_service import Script, answering, problem, told

SPEC = FeatureSpec("toy", "Toy", 2, "float32", "l2", 1, 1)
HIT = {"image_id": 4, "distance": 1.5, "rotation": 90, "mirrored": True, "quality": 0.5, "verdict": "edited"}


def ranking(**changes: Any) -> dict[str, Any]:
    document = {"kind": "toy", "fingerprint": SPEC.fingerprint, "protocol": 1, "hits": [HIT], "pending": 2}
    return document | changes


Serve = Callable[..., tuple[RemoteKind, Script]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as opened:

        def make(answer: Any, **more: Any) -> tuple[RemoteKind, Script]:
            script = opened.enter_context(
                answering(Script(answer if callable(answer) else lambda *_: answer))
            )
            remote = RemoteKind(SPEC, script.url, connections=4, **more)
            opened.callback(remote.close)
            return remote, script

        yield make


def ask(remote: RemoteKind, **more: Any) -> Any:
    return remote.by_query(Query(image_id=1), **({"k": 5, "timeout_s": 5.0} | more))


def test_a_ranking_comes_whole(serve: Serve) -> None:
    remote, script = serve(told(ranking(note="so it is")), pending=lambda: 3)
    found = ask(remote)
    expected = Hit(4, 1.5, Orientation(90, True), 0.5, verdict=Verdict.EDITED)
    assert (found.hits, found.pending, found.note) == ((expected,), 5, "so it is")
    assert script.asked == [("POST", "/v1/kinds/toy/search")]
    assert remote.info.state == "up"


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"<html>", ""),
        (200, b"", ""),
        (200, b"[]", ""),
        (200, b'{"hits": NaN}', ""),
        (200, b"[" * 100_000, ""),
        (301, b"", ""),
        (500, b"oops", ""),
        told(ranking(hits=[HIT | {"image_id": -1}])),
        told(ranking(hits=[HIT | {"distance": "1e999"}])),
        told(ranking(hits=[HIT | {"rotation": 45}])),
        told(ranking(hits=[HIT | {"verdict": "twin"}])),
        told(ranking(hits=[HIT, HIT])),
        told(ranking(hits=[HIT, HIT | {"image_id": 5, "distance": 1.0}])),
        told(ranking(hits=[HIT | {"image_id": number} for number in range(6)])),
        told(ranking(pending=-1)),
    ],
)
def test_nonsense_is_a_failure(serve: Serve, answer: tuple[int, bytes, str]) -> None:
    remote, _ = serve(answer)
    with pytest.raises(ServiceError, match="the service of toy"):
        ask(remote)
    assert remote.info.state == "down"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fingerprint": "toy-v2"}, "makes toy-v2, but toy-scaled-v1 is expected"),
        ({"protocol": 2}, "speaks protocol 2"),
    ],
)
def test_another_version_is_refused(serve: Serve, changes: dict[str, Any], said: str) -> None:
    remote, _ = serve(told(ranking(**changes)))
    with pytest.raises(ServiceMismatchError, match=said):
        ask(remote)
    assert remote.info.state == "refused"
    assert said in remote.info.message
    assert not remote.probe()


def test_a_service_that_knows_no_such_question_is_of_another_version(serve: Serve) -> None:
    remote, _ = serve(problem(404, "not_found"))
    with pytest.raises(ServiceMismatchError, match="another version"):
        ask(remote)


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (422, "feature_empty", EmptyFeatureError),
        (400, "query_malformed", QueryError),
        (503, "model_missing", ModelError),
        (409, "image_id_taken", ImageIdTakenError),
        (500, "store_failed", ServiceError),
    ],
)
def test_errors_of_the_question_are_those_of_the_service(
    serve: Serve, status: int, code: str, error: type[AmbienceError]
) -> None:
    remote, script = serve(problem(status, code))
    with pytest.raises(error, match=f"it said {code}"):
        ask(remote)
    assert len(script.asked) == 1, "none of these is mended by asking again"


def test_what_passes_is_tried_again(serve: Serve) -> None:
    answers = iter([problem(503, "busy"), (502, b"", ""), told(ranking())])
    remote, script = serve(lambda *_: next(answers))
    assert len(ask(remote).hits) == 1
    assert len(script.asked) == 3
    still, _ = serve(problem(503, "busy", "7"))
    with pytest.raises(BusyError) as raised:
        ask(still, timeout_s=1.0)
    assert raised.value.retry_after_s == 7


def test_a_slow_service_is_late(serve: Serve) -> None:
    remote, script = serve(told(ranking()))
    script.delay_s = 0.5
    with pytest.raises(ServiceLateError, match=r"did not answer within 0\.1 s"):
        ask(remote, timeout_s=0.1)
    assert len(script.asked) == 1


def test_one_that_is_down_is_not_asked_for_a_while() -> None:
    remote = RemoteKind(SPEC, "http://127.0.0.1:9", connections=1)
    assert remote.info.state == "unknown"
    for _ in range(FAILURES):
        with pytest.raises(ServiceError, match="nothing takes connections"):
            ask(remote)
    with pytest.raises(ServiceError, match="not asked for a while"):
        ask(remote)
    assert "9" not in remote.info.message, "clients see messages, and the address is none of their business"
    remote.close()


def test_one_call_at_a_time_finds_out_whether_it_is_back() -> None:
    now = [0.0]
    breaker = Breaker(clock=lambda: now[0], jitter=lambda: 1.0)
    for _ in range(FAILURES):
        breaker.admit()
        breaker.note_failure("gone")
    with pytest.raises(ServiceError, match=r"gone .*tried again in 1\.0 s"):
        breaker.admit()
    now[0] = 1.5
    breaker.admit()
    with pytest.raises(ServiceError, match="just now"):
        breaker.admit()
    breaker.note_failure("gone still")
    now[0] = 3.0
    with pytest.raises(ServiceError, match=r"tried again in 0\.5 s"):
        breaker.admit()
    now[0] = 4.0
    breaker.admit()
    breaker.note_success()
    breaker.admit()
    breaker.admit()
    assert breaker.state == ("up", "")


def test_images_that_are_gone_here_are_no_hits(serve: Serve) -> None:
    hits = [HIT | {"image_id": number, "distance": number} for number in range(4)]
    bodies: list[dict[str, Any]] = []

    def answer(_method: str, _path: str, body: bytes) -> tuple[int, bytes, str]:
        bodies.append(json.loads(body))
        return told(ranking(hits=hits))

    remote, _ = serve(answer, known=lambda ids: set(ids) - {0, 1}, removals=lambda: 2)
    assert [hit.image_id for hit in ask(remote, k=2).hits] == [2, 3]
    assert bodies[0]["k"] == "4", "so many more are asked for as may be gone"


def test_a_composed_question_and_its_limits_travel(serve: Serve) -> None:
    bodies: list[bytes] = []

    def answer(_method: str, _path: str, body: bytes) -> tuple[int, bytes, str]:
        bodies.append(body)
        return told(ranking(hits=[]))

    remote, _ = serve(answer)
    parts = (QueryPart(data=b"PICTURE", weight=0.5), QueryPart(text="snow", weight=-1.0))
    remote.by_query(Query(parts=parts), k=1, allowed_images=np.array([3, 300]), timeout_s=5.0)
    (body,) = bodies
    assert b"PICTURE" in body
    assert b'{"weight": -1.0, "text": "snow"}' in body
    assert np.array([3, 300], "<i8").tobytes() in body


def test_a_region_travels_as_shares(serve: Serve) -> None:
    bodies: list[bytes] = []

    def answer(_method: str, _path: str, body: bytes) -> tuple[int, bytes, str]:
        bodies.append(body)
        return told(ranking(hits=[]))

    remote, _ = serve(answer)
    half = (0.0, 0.25, 0.5, 0.75)
    remote.by_query(Query(data=b"PICTURE", region=half), k=1, timeout_s=5.0)
    parts = (QueryPart(image_id=3, region=half), QueryPart(text="snow"))
    remote.by_query(Query(parts=parts), k=1, timeout_s=5.0)
    assert b"0.0,0.25,0.5,0.75" in bodies[0]
    assert rb"\"region\": \"0.0,0.25,0.5,0.75\"" in bodies[1]


def test_pictures_are_given_and_taken_away(serve: Serve) -> None:
    placed = ranking(image_id=7, state="empty", reason="flat")
    remote, script = serve(told(placed))
    assert remote.put(7, b"picture", name="p.jpg") == (FeatureState.EMPTY, "flat")
    with pytest.raises(ServiceError, match="speaks of image 7 when given 8"):
        remote.put(8, b"picture", name="p.jpg")
    remote.remove(7, b"\0" * 32)
    assert script.asked[-1] == ("DELETE", "/v1/kinds/toy/images/7")
    gone, _ = serve(problem(404, "unknown_image"))
    gone.remove(7, b"\0" * 32)


@pytest.mark.parametrize("rows", [{}, [1], [{"image_id": 1}], [{"image_id": "x", "distance": 1}], "x"])
def test_figures_of_the_original_are_checked(serve: Serve, rows: Any) -> None:
    remote, _ = serve(told(rows))
    with pytest.raises(ServiceError, match="nonsense"):
        remote.original_answer(Query(image_id=1), ExtentKnobs(k=1), figure="distance", timeout_s=5)


@pytest.mark.parametrize(
    "url", ["phash:33336", "ftp://x", "http://", "http://a/b", "http://u@h:1", "http://h:x"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"kinds\.toy\.url"):
        RemoteKind(SPEC, url, connections=1)


def test_figures_of_the_original_say_what_the_service_has_yet_to_get(serve: Serve) -> None:
    remote, _ = serve(told([{"image_id": 4, "distance": 1.5}]), pending=lambda: 3)
    found = remote.original_answer(Query(image_id=1), ExtentKnobs(k=1), figure="distance", timeout_s=5)
    assert (found.figure, found.rows, found.pending) == ("distance", ((4, 1.5),), 3)
