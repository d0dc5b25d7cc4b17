"""`ambience duplicates --trash` and `ambience trash`: copies are put away, and brought back."""

import sys
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ambience.serve.cli.adding import EXIT_INTERRUPTED, no_wait_option
from ambience.serve.cli.output import counted, say, shown, shown_path, size, write_json, write_table
from ambience.serve.cli.progress import Interruption
from ambience.serve.cli.session import Session
from ambience.serve.cli.upkeep import MakingProgress, tell_over

if TYPE_CHECKING:
    from ambience.copies import Choice, Trashed, TrashRun
    from ambience.library import Library
    from ambience.serve.handover import Handover

PAGE = 1_000
DAY_S = 86_400
STOPPING = "stopping; what is done stays as it is"


def confirm(question: str) -> None:
    """Asks a person, and goes on after a yes.

    Raises:
        click.Abort: the answer is no.
        click.UsageError: nobody can be asked.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("nobody can be asked here; say --yes, or look first with --dry-run")
    click.confirm(question, abort=True, err=True)


def put_away(
    library: "Library | Handover",
    choices: "Sequence[Choice]",
    stop: threading.Event,
    *,
    is_dry_run: bool,
    is_json: bool,
) -> int:
    """Moves copies to the trash and tells what became of them.

    Args:
        library: to change.
        choices: what stays and what goes.
        stop: ends it after the picture in hand.
        is_dry_run: only tell.
        is_json: as JSON.

    Returns:
        Exit code: 1 where a picture was refused.
    """
    progress = MakingProgress("reading" if is_dry_run else "putting away")
    run = library.resolve(
        choices,
        is_dry_run=is_dry_run,
        on_progress=lambda done, total: progress("copies", done, total),
        stop=stop,
    )
    tell_over("")
    if is_json:
        write_json({"dry_run": is_dry_run, "steps": run.steps, "bytes": run.size})
    refused = _tell_refused(run)
    moved = f"{counted(len(run.steps) - refused, 'picture')} ({size(run.size)})"
    if is_dry_run:
        say(f"would move {moved} to the trash of the library; nothing was changed")
    else:
        say(f"moved {moved} to the trash of the library; `ambience trash restore --last` brings them back")
    if refused:
        say(f"left {counted(refused, 'picture')} where they are")
    if not run.is_whole:
        return EXIT_INTERRUPTED
    return 1 if refused else 0


def _tell_refused(run: "TrashRun") -> int:
    refused = [step for step in run.steps if step.outcome.value == "refused"]
    for step in refused:
        which = f"{step.image_id}  {shown(step.name)}" if step.image_id >= 0 else f"entry {step.entry}"
        say(f"{which}: {step.reason}")
    return len(refused)


@click.group()
def trash() -> None:
    """Shows what `ambience duplicates --trash` put away, brings it back, or deletes it for ever.

    Files lie in the folder "trash" of the library, until you say otherwise.
    """


@trash.command("list")
@click.option("--json", "is_json", is_flag=True, help="Print JSON, one list.")
@click.pass_obj
def list_trash(session: Session, is_json: bool) -> None:
    """Lists the trash, the newest first."""
    with session.reading() as library:
        entries = _all(library)
    if is_json:
        write_json(entries)
        return
    rows = [
        (
            str(each.entry),
            f"{each.trashed_at:%Y-%m-%d %H:%M}",
            str(each.image_id),
            str(each.kept),
            size(each.size),
            shown_path(each.path) if each.path else f"{shown(each.name)} (upload)",
        )
        for each in entries
    ]
    if rows:
        write_table(("entry", "put away", "id", "kept", "size", "was"), rows, right=frozenset({0, 2, 3, 4}))
    say(f"{counted(len(entries), 'picture')} ({size(sum(each.size for each in entries))}) in the trash")


@trash.command()
@click.argument("entries", nargs=-1, type=click.IntRange(min=1), metavar="[ENTRY]...")
@click.option("--last", is_flag=True, help="All that was put away by the last run that put something away.")
@click.option("--all", "is_all", is_flag=True, help="Everything in the trash.")
@click.option("--dry-run", is_flag=True, help="Look at everything and change nothing.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def restore(
    session: Session,
    entries: tuple[int, ...],
    last: bool,
    is_all: bool,
    dry_run: bool,
    is_json: bool,
    no_wait: bool,
) -> int:
    """Brings pictures back: files to where they were, images under their ids, with their tags.

    ENTRY is a number that `ambience trash list` shows. What the picture that was kept had been given is taken
    back. Where something else lies in its place by now, a picture stays in the trash.
    """
    if sum((bool(entries), last, is_all)) != 1:
        raise click.UsageError("give numbers of entries, or --last, or --all")
    with Interruption(STOPPING) as interruption, session.writing("restore", wait=not no_wait) as library:
        progress = MakingProgress("bringing back")
        run = library.restore(
            entries or _wanted(_all(library), is_all=is_all),
            is_dry_run=dry_run,
            on_progress=lambda done, total: progress("pictures", done, total),
            stop=interruption.stop,
        )
    tell_over("")
    if is_json:
        write_json({"dry_run": dry_run, "steps": run.steps, "bytes": run.size})
    refused = _tell_refused(run)
    back = f"{counted(len(run.steps) - refused, 'picture')} ({size(run.size)})"
    say(f"would bring back {back}; nothing was changed" if dry_run else f"brought back {back}")
    if refused:
        say(f"left {counted(refused, 'picture')} in the trash")
    if not run.is_whole:
        return EXIT_INTERRUPTED
    return 1 if refused else 0


@trash.command()
@click.option(
    "--older-than",
    "days",
    required=True,
    metavar="DAYS",
    type=click.FloatRange(0, 36_500),
    help="What was put away so many days ago; 0: everything.",
)
@click.option("--yes", "is_sure", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@no_wait_option
@click.pass_obj
def empty(session: Session, days: float, is_sure: bool, dry_run: bool, no_wait: bool) -> int:
    """Deletes what has been in the trash for some time, for ever."""
    with session.writing("empty trash", wait=not no_wait) as library:
        old = library.empty_trash(older_than_s=days * DAY_S, is_dry_run=True)
        told = f"{counted(old.total, 'picture')} ({size(old.size)})"
        if dry_run or not old.total:
            say(f"{told} to delete; nothing was changed")
            return 0
        if not is_sure:
            confirm(f"Delete {told} for ever?")
        gone = library.empty_trash(older_than_s=days * DAY_S)
    say(f"deleted {counted(gone.total, 'picture')} ({size(gone.size)})")
    return 0 if gone.total >= old.total else 1


def _all(library: "Library | Handover") -> "list[Trashed]":
    page = library.trashed(limit=PAGE)
    entries = list(page.entries)
    while page.next is not None:
        page = library.trashed(before=page.next, limit=PAGE)
        entries += page.entries
    return entries


def _wanted(entries: "Sequence[Trashed]", *, is_all: bool) -> list[int]:
    """Numbers of all entries, or of those of the newest batch."""
    return [each.entry for each in entries if is_all or each.batch == entries[0].batch]
