"""The command `ambience`: global options, the list of commands, and what an error looks like.

Exit codes: 0 done; 1 an error, or the answer is no (`search` found nothing, `check` found problems, `add`
could not use a path that was named, or none of the files); 2 wrong usage, and any error of `match`;
130 stopped by Ctrl-C.
"""

import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

import ambience
from ambience.serve.cli import (
    adding,
    annotating,
    duplicates,
    keys,
    matching,
    models,
    moving,
    searching,
    serving,
    tags,
    trash,
    upkeep,
)
from ambience.serve.cli.adding import EXIT_INTERRUPTED
from ambience.serve.cli.faults import explain
from ambience.serve.cli.output import SafeLines, say
from ambience.serve.cli.session import Session, parse_overrides

EXIT_DONE, EXIT_ERROR = 0, 1

_EPILOG = """\
Results go to standard output, progress and messages to standard error.

Exit status: 0 done; 1 an error, or the answer is no (search or match found nothing, check found problems,
add could not use a path that was named, or none of the files); 2 wrong usage, or an error of match; 130
stopped by Ctrl-C.
"""


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.option(
    "--library",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of the library; else AMBIENCE_LIBRARY, else your platform's data folder.",
)
@click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="TOML file with settings (docs/settings.md).",
)
@click.option(
    "--set",
    "overrides",
    metavar="NAME=VALUE",
    multiple=True,
    callback=parse_overrides,
    help="One setting, such as ingest.threads=2; may be repeated.",
)
@click.option("-v", "--verbose", count=True, help="Say more on standard error; twice: tracebacks too.")
@click.version_option(ambience.__version__, prog_name="ambience", message="%(prog)s %(version)s")
@click.pass_context
def root(
    context: click.Context,
    library: Path | None,
    settings_file: Path | None,
    overrides: dict[str, str],
    verbose: int,
) -> None:
    """Finds pictures: copies, crops, turned and mirrored copies, and pictures with the same colors.

    Start with `ambience add ~/Pictures`, then `ambience search photo.jpg`, or `ambience serve` for the page.
    """
    _start_logging(verbose)
    context.obj = Session(
        library=library, settings_file=settings_file, overrides=overrides, verbosity=verbose
    )


for _command in (
    adding.add,
    searching.search,
    matching.match,
    duplicates.duplicates,
    trash.trash,
    serving.serve,
    adding.remove,
    upkeep.info,
    upkeep.check,
    upkeep.rebuild,
    upkeep.train,
    upkeep.clean,
    upkeep.jobs,
    annotating.annotate,
    models.models,
    tags.tags,
    keys.keys,
    moving.export,
    moving.import_original,
    moving.import_file,
):
    root.add_command(_command)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and leaves the process with its exit code.

    Args:
        arguments: without the program's name; by default those of the process.

    Raises:
        SystemExit: always, with the exit code.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    _open_closed_streams()
    try:
        code = root.main(args=arguments, prog_name="ambience", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has all it wanted; without this, Python complains once more while it exits.
        sys.stdout = None
        sys.exit(EXIT_ERROR)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except click.Abort:
        say("stopped")
        sys.exit(EXIT_INTERRUPTED)
    except Exception as exc:  # noqa: BLE001 - the last boundary: people get one line, -vv the rest
        explain(exc, with_traceback=_is_very_verbose(arguments))
        _give_up_full_output()
        sys.exit(EXIT_ERROR)
    sys.exit(code or EXIT_DONE)


def _open_closed_streams() -> None:
    """What is written to a stream that was closed (`>&-`) is lost, and never lands in a file opened later."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 -- kept open


def _give_up_full_output() -> None:
    """Without this, Python complains once more while it exits about what a full disk did not take."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = None


def _is_very_verbose(arguments: list[str]) -> bool:
    """Counted here once more: the error may come before the options are parsed."""
    words = [word for word in arguments if word == "--verbose" or word.startswith("-v")]
    return sum(1 if word == "--verbose" else word.count("v") for word in words) >= 2


def _start_logging(verbose: int) -> None:
    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeLines("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("ambience").setLevel(level)
