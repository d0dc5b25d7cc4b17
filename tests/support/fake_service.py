"""A server that answers as it is told to: what a kind's service in another process may do wrong."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Script:
    """What a server answers, and what it was asked.

    Attributes:
        answer: takes method, path and body; gives status, body and Retry-After ("" for none).
        asked: (method, path) of every request.
        delay_s: before each answer.
    """

    answer: Callable[[str, str, bytes], tuple[int, bytes, str]]
    asked: list[tuple[str, str]] = field(default_factory=list)
    delay_s: float = 0.0
    url: str = ""


def told(document: Any, status: int = 200, retry_after: str = "") -> tuple[int, bytes, str]:
    return status, json.dumps(document).encode(), retry_after


def problem(status: int, code: str, retry_after: str = "") -> tuple[int, bytes, str]:
    return told({"code": code, "detail": f"it said {code}"}, status, retry_after)


@contextmanager
def answering(script: Script) -> Iterator[Script]:
    """A server in a thread, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append((self.command, self.path.partition("?")[0]))
            time.sleep(script.delay_s)
            status, said, retry_after = script.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

        def handle(self) -> None:
            try:
                super().handle()
            except (ConnectionError, BrokenPipeError):  # the client gave up
                self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join(10)
