"""URL fetching against a real server on this machine; what may be reached is tested without one."""

import ipaddress
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ambience.decode.url import fetch, is_public
from ambience.errors import FetchError
from ambience.settings import FetchSettings

HOME = FetchSettings(allow_private=True, max_bytes=10_000, timeout_s=1.5, max_redirects=3)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name, _, rest = self.path[1:].partition("/")
        if name == "redirect":
            self.send_response(302)
            self.send_header("Location", "/picture" if rest == "0" else rest_of(rest))
            self.end_headers()
        elif name == "missing":
            self.send_error(404)
        elif name == "slow":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(40):
                    self.wfile.write(b"x")
                    time.sleep(0.1)
            except OSError:
                return
        elif name == "large":
            self.send_response(200)
            if rest:
                self.send_header("Content-Length", "20000")
            self.end_headers()
            try:
                self.wfile.write(bytes(20_000))
            except OSError:
                return
        elif name == "compressed":
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *_: object) -> None:
        pass


def rest_of(rest: str) -> str:
    return f"/redirect/{int(rest) - 1}" if rest.isdecimal() else rest


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://localhost:{running.server_port}"
        running.shutdown()
        thread.join()


def test_the_body_comes_back_and_the_host_name_is_kept(server: str) -> None:
    fetched = fetch(f"{server}/picture", HOME)
    assert fetched.data == server.removeprefix("http://").encode()
    assert fetched.url == f"{server}/picture"


def test_redirects_are_followed_up_to_the_limit(server: str) -> None:
    assert fetch(f"{server}/redirect/2", HOME).url == f"{server}/picture"
    with pytest.raises(FetchError, match=r"more than 3 redirects \(fetch\.max_redirects\)"):
        fetch(f"{server}/redirect/3", HOME)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing", "the server answered 404"),
        ("large", r"at most 10,000 \(fetch\.max_bytes\)"),
        ("large/announced", r"20,000 bytes; at most 10,000 \(fetch\.max_bytes\)"),
        ("slow", r"not fetched within 1\.5 s \(fetch\.timeout_s\)"),
        ("compressed", "compressed"),
        ("redirect/file:///etc/passwd", "file scheme; http and https are fetched"),
        ("redirect/http://user:word@localhost/", "user name or password"),
    ],
)
def test_what_is_not_fetched(server: str, path: str, message: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match=message):
        fetch(f"{server}/{path}", HOME)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f.1", "[::1]", "0.0.0.0"]
)
def test_this_machine_is_not_reached_by_default(server: str, host: str) -> None:
    port = server.rpartition(":")[2]
    with pytest.raises(FetchError, match=r"is not a public address.*allow_private"):
        fetch(f"http://{host}:{port}/picture", FetchSettings(ports=(port,)))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "picture.jpg",
        "ftp://example.org/a",
        "file:///etc/passwd",
        "http://",
        "http://[::1",
        "http:///a",
        "//a/b",
    ],
)
def test_malformed_urls_are_fetch_errors(url: str) -> None:
    with pytest.raises(FetchError):
        fetch(url, FetchSettings())


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d70e", True),
        ("::", False),
    ],
)
def test_public_addresses(address: str, expected: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is expected
