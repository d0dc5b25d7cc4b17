"""A gateway and its services as processes of their own, started by the script that people start them by."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

import ambience
from support.class_vectors import give_class_vectors

SCRIPT = Path(__file__).parents[2] / "deploy" / "nine.py"
START_TIMEOUT_S = 100.0


class Topology:
    """Processes started by `deploy/nine.py`."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder, self.names = folder, names
        self.ports = {name: free_port() for name in (*names, "gateway")}
        home = folder / "home"
        home.mkdir(parents=True)
        give_class_vectors(home / ".local" / "share" / "ambience" / "models")
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG", "OPENBLAS_CORETYPE") if name in os.environ
        }
        ports = [word for name, port in self.ports.items() for word in ("--port", f"{name}={port}")]
        self._log = folder / "nine.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, str(SCRIPT), "--folder", str(folder), "--only", ",".join(names)),
                    *("--set", "decode.exact=true"),
                    *ports,
                ],
                env={**kept, "HOME": str(home), "PYTHONPATH": str(Path(ambience.__file__).parents[1])},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.ports['gateway']}", timeout=60, trust_env=False
        )

    def wait(self) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        while b"ready:" not in self._log.read_bytes():
            assert self._process.poll() is None, self.logs()
            assert time.monotonic() < end, self.logs()
            time.sleep(0.2)

    def kill(self, name: str) -> None:
        os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)

    def until(self, is_so: Callable[[], Any], timeout_s: float = 60.0) -> None:
        end = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(httpx.TransportError):
                if is_so():
                    return
            assert time.monotonic() < end, self.logs()
            time.sleep(0.2)

    def fared(self, query: bytes) -> dict[str, str]:
        """State of each kind in one search."""
        found = self.http.post("/v1/search", files={"image": ("q", query)}).json()
        return {each["kind"]: each["state"] for each in found["kinds"]}

    def pending(self) -> int:
        """Images that some kind has yet to get."""
        kinds = self.http.get("/v1/info").json()["kinds"]
        return sum(each["states"]["pending"] for each in kinds.values())

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()}" for path in self.folder.glob("*.log"))

    def close(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait(timeout=100)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def running(folder: Path, *names: str) -> Iterator[Topology]:
    topology = Topology(folder / "services", *names)
    try:
        topology.wait()
        yield topology
    finally:
        topology.close()
