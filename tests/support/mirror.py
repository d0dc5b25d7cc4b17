"""A small hub of models on this machine: real HTTP, laid out like the public one, with faults on demand.

`/{repository}/resolve/{revision}/{file}` redirects to a store, as the hub does for large files, stating size
and sha256 on the way; the store answers ranges and entity tags.
"""

import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

from ambience.models.catalog import ModelFile, ModelRow

PIECE = 4096


@dataclass
class Faults:
    """What goes wrong; all of it may be changed while the mirror runs.

    Attributes:
        cut_after: bytes of a body after which the connection is broken off; None: never.
        cuts: how often that happens; every time by default.
        wrong_bytes: whether other bytes of the same length are sent.
        status: answered in place of files, with `retry_after` where that is set.
        failures: how often that happens.
        retry_after: seconds, as a number.
        ignores_range: whether the whole file is sent whatever was asked for.
        states_nothing: whether size, sha256 and entity tag are kept to itself.
        wrong_statement: whether the sha256 stated is another one.
        wrong_length: added to the size that is stated.
        pause_s: between two pieces of a body.
        silence_s: before an answer.
        hides_length: whether a body ends where the connection does.
        leads_to: address that every file is redirected to.
        version: part of the entity tags; another one means that the files were replaced.
    """

    cut_after: int | None = None
    cuts: int = 10**9
    wrong_bytes: bool = False
    status: int = 0
    failures: int = 10**9
    retry_after: int | None = None
    ignores_range: bool = False
    states_nothing: bool = False
    wrong_statement: bool = False
    wrong_length: int = 0
    pause_s: float = 0.0
    silence_s: float = 0.0
    hides_length: bool = False
    leads_to: str = ""
    version: str = "1"


@dataclass
class Mirror:
    """The server; a context manager.

    Attributes:
        files: path below the address → bytes.
        faults: what goes wrong.
        asked: how often each path was asked for.
        ranges: the `Range` headers that came to the store, "" where none was sent.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    asked: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                mirror._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends the server; its address then refuses connections."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def publish(self, row: ModelRow, contents: Mapping[str, bytes]) -> ModelRow:
        """Puts the files of a model where its row says; sizes of the row that comes back are theirs.

        Args:
            row: of the model.
            contents: by name of the file.

        Returns:
            The row with these sizes and without any sha256.
        """
        files = []
        for file in row.files:
            path = row.addresses(file, "")[0]
            self.files[path] = contents[file.name]
            files.append(replace(file, size=len(contents[file.name]), sha256=None, elsewhere=()))
        return replace(row, files=tuple(files))

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path, faults = request.path, self.faults
        self.asked[path] += 1
        time.sleep(faults.silence_s)
        is_store = path.startswith("/store/")
        data = self.files.get(path.removeprefix("/store"))
        if faults.status and faults.failures > 0:
            faults.failures -= 1
            extra = {} if faults.retry_after is None else {"Retry-After": str(faults.retry_after)}
            _send(request, faults.status, b"", extra)
        elif data is None:
            _send(request, 404, b"Entry not found", {})
        elif not is_store:
            target = faults.leads_to or f"{self.address}/store{path}"
            _send(request, 302, b"", {"Location": target, **self._statement(data)})
        else:
            self._send_file(request, data)

    def _statement(self, data: bytes) -> dict[str, str]:
        if self.faults.states_nothing:
            return {}
        stated = b"other" if self.faults.wrong_statement else data
        return {
            "X-Linked-Size": str(len(data) + self.faults.wrong_length),
            "X-Linked-Etag": f'"{hashlib.sha256(stated).hexdigest()}"',
        }

    def _send_file(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        faults, headers = self.faults, {}
        asked = request.headers.get("Range", "")
        self.ranges.append(asked)
        start, whole = 0, len(data)
        found = re.fullmatch(r"bytes=(\d+)-", asked)
        if found and not faults.ignores_range:
            start = int(found[1])
            if start >= whole:
                _send(request, 416, b"", {"Content-Range": f"bytes */{whole}"})
                return
            headers["Content-Range"] = f"bytes {start}-{whole - 1}/{whole}"
        if not faults.states_nothing:
            headers["ETag"] = f'"{faults.version}-{hashlib.md5(data).hexdigest()}"'
        if faults.wrong_bytes:
            data = bytes(byte ^ 0xFF for byte in data)
        _send(request, 206 if headers.get("Content-Range") else 200, data[start:], headers, faults)


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: Mapping[str, str],
    faults: Faults | None = None,
) -> None:
    request.send_response(status)
    if faults is not None and faults.hides_length:
        headers = {**headers, "Connection": "close"}
    else:
        headers = {**headers, "Content-Length": str(len(body))}
    for name, value in headers.items():
        request.send_header(name, value)
    request.end_headers()
    end = len(body)
    if faults is not None and faults.cut_after is not None and faults.cuts > 0 and faults.cut_after < end:
        end, faults.cuts = faults.cut_after, faults.cuts - 1
        request.close_connection = True
    try:
        for start in range(0, end, PIECE):
            request.wfile.write(body[start : min(end, start + PIECE)])
            if faults is not None and faults.pause_s:
                time.sleep(faults.pause_s)
    except (BrokenPipeError, ConnectionResetError):
        request.close_connection = True


def tiny_row(name: str = "tiny", **changes: object) -> ModelRow:
    """A model of two files, one in a folder of its repository; nothing loads it."""
    row = ModelRow(
        name=name,
        title="A model of the tests",
        task="image_embedding",
        repository="someone/tiny-model",
        revision="abc123",
        files=(ModelFile("onnx/model.onnx", 0, None), ModelFile("tokenizer.json", 0, None)),
        licence="MIT",
        dim=4,
    )
    return replace(row, **changes)  # type: ignore[arg-type]


def tiny_contents(seed: int = 1, size: int = 300_000) -> dict[str, bytes]:
    """What the files of `tiny_row` hold: bytes that do not repeat, and a little text."""
    blocks = (hashlib.sha256(f"{seed}/{number}".encode()).digest() for number in range(size // 32))
    return {"onnx/model.onnx": b"".join(blocks), "tokenizer.json": b'{"version": "1.0"}'}


def with_sha256(row: ModelRow, contents: Mapping[str, bytes]) -> ModelRow:
    """A row that states what its files hold."""
    files = (
        replace(file, sha256=hashlib.sha256(contents[file.name]).hexdigest(), size=len(contents[file.name]))
        for file in row.files
    )
    return replace(row, files=tuple(files))


def put(folder: Path, contents: Mapping[str, bytes]) -> Path:
    """Files in a folder, under their names."""
    for name, data in contents.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder
