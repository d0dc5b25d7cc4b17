"""Request bodies: one picture and its fields, as multipart, as raw bytes, or as JSON.

Parsed by hand where FastAPI would hold everything in memory or answer another status: files go to disk beyond
a megabyte, fields are short and few, numbers may come as strings, and every malformed body is a QueryError.
"""

import json
import math
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from anyio import to_thread
from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from ambience.datatypes import MAX_IMAGE_ID
from ambience.errors import QueryError
from ambience.serve.http.errors import BodyTooLargeError, MediaTypeError

MAX_JSON_BYTES = 2**20
MAX_FIELDS = 200
MAX_FIELD_BYTES = 64 * 2**10
_IN_MEMORY_BYTES = 2**20
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,20}\s*", re.ASCII)
_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """What a request said.

    Attributes:
        fields: name → values in the order sent: strings, or anything that JSON can hold.
        file: the picture, if one came; read it in a worker thread, it may lie on disk.
        file_name: as the client calls it, without folders.
        others: further pictures, by the names of their fields.
    """

    fields: Mapping[str, list[Any]] = field(default_factory=dict)
    file: IO[bytes] | None = None
    file_name: str = ""
    others: Mapping[str, IO[bytes]] = field(default_factory=dict)

    def picture(self, name: str = "image") -> bytes:
        """The bytes of a picture.

        Args:
            name: of its field.

        Returns:
            All of them.

        Raises:
            QueryError: none came, or it is empty.
        """
        file = self.file if name == "image" else self.others.get(name)
        if file is None:
            raise QueryError(f"no picture in the request; send one as the form field {_short(name)}")
        file.seek(0)
        data = file.read()
        if not data:
            raise QueryError(f"the picture {self.file_name or name!r} is empty (0 bytes)")
        return data

    def objects(self, name: str, *, most: int) -> list[dict[str, Any]]:
        """A field as a list of JSON objects, which may be written as a string; empty if absent.

        Returns:
            The objects.

        Raises:
            QueryError: it is no list of objects, or of too many.
        """
        value = self.json(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise QueryError(f"{name} = {_short(value)} is no JSON list of objects")
        if len(value) > most:
            raise QueryError(f"{name} has {len(value)} entries; at most {most} are taken")
        return value

    def json(self, name: str) -> Any:
        """A field as what it is in JSON, which may be written as a string; None if absent.

        Returns:
            Whatever JSON can hold.

        Raises:
            QueryError: it came more than once, or is a string that is no JSON.
        """
        value = self.one(name)
        return _parsed_json(value, what=name) if isinstance(value, str) else value

    def one(self, name: str) -> Any:
        """The only value of a field; None where it is absent, null or an empty string.

        Returns:
            The value.

        Raises:
            QueryError: the field came more than once.
        """
        values = self.fields.get(name, [])
        if len(values) > 1:
            raise QueryError(f"field {name!r} was given {len(values)} times; give it once")
        return None if not values or values[0] == "" else values[0]

    def text(self, name: str, *, most: int = 1000) -> str | None:
        """A field as text, or None.

        Returns:
            The text.

        Raises:
            QueryError: not a string, or longer than `most` characters.
        """
        value = self.one(name)
        if value is not None and not isinstance(value, str):
            raise QueryError(f"{name} = {_short(value)} is no text")
        if value is not None and len(value) > most:
            raise QueryError(f"{name} has {len(value)} characters; at most {most} are taken")
        return value

    def words(self, name: str, *, most: int = 100) -> list[str] | None:
        """A field as a list of words: repeated, a JSON list, or one string with commas. None if absent.

        Returns:
            Words without outer spaces, in the order given.

        Raises:
            QueryError: something in it is no string, or there are too many.
        """
        if name not in self.fields:
            return None
        listed: list[str] = []
        for value in self.fields[name]:
            for part in value if isinstance(value, list) else [value]:
                if part is None:
                    continue
                if not isinstance(part, str):
                    raise QueryError(f"{name}: {_short(part)} is no text")
                listed += [word.strip() for word in part.split(",") if word.strip()]
        if len(listed) > most or any(len(word) > 200 for word in listed):
            raise QueryError(f"{name}: at most {most} entries of at most 200 characters are taken")
        return listed

    def integer(self, name: str, *, least: int, most: int = MAX_IMAGE_ID) -> int | None:
        """A field as a whole number, which may be written as a string; None if absent.

        Returns:
            The number.

        Raises:
            QueryError: no whole number, or out of range.
        """
        value = self.one(name)
        if value is None:
            return None
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise QueryError(f"{name} = {_short(value)} is no whole number from {least} to {most}")
        return value

    def number(self, name: str, *, least: float, most: float = math.inf) -> float | None:
        """A field as a finite number, which may be written as a string; None if absent.

        Returns:
            The number.

        Raises:
            QueryError: no finite number, or out of range.
        """
        value = self.one(name)
        if value is None:
            return None
        if isinstance(value, str) and _NUMBER.fullmatch(value) and len(value) < 400:
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise QueryError(f"{name} = {_short(value)} is no finite number")
        if not least <= value <= most:
            raise QueryError(f"{name} = {_short(value)} is not within {least:g} to {most:g}")
        return float(value)

    def numbers(self, name: str, *, count: int) -> tuple[float, ...] | None:
        """A field as so many finite numbers: a JSON list, or one string with commas; None if absent.

        Returns:
            The numbers.

        Raises:
            QueryError: there are more or fewer, or one of them is no finite number.
        """
        value = self.one(name)
        if value is None:
            return None
        listed = value.strip().strip("[]").split(",") if isinstance(value, str) else value
        if not isinstance(listed, list) or len(listed) != count:
            raise QueryError(f"{name} = {_short(value)} is no list of {count} numbers")
        found = [Form({name: [one]}).number(name, least=-math.inf) for one in listed]
        if None in found:
            raise QueryError(f"{name} = {_short(value)} is no list of {count} numbers")
        return tuple(number for number in found if number is not None)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A field as yes or no.

        Returns:
            True or False.

        Raises:
            QueryError: neither.
        """
        value = self.one(name)
        if value is None:
            return default
        word = str(value).strip().lower()[:10]
        if word not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            raise QueryError(f"{name} = {_short(value)} is neither true nor false")
        return word in ("1", "true", "yes", "on")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond every float
        return False


def _short(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # a whole number of thousands of digits
        text = "a very long number"
    return text if len(text) <= 80 else f"{text[:77]}…"


def base_name(name: str | None) -> str:
    """The last part of a client's file name, printable and at most 255 characters; "" where there is none.

    The name is only ever a label: no path on disk is made of it.
    """
    last = re.split(r"[\\/]", name or "")[-1]
    last = "".join(sign if sign.isprintable() else "�" for sign in last).strip()
    return "" if last in (".", "..") else last[:255]


@asynccontextmanager
async def received(request: Request, *, most_files: int = 1) -> AsyncIterator[Form]:
    """The form of a request, whatever it was sent as; its files are gone when the block ends.

    Args:
        request: multipart (file field `image` or `file`), JSON, url-encoded, or the bytes of a picture with
            the fields in the query string.
        most_files: beyond the first, files come in fields of any other names.

    Yields:
        The form; fields of the query string are part of it.

    Raises:
        QueryError: the body is malformed, or holds more files than that.
        MediaTypeError: the body is of a type that is not read here.
    """
    fields: dict[str, list[Any]] = {}
    for name, value in request.query_params.multi_items():
        fields.setdefault(name, []).append(value)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type in ("multipart/form-data", "application/x-www-form-urlencoded"):
        async with _parsed(request, fields, most_files) as form:
            yield form
    elif content_type == "application/json" or content_type.endswith("+json"):
        for name, value in (await json_object(request)).items():
            fields.setdefault(name, []).append(value)
        yield Form(fields)
    elif content_type.startswith("image/") or content_type in ("application/octet-stream", ""):
        with SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            await _spooled(request, file)
            is_empty = file.tell() == 0
            yield Form(fields, None if is_empty and not content_type else file)
    else:
        raise MediaTypeError(
            f"a body of type {content_type[:80]!r} is not read here; send multipart/form-data, JSON, or the "
            "bytes of a picture"
        )


async def _spooled(request: Request, file: IO[bytes]) -> None:
    async for chunk in request.stream():
        if file.tell() + len(chunk) > _IN_MEMORY_BYTES:
            await to_thread.run_sync(file.write, chunk)
        else:
            file.write(chunk)


class _Parts(MultiPartParser):
    """Starlette's parser, for which a part of bytes is a file even where the client gives it no file name.

    So sends Node's form-data package a buffer, and so the original's gateway takes it.
    """

    def on_headers_finished(self) -> None:
        """Gives such a part an empty name."""
        part = self._current_part
        types = [value.strip().lower() for name, value in part.item_headers if name == b"content-type"]
        _, options = parse_options_header(part.content_disposition)
        if part.content_disposition and types == [b"application/octet-stream"] and b"filename" not in options:
            part.content_disposition += b'; filename=""'
        super().on_headers_finished()


@asynccontextmanager
async def _parsed(request: Request, fields: dict[str, list[Any]], most_files: int) -> AsyncIterator[Form]:
    limits = f"({most_files} file{'s' * (most_files > 1)} and {MAX_FIELDS} fields of 64 kB at most)"
    try:
        if request.headers["content-type"].lower().startswith("multipart/"):
            parser = _Parts(
                request.headers,
                request.stream(),
                max_files=most_files,
                max_fields=MAX_FIELDS,
                max_part_size=MAX_FIELD_BYTES,
            )
            sent = await parser.parse()
        else:
            sent = await request.form(max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except MultiPartException as exc:
        raise QueryError(f"malformed form: {exc.message} {limits}") from exc
    except StarletteHTTPException as exc:
        raise QueryError(f"malformed form: {exc.detail} {limits}") from exc
    except (ValueError, LookupError) as exc:  # an unusable charset or boundary
        raise QueryError(f"malformed form: {exc}") from exc
    files: dict[str, UploadFile] = {}
    try:
        for name, value in sent.multi_items():
            if not isinstance(value, UploadFile):
                fields.setdefault(name, []).append(value)
                continue
            own = "image" if name in ("image", "file") else name
            if own != "image" and most_files == 1:
                raise QueryError(f"the file came as field {name[:80]!r}; send it as 'image'")
            if own in files:
                raise QueryError(f"two files came as field {name[:80]!r}; give each a name of its own")
            files[own] = value
        first = files.pop("image", None)
        others = {name: file.file for name, file in files.items()}
        if first is None:
            yield Form(fields, others=others)
        else:
            yield Form(fields, first.file, base_name(first.filename), others)
    finally:
        await sent.close()


async def json_object(request: Request, *, most: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object of a request's body.

    Args:
        request: its body is read.
        most: bytes.

    Returns:
        The object.

    Raises:
        QueryError: no JSON, no object, or with numbers that are none (NaN, Infinity).
        BodyTooLargeError: more than `most` bytes.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise BodyTooLargeError(f"a JSON body of more than {most} bytes is not read")
    value = _parsed_json(bytes(body), what="the body")
    if not isinstance(value, dict):
        raise QueryError(f"the body is a JSON {type(value).__name__}; send an object")
    return value


def _parsed_json(text: str | bytes, *, what: str) -> Any:
    try:
        decoded = text if isinstance(text, str) else text.decode("utf-8")
        return json.loads(decoded, parse_constant=_no_number)
    except (ValueError, RecursionError) as exc:
        raise QueryError(f"{what} is no JSON: {str(exc)[:200]}") from exc


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")
