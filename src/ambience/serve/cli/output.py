"""What people see: safe text, tables that fit the terminal, figures, and JSON for programs.

Names of files are hostile: they may hold bytes that are no text, line breaks, and escape sequences.
"""

import dataclasses
import json
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, TextIO

import click

LAST_COLUMN_MINIMUM = 40
"""Columns of the terminal; the last column of a table (a path, a sentence) is not squeezed further."""


def say(message: str) -> None:
    """One line on standard error, under the program's name; on a terminal, broken between words."""
    text = f"ambience: {shown(message, keep_lines=True)}"
    room = terminal_width(sys.stderr)
    if room is not None:
        text = "\n".join(
            textwrap.fill(line, max(room, 20), break_long_words=False, break_on_hyphens=False)
            for line in text.split("\n")
        )
    click.echo(text, err=True)


def shown(text: str, *, keep_lines: bool = False) -> str:
    r"""Text that is safe to print: bytes that are no text become �, control characters `\x1b` and the like.

    Args:
        text: as Python has it, maybe with surrogates.
        keep_lines: whether line breaks stay.

    Returns:
        Printable text.
    """
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if _is_odd(text) else text
    return "".join(
        letter if letter.isprintable() or (keep_lines and letter == "\n") else _escaped(letter)
        for letter in decoded
    )


class SafeLines(logging.Formatter):
    """Log lines: they name files and requests, none of which may forge a line or steer the terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The message, on one line."""
        return shown(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        """The message and, below it, a traceback where there is one."""
        return shown(super().format(record), keep_lines=True)


def _is_odd(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return any("\udc80" <= letter <= "\udcff" for letter in text)
    return False


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def shown_path(path: str) -> str:
    """A path as short as it can be said from here: relative below the current folder, else with `~`.

    Returns:
        Printable text.
    """
    for base, prefix in ((Path.cwd(), ""), (Path.home(), f"~{os.sep}")):
        beginning = f"{base}{os.sep}"
        if len(beginning) > 1 and path.startswith(beginning):
            return shown(prefix + path.removeprefix(beginning))
    return shown(path)


def write_raw_line(text: str) -> None:
    """A line on standard output with the very bytes of a file's name, for other programs."""
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(text) + b"\n")
    sys.stdout.buffer.flush()


def write_json(value: object) -> None:
    """One JSON document on standard output."""
    click.echo(as_json(value))


def as_json(value: object) -> str:
    """JSON of our nouns: dataclasses by field, paths and enumerations as strings, bytes as hex.

    Returns:
        ASCII text: names that are no valid Unicode survive as escapes.
    """
    return json.dumps(_plain(value), indent=2)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {row.name: _plain(getattr(value, row.name)) for row in dataclasses.fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _plain(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value


# --- tables -----------------------------------------------------------------------------------------------


def write_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: frozenset[int] = frozenset(),
    spare: frozenset[int] = frozenset(),
) -> None:
    """A table on standard output.

    Where it is too wide for the terminal, its last column is shortened in the middle; where too little of it
    would be left, it goes to lines of its own, whole. Where the other columns alone are too wide, the spare
    ones are left out.

    Args:
        header: one title per column.
        rows: printable cells, as many as titles.
        right: numbers of the columns that are set flush right.
        spare: numbers of the columns that can be done without.
    """
    from rich.cells import cell_len

    widths = [max(cell_len(line[column]) for line in (header, *rows)) for column in range(len(header))]
    room = terminal_width(sys.stdout)
    if spare and room is not None and sum(widths[:-1]) + 2 * (len(widths) - 2) > room:
        kept = [column for column in range(len(header)) if column not in spare]
        right = frozenset(place for place, column in enumerate(kept) if column in right)
        lines = [[line[column] for column in kept] for line in (header, *rows)]
        write_table(lines[0], lines[1:], right=right)
        return
    last_room = widths[-1] if room is None else room - sum(widths[:-1]) - 2 * (len(widths) - 1)
    is_apart = last_room < min(widths[-1], LAST_COLUMN_MINIMUM)
    for number, line in enumerate((header, *rows)):
        cells = [_aligned(cell, widths[i], flush_right=i in right) for i, cell in enumerate(line[:-1])]
        if not is_apart:
            cells.append(shortened(line[-1], last_room))
        text = "  ".join(cells).rstrip()
        click.echo(click.style(text, bold=True) if number == 0 and has_color(sys.stdout) else text)
        if is_apart and number > 0:
            click.echo(f"   {line[-1]}")


def _aligned(cell: str, width: int, *, flush_right: bool) -> str:
    from rich.cells import cell_len

    blank = " " * (width - cell_len(cell))
    return blank + cell if flush_right else cell + blank


def shortened(text: str, width: int) -> str:
    """Text cut to a width of terminal cells by leaving out its middle; the end tells more, so it keeps more.

    Returns:
        The text itself where it fits.
    """
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    head = set_cell_size(text, (width - 1) // 3).rstrip()
    tail = text
    while cell_len(tail) > width - 1 - cell_len(head):
        tail = tail[1:]
    return f"{head}…{tail}"


def terminal_width(stream: TextIO) -> int | None:
    """Columns of the terminal behind a stream; None where it is a file or a pipe.

    Returns:
        COLUMNS where that is set, else what the terminal says.
    """
    return shutil.get_terminal_size().columns if stream.isatty() else None


def has_color(stream: TextIO) -> bool:
    """Whether colors may be used: a terminal, and no NO_COLOR (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


# --- figures ----------------------------------------------------------------------------------------------


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 picture", "1,204 pictures"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """A time for people: "3.2 s", "4 min 05 s", "2 h 10 min"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def rate(per_second: float) -> str:
    """How many a second, in three significant figures: "0.86/s", "44.2/s", "3,420/s"."""
    figures = f"{per_second:.3g}" if per_second < 100 else f"{float(f'{per_second:.3g}'):,.0f}"
    return f"{figures}/s"


def size(number: float) -> str:
    """A count of bytes for people: "512 B", "3.4 MB" (powers of 1,000)."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def distance(value: float) -> str:
    """A distance in four significant figures; whole numbers without a point."""
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:.0f}"
