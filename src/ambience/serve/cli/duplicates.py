"""`ambience duplicates`: copies among the pictures of a library, in groups."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ambience.serve.cli.adding import EXIT_INTERRUPTED, no_wait_option
from ambience.serve.cli.output import counted, say, shown, shown_path, size, write_json
from ambience.serve.cli.progress import Interruption
from ambience.serve.cli.session import Session
from ambience.serve.cli.trash import confirm, put_away
from ambience.serve.cli.upkeep import KEEPING, MakingProgress, tell_over

if TYPE_CHECKING:
    from ambience.copies import CopyGroup
    from ambience.datatypes import ImageRecord, Verdict
    from ambience.library import Library
    from ambience.serve.cli.report import Found
    from ambience.serve.handover import Handover

VERDICTS = ("same_file", "same_picture", "edited", "part")
"""Verdicts that can be asked for; by default the first three."""


@click.command()
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    type=click.Choice(VERDICTS),
    help="Put pictures together by this one alone; may be repeated. By default by all but part.",
)
@click.option("--no-find", is_flag=True, help="List what is known, without comparing new pictures first.")
@click.option(
    "--different",
    type=click.IntRange(min=0),
    nargs=2,
    multiple=True,
    metavar="ID ID",
    help="These two are no duplicates: remembered for ever. May be repeated.",
)
@click.option(
    "--undecided",
    type=click.IntRange(min=0),
    nargs=2,
    multiple=True,
    metavar="ID ID",
    help="Take --different back. May be repeated.",
)
@click.option(
    "--trash",
    "going",
    type=click.Choice(["losers"]),
    help="Put away all pictures of the groups but those to keep: move their files to the library's trash.",
)
@click.option(
    "--group",
    "group_ids",
    multiple=True,
    type=click.IntRange(min=0),
    metavar="ID",
    help="Of this group alone; may be repeated.",
)
@click.option(
    "--dry-run", is_flag=True, help="With --trash: read all files, say what would go, and change nothing."
)
@click.option("--yes", "is_sure", is_flag=True, help="With --trash: do not ask.")
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the groups as one HTML page with small pictures, instead of listing them.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def duplicates(
    session: Session,
    verdicts: tuple[str, ...],
    no_find: bool,
    different: tuple[tuple[int, int], ...],
    undecided: tuple[tuple[int, int], ...],
    going: str | None,
    group_ids: tuple[int, ...],
    dry_run: bool,
    is_sure: bool,
    report: Path | None,
    is_json: bool,
    no_wait: bool,
) -> int:
    """Finds copies among the pictures of the library, and says which to keep.

    Pictures that were not compared yet are compared with all others first, which a server does by itself in
    the background; after Ctrl-C, the same command goes on from there. Nothing is changed, unless you ask for
    --trash: then the pictures that are not to be kept go to the library's trash, and their tags and captions
    to the one that is kept. `ambience trash restore --last` undoes it.
    """
    from ambience.datatypes import Verdict

    asked = _Asked(session, tuple(map(Verdict, verdicts)), frozenset(group_ids), is_json, report)
    if report is not None:
        if is_json or going:
            raise click.UsageError("--report goes with neither --json nor --trash")
        _check_place(report)
    if (dry_run or is_sure) and not going:
        raise click.UsageError("--dry-run and --yes belong to --trash")
    if no_find and not different and not undecided and not going:
        with session.reading() as library:
            asked.write(library)
        return 0
    code = 0
    with Interruption(KEEPING) as interruption, session.writing("duplicates", wait=not no_wait) as library:
        for pairs, is_different in ((different, True), (undecided, False)):
            for one, other in pairs:
                library.tell_apart(one, other, is_different=is_different)
        if not no_find:
            library.find_duplicates(on_progress=MakingProgress("comparing"), stop=interruption.stop)
            tell_over("")
        if interruption.stop.is_set():
            code = EXIT_INTERRUPTED
        if not going or code:
            asked.write(library)
        else:
            code = asked.put_losers_away(library, interruption.stop, is_dry_run=dry_run, is_sure=is_sure)
    return code


def _check_place(report: Path) -> None:
    from ambience.serve.cli.report import check_place

    check_place(report)


@dataclass(frozen=True)
class _Asked:
    """Which groups are meant, and how they are told."""

    session: Session
    verdicts: "tuple[Verdict, ...]"
    group_ids: frozenset[int]
    is_json: bool
    report: Path | None

    def write(self, library: "Library | Handover") -> None:
        from ambience.serve.cli.report import Found

        groups, pending = self._groups(library)
        if self.report is None:
            _write(library, groups, pending, is_json=self.is_json)
        else:
            self._write_report(self.report, Found(groups, _records(library, groups), pending))

    def _write_report(self, file: Path, found: "Found") -> None:
        from ambience import library
        from ambience.serve.cli.report import write_report
        from ambience.settings import count_or_cores

        threads = count_or_cores(self.session.settings.ingest.threads)
        # A reader of its own: the server that holds the library sends no pictures this way.
        with library.open(settings=self.session.settings) as pictures:
            told = write_report(file, found, pictures, threads=threads, when=datetime.now().astimezone())
        left = len(found.groups) - told
        say(
            f"{shown_path(str(file))}: {counted(told, 'group')}"
            + (f"; {left:,} more left out" if left else "")
        )

    def put_losers_away(
        self, library: "Library | Handover", stop: threading.Event, *, is_dry_run: bool, is_sure: bool
    ) -> int:
        from ambience.copies import Choice

        groups, pending = self._groups(library)
        if not self.is_json:
            _write(library, groups, pending, is_json=False)
        choices = [Choice(group.keep, group.losers) for group in groups]
        going = sum(len(choice.trash) for choice in choices)
        if going and not (is_dry_run or is_sure):
            confirm(f"Move {counted(going, 'picture')} to the trash of the library?")
        return put_away(library, choices, stop, is_dry_run=is_dry_run, is_json=self.is_json)

    def _groups(self, library: "Library | Handover") -> "tuple[list[CopyGroup], int]":
        """The groups that are meant, and how many images have yet to be compared."""
        groups, pending = _all(library, self.verdicts)
        unknown = self.group_ids - {group.group_id for group in groups}
        if unknown:
            raise click.ClickException(
                f"there is no group {', '.join(map(str, sorted(unknown)))}; `ambience duplicates` lists them"
            )
        return [each for each in groups if not self.group_ids or each.group_id in self.group_ids], pending


def _write(
    library: "Library | Handover", groups: "Sequence[CopyGroup]", pending: int, *, is_json: bool
) -> None:
    records = _records(library, groups)
    if is_json:
        write_json({"groups": [_document(group, records) for group in groups], "pending": pending})
    else:
        for group in groups:
            _write_group(group, records)
    copies = [each.image_id for group in groups for each in group.members]
    room = sum(records[each].size for each in copies if each in records)
    say(
        f"{counted(len(groups), 'group')}; {counted(len(copies), 'picture')} ({size(room)}) are copies of "
        f"others" + (f"; {counted(pending, 'picture')} not compared yet" if pending else "")
    )


def _all(library: "Library | Handover", verdicts: "Sequence[Verdict]") -> "tuple[list[CopyGroup], int]":
    page = library.duplicates(verdicts=verdicts)
    groups = list(page.groups)
    while page.next is not None:
        page = library.duplicates(verdicts=verdicts, after=page.next)
        groups += page.groups
    return groups, page.pending


def _records(library: "Library | Handover", groups: "Sequence[CopyGroup]") -> "dict[int, ImageRecord]":
    ids = [image_id for group in groups for image_id in _ids(group)]
    found: dict[int, ImageRecord] = {}
    for start in range(0, len(ids), 1000):
        found |= library.images(ids[start : start + 1000])
    return found


def _ids(group: "CopyGroup") -> Iterator[int]:
    yield group.keep
    yield from (each.image_id for each in group.members)


def _write_group(group: "CopyGroup", records: "dict[int, ImageRecord]") -> None:
    from ambience.serve.placement import turn_words

    click.echo(f"group {group.group_id}: keep {_described(group.keep, records)}: {group.reason}")
    for each in group.members:
        turned = "".join(f", {words}" for words in turn_words(each.orientation, None))
        of = "" if each.copy_of == group.keep else f", copy of {each.copy_of} alone"
        click.echo(
            f"  {each.verdict.value} {each.score:.2f}  {_described(each.image_id, records)}{turned}{of}"
        )


def _described(image_id: int, records: "dict[int, ImageRecord]") -> str:
    record = records.get(image_id)
    if record is None:
        return f"{image_id} (removed meanwhile)"
    place = shown_path(record.path) if record.path else shown(record.name)
    return f"{image_id}  {place}  {record.width}×{record.height}, {size(record.size)}"


def _document(group: "CopyGroup", records: "dict[int, ImageRecord]") -> dict[str, object]:
    return {
        "group_id": group.group_id,
        "keep": group.keep,
        "reason": group.reason,
        "members": [
            {
                "image_id": each.image_id,
                "copy_of": each.copy_of,
                "verdict": each.verdict.value,
                "score": each.score,
                "kind": each.kind,
                "orientation": each.orientation,
            }
            for each in group.members
        ],
        "images": {str(image_id): records.get(image_id) for image_id in _ids(group)},
    }
