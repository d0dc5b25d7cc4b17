"""Starts a gateway and a service for each kind and annotator on this machine: nine processes by default.

    python deploy/nine.py --folder ~/ambience-services

Each process has a library folder of its own below the given one, a log, and a file with its process id. One
that ends is started again. Ctrl-C (or SIGTERM) ends all of them, the gateway first.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

GATEWAY = "gateway"
PORTS = {
    "local_features": 33333,
    "global_features": 33334,
    "color": 33335,
    "phash": 33336,
    "image_text_features": 33338,
    "text": 33339,
    "caption": 33340,
    "tags": 33341,
    GATEWAY: 44444,
}
"""The original system's ports."""

ANNOTATORS = ("text", "caption", "tags")
START_TIMEOUT_S = 300.0
AGAIN_S = 1.0
"""Before a process that ended is started again."""


@dataclass
class Program:
    """One of the processes."""

    name: str
    command: list[str]
    folder: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None
    ended_at: float = field(default=float("-inf"))

    def start(self) -> None:
        """Starts it, with its output going to a log."""
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.folder / f"{self.name}.pid").write_text(f"{self.process.pid}\n", encoding="ascii")

    def is_ready(self) -> bool:
        """Whether it answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def keep(self) -> None:
        """Starts it again where it ended, a moment later."""
        if self.process is None or self.process.poll() is None:
            return
        if self.ended_at == float("-inf"):
            self.ended_at = time.monotonic()
            print(f"{self.name} ended with {self.process.returncode}; it is started again", flush=True)
        elif time.monotonic() - self.ended_at >= AGAIN_S:
            self.ended_at = float("-inf")
            self.start()

    def stop(self) -> None:
        """Ends it, and waits for what it had begun."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=90)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def programs(folder: Path, names: list[str], ports: dict[str, int], more: list[str]) -> list[Program]:
    """The processes to start, the gateway last.

    Args:
        folder: below which each has its own.
        names: kinds and annotators that get a service; the others are switched off.
        ports: by name.
        more: settings of all of them, as `name=value`.

    Returns:
        Not yet started.
    """
    ambience = [sys.executable, "-m", "ambience"]
    given = [word for each in more for word in ("--set", each)]
    made = []
    for name in names:
        command = [*ambience, "--library", str(folder / name), *given]
        command += ["serve", name, "--alone", "--port", str(ports[name])]
        made.append(Program(name, command, folder, ports[name]))
    for name in PORTS:
        section = "annotate" if name in ANNOTATORS else "kinds"
        if name not in (*names, GATEWAY):
            given += ["--set", f"{section}.{name}.enabled=false"]
        elif name != GATEWAY:
            given += ["--set", f"{section}.{name}.url=http://127.0.0.1:{ports[name]}"]
    command = [*ambience, "--library", str(folder / GATEWAY), *given, "serve", "--port", str(ports[GATEWAY])]
    return [*made, Program(GATEWAY, command, folder, ports[GATEWAY])]


def main() -> int:
    """Runs until it is told to stop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--folder", type=Path, required=True, help="of the libraries and logs")
    parser.add_argument("--only", help="kinds and annotators to start, with commas; all by default")
    parser.add_argument("--port", action="append", default=[], metavar="NAME=N", help="another port")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of all")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else [name for name in PORTS if name != GATEWAY]
    unknown = sorted(set(names) - set(PORTS) | ({GATEWAY} & set(names)))
    if unknown:
        parser.error(f"no service {unknown[0]!r}; have {', '.join(PORTS)}")
    ports = PORTS | {name: int(port) for name, _, port in (each.partition("=") for each in options.port)}
    folder = options.folder.expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("PYTHONUNBUFFERED", "1")

    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    started = programs(folder, names, ports, options.set)
    try:
        for program in started:
            program.start()
        end = time.monotonic() + START_TIMEOUT_S
        while not stop.is_set() and not all(program.is_ready() for program in started):
            for program in started:
                program.keep()
            if time.monotonic() > end:
                late = [program.name for program in started if not program.is_ready()]
                print(f"no answer of {', '.join(late)}; see their logs in {folder}", file=sys.stderr)
                return 1
            stop.wait(0.2)
        if not stop.is_set():
            print(f"ready: http://127.0.0.1:{ports[GATEWAY]}/", flush=True)
        while not stop.wait(0.2):
            for program in started:
                program.keep()
    finally:
        for program in reversed(started):
            program.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
