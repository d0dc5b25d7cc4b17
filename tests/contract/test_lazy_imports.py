"""Heavy libraries are loaded where they are needed, and one that is missing is named with what to install."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "faiss",
    "numba",
    "cv2",
    "openvino",
    "tokenizers",
    "rawpy",
    "pillow_heif",
    "pillow_jxl",
    "watchfiles",
)
"""Loaded by the function that needs them; no module of ours needs one in order to be imported."""

NOT_FOR_HELP = (*HEAVY, "numpy", "PIL", "fastapi", "uvicorn", "sqlalchemy", "lmdb", "pebble", "httpx", "rich")
"""None of these is loaded before a command runs."""

BLOCK = """
import sys
sys.modules[{blocked!r}] = None  # Python's own way to say that a module cannot be imported
"""

IMPORT_EVERYTHING = """
import importlib, pkgutil
import ambience
for module in pkgutil.walk_packages(ambience.__path__, "ambience."):
    name = module.name.rpartition(".")[2]
    if name != "__main__" and not name.startswith("_") and ".migrations" not in module.name:
        importlib.import_module(module.name)
"""

RUN = """
from ambience.serve.cli import main
main({arguments!r})
"""


def _python(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.parametrize("code", ["import ambience", "from ambience.serve.cli import main"])
def test_importing_loads_nothing_heavy(code: str) -> None:
    loaded = _python(f"{code}\nimport sys\nprint(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    assert set(loaded.stdout.split()) & set(NOT_FOR_HELP) == set()


def test_help_loads_nothing_heavy() -> None:
    code = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    shown = _python(code + RUN.format(arguments=["--help"]))
    assert shown.returncode == 0, shown.stderr
    assert "Commands:" in shown.stdout
    assert set(shown.stderr.split()) & set(NOT_FOR_HELP) == set()


@pytest.mark.parametrize("blocked", HEAVY)
def test_every_module_can_be_imported_without(blocked: str) -> None:
    imported = _python(BLOCK.format(blocked=blocked) + IMPORT_EVERYTHING)
    assert imported.returncode == 0, imported.stderr


@pytest.mark.parametrize("blocked", ["faiss", "numba", "cv2", "lmdb", "sqlalchemy"])
def test_a_missing_library_is_named_with_what_to_do(blocked: str, tmp_path: Path, photographs: Path) -> None:
    arguments = ["--library", str(tmp_path / "library"), "add", str(photographs)]
    run = _python(BLOCK.format(blocked=blocked) + RUN.format(arguments=arguments))
    assert "Traceback" not in run.stderr
    if run.returncode:
        assert blocked in run.stderr
        assert "install" in run.stderr
    else:  # what it is needed for did not come up
        assert "added" in run.stdout
