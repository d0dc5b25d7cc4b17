"""What a terminal of a given width shows: these run in a process with a real (pseudo) terminal."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import ambience

TABLE = """
from ambience.serve.cli.output import write_table
rows = [["1", "same picture", "a/" * 30 + "b.jpg"], ["2", "same file", "c.jpg"]]
write_table(["#", "what it is", "picture"], rows)
"""


def _on_terminal(code: str, columns: int, **environment: str) -> str:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    source = str(Path(ambience.__file__).parents[1])
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": source, "TERM": "xterm", **environment}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave, env=variables
    )
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 4096):
            shown += piece
    except OSError:  # the end of a pseudo terminal, on Linux
        pass
    os.close(master)
    assert process.wait(timeout=60) == 0, shown
    return shown.decode().replace("\r\n", "\n")


def test_a_wide_terminal_shows_everything() -> None:
    header, first, _ = _on_terminal(TABLE, 100, NO_COLOR="1").splitlines()
    assert header == "#  what it is    picture"
    assert first == "1  same picture  " + "a/" * 30 + "b.jpg"


def test_a_narrower_one_shortens_the_path_in_its_middle() -> None:
    lines = _on_terminal(TABLE, 70, NO_COLOR="1").splitlines()
    assert max(map(len, lines)) == 70
    assert "…" in lines[1]
    assert lines[1].endswith("b.jpg")


def test_a_narrow_one_gives_paths_lines_of_their_own() -> None:
    header, first, path, *_ = _on_terminal(TABLE, 50, NO_COLOR="1").splitlines()
    assert (header, first) == ("#  what it is", "1  same picture")
    assert path.strip() == "a/" * 30 + "b.jpg"


def test_colors_are_for_terminals_that_want_them() -> None:
    assert "\x1b[1m" in _on_terminal(TABLE, 100)
    assert "\x1b" not in _on_terminal(TABLE, 100, NO_COLOR="1")
    assert "\x1b" not in _on_terminal(TABLE, 100, TERM="dumb")


FIGURES = """
from ambience.serve.cli.output import write_table
rows = [["1", "0.97", "0.1277", "119 places", "cut.jpg"]]
header = ["#", "score", "color", "local", "picture"]
write_table(header, rows, right=frozenset({1, 2}), spare=frozenset({2, 3}))
"""


def test_columns_that_can_be_spared_go_where_there_is_no_room() -> None:
    assert _on_terminal(FIGURES, 60, NO_COLOR="1").splitlines() == [
        "#  score   color  local       picture",
        "1   0.97  0.1277  119 places  cut.jpg",
    ]
    assert _on_terminal(FIGURES, 27, NO_COLOR="1").splitlines() == ["#  score  picture", "1   0.97  cut.jpg"]


SAID = """
from ambience.serve.cli.output import say
say("words " * 8 + "ambience models install siglip2-b32-256")
"""


def test_what_is_said_breaks_between_words() -> None:
    lines = _on_terminal(SAID, 30).splitlines()
    assert max(map(len, lines)) <= 30
    assert " ".join(lines) == "ambience: " + "words " * 8 + "ambience models install siglip2-b32-256"


INSTALLING = """
from ambience.models.install import InstallProgress
from ambience.serve.cli.progress import InstallingProgress
with InstallingProgress() as progress:
    progress.show(InstallProgress("tiny", "onnx/model.onnx", 312_400_000, 1_500_000_000, 23_100_000.0))
"""


def test_an_installation_shows_how_far_it_is_and_how_fast() -> None:
    shown = _on_terminal(INSTALLING, 120)
    assert "312.4 MB of 1.5 GB · 23.1 MB/s · 51.4 s left" in shown
    assert "tiny/onnx/model.onnx" in shown
