"""`make browser` on machines that have Chromium, can get it, cannot get it, and fail to."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="needs make")

INSTALLS = """case "$*" in
  *install*) printf '#!/bin/sh\\n' > "$FOLDER/chromium"; chmod +x "$FOLDER/chromium";;
esac"""


def run(folder: Path, **programs: str) -> subprocess.CompletedProcess[str]:
    """The target, where there are no programs but these."""
    for name in ("env", "true", "chmod"):
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    for name, body in programs.items():
        program = folder / name.replace("_", "-")
        program.write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/calls"\n{body}\n')
        program.chmod(0o755)
    assert MAKE is not None
    return subprocess.run(
        [MAKE, "-s", "-C", PROJECT, "browser"],
        env={"PATH": str(folder), "FOLDER": str(folder), "HOME": str(folder)},
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    )


def calls(folder: Path) -> str:
    return (folder / "calls").read_text() if (folder / "calls").exists() else ""


def test_nothing_is_done_where_there_is_one(tmp_path: Path) -> None:
    done = run(tmp_path, google_chrome="", apt_get="exit 1", id="echo 0")
    assert (done.stdout, done.stderr, calls(tmp_path)) == ("", "", "")


@pytest.mark.parametrize(
    ("user", "through_sudo"), [("0", False), ("1000", True)], ids=["root", "passwordless sudo"]
)
def test_it_is_installed_where_that_is_allowed(tmp_path: Path, user: str, through_sudo: bool) -> None:
    done = run(tmp_path, id=f"echo {user}", sudo='shift; exec "$@"', apt_get=INSTALLS)
    assert "installing Chromium" in done.stdout
    assert done.stderr == ""
    assert ("sudo -n" in calls(tmp_path)) is through_sudo
    assert os.access(tmp_path / "chromium", os.X_OK)


@pytest.mark.parametrize(
    "programs",
    [
        {"id": "echo 1000", "sudo": "exit 1", "apt_get": "exit 1"},
        {"id": "echo 0"},
        {"id": "echo 0", "apt_get": "exit 100"},
    ],
    ids=["no root", "no apt", "no network"],
)
def test_it_says_how_where_it_cannot(tmp_path: Path, programs: dict[str, str]) -> None:
    done = run(tmp_path, **programs)
    assert "apt-get install chromium" in done.stderr
    assert "install" not in calls(tmp_path) or programs["id"] == "echo 0"
