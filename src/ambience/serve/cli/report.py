"""Groups of copies as one HTML page that needs nothing else: for people who look before they decide."""

import base64
import contextlib
import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from html import escape
from importlib import resources
from pathlib import Path
from typing import Protocol

from ambience.copies import CopyGroup, GroupMember
from ambience.datatypes import ImageRecord
from ambience.errors import AmbienceError, StoreError
from ambience.serve.cli.output import counted, shown, shown_path, size
from ambience.serve.placement import VERDICT_WORDS, turn_words
from ambience.store.disk_full import disk_full, is_disk_full

THUMBNAIL = 192
"""Pixels of the longest side: some 10 kB each."""

MOST_GROUPS, MOST_MEMBERS = 500, 11
"""Groups of a page, and copies of each that are drawn: at most some 80 MB, which browsers open; mostly
five. What is left out is counted on the page."""

MARK = '<meta name="generator" content="Ambience">'
"""By which a report is known as one, so that no other file is written over."""


class Thumbnails(Protocol):
    """What draws pictures."""

    def thumbnail(self, image_id: int, size: int) -> bytes:
        """A JPEG."""


@dataclass(frozen=True)
class Found:
    """What a report tells of.

    Attributes:
        groups: all of them.
        records: of their images, by id; those that were removed meanwhile are missing.
        pending: images that have yet to be compared.
    """

    groups: Sequence[CopyGroup]
    records: Mapping[int, ImageRecord]
    pending: int


def check_place(file: Path) -> None:
    """Refuses to write over anything but a report.

    Raises:
        StoreError: something else lies there.
    """
    if file.exists() and not file.is_file():
        raise StoreError(f"{shown_path(str(file))} is no file; name one, such as duplicates.html")
    try:
        with file.open("rb") as opened:
            is_report = MARK.encode() in opened.read(1000)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise StoreError(f"{shown_path(str(file))} cannot be read: {exc.strerror}") from exc
    if not is_report:
        raise StoreError(f"{shown_path(str(file))} exists and is no report of Ambience; name another file")


def write_report(file: Path, found: Found, pictures: Thumbnails, *, threads: int, when: datetime) -> int:
    """Writes the page beside `file`, then in its place.

    Args:
        file: to be written; a report that lies there is replaced.
        found: what is told.
        pictures: draws them.
        threads: that do so at a time.
        when: told on the page.

    Returns:
        Groups that the page shows; the rest is counted on it.

    Raises:
        StoreError: something else lies there, or the file cannot be written.
        StoreFullError: the disk is full; nothing is left.
    """
    check_place(file)
    groups = found.groups[:MOST_GROUPS]
    template = resources.files("ambience.serve.cli").joinpath("report.html").read_text(encoding="utf-8")
    title = "Duplicates"
    head, tail = template.split("$groups")
    summary = "\n".join(f"<p>{line}</p>" for line in _summary(found, when))
    beside = file.with_name(f".{file.name[:200]}.{secrets.token_hex(8)}.partial")
    try:
        with beside.open("x", encoding="utf-8", errors="replace") as out:
            out.write(string.Template(head).substitute(title=title, summary=summary))
            for section in _sections(groups, found.records, pictures, threads):
                out.write(section)
            out.write(tail)
        beside.replace(file)
    except OSError as exc:
        if is_disk_full(exc):
            raise disk_full(file.parent, exc) from exc
        raise StoreError(f"{shown_path(str(file))} cannot be written: {exc.strerror}") from exc
    finally:
        with contextlib.suppress(OSError):  # it is there only where something failed
            beside.unlink()
    return len(groups)


def _summary(found: Found, when: datetime) -> Iterator[str]:
    copies = [each.image_id for group in found.groups for each in group.members]
    room = sum(found.records[each].size for each in copies if each in found.records)
    yield (
        f"{counted(len(found.groups), 'group')}: {counted(len(copies), 'picture')} ({size(room)}) are copies "
        f'of others. <span class="quiet">{when:%Y-%m-%d %H:%M}</span>'
    )
    if found.pending:
        yield f"{counted(found.pending, 'picture')} have yet to be compared: <code>ambience duplicates</code>"
    if len(found.groups) > MOST_GROUPS:
        yield f"The first {MOST_GROUPS} groups are shown."
    if found.groups:
        group = found.groups[0]
        yield "Nothing was changed."
        for what, command in (
            ("Put the copies of a group away", f"duplicates --trash losers --group {group.group_id}"),
            ("… of all groups", "duplicates --trash losers"),
            ("… and undo it", "trash restore --last"),
            ("Two that are no duplicates", "duplicates --different ID ID"),
        ):
            yield f"{what}: <code>ambience {command}</code>"


def _sections(
    groups: Sequence[CopyGroup], records: Mapping[int, ImageRecord], pictures: Thumbnails, threads: int
) -> Iterator[str]:
    def drawn(image_id: int) -> str:
        try:
            jpeg = pictures.thumbnail(image_id, THUMBNAIL)
        except AmbienceError:
            return '<span class="quiet">cannot be shown</span>'
        return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode("ascii")}">'

    with ThreadPoolExecutor(threads) as pool:
        for group in groups:
            ids = [group.keep, *(each.image_id for each in group.members[:MOST_MEMBERS])]
            images = dict(zip(ids, pool.map(drawn, ids), strict=True))
            yield _section(group, records, images)


def _section(group: CopyGroup, records: Mapping[int, ImageRecord], images: Mapping[int, str]) -> str:
    cards = [_card(group.keep, "keep", records, images, is_kept=True)]
    cards += [
        _card(each.image_id, _words(each, group.keep), records, images)
        for each in group.members[:MOST_MEMBERS]
    ]
    left = len(group.members) - MOST_MEMBERS
    more = f'<p class="quiet">and {left:,} more</p>' if left > 0 else ""
    return (
        f"<section><h2>Group {group.group_id} <span>keep {group.keep}: {escape(group.reason)}</span></h2>"
        f"<ul>{''.join(cards)}</ul>{more}</section>\n"
    )


def _words(member: GroupMember, keep: int) -> str:
    words = [VERDICT_WORDS.get(member.verdict, member.verdict.value), *turn_words(member.orientation, None)]
    of = "" if member.copy_of == keep else f", copy of {member.copy_of} alone"
    return f"{', '.join(words)} {member.score:.2f}{of}"


def _card(
    image_id: int,
    mark: str,
    records: Mapping[int, ImageRecord],
    images: Mapping[int, str],
    *,
    is_kept: bool = False,
) -> str:
    record = records.get(image_id)
    if record is None:
        name, facts, place = "removed meanwhile", "", ""
    else:
        name, facts = (
            shown(record.name),
            f"{record.width}×{record.height}, {size(record.size)}, {record.format}",
        )
        place = shown(record.path) if record.path and not record.is_upload else "upload"
    return (
        f'<li{" class=kept" if is_kept else ""}><div class="frame">{images[image_id]}</div>'
        f'<span class="mark">{escape(mark)}</span> {image_id}<span class="name">{escape(name)}</span>'
        f'{escape(facts)}<span class="place">{escape(place)}</span></li>'
    )
