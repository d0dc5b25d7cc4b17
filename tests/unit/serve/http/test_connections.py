"""Limits of connections, heads, bodies and time, over real sockets; the server lives on after each."""

import contextlib
import json
import socket
import threading
import time

import httpx
import psutil
import pytest
import uvicorn

from ambience.serve.http.connections import connection_class
from ambience.serve.http.limits import HEAD_BYTES


def opened(running, **options):
    port = running.client.base_url.port
    return socket.create_connection(("127.0.0.1", port), timeout=10, **options)


def answer_of(raw):
    """Status and body of what comes until the server closes the connection."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := raw.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


def is_alive(running):
    return running.client.get("/healthz").status_code == 200


@pytest.fixture
def running(library, serve):
    return serve(library)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/kinds HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * HEAD_BYTES + b"\r\n\r\n",
        b"GET /" + b"a" * HEAD_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /v1/kinds HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * (HEAD_BYTES // 6) + b"\r\n",
        b"GET /v1/kinds HTTP/1.1\r\n" + b"Host: localhost\r\n" + b"A" * (2 * HEAD_BYTES),
    ],
)
def test_a_head_beyond_its_size_is_refused(running, head):
    with opened(running) as raw:
        raw.sendall(head)
        status, body = answer_of(raw)
    assert (status, json.loads(body)["code"]) == (431, "headers_too_large")
    assert is_alive(running)


def test_more_headers_than_anybody_needs_are_refused(running):
    answer = running.client.get("/v1/kinds", headers=[("x", "1")] * 120)
    assert (answer.status_code, answer.json()["code"]) == (431, "headers_too_large")
    assert running.client.get("/v1/kinds", headers=[("x", "1")] * 80).status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,
        b"nothing of the kind\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_as_one_problem_and_closed(running, sent):
    with opened(running) as raw:
        raw.sendall(sent)
        status, body = answer_of(raw)
    assert status in (400, 501)
    assert json.loads(body)["code"] == "malformed"
    assert is_alive(running)


def test_a_chunked_body_without_end_stops_at_the_limit(library, serve):
    running = serve(library, max_upload_bytes=1_000_000)
    sent = 0
    with opened(running) as raw:
        head = "POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
        raw.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        with contextlib.suppress(OSError):
            while sent < 5_000_000_000:
                raw.sendall(chunk)
                sent += 65536
    assert sent < 20_000_000  # what the limit lets through, and what was on its way
    assert is_alive(running)
    assert running.server.app.state.server.work.taken == 0


def test_an_announced_body_over_the_limit_is_refused_before_any_of_it_comes(library, serve):
    running = serve(library, max_upload_bytes=1000)
    with opened(running) as raw:
        raw.sendall(b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000000\r\n\r\n")
        status, body = answer_of(raw)
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


def test_a_body_that_drips_is_given_up_after_its_time(library, serve):
    running = serve(library, body_timeout_s=0.5)
    started = time.monotonic()
    with opened(running) as raw:
        raw.sendall(
            b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            b"Content-Length: 1000\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            for _ in range(100):
                raw.sendall(b"x")
                time.sleep(0.05)
                if running.server.app.state.server.work.taken == 0 and time.monotonic() - started > 0.6:
                    break
        status, body = answer_of(raw)
    assert (status, json.loads(body)["code"]) == (408, "body_timeout")
    assert "serve.body_timeout_s" in json.loads(body)["detail"]
    assert running.server.app.state.server.work.taken == 0


def test_fields_beyond_their_number_are_refused(running):
    many = {f"f{n}": "x" for n in range(300)}
    assert running.client.post("/v1/search", data=many, files={"image": ("a", b"x")}).status_code == 400
    assert running.client.post("/v1/search", data=many).status_code == 400


def test_a_client_that_leaves_while_it_is_answered_gives_its_place_back(library, serve, picture):
    running = serve(library, workers=1, queue=0)
    running.client.post("/v1/images", files={"image": ("a", picture(1))})
    library.gate.clear()
    with opened(running) as raw:
        raw.sendall(b"GET /v1/search?id=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_for(lambda: running.server.app.state.server.work.taken == 1)
    library.gate.set()
    wait_for(lambda: running.server.app.state.server.work.taken == 0)
    assert running.client.get("/v1/search?id=0").status_code == 200


def wait_for(condition, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_requests_may_follow_each_other_before_they_are_answered(running):
    one = b"GET /v1/kinds HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /v1/kinds HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with opened(running) as raw:
        raw.sendall(one * 50 + last)
        data = b""
        while piece := raw.recv(65536):
            data += piece
    assert data.count(b"HTTP/1.1 200 OK\r\n") == 51


async def echo(scope, receive, send):
    """An application that answers with so many bytes as its path says."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(scope["path"][1:] or 0)):
        await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
    await send({"type": "http.response.body", "body": b"end"})


class Impatient:
    """uvicorn with connections that are given little time."""

    def __init__(self, **limits):
        http = connection_class(**({"most": 100} | limits))
        config = uvicorn.Config(echo, http=http, lifespan="off", log_level="error", timeout_keep_alive=30)
        self.server = uvicorn.Server(config)
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})

    def __enter__(self):
        self.thread.start()
        wait_for(lambda: self.server.started)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()

    def connect(self, **options):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10, **options)

    @property
    def count(self):
        return len(self.server.server_state.connections)


def seconds_to_the_end(raw, drip=b""):
    """Until the server hangs up, while a byte goes out now and then."""
    started = time.monotonic()
    raw.settimeout(0.05)
    while time.monotonic() - started < 10:
        try:
            if drip:
                raw.sendall(drip)
            if not raw.recv(65536):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    return time.monotonic() - started


def test_a_head_that_comes_slowly_or_never_is_cut_off():
    with Impatient(head_s=0.4) as server:
        with server.connect() as silent:
            assert 0.3 < seconds_to_the_end(silent) < 5
        with server.connect() as slow:
            slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            assert 0.3 < seconds_to_the_end(slow, drip=b"x") < 5
        with server.connect() as second:  # a further request on a connection that was answered
            second.sendall(b"GET /0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.2)
            second.sendall(b"GET /0 HTTP/1.1\r\n")
            assert 0.3 < seconds_to_the_end(second, drip=b"x") < 5
        wait_for(lambda: server.count == 0)


def test_an_answer_that_nobody_reads_is_cut_off():
    with Impatient(still_s=0.4) as server:
        with server.connect() as raw:
            raw.sendall(b"GET /2000 HTTP/1.1\r\nHost: localhost\r\n\r\n")  # 131 MB, more than sockets hold
            wait_for(lambda: server.count == 1)
            wait_for(lambda: server.count == 0)
        wait_for(lambda: not server.server.server_state.tasks)
        with server.connect() as raw:
            raw.sendall(b"GET /100 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert len(answer_of(raw)[1]) > 100 * 65536


def test_connections_beyond_their_number_are_told_so_and_then_cut_off():
    with Impatient(most=3) as server, contextlib.ExitStack() as kept:
        held = [kept.enter_context(server.connect()) for _ in range(3)]
        wait_for(lambda: server.count == 3)
        refused = [kept.enter_context(server.connect()) for _ in range(3)]
        wait_for(lambda: server.count == 6)
        with server.connect() as cut:
            assert seconds_to_the_end(cut) < 3
        refused[0].sendall(b"GET /0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, body = answer_of(refused[0])
        assert (status, json.loads(body)["code"]) == (503, "busy")
        held[0].sendall(b"GET /0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer_of(held[0])[0] == 200


@pytest.mark.slow
def test_ten_thousand_small_requests_at_once_are_answered_or_refused_in_bounded_memory(
    library, serve, picture
):
    running = serve(library, workers=2, queue=16)
    running.client.post("/v1/images", files={"image": ("a", picture(1))})
    process = psutil.Process()
    before, statuses = process.memory_info().rss, []
    each, threads = 200, 50

    def ask():
        with httpx.Client(base_url=running.server.url, timeout=60, trust_env=False) as client:
            for _ in range(each):
                statuses.append(client.get("/v1/search?id=0&k=1").status_code)

    running_threads = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in running_threads:
        thread.start()
    for thread in running_threads:
        thread.join(110)
    assert len(statuses) == each * threads
    assert set(statuses) <= {200, 429, 503}
    assert statuses.count(200) > 100
    assert process.memory_info().rss - before < 200 * 2**20
    assert running.server.app.state.server.work.taken == 0


def test_a_server_that_stops_refuses_what_is_new_and_says_so(library, serve):
    running = serve(library)
    running.server.app.state.server.begin_closing()
    answer = running.client.get("/v1/kinds")
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert answer.headers["connection"] == "close"
    assert int(answer.headers["retry-after"]) >= 1
    assert running.client.get("/healthz").status_code == 200
    assert running.client.get("/readyz").status_code == 503
