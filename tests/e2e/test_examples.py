"""The notebooks of the documentation run from their first cell to their last."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "examples").glob("*.ipynb"))

RUN = """
import sys, nbclient, nbformat
nbclient.NotebookClient(nbformat.read(sys.argv[1], as_version=4), timeout=80, kernel_name="python3").execute()
"""


def test_there_is_one_for_every_kind() -> None:
    kinds = {path.stem for path in (Path(__file__).parents[2] / "docs" / "kinds").glob("*.md")} - {"README"}
    assert kinds
    assert kinds <= {path.stem for path in EXAMPLES}


@pytest.mark.parametrize("notebook", EXAMPLES, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, terminal) -> None:
    # In a process of its own: the notebook client's event loop warns about things that are none of ours.
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook)],
        env=terminal.environment,
        cwd=terminal.folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
