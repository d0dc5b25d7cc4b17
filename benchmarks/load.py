"""A server under load: many clients search while others add; what is answered, how fast, and what is lost.

    python benchmarks/load.py                            # one process, the cheap kinds, 60 seconds
    python benchmarks/load.py --seconds 600 --topology nine --kinds all --kill phash
    python benchmarks/load.py --seconds 600 --seconds-all 120 --topology both --kinds both --kill phash \
        --update-docs

Clients and server share the machine, so that rates are of both together. Pictures are crops of the
photographs that ship with scikit-image, or of `--photos DIR`. In the end every process is killed (SIGKILL)
and started again, and every picture whose addition was acknowledged must be there, byte by byte. Where one
service is to be killed halfway, that is done where each kind has a process of its own.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from load_clients import ADD, SEARCH, Pictures, figures_of, lost, run_clients
from photos import SKIMAGE_PHOTOS, SUFFIXES
from report import Report, Table, cores, finish

ROOT = Path(__file__).resolve().parents[1]
CHEAP = ("phash", "color")
ALL = (*CHEAP, "local_features", "global_features", "image_text_features")
ANNOTATORS = ("text", "caption", "tags")
START_TIMEOUT_S = 300.0
CATCH_UP_S = 600.0


class Running:
    """Ambience in processes of its own, over a folder.

    Args:
        folder: of the libraries and logs; stays.
        topology: "one" or "nine".
        kinds: that are switched on.
    """

    def __init__(self, folder: Path, topology: str, kinds: Sequence[str]) -> None:
        self._folder, self._is_one = folder, topology == "one"
        self._kinds = kinds
        self._ports = {name: _free_port() for name in ("gateway", *kinds)}
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._ports['gateway']}"
        self.start()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        off = [name for name in ALL if name not in self._kinds]
        words = [f"kinds.{name}.enabled=false" for name in off]
        words += [f"annotate.{name}.enabled=false" for name in ANNOTATORS]
        given = [part for word in words for part in ("--set", word)]
        if self._is_one:
            command = ["-m", "ambience", "--library", str(self._folder / "one"), *given]
            command += ["serve", "--port", str(self._ports["gateway"])]
        else:
            command = [str(ROOT / "deploy" / "nine.py"), "--folder", str(self._folder)]
            command += ["--only", ",".join(self._kinds)]
            command += [part for name, port in self._ports.items() for part in ("--port", f"{name}={port}")]
        with (self._folder / "load.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *command],
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._wait()

    def kill(self, name: str) -> None:
        """Kills one process; the script starts it again."""
        os.kill(int((self._folder / f"{name}.pid").read_text()), signal.SIGKILL)

    def kill_all(self) -> None:
        """Kills everything, as a power cut would."""
        assert self._process is not None
        if not self._is_one:
            # The script first: it would start again what ends.
            self._process.kill()
            for name in ("gateway", *self._kinds):
                self.kill(name)
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Ends it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=300)

    def _wait(self) -> None:
        end = time.monotonic() + START_TIMEOUT_S
        assert self._process is not None
        with httpx.Client(base_url=self.url, timeout=10, trust_env=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get("/readyz").text == "ready\n":
                        return
                if self._process.poll() is not None or time.monotonic() > end:
                    raise SystemExit(f"no answer; see {self._folder / 'load.log'}")
                time.sleep(0.2)


@contextlib.contextmanager
def running(topology: str, kinds: Sequence[str]) -> Iterator[Running]:
    """Ambience over a folder that goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="ambience-load-"))
    server = None
    try:
        server = Running(folder, topology, kinds)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def photographs(folder: Path | None) -> list[NDArray[np.uint8]]:
    """Pixels of up to 200 photographs, at most 1,600 pixels wide or high."""
    if folder is None:
        import skimage

        paths = [Path(skimage.__file__).parent / "data" / name for name in SKIMAGE_PHOTOS]
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)[:200]
    found = []
    for path in paths:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
            image.thumbnail((1600, 1600))
            found.append(np.asarray(image))
    return found


@dataclass(frozen=True)
class Run:
    """One of the runs.

    Attributes:
        topology: "one" or "nine".
        kinds: "cheap" or "all".
        seconds: that clients work.
        kill: service that is killed halfway; "" for none.
    """

    topology: str
    kinds: str
    seconds: float
    kill: str = ""

    @property
    def title(self) -> str:
        """For people."""
        where = "one process" if self.topology == "one" else "a process each"
        killed = f", {self.kill} killed halfway" if self.kill else ""
        return f"{self.kinds} kinds, {where}, {self.seconds:g} s{killed}"


def runs_of(options: argparse.Namespace) -> list[Run]:
    """Every topology that is asked for with all kinds that are."""
    topologies = ("one", "nine") if options.topology == "both" else (options.topology,)
    kinds = ("cheap", "all") if options.kinds == "both" else (options.kinds,)
    seconds = {"cheap": options.seconds, "all": options.seconds_all or options.seconds}
    return [
        Run(topology, each, seconds[each], (options.kill or "") if topology == "nine" else "")
        for each in kinds
        for topology in topologies
    ]


def measured(run: Run, photos: Sequence[NDArray[np.uint8]], options: argparse.Namespace) -> dict[str, Any]:
    """Runs the clients and checks what is left.

    Returns:
        `searches` and `adds`, as `figures_of` gives them; how many pictures were `acknowledged`, how many of
        these are `lost`, and how many features still `pending`, some minutes after everything was killed.
    """
    with running(run.topology, CHEAP if run.kinds == "cheap" else ALL) as server:
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            before = _fill(client, Pictures(photos, 0), options.pictures)
            seen = run_clients(
                server.url,
                photos,
                searching=options.searching,
                adding=options.adding,
                seconds=run.seconds,
                meanwhile=lambda: _kill_midway(server, run),
            )
        server.kill_all()
        server.start()
        added = before | seen.added
        with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client:
            gone = lost(client, added)
            pending = _caught_up(client)
    found = {what: figures_of(seen.requests, what, run.seconds) for what in (SEARCH, ADD)}
    return {
        "searches": found[SEARCH],
        "adds": found[ADD],
        "acknowledged": len(added),
        "lost": len(gone),
        "pending": pending,
    }


def _fill(client: httpx.Client, pictures: Pictures, count: int) -> dict[int, str]:
    """Adds pictures before anything is measured."""
    added = {}
    for _ in range(count):
        data = pictures.next()
        answer = client.post("/v1/images", files={"image": ("x.jpg", data)}).raise_for_status()
        added[answer.json()["image_id"]] = hashlib.sha256(data).hexdigest()
    return added


def _kill_midway(server: Running, run: Run) -> None:
    if run.kill:
        time.sleep(run.seconds / 2)
        server.kill(run.kill)


def _caught_up(client: httpx.Client) -> int:
    """Features that are still to come after a while."""
    end = time.monotonic() + CATCH_UP_S
    while True:
        kinds = client.get("/v1/info").raise_for_status().json()["kinds"]
        pending = sum(each["states"]["pending"] for each in kinds.values())
        if not pending or time.monotonic() > end:
            return int(pending)
        time.sleep(1)


def _report(options: argparse.Namespace, results: Mapping[Run, Mapping[str, Any]]) -> Report:
    columns = ("", "requests", "a second", "done", "refused", "others", "p50 s", "p95 s", "p99 s")
    names = ("requests", "rate", "done", "refused", "others", "p50_s", "p95_s", "p99_s")
    tables = [
        Table(
            run.title,
            columns,
            [[what, *(_cell(found[what][name]) for name in names)] for what in ("searches", "adds")],
        )
        for run, found in results.items()
    ]
    given = vars(options) | {"photos": options.photos.name if options.photos else "scikit-image"}
    for place in ("json", "update_docs"):
        given.pop(place)
    words = ["python benchmarks/load.py", f"--topology {options.topology}", f"--kinds {options.kinds}"]
    words += [f"--seconds {options.seconds:g}"]
    words += [f"--seconds-all {options.seconds_all:g}"] if options.seconds_all else []
    words += [f"--kill {options.kill}"] if options.kill else []
    return Report(
        name="load",
        command=" ".join(words),
        figures={name: value for run, found in results.items() for name, value in _figures(run, found)},
        parameters=given,
        packages=("uvicorn", "httpx"),
        tables=tables,
        notes=[
            f"{options.searching} clients search and {options.adding} add, one request after the other each; "
            f"they and the server share {cores()} cores. Afterwards every process was killed.",
            *(note for run, found in results.items() if (note := _away(run, found))),
        ],
    )


def _cell(value: Any) -> str:
    return (
        ", ".join(f"{count} × {status}" for status, count in value.items())
        if isinstance(value, dict)
        else str(value)
    )


def _figures(run: Run, found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    of = f"{run.topology}_{run.kinds}"
    for what in ("searches", "adds"):
        for name in ("rate", "done", "refused", "p50_s", "p95_s"):
            yield f"{of}_{what}_{name}", found[what][name]
    for name in ("acknowledged", "lost", "pending"):
        yield f"{of}_{name}", found[name]


def _away(run: Run, found: Mapping[str, Any]) -> str:
    """Which kinds did not answer, when, and how many searches named them and answered without."""
    searches = found["searches"]
    told = [
        f"{kind} in {searches['unanswered'][kind]:,} answers, {first:g} to {last:g} s after the start"
        for kind, (first, last) in searches["away_s"].items()
    ]
    return f"{run.title}: missing, and named in the answer: {'; '.join(told)}." if told else ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def main() -> int:
    """Measures, prints, and fails where something acknowledged was lost."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seconds-all", type=float, help="of runs with all kinds; default: --seconds")
    parser.add_argument("--topology", choices=("one", "nine", "both"), default="one")
    parser.add_argument(
        "--kinds", choices=("cheap", "all", "both"), default="cheap", help=f"cheap: {', '.join(CHEAP)}"
    )
    parser.add_argument("--searching", type=int, default=16, help="clients that search")
    parser.add_argument("--adding", type=int, default=2, help="clients that add")
    parser.add_argument("--pictures", type=int, default=200, help="in the library from the beginning")
    parser.add_argument("--kill", choices=ALL, help="kill this service halfway (nine)")
    parser.add_argument("--photos", type=Path, help="folder of photographs")
    parser.add_argument("--json", type=Path, help="file for the whole report")
    parser.add_argument("--update-docs", action="store_true", help="renew docs/benchmarks.md")
    options = parser.parse_args()
    if options.kill and options.topology == "one":
        parser.error("--kill needs --topology nine: one process holds every kind")
    photos = photographs(options.photos)
    results = {run: measured(run, photos, options) for run in runs_of(options)}
    finish(_report(options, results), update_docs=options.update_docs, json_file=options.json)
    return 1 if any(found["lost"] or found["pending"] for found in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
