"""The server's process: one application on a TCP port and on a Unix socket, until it is told to stop.

The command line finds the Unix socket through the library's lock file and hands its work over.
"""

import os
import shutil
import signal
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
import uvicorn

from ambience.errors import SettingsError
from ambience.serve.http.admission import requires_keys
from ambience.serve.http.app import create_app
from ambience.serve.http.connections import connection_class
from ambience.serve.http.limits import HEAD_BYTES, is_wildcard
from ambience.serve.http.original_words import PORTS
from ambience.serve.logs import check_format, log_as_json

if TYPE_CHECKING:
    from ambience.library import Library
    from ambience.settings import Settings

PORT = 44444
"""Of everything in one process; a kind served alone has its own."""

BACKLOG = 256
GRACE_S = 60
"""Seconds that requests in work get to finish."""

_NO_KEYS = (
    "Requests need a key, and there is none yet: `ambience keys add NAME --scope read` makes one "
    "(docs/network.md)"
)
_LONGEST_SOCKET_PATH = 100  # the operating system's limit is 104 to 108 bytes


def serve(
    settings: "Settings", *, kind: str | None = None, on_ready: Callable[[str], None] | None = None
) -> None:
    """Serves a library until SIGTERM or SIGINT; requests in work are finished, then it is closed.

    Args:
        settings: all of them; `serve.host` and `serve.port` say where.
        kind: serve this kind alone, on its own port.
        on_ready: told the address when the server listens; by default it is said on stderr.

    Raises:
        LibraryLockedError: another process writes to the library.
        SettingsError: the address cannot be bound.
        StoreError: the library cannot be opened.
        UnknownKindError: no such kind.
    """
    from ambience import library

    check_format(settings.serve.log_format)
    if settings.serve.log_format == "json":
        log_as_json()
    with library.open(settings=settings, writer=True, purpose="serve") as opened:
        server = Server(opened, kind=kind)
        try:
            assert opened.lock is not None
            opened.lock.announce(socket=str(server.socket_path), url=server.url)
            (on_ready or _say)(server.url)
            if requires_keys(settings.serve) and not server.app.state.server.keys.all():
                click.echo(_NO_KEYS, err=True)
            if kind is None and settings.serve.duplicates:
                opened.follow_duplicates()
            with (
                _warming_up(opened, kind) if kind in (None, *opened.kinds) and opened.kinds else nullcontext()
            ):
                server.run()
        finally:
            server.close()


@contextmanager
def _warming_up(library: "Library", kind: str | None) -> Iterator[None]:
    """Makes the library ready for its first search meanwhile, and waits for that before it may be closed."""
    thread = threading.Thread(target=library.warm_up, kwargs={"by": [kind] if kind else None}, name="warm-up")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _usual_port(library: "Library", kind: str | None) -> int:
    """Where nothing else is said: of everything in one process, or the original's of one kind."""
    if kind is None:
        return PORT
    return library.specs[kind].port if kind in library.specs else PORTS[kind]


def _say(url: str) -> None:
    click.echo(f"Ambience answers at {url} (Ctrl-C stops it)", err=True)


class Server:
    """One application, listening on a TCP port and on a Unix socket that only its owner can open.

    Args:
        library: opened as writer.
        kind: serve this kind alone.
        port: instead of the setting's; 0 takes any that is free.

    Attributes:
        app: the ASGI application.
        url: of the TCP port, for people.
        socket_path: of the Unix socket.

    Raises:
        SettingsError: the address cannot be bound.
        UnknownKindError: no such kind.
    """

    def __init__(self, library: "Library", *, kind: str | None = None, port: int | None = None) -> None:
        self.app = create_app(library, kind=kind)
        host = library.settings.serve.host
        if port is None:
            port = library.settings.serve.port or _usual_port(library, kind)
        with ExitStack() as opened:
            self._tcp = opened.enter_context(_tcp_socket(host, port))
            folder = _socket_folder()
            opened.callback(shutil.rmtree, folder, ignore_errors=True)
            self.socket_path = folder / "ambience.sock"
            self._unix = opened.enter_context(_unix_socket(self.socket_path))
            self._opened = opened.pop_all()
        self.url = _url(host, self._tcp.getsockname()[1])
        config = uvicorn.Config(
            self.app,
            loop="asyncio",
            http=connection_class(most=library.settings.serve.max_connections),
            h11_max_incomplete_event_size=HEAD_BYTES,
            ws="none",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = _StoppingServer(config, before_shutdown=self.app.state.server.begin_closing)

    @property
    def is_listening(self) -> bool:
        """Whether requests are answered by now."""
        return self._server.started

    def run(self) -> None:
        """Answers until it is told to stop, by signal or `stop`."""
        with _stopped_by_signals(self.stop):
            self._server.run(sockets=[self._tcp, self._unix])

    def stop(self) -> None:
        """Makes `run` return, once requests in work are finished; may be called from any thread."""
        self._server.should_exit = True

    def close(self) -> None:
        """Lets go of the sockets; the library is the caller's to close."""
        self._opened.close()


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Lets SIGTERM and SIGINT only ever stop the server, so that the library is closed afterwards.

    Uvicorn takes both signals over while it runs and raises them again at its end; without a handler of ours,
    SIGTERM would then end the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, lambda *_: stop()) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class _StoppingServer(uvicorn.Server):
    """Tells the application that it is about to stop before it waits for requests in work."""

    def __init__(self, config: uvicorn.Config, *, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self._before_shutdown = before_shutdown

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_shutdown()
        await super().shutdown(sockets)


def _tcp_socket(host: str, port: int) -> socket.socket:
    """A bound socket.

    Raises:
        SettingsError: the address is in use, not ours, or malformed.
    """
    try:
        rows = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = rows[0]
        bound = socket.socket(family, kind, protocol)
    except (OSError, OverflowError, UnicodeError) as exc:
        raise SettingsError(f"cannot listen on {host}:{port}: {exc}; see serve.host and serve.port") from exc
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)
    except (OSError, OverflowError) as exc:
        bound.close()
        raise SettingsError(
            f"cannot listen on {host}:{port}: {exc}; another program may use the port: choose one with --port"
        ) from exc
    return bound


def _unix_socket(path: Path) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(str(path))
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        bound.listen(BACKLOG)
    except OSError as exc:
        bound.close()
        raise SettingsError(f"cannot listen on {path}: {exc.strerror}; set TMPDIR to another folder") from exc
    return bound


def _socket_folder() -> Path:
    """A new folder that only its owner can enter, with a path short enough for a socket in it."""
    for parent in (tempfile.gettempdir(), "/tmp"):
        if Path(parent).is_dir() and os.access(parent, os.W_OK):
            folder = Path(tempfile.mkdtemp(prefix="ambience-", dir=parent))
            if len(os.fsencode(folder / "ambience.sock")) < _LONGEST_SOCKET_PATH:
                return folder
            folder.rmdir()
    raise SettingsError("no folder for a Unix socket has a short enough path; set TMPDIR to one")


def _url(host: str, port: int) -> str:
    """The address that people open."""
    shown = "localhost" if is_wildcard(host) else host
    return f"http://[{shown}]:{port}/" if ":" in shown else f"http://{shown}:{port}/"
