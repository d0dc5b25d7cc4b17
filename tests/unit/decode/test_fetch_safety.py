"""No URL and no redirect leads to what only this machine reaches: tried on servers that count who comes.

The outside stands at 127.0.0.2, the only address that is allowed here beside public ones; the secret is at
127.0.0.1 and ::1.
"""

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

import pytest

from ambience.decode.url import Address, Network, fetch, is_downgrade, is_public
from ambience.errors import FetchError
from ambience.settings import FetchSettings

OUTSIDE = ipaddress.ip_address("127.0.0.2")

NAMES = {
    "outside.test": ["127.0.0.2"],
    "inside.test": ["10.0.0.5"],
    "loop.test": ["127.0.0.1"],
    "mixed.test": ["127.0.0.2", "127.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    "nothing.test": [],
}

HOSTS = [
    *("localhost", "LOCALHOST.", "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "127.255.255.254"),
    *("2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "017700000001", "127.000.000.001"),
    *("0", "0.0.0.0", "0x0", "00000000", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]"),
    *("[64:ff9b::a9fe:a9fe]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[2001:0:7f00:1::]", "[fe80::1]"),
    *(
        "[fe80::1%25lo]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[100::1]",
    ),
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "100.127.255.255"),
    *("169.254.169.254", "2852039166", "0xa9fea9fe", "168.63.129.16", "224.0.0.1", "239.255.255.250"),
    *("255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.0.192", "192.0.2.1", "203.0.113.1", "192.88.99.1"),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "ｌｏｃａｌｈｏｓｔ", "inside.test", "loop.test", "mixed.test"),
    *("mapped.test", "metadata.test", "nothing.test", "localhost%00.test", "127.0.0.1%2f.test"),
]

FORMS = [
    "http://user:word@{secret}/",
    "http://user@{secret}/",
    "http://outside.test:{port}@{secret}/",
    "http://outside.test:{port}\\@{secret}/",
    "http://{secret}#@outside.test:{port}/",
    "http://{secret}?@outside.test:{port}/",
    "http://{secret}\\.outside.test:{port}/",
    "http:{secret}/",
    "http:\\\\{secret}\\",
    "http:/\\{secret}/",
    " http://{secret}/",
    "ht\ntp://{secret}/",
    "http://{secret}\t/",
    "http://outside.test:{port}\r\nHost: {secret}/",
    "//{secret}/",
    "file:///etc/passwd",
    "file://{secret}/etc/passwd",
    "ftp://{secret}/",
    "gopher://{secret}/_GET%20/",
    "dict://{secret}/info",
    "ldap://{secret}/",
    "data:image/png;base64,iVBORw0KGgo=",
    "jar:http://{secret}!/",
    "ws://{secret}/",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "http://[{secret}]/",
    "http://[::1",
    "http://{secret}:80:81/",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:-1/",
]


@dataclass
class Place:
    """A server, and what it was asked."""

    port: int
    asked: list[str] = field(default_factory=list)


def sent(head: bytes, body: bytes = b"") -> Callable[[Any], None]:
    return lambda file: file.write(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n" + body)


def dripped(
    pieces: Callable[[int], bytes], *, first: bytes = b"", pause_s: float = 0.0
) -> Callable[[Any], None]:
    def write(file: Any) -> None:
        file.write(first)
        for n in range(100_000):
            file.write(pieces(n))
            time.sleep(pause_s)

    return write


OK = b"200 OK\r\nContent-Type: image/png"
CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"

TRICKS: dict[str, tuple[Callable[[Any], None], str]] = {
    "page": (sent(b"200 OK\r\nContent-Type: text/html; charset=utf-8", b"<html>"), "sent 'text/html'"),
    "json": (sent(b"200 OK\r\nContent-Type: application/json", b"{}"), "sent 'application/json'"),
    "refresh": (
        sent(b"200 OK\r\nContent-Type: text/html\r\nRefresh: 0;url=http://loop.test/", b""),
        "only pictures are fetched",
    ),
    "bomb": (sent(OK + b"\r\nContent-Encoding: gzip", b"\x1f\x8b"), "compressed"),
    "brotli": (sent(OK + b"\r\nContent-Encoding: br, identity", b"x"), "compressed"),
    "announced": (sent(OK + b"\r\nContent-Length: 99999999999", b"x"), "fetch.max_bytes"),
    "endless": (
        dripped(lambda n: CHUNK, first=b"HTTP/1.1 " + OK + b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
        "fetch.max_bytes",
    ),
    "drips": (
        dripped(lambda n: b"x", first=b"HTTP/1.1 " + OK + b"\r\nContent-Length: 5000\r\n\r\n", pause_s=0.05),
        "fetch.timeout_s",
    ),
    "slow head": (dripped(lambda n: b"X", first=b"HTTP/1.1 200 OK\r\nA: ", pause_s=0.05), "fetch.timeout_s"),
    "long head": (
        dripped(lambda n: b"A: " + b"b" * 60_000 + b"\r\n", first=b"HTTP/1.1 200 OK\r\n"),
        "/long%20head",
    ),
    "goes on": (dripped(lambda n: b"HTTP/1.1 100 Continue\r\n\r\n", pause_s=0.01), "fetch.timeout_s"),
    "cut off": (sent(OK + b"\r\nContent-Length: 100", b"too little"), "/cut%20off"),
    "no http": (lambda file: file.write(b"220 smtp.example ESMTP\r\n"), "/no%20http"),
    "nothing": (lambda file: None, "/nothing"),
    "no target": (sent(b"302 Found"), "answered 302"),
    "partly": (sent(b"206 Partial Content\r\nContent-Type: image/png", b"x"), "answered 206"),
    "forbidden": (sent(b"403 Forbidden"), "answered 403"),
}


@contextlib.contextmanager
def answering(host: str) -> Iterator[Place]:
    place = Place(0)

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place.asked.append(self.path)
            name, _, rest = unquote(self.path[1:]).partition("/")
            with contextlib.suppress(OSError):
                if name in TRICKS:
                    TRICKS[name][0](self.wfile)
                elif name.isdigit():
                    self.wfile.write(f"HTTP/1.1 {name} To\r\n".encode())
                    self.wfile.write(b"Location: " + rest.encode("utf-8") + b"\r\nConnection: close\r\n\r\n")
                else:
                    sent(OK, b"a picture")(self.wfile)

        def log_message(self, *_: object) -> None:
            pass

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server_class = type("Server", (ThreadingHTTPServer,), {"address_family": family, "daemon_threads": True})
    with server_class((host, 0), Answers) as running:
        place.port = running.server_address[1]
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield place
        running.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def outside() -> Iterator[Place]:
    with answering(str(OUTSIDE)) as place:
        yield place


@pytest.fixture(scope="module")
def secret() -> Iterator[Place]:
    with answering("127.0.0.1") as place:
        yield place


def settings(*places: Place, **changes: Any) -> FetchSettings:
    ports = tuple(str(place.port) for place in places)
    values = {"ports": (*ports, "80"), "timeout_s": 1.0, "max_bytes": 10_000_000, "max_redirects": 4}
    return FetchSettings(**(values | changes))


def rows(addresses: list[str]) -> list[Any]:
    return [(0, socket.SOCK_STREAM, 0, "", (address, 0)) for address in addresses]


def resolve(host: str, port: int) -> list[Any]:
    """Names of the tests; anything else as the system has it."""
    if host.rstrip(".") in NAMES:
        return rows(NAMES[host.rstrip(".")])
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def is_allowed(address: Address) -> bool:
    return address == OUTSIDE or is_public(address)


NETWORK = Network(resolve, is_allowed)


def refused(url: str, secret: Place, given: FetchSettings) -> None:
    with pytest.raises(FetchError):
        fetch(url, given, network=NETWORK)
    assert secret.asked == []


def test_what_is_outside_is_fetched(outside: Place, secret: Place) -> None:
    given = settings(outside, secret)
    start = f"http://outside.test:{outside.port}"
    assert fetch(f"{start}/picture", given, network=NETWORK).data == b"a picture"
    for status in (301, 302, 303, 307, 308):
        assert fetch(f"{start}/{status}/{start}/picture", given, network=NETWORK).url == f"{start}/picture"
    assert fetch(f"{start}/302//picture", given, network=NETWORK).data == b"a picture"


@pytest.mark.parametrize("host", HOSTS)
def test_no_way_of_writing_an_address_leads_inside(outside: Place, secret: Place, host: str) -> None:
    given = settings(outside, secret)
    refused(f"http://{host}:{secret.port}/", secret, given)
    refused(f"http://outside.test:{outside.port}/302/http://{host}:{secret.port}/", secret, given)


@pytest.mark.parametrize("form", FORMS)
def test_no_form_of_a_url_leads_inside(outside: Place, secret: Place, form: str) -> None:
    given = settings(outside, secret)
    url = form.format(secret=f"127.0.0.1:{secret.port}", port=outside.port)
    refused(url, secret, given)
    with contextlib.suppress(FetchError):  # as a redirect it may be one that leads nowhere but outside
        fetch(f"http://outside.test:{outside.port}/302/{url}", given, network=NETWORK)
    assert secret.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_kind_of_redirect_leads_inside_however_late(outside: Place, secret: Place, status: int) -> None:
    step = f"http://outside.test:{outside.port}/{status}/"
    refused(f"{step}{step}{step}http://127.0.0.1:{secret.port}/", secret, settings(outside, secret))


def test_redirects_in_a_circle_end(outside: Place, secret: Place) -> None:
    outside.asked.clear()
    circle = f"http://outside.test:{outside.port}/302/"
    with pytest.raises(FetchError, match="redirects"):
        fetch(circle + circle + circle + circle + circle + circle, settings(outside), network=NETWORK)
    assert len(outside.asked) == 5


def test_a_name_that_answers_otherwise_the_second_time_gains_nothing(outside: Place, secret: Place) -> None:
    answers = [["127.0.0.2"], ["127.0.0.1"], ["127.0.0.1"]]
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[Any]:
        asked.append(host)
        return rows(answers[len(asked) - 1])

    given = settings(outside, secret)
    network = Network(rebinding, is_allowed)
    url = f"http://rebind.test:{outside.port}"
    assert fetch(f"{url}/picture", given, network=network).data == b"a picture"
    assert asked == ["rebind.test"]  # looked up once, and connected to that address
    asked.clear()
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 is not a public address"):
        fetch(f"{url}/302/{url}/picture", given, network=network)
    assert len(asked) == 2
    assert secret.asked == []


def test_a_resolver_that_never_answers_is_not_waited_for(outside: Place) -> None:
    release = threading.Event()

    def silent(host: str, port: int) -> list[Any]:
        release.wait(20)
        return []

    started = time.monotonic()
    with pytest.raises(FetchError, match=r"fetch\.timeout_s"):
        fetch("http://slow.test/", settings(timeout_s=0.3), network=Network(silent, is_allowed))
    assert time.monotonic() - started < 5
    release.set()


@pytest.mark.parametrize("port", [22, 25, 6379, 2375, 11211])
def test_other_services_ports_are_not_asked(outside: Place, secret: Place, port: int) -> None:
    with pytest.raises(FetchError, match=rf"port {port}; pictures are fetched from .* \(fetch\.ports\)"):
        fetch(f"http://outside.test:{port}/", settings(outside), network=NETWORK)
    with pytest.raises(FetchError, match="port"):
        fetch(
            f"http://outside.test:{outside.port}/302/http://outside.test:{port}/",
            settings(outside),
            network=NETWORK,
        )


@pytest.mark.parametrize("trick", TRICKS)
def test_answers_that_are_no_picture_or_without_end_are_given_up(outside: Place, trick: str) -> None:
    started = time.monotonic()
    with pytest.raises(FetchError, match=TRICKS[trick][1]):
        fetch(f"http://outside.test:{outside.port}/{quote(trick)}", settings(outside), network=NETWORK)
    assert time.monotonic() - started < 6


@pytest.mark.parametrize(
    ("url", "target", "expected"),
    [
        ("https://a.test/", "http://a.test/", True),
        ("HTTPS://a.test/", "HTTP://b.test/", True),
        ("https://a.test/", "https://b.test/", False),
        ("http://a.test/", "https://a.test/", False),
        ("http://a.test/", "http://b.test/", False),
    ],
)
def test_encryption_is_not_given_up_on_the_way(url: str, target: str, expected: bool) -> None:
    assert is_downgrade(url, target) is expected
