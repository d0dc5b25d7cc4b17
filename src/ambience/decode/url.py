"""Pictures from the web, without letting a URL reach what only this machine can reach.

A host name is resolved once, every address is checked, and the connection goes to the address that was
checked: a name that answers differently the next time (DNS rebinding) gains nothing. Redirects start over.
"""

import ipaddress
import socket
import threading
import time
from dataclasses import dataclass

import httpx

from ambience.errors import FetchError
from ambience.settings import FetchSettings

READ_TIMEOUT_S = 5.0
"""Longest silence within a transfer."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a URL held.

    Attributes:
        data: the bytes.
        url: where they came from in the end, after redirects.
    """

    data: bytes
    url: str


def fetch(url: str, settings: FetchSettings) -> Fetched:
    """The bytes behind a URL.

    Args:
        url: http or https, without user name and password.
        settings: limits on time, bytes and redirects; whether private addresses may be asked.

    Returns:
        The body of the answer.

    Raises:
        FetchError: not allowed, not reachable, not answered with 200, too large or too slow.
    """
    deadline = time.monotonic() + settings.timeout_s
    client = httpx.Client(follow_redirects=False, trust_env=False)
    # A server that sends a byte now and then never trips the timeout between two bytes.
    watchdog = threading.Timer(settings.timeout_s, client.close)
    watchdog.daemon = True
    watchdog.start()
    try:
        for _ in range(settings.max_redirects + 1):
            found = _one_hop(client, url, settings, deadline)
            if isinstance(found, bytes):
                return Fetched(found, url)
            url = found
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, RuntimeError) as exc:
        if time.monotonic() >= deadline:
            raise _late(url, settings) from exc
        raise FetchError(f"{_shown(url)}: {str(exc) or type(exc).__name__}") from exc
    finally:
        watchdog.cancel()
        client.close()
    raise FetchError(f"{_shown(url)}: more than {settings.max_redirects} redirects (fetch.max_redirects)")


def _one_hop(client: httpx.Client, url: str, settings: FetchSettings, deadline: float) -> bytes | str:
    """The body, or where a redirect leads."""
    target, port = _checked(url)
    addresses = _resolved(target.host, port, url, settings)
    response = _first_answer(client, target, addresses, deadline)
    try:
        if response.is_redirect:
            return str(target.join(response.headers["location"]))
        if response.status_code != 200:
            raise FetchError(f"{_shown(url)}: the server answered {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchError(f"{_shown(url)}: the server sent it compressed, although asked not to")
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


def _checked(url: str) -> tuple[httpx.URL, int]:
    """A URL that may be asked for, and its port."""
    target = httpx.URL(url)
    if target.scheme not in _PORTS:
        raise FetchError(f"{_shown(url)}: {target.scheme or 'no'} scheme; http and https are fetched")
    if target.userinfo:
        raise FetchError(f"{_shown(target.host)}: URLs with a user name or password are not fetched")
    if not target.host:
        raise FetchError(f"{_shown(url)}: no host name")
    return target, target.port or _PORTS[target.scheme]


def _resolved(host: str, port: int, url: str, settings: FetchSettings) -> list[Address]:
    """The addresses of a host; refused where any of them is not a public one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise FetchError(f"{_shown(url)}: no address known for {_shown(host)}") from exc
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    for address in addresses:
        if not settings.allow_private and not is_public(address):
            raise FetchError(
                f"{_shown(url)}: {address} is not a public address; only those are fetched from "
                "unless fetch.allow_private is set"
            )
    return list(dict.fromkeys(addresses))


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
        if address in ipaddress.ip_network("64:ff9b::/96"):
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        wrapped = [each for each in inner if each is not None]
        if wrapped:
            return all(is_public(each) for each in wrapped)
        if address.is_site_local:
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
