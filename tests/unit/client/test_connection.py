"""What is tried again, what is not, and which error a problem becomes."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ambience.client import AnswerError, Client, NewImage, Part, UnreachableError
from ambience.client.batches import BATCH_FILES, batches_of, items_of
from ambience.client.connection import LONGEST_WAIT_S, Connection
from ambience.client.documents import read
from ambience.client.models import Box, Job
from ambience.client.pictures import Sent
from ambience.errors import BusyError, ImageIdTakenError, QueryError, UnknownImageError


class Server:
    """Answers one after the other, and keeps what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked, self.waits = list(answers), [], []
        self.asked: list[httpx.Request]
        self.waits: list[float]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def connection(self, *, tries: int = 4, key: str | None = None) -> Connection:
        transport = httpx.MockTransport(self)
        return Connection(
            "http://a.example",
            key=key,
            timeout_s=1,
            tries=tries,
            transport=transport,
            sleep=self.waits.append,
        )


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"code": code, "detail": f"it is {code}"}, headers=headers)


OK = httpx.Response(200, json={"a": 1})


def test_what_the_server_puts_off_is_asked_again_when_it_says() -> None:
    server = Server(
        problem(503, "busy", **{"retry-after": "3"}),
        problem(429, "too_many_requests", **{"retry-after": "100000"}),
        problem(429, "too_many_requests", **{"retry-after": "99999"}),
        OK,
    )
    answer = server.connection(key="secret")
    with pytest.raises(AnswerError, match="it is too_many_requests"):
        answer.ask("GET", "/x")  # a wait that is no number of seconds is none
    assert server.waits == [3.0]
    assert answer.ask("GET", "/x").json() == {"a": 1}
    assert server.waits == [3.0, LONGEST_WAIT_S]
    assert {request.headers["authorization"] for request in server.asked} == {"Bearer secret"}


def test_a_server_that_is_not_there_is_asked_again_with_longer_waits() -> None:
    server = Server(*[httpx.ConnectError("refused")] * 3)
    with pytest.raises(UnreachableError, match=r"GET http://a\.example/x: refused"):
        server.connection(tries=3).ask("GET", "/x")
    assert server.waits == [0.5, 1.0]


def test_what_may_have_been_done_is_not_asked_twice() -> None:
    server = Server(problem(503, "busy", **{"retry-after": "1"}), httpx.ReadTimeout("late"))
    connection = server.connection()
    with pytest.raises(BusyError) as caught:
        connection.ask("POST", "/v1/images", form=Sent({}, {"image": b"x"}), is_repeatable=False)
    assert caught.value.retry_after_s == 1
    with pytest.raises(UnreachableError, match="late"):
        connection.ask("POST", "/v1/images", form=Sent({}, {"image": b"x"}), is_repeatable=False)
    assert server.waits == []


def test_files_are_sent_whole_in_every_try(tmp_path: Path) -> None:
    file = tmp_path / "lake.jpg"
    file.write_bytes(b"the picture")
    server = Server(httpx.ConnectError("gone"), problem(503, "busy", **{"retry-after": "1"}), OK)
    server.connection().ask("POST", "/v1/search", form=Sent({"k": "3"}, {"image": file}))
    assert len(server.asked) == 3
    for request in server.asked:
        assert b"the picture" in request.content
        assert b'filename="lake.jpg"' in request.content
    with pytest.raises(QueryError, match=r"cannot read .*none\.jpg"):
        Server().connection().ask("POST", "/x", form=Sent({}, {"image": tmp_path / "none.jpg"}))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(404, "unknown_image"), UnknownImageError),
        (problem(409, "image_id_taken"), ImageIdTakenError),
        (problem(400, "query_malformed"), QueryError),
        (problem(418, "teapot"), AnswerError),
        (httpx.Response(502, text="<html>"), AnswerError),
        (httpx.Response(500, json=[1]), AnswerError),
    ],
)
def test_problems_become_the_errors_of_their_codes(answer: httpx.Response, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        Server(answer).connection().ask("GET", "/x")
    told = caught.value if isinstance(caught.value, AnswerError) else caught.value.__cause__
    assert isinstance(told, AnswerError)
    assert told.status == answer.status_code


def _asked_of(**question: Any) -> httpx.Request:
    server = Server(httpx.Response(200, json={"matches": [], "kinds": [], "took_s": 0.5}))
    with Client("http://a.example", transport=httpx.MockTransport(server)) as client:
        assert client.search(**question).next is None
    return server.asked[0]


def test_a_question_without_pictures_is_json() -> None:
    parts = [Part(image_id=3, region=(0, 0, 0.5, 1)), Part(text="snow", weight=-0.5)]
    sent = json.loads(_asked_of(text="lake", parts=parts, by=["color"], exclude_self=False).content)
    assert sent == {
        "text": "lake",
        "by": ["color"],
        "exclude_self": False,
        "parts": [
            {"image_id": 3, "weight": 1.0, "region": [0, 0, 0.5, 1]},
            {"text": "snow", "weight": -0.5},
        ],
    }


def test_a_question_with_pictures_is_a_form() -> None:
    request = _asked_of(picture=b"one", parts=[Part(picture=b"two", weight=0.5)], region=(0, 0, 0.5, 1))
    assert request.headers["content-type"].startswith("multipart/form-data")
    for piece in (b"one", b"two", b'[{"weight": 0.5, "image": "part0"}]', b"[0, 0, 0.5, 1]"):
        assert piece in request.content


def test_many_pictures_go_in_requests_of_some_dozens() -> None:
    batches = list(batches_of([b"x"] * (2 * BATCH_FILES + 1)))
    assert [len(batch) for batch in batches] == [BATCH_FILES, BATCH_FILES, 1]
    assert list(batches_of([])) == []
    heavy = [bytes(40 * 2**20)] * 3
    assert [len(batch) for batch in batches_of(heavy)] == [1, 1, 1]
    said = items_of([NewImage("a/lake.jpg"), NewImage(b"x", name="n", image_id=0, tags=("t",))])
    assert said == [{"name": "lake.jpg"}, {"name": "n", "image_id": 0, "tags": ["t"]}]


def test_answers_of_other_versions() -> None:
    box = {"x": 1, "y": 2, "width": 3, "height": 4}
    assert read(Box, {**box, "newer": 5}) == Box(1, 2, 3, 4)
    for broken in ({"x": 1}, None, [], 5):
        with pytest.raises(AnswerError, match="is no Box"):
            read(Box, broken)
    assert set(Job.__dataclass_fields__) >= {"job_id", "state"}
