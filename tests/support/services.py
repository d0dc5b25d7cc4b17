"""Kinds served by servers of their own, on real sockets in threads of this process, and gateways to them."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ambience
from ambience import registry
from ambience.library import Library
from ambience.making import EXTRACTORS
from ambience.serve.http.run import Server
from ambience.settings import DecodeSettings, SearchSettings, Settings
from support.silent import SILENT

KINDS = registry.names(EXTRACTORS)


def only(folder: Path, kinds: Mapping[str, Mapping[str, Any]], *, deadline_s: float = 10.0) -> Settings:
    """Settings of a library with some kinds alone, and what is set of them.

    Pictures are decoded exactly: else a process with fewer kinds decodes them smaller, and a hash may differ.
    """
    switched = {kind: {"enabled": kind in kinds, **kinds.get(kind, {})} for kind in KINDS}
    search = SearchSettings(deadline_s=deadline_s)
    decode = DecodeSettings(exact=True)
    return Settings(library=folder, kinds=switched, annotate=SILENT, search=search, decode=decode)


class Service:
    """A kind served alone, which can be stopped and started again at the same address."""

    def __init__(self, folder: Path, kind: str, options: Mapping[str, Any] | None = None) -> None:
        self.kind, self.settings, self.port = kind, only(folder, {kind: options or {}}), 0
        self.library: Library | None = None
        self._stack = contextlib.ExitStack()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.library = self._stack.enter_context(ambience.open(settings=self.settings, writer=True))
        self.port = self._stack.enter_context(served(self.library, kind=self.kind, port=self.port))

    def stop(self) -> None:
        self._stack.close()
        self.library = None

    @property
    def ids(self) -> list[int]:
        assert self.library is not None
        return [record.image_id for record in self.library.list_images(limit=1000)]


@contextlib.contextmanager
def served(library: Library, *, kind: str | None = None, port: int = 0) -> Iterator[int]:
    """A library behind a real server; its port."""
    server = Server(library, kind=kind, port=port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.is_listening)
    try:
        yield int(server.url.rstrip("/").rpartition(":")[2])
    finally:
        server.stop()
        thread.join(30)
        server.close()


@contextlib.contextmanager
def services(folder: Path, *kinds: str) -> Iterator[dict[str, Service]]:
    """Kinds, each served alone."""
    started: dict[str, Service] = {}
    try:
        for kind in kinds:
            started[kind] = Service(folder / kind, kind)
        yield started
    finally:
        for service in started.values():
            service.stop()


def gateway_to(folder: Path, urls: Mapping[str, str], **more: Any) -> Settings:
    """Settings of a gateway."""
    return only(folder, {kind: {"url": url} for kind, url in urls.items()}, **more)


def wait_until(is_so: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Returns once something is so; fails where it never is."""
    end = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)
