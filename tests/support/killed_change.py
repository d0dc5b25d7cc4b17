"""The program that `test_killed_model_change.py` kills: it changes a model, and says how far it is.

Run as `python killed_change.py FOLDER POINT`, with the toy on the path of modules. POINT says where it kills
itself: "write" right before the row is written that makes the switch, "commit" right before that is
committed, "after" right after; "never" leaves it to the parent, who is told how far it is.
"""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import sqlalchemy as sa

import ambience
from support.changing_models import KIND, TWO, settings_of


def say(text: str) -> None:
    """One line to the parent."""
    os.write(sys.stdout.fileno(), text.encode() + b"\n")


class Death:
    """Ends the process at a point of the switch, as a kill from outside would.

    Args:
        engine: of the records.
        point: where.
    """

    def __init__(self, engine: sa.Engine, point: str) -> None:
        self._point, self._is_switching = point, False
        self._committed_by = -1
        sa.event.listen(engine, "before_cursor_execute", self._on_statement)
        sa.event.listen(engine, "commit", self._on_commit)

    def _on_statement(self, _connection: Any, _cursor: Any, text: str, parameters: Any, *_: Any) -> None:
        if threading.get_ident() == self._committed_by:  # others may come before it is really committed
            self._die("after")
        if text.startswith("UPDATE models_in_use") and tuple(parameters[:2]) == (TWO, ""):
            self._is_switching = True
            self._die("write")

    def _on_commit(self, _connection: Any) -> None:
        if self._is_switching:
            self._die("commit")
            self._committed_by = threading.get_ident()

    def _die(self, point: str) -> None:
        if point == self._point:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Changes the model, slowly, and waits to be killed."""
    folder, point = Path(sys.argv[1]), sys.argv[2]
    settings = settings_of(folder, pause_s=0.05 if point == "never" else 0.0)
    library = ambience.open(settings=settings, writer=True, timeout_s=10)
    kept = Death(library._parts.store.records.database.engine, point)
    library.use_model(TWO, KIND, on_progress=lambda _kind, done, total: say(f"{done} {total}"))
    say(f"it lived: {kept}")


if __name__ == "__main__":
    main()
