"""`ambience add` and `ambience remove`: what changes the collection."""

import contextlib
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ambience.errors import UnknownImageError
from ambience.serve.cli.output import (
    as_json,
    counted,
    duration,
    rate,
    say,
    shown,
    shown_path,
    size,
    write_json,
)
from ambience.serve.cli.progress import AddingProgress, Interruption
from ambience.serve.cli.session import Session

if TYPE_CHECKING:
    from ambience.ingest import IngestReport
    from ambience.library import Library
    from ambience.serve.handover import Handover
    from ambience.store.base import FailedFile

SHOWN_REASONS, SHOWN_FILES = 5, 3
EXIT_INTERRUPTED = 130
"""What a shell reports of a command that Ctrl-C ended."""

no_wait_option = click.option(
    "--no-wait", is_flag=True, help="Fail at once if another command is writing to the library."
)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Go on, and add what appears or changes, until Ctrl-C.")
@click.option("--ids-from-names", is_flag=True, help="The number that a file's name begins with is its id.")
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--report",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report, with every failed file, to a JSON file.",
)
@no_wait_option
@click.pass_obj
def add(
    session: Session,
    paths: tuple[Path, ...],
    watch: bool,
    ids_from_names: bool,
    is_json: bool,
    report: Path | None,
    no_wait: bool,
) -> int:
    """Adds pictures and whole folders.

    Folders are taken with everything below. The files stay where they are and are never changed. Run it again
    at any time: what is known is passed over; what changed, moved or vanished is noticed. Ctrl-C loses
    nothing: the next run goes on from there.
    """
    library = session.writing("add", wait=not no_wait)
    # Outermost, so that a Ctrl-C while the library is being closed does not tear that apart.
    with Interruption("finishing the pictures in work; Ctrl-C again to abort") as interruption, library:
        absolute = [path.absolute() for path in paths]
        with AddingProgress(quiet=is_json and session.verbosity == 0) as progress:
            result = library.add_paths(
                absolute, on_progress=progress.show, stop=interruption.stop, ids_from_names=ids_from_names
            )
        _publish(result, is_json=is_json, file=report)
        names = ", ".join(getattr(library, "annotators", ()))  # of a server: it looks at them by itself
        if result.added and names and not is_json:
            say(f"to be looked at for {names}: ambience annotate, or in the background of ambience serve")
        if watch and not interruption.stop.is_set():
            _watch(library, absolute, interruption, is_json=is_json, file=report)
    if result.was_stopped:
        return EXIT_INTERRUPTED
    named = {str(path) for path in absolute}
    is_named_lost = any(str(Path(failed.path).absolute()) in named for failed in result.failed)
    return 1 if is_named_lost or (result.failed and not _used(result)) else 0


def _watch(
    library: "Library | Handover",
    paths: Sequence[Path],
    interruption: Interruption,
    *,
    is_json: bool,
    file: Path | None,
) -> None:
    say(f"watching {', '.join(shown_path(str(path)) for path in paths)}; Ctrl-C ends it")

    def publish(report: "IngestReport") -> None:
        if _used(report) or report.failed or report.missing:
            _publish(report, is_json=is_json, file=file)

    with contextlib.suppress(KeyboardInterrupt):
        library.watch(paths, stop=interruption.stop, on_report=publish)


def _used(report: "IngestReport") -> int:
    return report.added + report.updated + report.moved + report.unchanged


def _publish(report: "IngestReport", *, is_json: bool, file: Path | None) -> None:
    if file is not None:
        file.write_text(as_json(report) + "\n", encoding="ascii")
    if is_json:
        write_json(report)
    else:
        for line in summary(report, report_file=file):
            click.echo(line)


def summary(report: "IngestReport", *, report_file: Path | None = None) -> list[str]:
    """What a run of `add` did, for people.

    Args:
        report: of the run.
        report_file: where the whole list of failures was written to, if it was.

    Returns:
        Lines: one of what was read, one of what changed, then the failures grouped by reason.
    """
    speed = report.found / report.took_s if report.took_s > 0 else 0.0
    first = f"{counted(report.found, 'file')} in {duration(report.took_s)}"
    if not report.was_stopped:  # of those found, an unknown part was settled
        first += f" ({rate(speed)})"
    if report.bytes_read:
        first += f", {size(report.bytes_read)} read"
    if report.was_stopped:
        first += ", stopped before the end; the same command goes on from here"
    twins = f" ({report.same_file:,} of them the same file as another)" if report.same_file else ""
    figures = [
        (report.added, f"added{twins}"),
        (report.updated, "updated"),
        (report.moved, "moved"),
        (report.unchanged, "unchanged"),
        (report.missing, "missing"),
        (len(report.failed), "failed"),
    ]
    said = [f"{number:,} {word}" for number, word in figures if number]
    lines = [first, "  " + (", ".join(said) or "nothing to add")]
    if report.vanished:
        lines.append(f"  {counted(report.vanished, 'file')} vanished before it was their turn")
    if report.skipped_files:
        lines.append(f"  {counted(report.skipped_files, 'other file')} passed over: no pictures")
    if report.skipped_known_failed:
        lines.append(
            f"  {counted(report.skipped_known_failed, 'file')} passed over: failed before, unchanged since"
        )
    return lines + _failures(report.failed, report_file)


def _failures(failed: "Sequence[FailedFile]", report_file: Path | None) -> list[str]:
    """The most frequent reasons, each with its first files, and how to see them all."""
    groups: dict[str, list[FailedFile]] = defaultdict(list)
    for each in failed:
        groups[each.code].append(each)
    largest = sorted(groups.items(), key=lambda group: -len(group[1]))
    lines = []
    for code, files in largest[:SHOWN_REASONS]:
        lines.append(f"  {counted(len(files), 'file')} failed ({code.replace('_', ' ')}):")
        lines += [
            f"    {shown_path(each.path)}: {shown(_without_path(each))}" for each in files[:SHOWN_FILES]
        ]
        if len(files) > SHOWN_FILES:
            lines.append(f"    and {len(files) - SHOWN_FILES:,} more")
    if len(largest) > SHOWN_REASONS:
        lines.append(f"  and {len(largest) - SHOWN_REASONS} more reasons")
    if failed:
        where = f"{report_file} lists them all" if report_file else "--report FILE writes them all to a file"
        lines.append(f"  {where}")
    return lines


def _without_path(failed: "FailedFile") -> str:
    """The reason without the file's name, which is said before it."""
    for name in (failed.path, Path(failed.path).name):
        for beginning in (f"{name}: ", f"{name!r}: "):
            if failed.reason.startswith(beginning):
                return failed.reason.removeprefix(beginning)
    return failed.reason


@click.command()
@click.argument("image_ids", nargs=-1, required=True, metavar="ID…", type=click.IntRange(min=0))
@click.option("--purge", is_flag=True, help="Delete uploaded files for good, past the trash.")
@click.option("--json", "is_json", is_flag=True, help="Print the ids that were removed as JSON.")
@no_wait_option
@click.pass_obj
def remove(session: Session, image_ids: tuple[int, ...], purge: bool, is_json: bool, no_wait: bool) -> int:
    """Forgets pictures, by id.

    `ambience search` shows the ids. Files in folders that were added are never touched (the next `ambience
    add` finds them again); files that were uploaded go to the library's trash.
    """
    removed = []
    with session.writing("remove", wait=not no_wait) as library:
        for image_id in image_ids:
            try:
                library.remove(image_id, purge=purge)
                removed.append(image_id)
            except UnknownImageError as exc:
                say(str(exc))
    if is_json:
        write_json({"removed": removed})
    elif removed:
        click.echo(f"{counted(len(removed), 'picture')} removed")
    return 0 if len(removed) == len(image_ids) else 1
