"""`ambience models`, over a mirror and a catalog of the tests: what it says, does and refuses."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import ambience
from ambience.errors import CorruptModelError, DownloadError, InstallError, ModelError
from ambience.models.catalog import CATALOG
from ambience.models.row import ModelRow
from ambience.serve.cli.models import models
from ambience.serve.cli.session import Session
from support.mirror import Mirror, put, tiny_contents, tiny_row, with_sha256

CONTENTS = tiny_contents()


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as running:
        yield running


@pytest.fixture
def session(mirror: Mirror, tmp_path: Path) -> Session:
    tiny = mirror.publish(tiny_row(), CONTENTS)
    unsure = tuple(replace(file, is_size_exact=False) for file in tiny.files)
    rows = [
        tiny,
        tiny_row("pair", files=(), parts=("tiny",), repository=""),
        replace(tiny, name="rough", files=unsure),
    ]
    overrides = {
        "models.folder": str(tmp_path / "models"),
        "models.hub": mirror.address,
        "library": str(tmp_path / "library"),
    }
    return Session(overrides=overrides, catalog={row.name: row for row in rows})


def run(session: Session, *words: str) -> Any:
    """A command to its end; an error of ours is raised as it is, and standard output alone is the answer."""
    return CliRunner().invoke(models, words, obj=session, catch_exceptions=False, standalone_mode=False)


def listed(session: Session) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in json.loads(run(session, "list", "--json").stdout)}


def test_list_says_what_there_is(session: Session) -> None:
    before = listed(session)
    assert before["tiny"]["is_installed"] is False
    assert before["tiny"]["size"] == before["pair"]["size"] == 300_018
    assert before["tiny"]["licence"] == "MIT"
    assert before["tiny"]["source"] == "https://huggingface.co/someone/tiny-model"
    run(session, "install", "pair")
    after = listed(session)
    assert (after["tiny"]["is_installed"], after["pair"]["is_installed"]) == (True, True)
    shown = run(session, "list").stdout
    assert "300.0 kB" in shown
    assert "~ 300.0 kB" in shown
    assert shown.splitlines()[0].split()[:4] == ["model", "finds", "size", "licence"]


def test_install_tells_what_came_and_what_it_holds_from_now_on(session: Session, tmp_path: Path) -> None:
    done = run(session, "install", "tiny")
    assert "installed tiny: 2 files, 300.0 kB, in " in done.stdout
    assert "nobody states the sha256 of onnx/model.onnx, tokenizer.json; it is recorded now" in done.stderr
    assert (tmp_path / "models" / "tiny" / "onnx" / "model.onnx").read_bytes() == CONTENTS["onnx/model.onnx"]
    assert "tiny is installed already, and its files are right" in run(session, "install", "tiny").stdout


def test_install_from_a_folder_asks_nobody(session: Session, mirror: Mirror, tmp_path: Path) -> None:
    session.overrides["models.offline"] = "true"  # type: ignore[index]
    with pytest.raises(DownloadError, match=r"models\.offline"):
        run(session, "install", "tiny")
    stick = put(tmp_path / "stick", CONTENTS)
    (report,) = json.loads(run(session, "install", "tiny", "--from", str(stick), "--json").stdout)
    assert report["files"] == list(CONTENTS)
    assert mirror.asked.total() == 0


def test_install_of_what_is_unknown_lists_what_there_is(session: Session) -> None:
    with pytest.raises(ModelError, match="no model 'tiney'; have pair, rough, tiny"):
        run(session, "install", "tiney")


def test_verify_reads_what_is_installed(session: Session, tmp_path: Path) -> None:
    nothing = run(session, "verify")
    assert (nothing.return_value, nothing.stdout) == (0, "")
    run(session, "install", "tiny")
    assert run(session, "verify").stdout == "tiny: all is well\n"
    place = tmp_path / "models" / "tiny" / "onnx" / "model.onnx"
    place.write_bytes(bytes(300_000))
    found = run(session, "verify", "tiny", "--json")
    assert found.return_value == 1
    assert (
        "as installed.json beside it recorded when it was first installed" in json.loads(found.stdout)["tiny"]
    )
    with pytest.raises(CorruptModelError):
        from ambience.models.folder import ModelFolder

        ModelFolder(tmp_path / "models").files(session.models["tiny"])


def test_remove_gives_the_space_back(session: Session, tmp_path: Path) -> None:
    run(session, "install", "tiny")
    assert run(session, "remove", "tiny").stdout == "removed tiny, 300.0 kB\n"
    assert [each.name for each in (tmp_path / "models" / "tiny").iterdir()] == ["installed.json"]
    assert run(session, "remove", "tiny").stdout == "tiny is not installed\n"


def test_what_is_used_is_not_removed(session: Session, tmp_path: Path) -> None:
    """A kind of the settings, and then of a library, asks for it; force removes it all the same."""
    session.overrides["kinds.local_features.descriptor"] = "hardnet"  # type: ignore[index]
    session.catalog = {"hardnet": small_hardnet(tmp_path)}
    run(session, "install", "hardnet", "--from", str(tmp_path / "stick"))
    assert listed(session)["hardnet"]["used_by"] == ["local_features"]
    for _ in range(2):
        with pytest.raises(InstallError, match=r"hardnet is used by local_features.*or give --force"):
            run(session, "remove", "hardnet")
        with ambience.open(settings=session.settings, writer=True) as library:
            assert library.info().images == 0
    assert "removed hardnet" in run(session, "remove", "hardnet", "--force").stdout


def small_hardnet(tmp_path: Path) -> ModelRow:
    """The row of HardNet, with a file of a few bytes that nothing loads."""
    row = CATALOG["hardnet"]
    contents = {row.files[0].name: b"weights"}
    put(tmp_path / "stick", contents)
    return with_sha256(row, contents)
