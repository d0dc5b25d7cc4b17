"""What an error looks like on a terminal: one line that says what to do, and with -vv where it happened."""

import traceback

from ambience.errors import AmbienceError, BusyError
from ambience.serve.cli.output import say


def explain(exc: Exception, *, with_traceback: bool) -> None:
    """Says on standard error what went wrong.

    Args:
        exc: what was raised.
        with_traceback: whether to say where as well.
    """
    if with_traceback:
        traceback.print_exception(exc)
    if isinstance(exc, BusyError):
        say(f"{exc} (try again in {exc.retry_after_s:g} s)")
    elif isinstance(exc, AmbienceError):
        say(str(exc))
    elif isinstance(exc, ImportError) and not (exc.name or "").startswith("ambience"):
        say(
            f"Ambience is not wholly installed: {exc}; "
            "install it again: python -m pip install --force-reinstall ambience"
        )
    elif isinstance(exc, OSError):
        say(f"the operating system refuses: {exc}")
    else:
        say(
            f"a fault of Ambience itself: {type(exc).__name__}: {exc}; "
            "please report it with what `ambience -vv …` prints for the same command"
        )
