"""`ambience export`: the library as files that other programs read."""

from pathlib import Path

import click

from ambience.serve.cli.adding import EXIT_INTERRUPTED
from ambience.serve.cli.output import counted, say, shown_path
from ambience.serve.cli.progress import Interruption
from ambience.serve.cli.session import Session
from ambience.serve.cli.upkeep import MakingProgress, tell_over


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
