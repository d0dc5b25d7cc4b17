"""Commands and servers as people run them: in processes of their own, over a library of their own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import ambience
from support.class_vectors import give_class_vectors
from support.silent import SILENT_VARIABLES

START_TIMEOUT_S = 60.0


class Terminal:
    """Runs `ambience` with an environment of its own.

    Attributes:
        library: folder of the library that every command is about.
        environment: of the processes.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self.library = folder / "library"
        self.folder = folder
        home = folder / "home"
        home.mkdir(exist_ok=True)
        give_class_vectors(home / ".local" / "share" / "ambience" / "models")
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "OPENBLAS_CORETYPE") if name in os.environ
        }
        self.environment = {
            **kept,
            "HOME": str(home),
            "PYTHONPATH": str(source),
            "AMBIENCE_LIBRARY": str(self.library),
            **SILENT_VARIABLES,
        }

    def start(self, *words: str | bytes | Path, **options: object) -> "subprocess.Popen[bytes]":
        """A command that runs on."""
        command = [sys.executable, "-m", "ambience", *words]
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            command,
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=options.pop("stdout", subprocess.PIPE),
            stderr=options.pop("stderr", subprocess.PIPE),
            **options,
        )

    def run(self, *words: str | bytes | Path, code: int = 0, timeout_s: float = 90) -> "Result":
        """A command, to its end, which must have this exit code."""
        process = self.start(*words)
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{words} took longer than {timeout_s} s: {err.decode()}") from None
        result = Result(out.decode("utf-8", "surrogateescape"), err.decode("utf-8", "surrogateescape"))
        assert process.returncode == code, f"{words} ended with {process.returncode}: {result}"
        assert "Traceback" not in result.err
        return result

    @contextlib.contextmanager
    def server(self, *words: str, port: int, path: str = "/readyz") -> Iterator[httpx.Client]:
        """A server that answers under `path`, and a client of it."""
        log = self.folder / f"serve-{port}.log"
        with log.open("wb") as stream:
            process = self.start("serve", *words, stdout=stream, stderr=stream)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                self._wait_for(process, client, path, log)
                yield client
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise

    @staticmethod
    def _wait_for(process: "subprocess.Popen[bytes]", client: httpx.Client, path: str, log: Path) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < end:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                if client.get(path).is_success:
                    return
            time.sleep(0.1)
        raise AssertionError(f"no answer after {START_TIMEOUT_S} s: {log.read_text()}")


class Result:
    """What a command wrote."""

    def __init__(self, out: str, err: str) -> None:
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@pytest.fixture
def source() -> Path:
    """The folder that the package under test lies in."""
    return Path(ambience.__file__).parents[1]


@pytest.fixture
def terminal(tmp_path: Path, source: Path) -> Terminal:
    return Terminal(tmp_path, source)


@pytest.fixture
def without_embeddings(terminal: Terminal) -> None:
    """Switches off kinds that have a network calculate, which takes each command most of its time."""
    for kind in ("GLOBAL_FEATURES", "IMAGE_TEXT_FEATURES"):
        terminal.environment[f"AMBIENCE_KINDS__{kind}__ENABLED"] = "false"


def unused_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    return unused_port()


@pytest.fixture(scope="session")
def with_a_rocket(tmp_path_factory: pytest.TempPathFactory, shipped_photographs: Path) -> Terminal:
    """A library with one photograph, shared by the tests that change nothing."""
    folder = tmp_path_factory.mktemp("rocket")
    made = Terminal(folder, Path(ambience.__file__).parents[1])
    made.run("add", shipped_photographs / "rocket.jpg")
    return made
