"""`ambience models use`: which model a kind searches by."""

from typing import TYPE_CHECKING

import click

from ambience.serve.cli.adding import EXIT_INTERRUPTED, no_wait_option
from ambience.serve.cli.output import counted, say, shown, write_json
from ambience.serve.cli.progress import Interruption
from ambience.serve.cli.session import Session
from ambience.serve.cli.upkeep import MakingProgress, tell_over

if TYPE_CHECKING:
    from ambience.inventory import ModelUse


@click.command()
@click.argument("name")
@click.option("--kind", default="", metavar="KIND", help="Of kinds; else the one that the model is made for.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
@no_wait_option
@click.pass_obj
def use(session: Session, name: str, kind: str, is_json: bool, no_wait: bool) -> int:
    """Has a kind use another model.

    Features of every picture are made with it, beside those of the model before, which is searched until all
    are there. Going back is done at once. `ambience clean` deletes what no kind uses any more.

    After Ctrl-C a running server goes on with it; without one, the next `ambience serve` does, or this
    command.
    """
    from ambience.library import Library

    library = session.writing("models use", wait=not no_wait)
    goes_on = "the next `ambience serve` goes on with it, or this command"
    if not isinstance(library, Library):
        goes_on = "the server goes on with it"
    with Interruption(f"{goes_on}; Ctrl-C again to abort") as interruption, library:
        progress = MakingProgress(f"making features of {name} for")
        done = library.use_model(name, kind, on_progress=progress, stop=interruption.stop)
    tell_over("")
    if is_json:
        write_json(done)
    else:
        _write(done)
    return 0 if done.is_in_use else EXIT_INTERRUPTED


def _write(done: "ModelUse") -> None:
    kind, model, before = shown(done.kind), shown(done.model), shown(done.before)
    if not done.is_in_use:
        say(f"{kind} uses {before} until {counted(done.pending, 'more picture')} is done for {model}")
        return
    if before == model:
        click.echo(f"{kind} uses {model}")
    else:
        click.echo(f"{kind} uses {model} now; back to {before}: ambience models use {before} --kind {kind}")
    if done.pending:
        say(f"{counted(done.pending, 'picture')} could not be read; they follow once they can")
    if done.left_behind:
        say(
            f"of {counted(done.left_behind, 'picture')} there is no file from which {model} could make "
            f"features: {kind} does not find them any more, until it uses another model again"
        )
