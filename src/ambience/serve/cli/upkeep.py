"""`ambience info`, `check`, `rebuild`, `train`, `clean`, `jobs`: what a library holds, kept in order."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ambience.errors import StoreError
from ambience.serve.cli.adding import EXIT_INTERRUPTED, no_wait_option
from ambience.serve.cli.output import (
    counted,
    has_color,
    say,
    shown,
    shown_path,
    size,
    write_json,
    write_table,
)
from ambience.serve.cli.progress import LOG_EVERY_S, Interruption
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from ambience.inventory import KindInfo, LibraryInfo

SHOWN_PROBLEMS = 20
KEEPING = "keeping what is made so far; Ctrl-C again to abort"


@click.command()
@click.option("--settings", "shows_settings", is_flag=True, help="List every setting and its value instead.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def info(session: Session, shows_settings: bool, is_json: bool) -> None:
    """Says what the library holds, and where."""
    if shows_settings:
        _show_settings(session, is_json=is_json)
        return
    with session.reading() as library:
        held, working = library.info(), [job for job in library.jobs() if job.state == "running"]
    if is_json:
        write_json(held)
        return
    click.echo(f"library  {shown(str(held.folder))}, {size(held.disk_bytes)}")
    notes = [f"{held.missing:,} missing"] if held.missing else []
    notes += [f"{counted(held.failed_files, 'file')} unreadable"] if held.failed_files else []
    click.echo("  ".join(["holds   ", ", ".join([counted(held.images, "picture"), *notes])]))
    click.echo("")
    _write_kinds(held)
    _write_annotators(held)
    if working:
        click.echo("")
    for kind, row in held.kinds.items():
        _write_models(kind, row)
    for job in working:
        click.echo(f"in work: {job.name} {shown(job.subject)}, {job.done:,} of {job.total:,}")
    for each in held.unused:
        click.echo(
            f"not used: {counted(each.features, 'feature')} of {shown(each.fingerprint)}, made with other "
            "settings or by another version; `ambience clean` deletes them"
        )


def _write_kinds(held: "LibraryInfo") -> None:
    rows = []
    for kind, row in held.kinds.items():
        states = {state.value: count for state, count in row.states.items()}
        figures = [f"{states.get(state, 0):,}" for state in ("done", "pending", "empty", "failed")]
        rows.append([kind, *figures, f"{row.entries:,}", row.engine, shown(row.spec.title)])
    header = ["kind", "done", "pending", "empty", "failed", "indexed", "engine", "finds"]
    write_table(header, rows, right=frozenset(range(1, 6)))
    for kind, note in _notes(held).items():
        click.echo(f"{kind} is {note}")


def _write_annotators(held: "LibraryInfo") -> None:
    """How far each annotator is, and why it waits."""
    rows = []
    for name, row in held.annotators.items():
        states = {state.value: count for state, count in row.states.items()}
        rows.append([name, *(f"{states.get(each, 0):,}" for each in ("done", "pending", "empty", "failed"))])
    if rows:
        click.echo("")
        write_table(["annotator", "done", "pending", "empty", "failed"], rows, right=frozenset(range(1, 5)))
    for name, row in held.annotators.items():
        if row.waits:
            click.echo(f"{name} waits: {shown(row.waits)}")


def _notes(held: "LibraryInfo") -> dict[str, str]:
    """What is to be said of indexes that do not search as the settings ask."""
    return {kind: _note(row) for kind, row in held.kinds.items() if row.note or row.service}


def _note(row: "KindInfo") -> str:
    """What people must know of a kind."""
    if row.service is None:
        return shown(row.note)
    how = {"up": "answers", "unknown": "was not asked yet", "refused": "is refused", "down": "is down"}
    why = f": {row.service.message}" if row.service.message else ""
    left = f"; {counted(row.service.removals, 'picture')} to forget there" if row.service.removals else ""
    return shown(f"served at {row.service.url}, which {how[row.service.state]}{why}{left}")


def _write_models(kind: str, row: "KindInfo") -> None:
    """What is changing, what a change has left behind, and what another system made."""
    if row.imported:
        click.echo(
            f"searched beside {kind}: {counted(row.imported, 'feature')} that the original system made"
        )
    if row.coming is not None:
        coming = row.coming
        behind = f"; {counted(coming.left_behind, 'picture')} without a file stay behind"
        click.echo(
            f"changing {kind} from {shown(row.spec.model)} to {shown(coming.model)}: {coming.done:,} of "
            f"{coming.done + coming.pending:,}{behind if coming.left_behind else ''}"
        )
    elif row.left_behind:
        click.echo(
            f"not found by {kind}: {counted(row.left_behind, 'picture')} without a file, whose features are "
            "of another model"
        )


def _show_settings(session: Session, *, is_json: bool) -> None:
    from ambience.serve.setting_rows import setting_rows

    rows = setting_rows(session.settings)
    if is_json:
        write_json({row.name: {"value": row.value, "default": row.default, "help": row.help} for row in rows})
        return
    table = [
        [row.name, _said(row.value), "" if row.value == row.default else "changed", row.help] for row in rows
    ]
    write_table(["setting", "value", "", "what it does"], table)


def _said(value: Any) -> str:
    if isinstance(value, Path):
        return shown_path(str(value))
    return ",".join(value) or "–" if isinstance(value, tuple) else str(value)


@click.command()
@click.option("--quick", is_flag=True, help="Do not read every feature and look at every file.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def check(session: Session, quick: bool, is_json: bool) -> int:
    """Finds and names every inconsistency.

    Exit status: 0 all is well, 1 problems found.
    """
    with session.reading() as library:
        problems = library.check(deep=not quick, on_progress=lambda subject: tell_over(f"checking {subject}"))
    tell_over("")
    if is_json:
        write_json(problems)
        return 1 if problems else 0
    for problem in problems[:SHOWN_PROBLEMS]:
        click.echo(f"{problem.place}: {shown(problem.message)} [{problem.code}]")
    if len(problems) > SHOWN_PROBLEMS:
        click.echo(f"and {len(problems) - SHOWN_PROBLEMS:,} more; --json lists them all")
    click.echo(f"{counted(len(problems), 'problem')} found" if problems else "all is well")
    return 1 if problems else 0


@click.command()
@click.argument("kinds", nargs=-1, metavar="[KIND]…")
@click.option(
    "--features", is_flag=True, help="Mend records and features first, from the pictures where need be."
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def rebuild(session: Session, kinds: tuple[str, ...], features: bool, is_json: bool, no_wait: bool) -> int:
    """Makes indexes anew from the store.

    Of all kinds, or of those named. Searches go on meanwhile. After Ctrl-C, the same command goes on from
    about there.
    """
    library = session.writing("rebuild", wait=not no_wait)
    with Interruption(KEEPING) as interruption, library:
        if not _ends(
            interruption,
            lambda: library.rebuild(
                list(kinds) or None,
                features=features,
                on_progress=MakingProgress("rebuilding"),
                stop=interruption.stop,
            ),
        ):
            return EXIT_INTERRUPTED
        held = library.info()
    built = list(kinds) or list(held.kinds)
    tell_over("")
    _write_made("rebuilt", built, held, is_json=is_json)
    return 0


@click.command()
@click.argument("kind")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def train(session: Session, kind: str, is_json: bool, no_wait: bool) -> int:
    """Trains the index of a kind anew.

    It then fits as many pictures as there are now; searches go on meanwhile. After Ctrl-C, the same command
    goes on from about there.
    """
    library = session.writing("train", wait=not no_wait)
    with Interruption(KEEPING) as interruption, library:
        progress = MakingProgress("training")
        if not _ends(interruption, lambda: library.train(kind, on_progress=progress, stop=interruption.stop)):
            return EXIT_INTERRUPTED
        held = library.info()
    tell_over("")
    _write_made("trained", [kind], held, is_json=is_json)
    return 0


def _write_made(verb: str, kinds: list[str], held: "LibraryInfo", *, is_json: bool) -> None:
    """Which indexes were made, and what is to be said of them."""
    notes = {kind: note for kind, note in _notes(held).items() if kind in kinds}
    if is_json:
        write_json({verb: kinds, **({"notes": notes} if notes else {})})
        return
    click.echo(f"{verb}: {', '.join(kinds)}")
    for kind, note in notes.items():
        say(f"{kind} is {note}")


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def clean(session: Session, dry_run: bool, is_json: bool, no_wait: bool) -> None:
    """Deletes features that no kind uses any more.

    They were made with other settings or by an older version. The pictures are not touched. The room is used
    again by new features; the file that holds them does not shrink.
    """
    if dry_run:
        with session.reading() as reading:
            gone = list(reading.info().unused)
    else:
        with session.writing("clean", wait=not no_wait) as library:
            gone = library.clean()
    if is_json:
        write_json({"would_delete" if dry_run else "deleted": gone})
        return
    verb = "would delete" if dry_run else "deleted"
    for each in gone:
        click.echo(f"{verb} {counted(each.features, 'feature')} of {shown(each.fingerprint)}")
    if not gone:
        click.echo("nothing to delete")


def _ends(interruption: Interruption, run: "Callable[[], None]") -> bool:
    """Whether a run came to its end; False where Ctrl-C ended it in good order."""
    try:
        run()
    except StoreError as exc:
        if not interruption.stop.is_set():
            raise
        tell_over("")
        say(str(exc))
        return False
    return True


class MakingProgress:
    """Says how far an index is: on one line of a terminal, now and then on a line of its own elsewhere."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._told_at = time.monotonic()

    def __call__(self, kind: str, done: int, total: int) -> None:
        """Told by the library."""
        self.tell(f"{kind}: {done:,} of {total:,}")

    def tell(self, what: str) -> None:
        """Shows how far it is, where that is due."""
        text = f"{self._verb} {what}"
        if sys.stderr.isatty():
            tell_over(text)
        elif time.monotonic() - self._told_at >= LOG_EVERY_S:
            self._told_at = time.monotonic()
            say(text)


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def jobs(session: Session, is_json: bool) -> None:
    """Lists background work, newest first."""
    with session.reading() as library:
        listed = library.jobs()
    if is_json:
        write_json(listed)
    elif not listed:
        say("no background work yet")
    else:
        rows = [
            [
                str(job.job_id),
                job.name,
                shown(job.subject),
                job.state,
                f"{job.done:,} of {job.total:,}" if job.total else f"{job.done:,}",
                job.updated_at[:19].replace("T", " "),
                shown(job.message),
            ]
            for job in listed
        ]
        write_table(
            ["job", "what", "of", "state", "done", "changed (UTC)", "note"], rows, right=frozenset({0, 4})
        )


def tell_over(message: str) -> None:
    """A line on the terminal that the next one overwrites; nothing where nobody watches."""
    if sys.stderr.isatty():
        text = click.style(message, dim=True) if has_color(sys.stderr) else message
        click.echo(f"\r\x1b[K{text}", nl=False, err=True)
