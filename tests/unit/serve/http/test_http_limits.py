import asyncio
import socket
import threading
import time

import httpx
import pytest

from ambience.errors import AmbienceError
from ambience.serve.http.limits import BodyLimit, host_of, is_unix_socket
from ambience.serve.http.visit import Visit, begun


@pytest.mark.parametrize(
    ("header", "host"),
    [
        ("localhost", "localhost"),
        ("LOCALHOST:44444", "localhost"),
        ("127.0.0.1:1", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("localhost.", "localhost"),
        ("evil@localhost", ""),
        ("localhost/evil", ""),
        ("localhost:x", ""),
        ("", ""),
        ("[::1", ""),
    ],
)
def test_the_host_of_a_header(header, host):
    assert host_of(header) == host


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.168.1.7", "", "a@localhost"])
def test_an_unknown_host_is_refused_for_every_method(client, host):
    for method, url in (("GET", "/v1/images"), ("POST", "/v1/search"), ("GET", "/")):
        answer = client.request(method, url, headers={"host": host})
        assert (answer.status_code, answer.json()["code"]) == (421, "unknown_host")


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:9", "[::1]:9", "LocalHost"])
def test_the_machines_own_names_are_answered(client, host):
    assert client.get("/v1/images", headers={"host": host}).status_code == 200


def test_allowed_hosts_are_answered_and_any_address_where_every_interface_is_bound(library, serve):
    named = serve(library, allowed_hosts=("photos.lan",)).client
    assert named.get("/healthz", headers={"host": "photos.lan:80"}).status_code == 200
    assert named.get("/healthz", headers={"host": "192.168.1.7"}).status_code == 421
    public = serve(library, host="0.0.0.0", allowed_hosts=()).client
    assert public.get("/healthz", headers={"host": "192.168.1.7:44444"}).status_code == 200
    assert public.get("/healthz", headers={"host": "evil.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000", "host": "localhost:44444"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "file://localhost:44444", "host": "localhost:44444"},
    ],
)
def test_a_page_of_another_origin_changes_nothing(client, picture, headers):
    client.post("/v1/images", files={"image": ("a", picture(1))})
    for method, url in (
        ("DELETE", "/v1/images/0"),
        ("PATCH", "/v1/images/0"),
        ("POST", "/v1/images"),
        ("POST", "/delete_phash_features"),
        ("POST", "/v1/search"),
    ):
        answer = client.request(method, url, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "foreign_origin")
    assert client.get("/v1/images/0").status_code == 200


def test_the_own_page_and_programs_without_an_origin_may_change_things(client, picture):
    own = {"host": "localhost:44444", "origin": "http://localhost:44444", "sec-fetch-site": "same-origin"}
    for headers in (own, {}, {"sec-fetch-site": "none"}):
        assert (
            client.post("/v1/images", files={"image": ("a", picture(1))}, headers=headers).status_code == 201
        )


def test_an_allowed_origin_may_change_things_and_others_get_no_cors_headers(library, serve, picture):
    client = serve(library, allowed_origins=("https://Photos.example/",)).client
    files = {"image": ("a", picture(1))}
    allowed = client.post("/v1/images", files=files, headers={"origin": "https://photos.example"})
    assert allowed.status_code == 201
    assert allowed.headers["access-control-allow-origin"] == "https://photos.example"
    other = client.get("/v1/images", headers={"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_no_cors_headers_without_the_setting(client):
    answer = client.get("/v1/images", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


def test_a_body_over_the_limit_is_refused_by_its_announcement_and_while_it_streams(library, serve):
    client = serve(library, max_upload_bytes=10_000).client
    announced = client.post("/v1/images", content=b"x" * 10_001, headers={"content-type": "image/png"})
    assert (announced.status_code, announced.json()["code"]) == (413, "body_too_large")

    def endless():
        for _ in range(1000):
            yield b"x" * 1000

    try:
        streamed = client.post("/v1/images", content=endless(), headers={"content-type": "image/png"})
        assert streamed.status_code == 413
    except httpx.WriteError:
        pass  # the server hung up before all of it was written
    assert client.get("/healthz").text == "ok\n"


def test_a_field_or_a_json_body_of_any_size_is_refused(client):
    big = client.post("/v1/search", data={"text": "x" * 70_000}, files={"image": ("a", b"x")})
    assert big.status_code == 400
    json = client.post("/v1/search", content=b" " * (2**20 + 1), headers={"content-type": "application/json"})
    assert json.status_code == 413


def test_a_body_that_stands_still_is_given_up():
    seen = {}

    async def app(scope, receive, send):
        try:
            await receive()
        except AmbienceError as exc:  # what the application would turn into a problem document
            seen["error"] = exc

    async def never():
        await asyncio.sleep(60)

    connection = {"type": "http", "headers": [], "server": ("localhost", 1)}
    begun(connection, Visit("a"))
    limit = BodyLimit(app, most=10, most_local=10, pause_s=0.05)
    asyncio.run(limit(connection, never, None))
    assert seen["error"].code == "body_timeout"
    assert "stood still for 0.05 s" in str(seen["error"])


def test_a_full_queue_answers_503_at_once_while_health_still_answers(library, serve, picture):
    running = serve(library, workers=1, queue=1)
    client = running.client
    client.post("/v1/images", files={"image": ("a", picture(1))})
    library.gate.clear()
    statuses = []

    def ask():
        statuses.append(httpx.get(f"{running.server.url}v1/search?id=0", timeout=30).status_code)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        started = time.monotonic()
        refused = client.get("/v1/search?id=0") if library_is_full(running) else None
        if refused is not None:
            break
        time.sleep(0.01)
    assert refused.status_code == 503
    assert time.monotonic() - started < 1
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["code"] == "busy"
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200
    assert client.get("/v1/images").status_code == 200
    library.gate.set()
    for thread in threads:
        thread.join(20)
    assert statuses == [200, 200]
    assert client.get("/v1/search?id=0").status_code == 200


def library_is_full(running):
    work = running.server.app.state.server.work
    return work.taken == work.places


def test_only_the_socket_counts_as_local_whatever_a_client_says():
    assert is_unix_socket({"server": ("/run/x.sock", None)})
    assert not is_unix_socket({"server": ("127.0.0.1", 44444)})
    assert not is_unix_socket({"server": ("localhost", None)})
    assert not is_unix_socket({"server": None})
    assert not is_unix_socket({})


@pytest.mark.parametrize("path", ["/local/check", "/local/call/info", "/local/stop", "/local/add"])
def test_what_is_meant_for_the_command_line_does_not_exist_on_the_network(client, path):
    answer = client.post(path, json={"arguments": {}}, headers={"host": "localhost"})
    assert answer.status_code == 404


@pytest.mark.parametrize("content_type", ["image/png", "application/json", "multipart/form-data; boundary=x"])
def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_fault(library, serve, caplog, content_type):
    running = serve(library)
    host, port = running.client.base_url.host, running.client.base_url.port
    for _ in range(3):
        with socket.create_connection((host, port), timeout=5) as raw:
            head = f"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\n"
            raw.sendall(f"{head}Content-Length: 1000\r\n\r\n--x".encode())
            while not running.server.app.state.server.work.taken:
                time.sleep(0.005)
    deadline = time.monotonic() + 5
    while running.server.app.state.server.work.taken and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.server.app.state.server.work.taken == 0
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert running.client.get("/healthz").status_code == 200


def test_garbage_instead_of_http_leaves_the_server_alive(client):
    host, port = client.base_url.host, client.base_url.port
    with socket.create_connection((host, port), timeout=5) as raw:
        raw.sendall(b"\x00\xff" * 2000 + b"\r\n\r\n")
        raw.settimeout(5)
        raw.recv(100)
    assert client.get("/healthz").status_code == 200
