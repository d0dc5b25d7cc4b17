"""What a hub, a mirror or their store answer: which file it is, whether it goes on, whether to ask again."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx

from ambience.errors import DownloadError, SettingsError

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Status codes after which the same question may be answered."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a file must be.

    Attributes:
        hub: address of the hub, or of its mirror.
        addresses: where it is had, in the order in which they are tried.
        size: bytes, where stated to the byte.
        least: bytes at least, so that no error page passes for a file of unknown sha256.
        limit: bytes at most.
        sha256: where stated or recorded.
    """

    hub: str
    addresses: tuple[str, ...]
    size: int | None
    least: int
    limit: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Note:
    """Which file a `.part` is a part of.

    Attributes:
        address: that was asked.
        size: bytes of the whole file; 0 where the server did not say.
        etag: by which the server tells its versions apart; "" where it does not.
        sha256: that the hub states; "" where it does not.
    """

    address: str
    size: int
    etag: str
    sha256: str


class PassingError(Exception):
    """May work the next time; `wait_s` is what the server asked for."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass
class Answer:
    """An answer whose body is still to be read, and what the hub said on the way to it."""

    response: httpx.Response
    linked_sha256: str = ""
    linked_size: int = 0
    hub_etag: str = ""


def hub_of(setting: str) -> str:
    """The hub's address, as the setting `models.hub` (or HF_ENDPOINT) names it.

    Returns:
        Without a slash at its end.

    Raises:
        SettingsError: it is no address of a hub.
    """
    try:
        url = httpx.URL(setting)
        rest = url.userinfo or url.query or url.fragment
        is_usable = url.scheme in ("http", "https") and bool(url.host) and not rest
    except httpx.InvalidURL:
        is_usable = False
    if not is_usable:
        raise SettingsError(
            f"models.hub = {setting!r}; it must be the address of a hub, such as https://huggingface.co"
        )
    return setting.rstrip("/")


def next_address(url: httpx.URL, location: str, first: httpx.URL) -> httpx.URL:
    """Where a redirect leads: anywhere by https, by http only where the configured mirror is http."""
    try:
        target = url.join(location)
    except httpx.InvalidURL as exc:
        raise DownloadError(f"{url} redirects to what is no address") from exc
    if target.scheme != "https" and not (target.scheme == "http" and first.scheme == "http"):
        raise DownloadError(
            f"{url} redirects to {target.scheme}://{target.host}; only https is followed from there"
        )
    return target


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Turns what httpx raises into what may work the next time, or cannot."""
    try:
        yield
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as exc:
        raise DownloadError(f"{address} is no address that can be asked: {exc}") from exc
    except httpx.TimeoutException as exc:
        raise PassingError("the server is silent") from exc
    except httpx.RemoteProtocolError as exc:
        raise PassingError(f"the connection broke ({exc})") from exc
    except httpx.HTTPError as exc:
        raise PassingError(f"it cannot be reached ({exc or type(exc).__name__})") from exc


def goes_on(answer: Answer, before: Note | None, offset: int) -> bool:
    """Whether a partial answer continues what is there already."""
    found = _CONTENT_RANGE.fullmatch(answer.response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != offset or before is None:
        return False
    now = noted(before.address, answer, offset)
    return (now.size, now.etag, now.sha256) == (before.size, before.etag, before.sha256)


def noted(address: str, answer: Answer, offset: int) -> Note:
    """What the answer says of the whole file."""
    headers = answer.response.headers
    found = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", "")) if offset else None
    rest = whole_number(headers.get("Content-Length", ""))
    announced = whole_number(found[3]) if found is not None else rest
    sha256 = answer.linked_sha256 or answer.hub_etag
    return Note(address, announced or answer.linked_size, headers.get("ETag", ""), sha256)


def check_stated(now: Note, wanted: Wanted, address: str) -> None:
    """Refuses, before gigabytes have come, what the server itself says is another file."""
    if now.size and wanted.size is not None and now.size != wanted.size:
        raise DownloadError(
            f"{address} has {now.size:,} bytes, and {wanted.size:,} are expected: another file"
        )
    if now.size and not wanted.least <= now.size <= wanted.limit:
        raise DownloadError(
            f"{address} has {now.size:,} bytes, and {wanted.least:,} to {wanted.limit:,} are expected: "
            "another file"
        )
    if now.sha256 and wanted.sha256 is not None and now.sha256 != wanted.sha256:
        raise DownloadError(
            f"{address} states sha256 {now.sha256}, and {wanted.sha256} is expected: the file there is "
            "another one than the one that was looked at or first installed"
        )


def stated_sha256(response: httpx.Response, header: str) -> str:
    """A digest given as an entity tag; "" where the tag is something else (a git id, a store's own tag)."""
    tag = str(response.headers.get(header, "")).removeprefix("W/").strip('"').lower()
    return tag if _SHA256.fullmatch(tag) else ""


def whole_number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def refusal(address: str, response: httpx.Response) -> Exception:
    status = response.status_code
    if status in PASSING:
        return PassingError(f"the server answered {status}", _retry_after(response))
    if status in (401, 403):
        return DownloadError(
            f"{address}: the server refuses it ({status}); it may want you to agree to something"
        )
    if status in (404, 410):
        return DownloadError(f"{address}: there is no such file ({status}); a mirror may lack the repository")
    return DownloadError(f"{address}: the server answered {status}")


def _retry_after(response: httpx.Response) -> float:
    """Seconds that the server asks to wait: a number, or a date."""
    said = response.headers.get("Retry-After", "")
    if said.isdecimal() and len(said) < 10:
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
