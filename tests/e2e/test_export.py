"""The command that writes a library as files, which other programs read, also beside a server."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("without_embeddings")

READER = """
import json, sys, numpy, pathlib
folder = pathlib.Path(sys.argv[1])
kinds = json.loads((folder / "manifest.json").read_text())["kinds"]
for name in kinds["phash"]["files"]:
    shard = numpy.load(folder / name)
    print(shard["image_ids"], shard["vectors"].shape)
"""


@pytest.fixture
def photos(tmp_path: Path, shipped_photographs: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("coffee.png", "rocket.jpg"):
        (folder / name).write_bytes((shipped_photographs / name).read_bytes())
    return folder


def test_another_program_reads_it(terminal, photos: Path, tmp_path: Path) -> None:
    terminal.run("add", photos)
    done = terminal.run("export", tmp_path / "out")
    assert "2 images, features: 2 of color, 2 of local_features, 2 of phash, in " in done.err
    said = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path / "out")], capture_output=True, text=True, check=True
    )
    assert said.stdout.split() == ["[1", "2]", "(2,", "72)"]
    assert oct((tmp_path / "out").stat().st_mode & 0o777) == "0o700", "what is private stays so"
    again = terminal.run("export", tmp_path / "out", code=1)
    assert "exists; name a folder that does not" in again.err


def test_it_writes_beside_a_server(terminal, photos: Path, tmp_path: Path, free_port: int) -> None:
    terminal.run("add", photos)
    with terminal.server("--port", str(free_port), port=free_port):
        terminal.run("export", tmp_path / "out", "--no-features")
    lines = (tmp_path / "out" / "images.jsonl").read_text("utf-8").split("\n")
    assert [json.loads(line)["name"] for line in lines if line] == ["coffee.png", "rocket.jpg"]
    assert not list((tmp_path / "out").glob("*.npz"))


def test_wrong_use_is_told(terminal, photos: Path, tmp_path: Path) -> None:
    terminal.run("add", photos)
    assert (
        "exclude each other"
        in terminal.run("export", tmp_path / "o", "--kind", "phash", "--no-features", code=2).err
    )
    wrong = terminal.run("export", tmp_path / "o", "--kind", "hash", code=1)
    assert "no kind 'hash' has features in this library; have color" in wrong.err
    assert not (tmp_path / "o").exists()
