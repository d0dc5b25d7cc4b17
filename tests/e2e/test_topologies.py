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
import pytest

import ambience
from ambience.datatypes import Query
from support.class_vectors import give_class_vectors
from support.services import KINDS, only

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


def add(topology: Topology, path: Path) -> dict[str, Any]:
    answer = topology.http.post("/v1/images", files={"image": (path.name, path.read_bytes())})
    assert answer.status_code == 201, answer.text
    added: dict[str, Any] = answer.json()
    return added


@pytest.mark.timeout(300)
def test_a_killed_service_is_named_and_a_killed_gateway_loses_nothing(
    tmp_path: Path, photographs: Path
) -> None:
    pictures = sorted(photographs.iterdir())
    with running(tmp_path, "color", "phash") as topology:
        first = add(topology, pictures[0])
        assert {kind: each["state"] for kind, each in first["kinds"].items()} == {
            "color": "done",
            "phash": "done",
        }
        topology.kill("phash")
        second = add(topology, pictures[1])
        assert second["kinds"]["color"]["state"] == "done"
        topology.kill("gateway")
        topology.until(lambda: topology.http.get("/readyz").is_success and not topology.pending())
        query = pictures[1].read_bytes()
        assert topology.fared(query) == {"color": "ok", "phash": "ok"}
        found = topology.http.post("/v1/search", files={"image": ("q", query)}, data={"by": "phash"}).json()
        assert [each["image_id"] for each in found["matches"]] == [second["image_id"]]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nine_processes_answer_as_one(tmp_path: Path, photographs: Path) -> None:
    pictures = sorted(photographs.iterdir())
    settings = only(tmp_path / "one", {kind: {} for kind in KINDS}, deadline_s=60.0)
    with (
        running(tmp_path, *KINDS, "text", "caption", "tags") as topology,
        ambience.open(settings=settings, writer=True) as one,
    ):
        for path in pictures:
            added = add(topology, path)
            one.add_image(path.read_bytes(), name=path.name, image_id=added["image_id"])
        topology.until(lambda: not topology.pending())
        for path in pictures:
            query = path.read_bytes()
            answer = topology.http.post("/v1/search", files={"image": ("q", query)}).json()
            assert {each["kind"]: each["state"] for each in answer["kinds"]} == dict.fromkeys(KINDS, "ok")
            expected = one.search(Query(data=query))
            assert [(each["image_id"], each["verdict"]) for each in answer["matches"]] == [
                (each.image_id, each.verdict) for each in expected.matches
            ]
            for there, here in zip(answer["matches"], expected.matches, strict=True):
                assert there["score"] == pytest.approx(here.score, abs=1e-5)
        for name in KINDS:
            topology.kill(name)
            states = topology.fared(pictures[0].read_bytes())
            assert all(state == "ok" for kind, state in states.items() if kind != name)
            topology.until(lambda: set(topology.fared(pictures[0].read_bytes()).values()) == {"ok"})
