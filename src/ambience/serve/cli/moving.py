"""`ambience export`, `import-original`, `import-file`: what leaves a library as files, and what comes in."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ambience.serve.cli.adding import EXIT_INTERRUPTED
from ambience.serve.cli.output import counted, duration, rate, say, shown, shown_path, write_json
from ambience.serve.cli.progress import Interruption
from ambience.serve.cli.session import Session
from ambience.serve.cli.upkeep import MakingProgress, tell_over

if TYPE_CHECKING:
    from ambience.moving.import_report import ImportReport, Refused


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Write the features of this kind alone; may be repeated. By default of all kinds.",
)
@click.option("--no-features", is_flag=True, help="Write images and what is said of them alone.")
@click.pass_obj
def export(session: Session, folder: Path, kinds: tuple[str, ...], no_features: bool) -> int:
    """Writes the library into a new folder: JSON lines and npz, for other programs.

    images.jsonl has one image a line, with its tags, captions and text; every npz holds features of one kind
    (docs/moving.md). The library is only read, a server may run meanwhile. DIR appears once all is written.
    """
    from ambience import library

    if kinds and no_features:
        raise click.UsageError("--kind and --no-features exclude each other; give one of them")
    wanted: tuple[str, ...] | None = () if no_features else kinds or None
    with (
        Interruption("stopping; nothing will be left of it") as interruption,
        library.open(settings=session.settings) as opened,
    ):
        made = opened.export(
            folder, kinds=wanted, on_progress=MakingProgress("writing"), stop=interruption.stop
        )
    tell_over("")
    if not made.is_whole:
        say("stopped; nothing was written")
        return EXIT_INTERRUPTED
    said = ", ".join(f"{count:,} of {kind}" for kind, count in made.features.items())
    say(
        f"{counted(made.images, 'image')}"
        + (f", features: {said}" if said else "")
        + f", in {shown_path(str(made.folder))}"
    )
    for kind, count in made.unreadable.items():
        say(f"left out: {counted(count, 'feature')} of {kind}, damaged or gone; see `ambience check`")
    return 0


def _places(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, Path]:
    """KIND=FOLDER, as many as there are."""
    places = {}
    for each in given:
        kind, equals, folder = each.partition("=")
        if not (kind and equals and folder):
            raise click.BadParameter(f"{each!r} is not KIND=FOLDER, such as phash=/srv/phash_web/data")
        places[kind] = Path(folder).absolute()
    return places


@click.command("import-original")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--pictures",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the pictures lie; features of those that are found are made anew.",
)
@click.option(
    "--service",
    "services",
    multiple=True,
    metavar="KIND=FOLDER",
    callback=_places,
    help="Where the service of a kind keeps its data, if it is not found below DIR; may be repeated.",
)
@click.option(
    "--ids-from-names",
    is_flag=True,
    help="The number that a name begins with is the id, and not the one that it is stored under.",
)
@click.option(
    "--dry-run", is_flag=True, help="Look at everything, say what would be done, and write nothing."
)
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def import_original(
    session: Session,
    folder: Path,
    pictures: Path | None,
    services: dict[str, Path],
    ids_from_names: bool,
    dry_run: bool,
    is_json: bool,
) -> int:
    """Takes over a collection of the original system, under its old ids.

    DIR holds the folders of its services, which must not run meanwhile; it is only read. Where the picture of
    an image is found, its features are made anew; of others those of the original are kept, and searched
    beside (docs/moving.md). Run it again at any time: what is here already is passed over. A server of this
    library is to be stopped for the time of the import.
    """
    from ambience import library
    from ambience.moving.original_import import OriginalChoice

    choice = OriginalChoice(
        folder.absolute(),
        services,
        None if pictures is None else pictures.absolute(),
        ids_from_names=ids_from_names,
        is_dry_run=dry_run,
    )
    with (
        Interruption("finishing the images in work; Ctrl-C again to abort") as interruption,
        library.open(settings=session.settings, writer=True, purpose="import-original") as opened,
    ):
        report = opened.moving_in.original(
            choice, on_progress=MakingProgress("importing"), stop=interruption.stop
        )
    tell_over("")
    if is_json:
        write_json(report)
    else:
        for line in _lines(report):
            click.echo(line)
    if not report.is_whole:
        say("stopped before the end; the same command goes on from here")
        return EXIT_INTERRUPTED
    return 0 if report.pictures or report.known or any(report.features.values()) else 1


def _lines(report: "ImportReport") -> list[str]:
    """What an import did, for people."""
    speed = report.images / report.took_s if report.took_s > 0 else 0.0
    written = ", nothing written" if report.is_dry_run else ""
    lines = [f"{counted(report.images, 'image')} in {duration(report.took_s)} ({rate(speed)}){written}"]
    figures = [(report.pictures, "with their picture, whose features are made anew")]
    figures += [(count, f"{kind} of the original kept") for kind, count in report.features.items()]
    figures += [(report.known, "here already")]
    lines += [f"  {number:,} {what}" for number, what in figures if number]
    return lines + _refused(report.refused) + [f"  {shown(note)}" for note in report.notes]


def _refused(refused: "Sequence[Refused]") -> list[str]:
    lines = []
    for row in refused:
        examples = ", ".join(shown(each) for each in row.examples)
        more = ", …" if row.count > len(row.examples) else ""
        lines.append(f"  {row.count:,} refused ({row.subject}): {shown(row.reason)}: {examples}{more}")
    return lines


@click.command("import-file")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--delete", is_flag=True, help="Delete the images that FILE names by bare ids.")
@click.option(
    "--dry-run", is_flag=True, help="Look at everything, say what would be done, and write nothing."
)
@click.option("--json", "is_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def import_file(session: Session, file: Path, delete: bool, dry_run: bool, is_json: bool) -> int:
    """Takes over tags, captions and addresses that a file says of images.

    FILE is one of the original's: id_tags.txt, id_caption.txt, id_source_url.txt or, with --delete,
    ids_to_delete.txt (docs/moving.md). Tags and captions get the source "import"; those of people stay. No
    file of a picture is deleted: those that were uploaded go to the library's trash. A server of this
    library is to be stopped meanwhile.
    """
    from ambience import library

    with (
        Interruption("finishing the rows in work; Ctrl-C again to abort") as interruption,
        library.open(settings=session.settings, writer=True, purpose="import-file") as opened,
    ):
        report = opened.moving_in.file(
            file.absolute(),
            deletes=delete,
            is_dry_run=dry_run,
            on_progress=MakingProgress("importing"),
            stop=interruption.stop,
        )
    tell_over("")
    if is_json:
        write_json(report)
    else:
        speed = report.rows / report.took_s if report.took_s > 0 else 0.0
        written = ", nothing written" if report.is_dry_run else ""
        click.echo(f"{counted(report.rows, 'row')} in {duration(report.took_s)} ({rate(speed)}){written}")
        figures = [(report.said, "taken over"), (report.deleted, "images deleted")]
        for line in [f"  {number:,} {what}" for number, what in figures if number]:
            click.echo(line)
        for line in _refused(report.refused):
            click.echo(line)
    if not report.is_whole:
        say("stopped before the end; the same command takes over the rest")
        return EXIT_INTERRUPTED
    return 1 if report.rows and not (report.said or report.deleted) else 0
