"""`ambience annotate`: have pictures looked at that were added earlier, and wait for it."""

from typing import TYPE_CHECKING

import click

from ambience.serve.cli.adding import EXIT_INTERRUPTED, no_wait_option
from ambience.serve.cli.output import counted, say, shown, write_json, write_table
from ambience.serve.cli.progress import Interruption
from ambience.serve.cli.session import Session
from ambience.serve.cli.upkeep import KEEPING, MakingProgress, tell_over

if TYPE_CHECKING:
    from ambience.ingest.annotating import Annotated


@click.command()
@click.option(
    "--only",
    "names",
    metavar="NAME",
    multiple=True,
    help="This one alone, such as text; may be repeated.",
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def annotate(session: Session, names: tuple[str, ...], is_json: bool, no_wait: bool) -> int:
    """Reads text in pictures, tags and describes them.

    Only those that were not looked at yet. A server does this by itself in the background; here it is waited
    for. After Ctrl-C, the same command goes on from there.
    """
    wanted = [name for word in names for name in word.split(",") if name] or None
    library = session.writing("annotate", wait=not no_wait)
    with Interruption(KEEPING) as interruption, library:
        report = library.annotate(wanted, on_progress=AnnotatingProgress(), stop=interruption.stop)
        was_stopped = interruption.stop.is_set()
    tell_over("")
    if is_json:
        write_json(report)
    else:
        _write_report(report)
    return EXIT_INTERRUPTED if was_stopped else 0


class AnnotatingProgress:
    """Says how far all annotators are, on one line of a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._figures: dict[str, str] = {}
        self._said = MakingProgress("annotating")

    def __call__(self, name: str, done: int, total: int) -> None:
        """Told by the library, of one annotator after the other."""
        self._figures[name] = f"{name} {done:,} of {total:,}"
        self._said.tell(", ".join(self._figures.values()))


def _write_report(report: "dict[str, Annotated]") -> None:
    if not report:
        say("every annotator is switched off; set one of annotate.<name>.enabled to true")
        return
    rows = [
        [name, *(f"{figure:,}" for figure in (each.done, each.empty, each.failed, each.left))]
        for name, each in report.items()
    ]
    write_table(["annotator", "done", "nothing to say", "failed", "left"], rows, right=frozenset(range(1, 5)))
    for name, each in report.items():
        if each.reason:
            say(f"{counted(each.left, 'picture')} wait for {name}: {shown(each.reason)}")
