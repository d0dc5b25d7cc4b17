"""Many files of one multipart body, kept on disk one behind the other: memory and open files stay few.

Starlette's own parser keeps each file in memory up to a megabyte and beyond that open on disk, which is too
much of either for a thousand of them.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any

from anyio import to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from ambience.errors import QueryError
from ambience.serve.http.bodies import MAX_FIELDS, MAX_JSON_BYTES, Form, base_name
from ambience.serve.http.errors import MediaTypeError

MAX_HEADER_BYTES = 8 * 2**10
"""Of all headers of one part."""


@dataclass(slots=True)
class SentFile:
    """One file of a body.

    Attributes:
        field: name of its form field.
        name: as the client calls it, without folders; "" where it says none.
        start: its first byte on disk.
        size: bytes that were sent; beyond the limit of one file they were counted and not kept.
    """

    field: str
    name: str
    start: int
    size: int = 0


@dataclass
class SentFiles:
    """What a body held; read files in a worker thread.

    Attributes:
        form: the fields beside the files, and those of the query string.
        files: in the order sent.
    """

    form: Form
    files: list[SentFile]
    _spool: IO[bytes]

    def data(self, file: SentFile) -> bytes:
        """The bytes of one file that is not over the limit; one thread at a time."""
        self._spool.seek(file.start)
        return self._spool.read(file.size)


@dataclass
class _Part:
    """What is known so far of the part that is being read."""

    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    header_bytes: int = 0
    name: str = ""
    file: SentFile | None = None
    text: bytearray = field(default_factory=bytearray)


class _Receiver:
    """Writes files behind each other as the parser finds them."""

    def __init__(self, spool: IO[bytes], *, most_files: int, most_file_bytes: int) -> None:
        self.files: list[SentFile] = []
        self.fields: dict[str, list[Any]] = {}
        self.is_complete = False
        self._spool, self._most_files, self._most_file_bytes = spool, most_files, most_file_bytes
        self._part = _Part()
        self._field_count = self._field_bytes = 0

    def callbacks(self) -> dict[str, Any]:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._note(self._part.header, data[start:end]),
            "on_header_value": lambda data, start, end: self._note(self._part.value, data[start:end]),
            "on_header_end": self._header,
            "on_headers_finished": self._named,
            "on_part_data": lambda data, start, end: self._data(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finished,
        }

    def _begin(self) -> None:
        self._part = _Part()

    def _note(self, place: bytearray, piece: bytes) -> None:
        self._part.header_bytes += len(piece)
        if self._part.header_bytes > MAX_HEADER_BYTES:
            raise QueryError(f"a part of the form has more than {MAX_HEADER_BYTES} bytes of headers")
        place += piece

    def _header(self) -> None:
        if bytes(self._part.header).lower() == b"content-disposition":
            self._part.disposition = bytes(self._part.value)
        self._part.header.clear()
        self._part.value.clear()

    def _named(self) -> None:
        _, options = parse_options_header(self._part.disposition)
        if b"name" not in options:
            raise QueryError("malformed form: a part has no name")
        self._part.name = options[b"name"].decode("utf-8", "replace")
        if b"filename" not in options:
            self._field_count += 1
            if self._field_count > MAX_FIELDS:
                raise QueryError(f"the form has more than {MAX_FIELDS} fields beside its files")
            return
        if len(self.files) == self._most_files:
            raise QueryError(
                f"more than {self._most_files} files in one request (serve.max_batch_files); send several"
            )
        name = base_name(options[b"filename"].decode("utf-8", "replace"))
        self._part.file = SentFile(self._part.name, name, self._spool.tell())
        self.files.append(self._part.file)

    def _data(self, piece: bytes) -> None:
        file = self._part.file
        if file is None:
            self._field_bytes += len(piece)
            if self._field_bytes > MAX_JSON_BYTES:
                raise QueryError(f"the fields beside the files have more than {MAX_JSON_BYTES} bytes")
            self._part.text += piece
            return
        file.size += len(piece)
        if file.size <= self._most_file_bytes:
            self._spool.write(piece)

    def _end(self) -> None:
        if self._part.file is None:
            text = bytes(self._part.text).decode("utf-8", "replace")
            self.fields.setdefault(self._part.name, []).append(text)

    def _finished(self) -> None:
        self.is_complete = True


@asynccontextmanager
async def received_files(
    request: Request, *, most_files: int, most_file_bytes: int
) -> AsyncIterator[SentFiles]:
    """All files of a multipart body, once it has come to its end; gone when the block ends.

    Args:
        request: its body is read.
        most_files: of the body.
        most_file_bytes: of one file that are kept.

    Yields:
        Files and fields.

    Raises:
        MediaTypeError: the body is no multipart form.
        QueryError: it is malformed, cut off, or over a limit.
    """
    media_type, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if media_type != b"multipart/form-data" or not boundary:
        seen = media_type.decode("latin-1")[:80]
        raise MediaTypeError(f"a body of type {seen!r} is not read here; send multipart/form-data with files")
    with TemporaryFile() as spool:
        receiver = _Receiver(spool, most_files=most_files, most_file_bytes=most_file_bytes)
        for name, value in request.query_params.multi_items():
            receiver.fields.setdefault(name, []).append(value)
        try:
            parser = MultipartParser(boundary, receiver.callbacks())  # type: ignore[arg-type]
            async for chunk in request.stream():
                await to_thread.run_sync(parser.write, chunk)
            parser.finalize()
        except (FormParserError, ValueError, LookupError) as exc:
            raise QueryError(f"malformed form: {str(exc)[:200]}") from exc
        if not receiver.is_complete:
            raise QueryError("malformed form: it ends before its last boundary; nothing was added")
        yield SentFiles(Form(receiver.fields), receiver.files, spool)
