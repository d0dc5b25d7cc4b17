"""Files by which the original's gallery took over tags, captions, addresses, and what is to be deleted.

Each is a JSON list: `{"id": 7, "tags": ["beach"]}`, `{"id": 7, "caption": "a dog"}`, `{"id": 7, "source_url":
"https://…"}`, or bare ids of images to be deleted. It is read row by row, however long it is.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ambience.datatypes import MAX_IMAGE_ID
from ambience.errors import StoreError, UnknownImageError
from ambience.moving.import_report import Refusals, Refused
from ambience.store.base import PutImported
from ambience.store.commit import Store

READ_BYTES: Final = 2**20
MOST_ROW_CHARACTERS: Final = 2**22
"""Of one row; a file with a longer one is none of these."""

GROUP: Final = 512
"""Rows of one commit."""

NO_IMAGE = "there is no such image in this library"
NO_ROW = (
    'it is none of {"id": 7, "tags": ["beach"]}, {"id": 7, "caption": "a dog"}, {"id": 7, "source_url": '
    '"https://…"}, or an id'
)
NOT_ASKED = "rows that are bare ids name images to be deleted, which is done with --delete alone"

_SPACES: Final = re.compile(r"[ \t\r\n]*")

OnProgress = Callable[[str, int, int], None]
Row = PutImported | int
"""What is said of an image, or the id of one that is to be deleted."""


@dataclass(frozen=True, slots=True)
class FileReport:
    """What came of one file.

    Attributes:
        rows: of the file.
        said: images of which something was taken over.
        deleted: images that were deleted.
        refused: rows that were not taken over, the most frequent reason first.
        is_dry_run: nothing was written.
        is_whole: False where it was stopped.
        took_s: seconds.
    """

    rows: int
    said: int
    deleted: int
    refused: tuple[Refused, ...]
    is_dry_run: bool
    is_whole: bool
    took_s: float


class FileImport:
    """One file; made, run once, thrown away.

    Args:
        store: open for writing.
        remove: forgets an image; files that were added in place are never touched.
    """

    def __init__(self, store: Store, remove: Callable[[int], None]) -> None:
        self._store, self._remove = store, remove
        self._refusals = Refusals()
        self._said = self._deleted = 0

    def run(
        self,
        file: Path,
        *,
        deletes: bool,
        is_dry_run: bool,
        on_progress: OnProgress | None,
        stop: threading.Event,
    ) -> FileReport:
        """Takes over all rows that can be.

        Args:
            file: to be read.
            deletes: delete the images that bare ids name; else those are refused.
            is_dry_run: look at everything, and write nothing.
            on_progress: called with what is done, how much of it, and 0.
            stop: set to end after the rows in hand; what is done stays.

        Returns:
            What was taken over, and what was not and why.

        Raises:
            StoreError: the file cannot be read, or is no JSON list; rows before the fault were taken over.
            StoreFullError: the disk is full; rows before were taken over.
        """
        began, done = time.monotonic(), 0
        group: list[Row] = []
        for row in rows_of(file):
            if stop.is_set():
                break
            done += 1
            if (meant := self._meant(row, f"row {done}")) is not None:
                group.append(meant)
            if len(group) >= GROUP:
                self._take(group, deletes=deletes, is_dry_run=is_dry_run)
                group = []
                if on_progress is not None:
                    on_progress("rows", done, 0)
        self._take(group, deletes=deletes, is_dry_run=is_dry_run)
        return FileReport(
            rows=done,
            said=self._said,
            deleted=self._deleted,
            refused=self._refusals.listed(),
            is_dry_run=is_dry_run,
            is_whole=not stop.is_set(),
            took_s=time.monotonic() - began,
        )

    def _meant(self, row: Any, example: str) -> Row | None:
        """What a row says; None where it is malformed."""
        image_id = _id(row.get("id") if isinstance(row, dict) else row)
        if image_id is not None and isinstance(row, dict):
            tags, caption, url = row.get("tags", []), row.get("caption"), row.get("source_url")
            are_tags = isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)
            are_texts = all(text is None or isinstance(text, str) for text in (caption, url))
            if are_tags and are_texts and ("tags" in row or caption is not None or url is not None):
                stripped = tuple(tag.strip() for tag in tags if tag.strip())
                return PutImported(image_id, stripped, caption, url)
        elif image_id is not None:
            return image_id
        self._refusals.add("rows", NO_ROW, example)
        return None

    def _take(self, group: Sequence[Row], *, deletes: bool, is_dry_run: bool) -> None:
        there = self._store.records.images([_of(each) for each in group])
        for each in group:
            if _of(each) not in there:
                self._refusals.add("rows", NO_IMAGE, f"id {_of(each)}")
        known = [each for each in group if _of(each) in there]
        self._say([each for each in known if isinstance(each, PutImported)], is_dry_run=is_dry_run)
        for image_id in (each for each in known if isinstance(each, int)):
            if not deletes:
                self._refusals.add("rows", NOT_ASKED, f"id {image_id}")
                continue
            try:
                if not is_dry_run:
                    self._remove(image_id)
                self._deleted += 1
            except UnknownImageError:  # named twice
                self._refusals.add("rows", NO_IMAGE, f"id {image_id}")

    def _say(self, writes: Sequence[PutImported], *, is_dry_run: bool) -> None:
        outcomes = [None] * len(writes) if is_dry_run else self._store.commit(writes)
        for write, outcome in zip(writes, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                self._refusals.add("rows", str(outcome), f"id {write.image_id}")
            else:
                self._said += 1


def rows_of(file: Path) -> Iterator[Any]:
    """The values of a JSON list, one by one.

    Args:
        file: in UTF-8, with or without a mark of that.

    Yields:
        Values of any form.

    Raises:
        StoreError: it cannot be read, or is no JSON list; what stands before the fault was given.
    """
    try:
        with file.open(encoding="utf-8-sig") as opened:
            yield from _values(file, lambda: opened.read(READ_BYTES))
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        raise StoreError(f"{file} cannot be read: {reason}; it is a JSON list in UTF-8") from exc


def _values(file: Path, read: Callable[[], str]) -> Iterator[Any]:
    decode = json.JSONDecoder().raw_decode
    text = read()
    while (at := _behind_spaces(text, 0)) == len(text) and (more := read()):
        text = more
    if text[at : at + 1] != "[":
        raise StoreError(f"{file} begins with {text[at : at + 20]!r}; it is a JSON list, which begins with [")
    at, count = at + 1, 0
    while True:
        at = _behind_spaces(text, at)
        if text[at : at + 1] == "]":
            return
        try:
            value, end = decode(text, at)
            after = _behind_spaces(text, end)
        except (ValueError, RecursionError):
            after = len(text)
        if after < len(text):  # else a number may go on in what was not read yet
            if text[after] not in ",]":
                raise StoreError(
                    f"{file}: behind row {count + 1} stands {text[after : after + 20]!r}, not a comma or ]"
                )
            count += 1
            yield value
            at = after + (text[after] == ",")
            continue
        more = read()
        if not more or len(text) - at > MOST_ROW_CHARACTERS:
            raise StoreError(
                f"{file}: row {count + 1}, which begins with {text[at : at + 40]!r}, is no whole JSON"
            )
        text, at = text[at:] + more, 0


def _behind_spaces(text: str, at: int) -> int:
    found = _SPACES.match(text, at)
    assert found is not None
    return found.end()


def _id(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    is_id = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_IMAGE_ID
    return value if is_id else None


def _of(row: Row) -> int:
    return row if isinstance(row, int) else row.image_id
