"""Pictures from the web, without letting a URL reach what only this machine can reach.

A host name is resolved once, every address is checked, and the connection goes to the address that was
checked: a name that answers differently the next time (DNS rebinding) gains nothing. Redirects start over.
"""

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from ambience.errors import FetchError
from ambience.settings import FetchSettings

READ_TIMEOUT_S = 5.0
"""Longest silence within a transfer."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_SHOWN = 200

_UNTOLD = frozenset({"", "application/octet-stream", "binary/octet-stream"})
"""What servers say that do not know what they send; the decoder finds out."""

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

# The special-purpose registries of IANA, and what operators keep for themselves. Python's own `is_global`
# follows them from one version to the next, and is asked as well.
_SPECIAL = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24"),
        *("192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),  # the last one: metadata of a cloud
        *("::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32"),
        *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)


@dataclass(frozen=True, slots=True)
class Network:
    """What addresses are looked up with, and which of them may be asked.

    Attributes:
        resolve: takes host and port; answers as `socket.getaddrinfo`.
        is_allowed: whether an address may be asked.
    """

    resolve: Callable[[str, int], list[Any]]
    is_allowed: Callable[[Address], bool]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL held.

    Attributes:
        data: the bytes.
        url: where they came from in the end, after redirects.
    """

    data: bytes
    url: str


def fetch(url: str, settings: FetchSettings, *, network: Network | None = None) -> Fetched:
    """The bytes behind a URL that says it holds a picture.

    Args:
        url: http or https, without user name and password.
        settings: limits on time, bytes, ports and redirects; whether private addresses may be asked.
        network: by default the system's names, and public addresses alone unless settings allow others.

    Returns:
        The body of the answer.

    Raises:
        FetchError: not allowed, not reachable, not answered with 200, no picture, too large or too slow.
    """
    if network is None:
        network = Network(_system_names, lambda address: settings.allow_private or is_public(address))
    deadline = time.monotonic() + settings.timeout_s
    client = httpx.Client(follow_redirects=False, trust_env=False)
    # A server that sends a byte now and then never trips the timeout between two bytes.
    watchdog = threading.Timer(settings.timeout_s, client.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        for _ in range(settings.max_redirects + 1):
            found = _one_hop(client, url, settings, network, deadline)
            if isinstance(found, bytes):
                return Fetched(found, url)
            if is_downgrade(url, found):
                raise FetchError(f"{_shown(url)}: redirects to an address without encryption, not followed")
            url = found
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, RuntimeError) as exc:
        if time.monotonic() >= deadline:
            raise _late(url, settings) from exc
        raise FetchError(f"{_shown(url)}: {str(exc) or type(exc).__name__}") from exc
    finally:
        watchdog.cancel()
        client.close()
    raise FetchError(f"{_shown(url)}: more than {settings.max_redirects} redirects (fetch.max_redirects)")


def _one_hop(
    client: httpx.Client, url: str, settings: FetchSettings, network: Network, deadline: float
) -> bytes | str:
    """The body, or where a redirect leads."""
    target, port = _checked(url, settings)
    addresses = _resolved(target.host, port, url, network, deadline)
    response = _first_answer(client, target, addresses, deadline)
    try:
        if response.has_redirect_location:
            return str(target.join(response.headers["location"]))
        if response.status_code != 200:
            raise FetchError(f"{_shown(url)}: the server answered {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchError(f"{_shown(url)}: the server sent it compressed, although asked not to")
        _check_type(response.headers.get("content-type", ""), url)
        return _body(response, url, settings, deadline)
    finally:
        response.close()


def _first_answer(
    client: httpx.Client, target: httpx.URL, addresses: list[Address], deadline: float
) -> httpx.Response:
    """The answer of the first address that can be reached; its body is not read yet."""
    for i, address in enumerate(addresses):
        request = client.build_request(
            "GET",
            target.copy_with(host=str(address)),
            headers={
                "Host": target.netloc.decode("ascii"),
                "Accept": "image/*,*/*;q=0.5",
                "Accept-Encoding": "identity",
                "User-Agent": "ambience",
            },
            timeout=httpx.Timeout(min(READ_TIMEOUT_S, max(0.1, deadline - time.monotonic()))),
            extensions={"sni_hostname": target.host},
        )
        try:
            return client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            if i + 1 == len(addresses):
                raise
    raise AssertionError("a host without addresses is refused before")


def _check_type(content_type: str, url: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type.startswith("image/") and media_type not in _UNTOLD:
        raise FetchError(f"{_shown(url)}: the server sent {media_type[:80]!r}; only pictures are fetched")


def _checked(url: str, settings: FetchSettings) -> tuple[httpx.URL, int]:
    """A URL that may be asked for, and its port."""
    target = httpx.URL(url)
    if target.scheme not in _PORTS:
        raise FetchError(f"{_shown(url)}: {target.scheme or 'no'} scheme; http and https are fetched")
    if target.userinfo:
        raise FetchError(f"{_shown(target.host)}: URLs with a user name or password are not fetched")
    if not target.host:
        raise FetchError(f"{_shown(url)}: no host name")
    port = target.port or _PORTS[target.scheme]
    if not settings.allow_private and str(port) not in settings.ports:
        have = ", ".join(settings.ports)
        raise FetchError(f"{_shown(url)}: port {port}; pictures are fetched from {have} (fetch.ports)")
    return target, port


def _system_names(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _resolved(host: str, port: int, url: str, network: Network, deadline: float) -> list[Address]:
    """The addresses of a host; refused where any of them may not be asked."""
    answers: queue.SimpleQueue[list[Any] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(network.resolve(host, port))
        except (OSError, UnicodeError, ValueError) as exc:
            answers.put(exc)

    # A resolver has its own idea of how long to wait, so it waits in a thread that nobody waits for.
    threading.Thread(target=look_up, name="resolver", daemon=True).start()
    try:
        found = answers.get(timeout=max(0.01, deadline - time.monotonic()))
    except queue.Empty:
        raise TimeoutError(f"no answer about the name {_shown(host)}") from None
    if isinstance(found, Exception) or not found:
        cause = found if isinstance(found, Exception) else None
        raise FetchError(f"{_shown(url)}: no address known for {_shown(host)}") from cause
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not network.is_allowed(address):
            raise FetchError(
                f"{_shown(url)}: {address} is not a public address; only those are fetched from "
                "unless fetch.allow_private is set"
            )
    return list(dict.fromkeys(addresses))


def is_downgrade(url: str, target: str) -> bool:
    """Whether a redirect gives up encryption: what came over it could be anybody's from there on."""
    return url.lower().startswith("https:") and not target.lower().startswith("https:")


def is_public(address: Address) -> bool:
    """Whether an address belongs to the internet at large.

    Args:
        address: as resolved.

    Returns:
        False for loopback, private, link-local, multicast and reserved ones, also where an IPv6 address
        wraps such an IPv4 one (mapped, 6to4, Teredo, NAT64).
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        wrapped = [each for each in inner if each is not None]
        if wrapped:
            return all(is_public(each) for each in wrapped)
    if any(address in network for network in _SPECIAL if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _body(response: httpx.Response, url: str, settings: FetchSettings, deadline: float) -> bytes:
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > settings.max_bytes:
        raise _too_large(url, f"{int(announced):,} bytes", settings)
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > settings.max_bytes:
            raise _too_large(url, "more bytes than that", settings)
        if time.monotonic() > deadline:
            raise _late(url, settings)
    return bytes(body)


def _too_large(url: str, found: str, settings: FetchSettings) -> FetchError:
    return FetchError(f"{_shown(url)}: {found}; at most {settings.max_bytes:,} (fetch.max_bytes)")


def _late(url: str, settings: FetchSettings) -> FetchError:
    return FetchError(f"{_shown(url)}: not fetched within {settings.timeout_s:g} s (fetch.timeout_s)")


def _shown(url: str) -> str:
    return url if len(url) <= _SHOWN else url[:_SHOWN] + "…"
