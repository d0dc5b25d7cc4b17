"""Fetches one file of a model from a hub or a mirror of it: resumed after a break, checked, never trusted.

What arrives is written to a `.part` file; a note beside it says which file it is a part of, so that another
process can go on after a kill. Only a file whose size and sha256 are right is handed on.
"""

import errno
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import httpx

from ambience.errors import DownloadError, InstallError
from ambience.models._hub_answers import (
    Answer,
    Note,
    PassingError,
    Wanted,
    check_stated,
    goes_on,
    next_address,
    noted,
    refusal,
    stated_sha256,
    translated,
    whole_number,
)
from ambience.models.installed import sha256_of, sync_file
from ambience.version import __version__

MOST_REDIRECTS = 8
_THIS_MACHINE = ("all://127.0.0.1", "all://localhost", "all://[::1]")
"""Never asked for through a proxy."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""A quota or a limit on the size of files is a full disk for whoever runs into it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a server is waited for.

    Attributes:
        connect_s: until a connection stands.
        read_s: longest silence within a transfer.
        tries: how often in a row may fail without a byte more having come.
        first_wait_s: before the second try; doubled each time.
        longest_wait_s: between two tries, also where the server asks for more.
    """

    connect_s: float = 10.0
    read_s: float = 30.0
    tries: int = 5
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that has arrived and is right.

    Attributes:
        sha256: that it has.
        source: the address that it was asked for at.
    """

    sha256: str
    source: str


@dataclass
class Downloader:
    """Fetches files; a context manager.

    Attributes:
        patience: how long a server is waited for.
        sleep: waits for seconds.
        tell: is told, in a sentence, when something is tried again.
    """

    patience: Patience = Patience()
    sleep: Callable[[float], None] = time.sleep
    tell: Callable[[str], None] = lambda message: None
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        wait = self.patience
        timeout = httpx.Timeout(wait.read_s, connect=wait.connect_s)
        direct: dict[str, httpx.BaseTransport | None] = dict.fromkeys(_THIS_MACHINE)
        try:  # proxies and certificates of the environment are used, as people behind them expect
            self._client = httpx.Client(timeout=timeout, mounts=direct)
        except (httpx.InvalidURL, ValueError, OSError) as exc:
            raise DownloadError(f"the proxy or certificates that the environment names: {exc}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def fetch(self, wanted: Wanted, part: Path, note: Path, on_bytes: Callable[[int, int], None]) -> Fetched:
        """Gets a file to `part`, from the first of its addresses that has it.

        Args:
            wanted: what it must be.
            part: where it is written; what is there already is gone on with where it can be.
            note: where is written what `part` is a part of.
            on_bytes: told how many bytes are there and how many there will be (0: unknown), often.

        Returns:
            Its sha256 and where it came from; `part` is safe on disk.

        Raises:
            DownloadError: no address has it, or what came is not the one that is meant.
            InstallError: the disk is full, or the folder cannot be written.
        """
        problems = []
        for address in wanted.addresses:
            try:
                return self._from(address, wanted, part, note, on_bytes)
            except DownloadError as exc:
                problems.append(str(exc))
        raise DownloadError("; ".join(problems))

    def _from(
        self, address: str, wanted: Wanted, part: Path, note: Path, on_bytes: Callable[[int, int], None]
    ) -> Fetched:
        """From one address, with as many tries as patience allows."""
        is_open = address.startswith("http://") and not address.startswith(f"{wanted.hub}/")
        if is_open and wanted.sha256 is None:
            raise DownloadError(f"{address} is not asked: http can be forged, and nobody states the sha256")
        failed, most, has_restarted = 0, _size(part), False
        while True:
            is_resumed = _size(part) > 0
            try:
                known = self._transfer(address, wanted, part, note, on_bytes)
                found = sha256_of(part)
                expected = wanted.sha256 or known.sha256
                if not expected or found == expected:
                    return Fetched(found, address)
                _forget(part, note)
                if is_resumed and not has_restarted:  # a loss of power may have left other bytes in the part
                    has_restarted = True
                    continue
                raise DownloadError(
                    f"what came from {address} has sha256 {found}, and {expected} is expected: it is broken "
                    "or another file, and was deleted. Try again; if it stays so, the address has been "
                    "changed"
                )
            except PassingError as exc:
                come = _size(part)
                failed = 1 if come > most else failed + 1
                most = max(most, come)
                if failed >= self.patience.tries:
                    kept = ". What has come is kept, and the same command goes on from there" if come else ""
                    raise DownloadError(
                        f"{address} could not be fetched in {self.patience.tries} tries: {exc}{kept}"
                    ) from exc
                doubled = max(self.patience.first_wait_s * 2 ** (failed - 1), exc.wait_s)
                wait_s = min(doubled, self.patience.longest_wait_s)
                self.tell(f"{address}: {exc}; trying again in {wait_s:.0f} s")
                self.sleep(wait_s)

    def _transfer(
        self, address: str, wanted: Wanted, part: Path, note: Path, on_bytes: Callable[[int, int], None]
    ) -> Note:
        """Brings `part` to its full length; the note of what it is."""
        before = _read_note(note)
        if before is None or before.address != address:
            _forget(part, note)
            before = None
        offset = _size(part)
        if before is not None and before.size and offset == before.size:
            check_stated(before, wanted, address)
            on_bytes(offset, before.size)
            return before
        with translated(address), self._answered(address, offset) as answer:
            status = answer.response.status_code
            if status == 416 or (status == 206 and not goes_on(answer, before, offset)):
                _forget(part, note)
                raise PassingError("the file there is another one than before")
            if status not in (200, 206):
                raise refusal(address, answer.response)
            now = noted(address, answer, offset if status == 206 else 0)
            check_stated(now, wanted, address)
            _write(note, json.dumps(asdict(now)).encode())
            self._receive(answer.response, part, now, wanted, on_bytes)
        if now.size and _size(part) < now.size:
            raise PassingError(f"it broke off after {_size(part):,} of {now.size:,} bytes")
        try:
            check_stated(replace(now, size=_size(part)), wanted, address)
        except DownloadError:
            _forget(part, note)
            raise
        return now

    @contextmanager
    def _answered(self, address: str, offset: int) -> Iterator[Answer]:
        """The answer at the end of all redirects."""
        headers = {"Accept-Encoding": "identity", "User-Agent": f"ambience/{__version__}"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        url = first = httpx.URL(address)
        linked_sha256, linked_size = "", 0
        for _ in range(MOST_REDIRECTS + 1):
            request = self._client.build_request("GET", url, headers=headers)
            response = self._client.send(request, stream=True, follow_redirects=False)
            try:
                if url.host == first.host:  # what a hub says of a file counts, not what its store says
                    linked_sha256 = linked_sha256 or stated_sha256(response, "X-Linked-Etag")
                    linked_size = linked_size or whole_number(response.headers.get("X-Linked-Size", ""))
                if not response.has_redirect_location:
                    etag = stated_sha256(response, "ETag") if url.host == first.host else ""
                    yield Answer(response, linked_sha256, linked_size, etag)
                    return
                url = next_address(url, response.headers["Location"], first)
            finally:
                response.close()
        raise DownloadError(f"{address}: more than {MOST_REDIRECTS} redirects")

    def _receive(
        self,
        response: httpx.Response,
        part: Path,
        now: Note,
        wanted: Wanted,
        on_bytes: Callable[[int, int], None],
    ) -> None:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise DownloadError(f"{now.address}: the server sent it compressed, although asked not to")
        limit = now.size or wanted.limit
        with writing(part), part.open("ab" if response.status_code == 206 else "wb") as opened:
            done = opened.tell()
            on_bytes(done, now.size)
            try:
                for chunk in response.iter_raw():
                    done += len(chunk)
                    if done > limit:
                        opened.truncate(0)
                        raise DownloadError(
                            f"{now.address} gave more than {limit:,} bytes; it is another file"
                        )
                    opened.write(chunk)
                    on_bytes(done, now.size)
            finally:
                _settle(opened)


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns what the operating system refuses into an error that says what to do.

    Args:
        place: that is written.

    Yields:
        Nothing.

    Raises:
        InstallError: the disk is full, or the place cannot be written.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in FULL:
            raise InstallError(
                f"the disk of {place.parent} is full ({exc.strerror}). Free some space and give the same "
                "command again; `ambience models remove` also deletes what came in part"
            ) from exc
        raise InstallError(f"{place} cannot be written: {exc.strerror or exc}") from exc


def _settle(opened: BinaryIO) -> None:
    opened.flush()
    sync_file(opened.fileno())


def _write(place: Path, data: bytes) -> None:
    with writing(place), place.open("wb") as opened:
        opened.write(data)


def _forget(part: Path, note: Path) -> None:
    with writing(part):
        note.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _read_note(note: Path) -> Note | None:
    try:
        said = json.loads(note.read_text(encoding="utf-8"))
        return Note(str(said["address"]), int(said["size"]), str(said["etag"]), str(said["sha256"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
