"""Duplicates as people and programs ask for them: by the command line, beside a server, and by HTTP."""

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from support.workshop import wait_for

pytestmark = pytest.mark.usefixtures("without_embeddings")


@pytest.fixture
def copies(tmp_path: Path, shipped_photographs: Path) -> Path:
    """Two photographs, one of them again as it is and in half its size, which has a hostile name."""
    folder = tmp_path / "copies"
    folder.mkdir()
    for name in ("coffee.png", "rocket.jpg"):
        shutil.copy(shipped_photographs / name, folder)
    shutil.copy(folder / "coffee.png", folder / "coffee again.png")
    with Image.open(folder / "coffee.png") as opened:
        opened.convert("RGB").resize((300, 200)).save(folder / "half\x1b[31m.jpg", quality=85)
    return folder


def test_the_command_finds_and_lists(terminal, copies: Path) -> None:
    terminal.run("add", copies)
    unknown = terminal.run("duplicates", "--no-find")
    assert "same_file" in unknown.out
    assert "half" not in unknown.out
    assert "4 pictures not compared yet" in unknown.err

    listed = terminal.run("duplicates")
    first, *rest = listed.out.splitlines()
    assert first.startswith("group ")
    assert "coffee" in first
    assert "most pixels (600×400)" in first
    assert [line.split()[0] for line in rest] == ["same_file", "same_picture"]
    assert "\x1b" not in listed.out
    assert "1 group; 2 pictures" in listed.err

    (group,) = json.loads(terminal.run("duplicates", "--json", "--no-find").out)["groups"]
    half = next(each["image_id"] for each in group["members"] if each["verdict"] == "same_picture")
    apart = terminal.run("duplicates", "--no-find", "--different", str(group["keep"]), str(half))
    assert "same_picture" not in apart.out
    back = terminal.run("duplicates", "--no-find", "--undecided", str(half), str(group["keep"]))
    assert "same_picture" in back.out

    assert "same_scene" in terminal.run("duplicates", "--verdict", "same_scene", code=2).err
    assert "4711" in terminal.run("duplicates", "--different", "4711", str(half), code=1).err


def test_a_server_finds_by_itself_and_answers(terminal, copies: Path, free_port: int) -> None:
    terminal.run("add", copies)
    with terminal.server("--port", str(free_port), port=free_port) as client:
        wait_for(lambda: client.get("/v1/duplicates").raise_for_status().json()["pending"] == 0)
        page = client.get("/v1/duplicates").json()
        (group,) = page["groups"]
        assert (page["total"], page["next"]) == (1, None)
        assert group["image"]["width"] == 600
        by_verdict = {each["verdict"]: each for each in group["members"]}
        assert set(by_verdict) == {"same_file", "same_picture"}
        half = by_verdict["same_picture"]
        assert half["image"]["width"] == 300
        assert client.get(half["image"]["thumbnail"]).is_success

        said = {"a": group["keep"], "b": half["image_id"], "decision": "different"}
        assert client.post("/v1/duplicates/decisions", json=said).status_code == 204
        (left,) = client.get("/v1/duplicates").json()["groups"]
        assert [each["verdict"] for each in left["members"]] == ["same_file"]
        beside = terminal.run("duplicates", "--undecided", str(said["a"]), str(said["b"]))
        assert "same_picture" in beside.out
        only = client.get("/v1/duplicates", params={"verdict": "same_picture"}).json()["groups"]
        assert [each["image_id"] for each in only[0]["members"]] == [half["image_id"]]

        same = by_verdict["same_file"]["image_id"]
        for body, status, told in (
            ({**said, "decision": "maybe"}, 400, "maybe"),
            ({**said, "a": "1"}, 400, "a = '1'"),
            ({**said, "b": same}, 400, "same bytes"),
            ({**said, "b": 4711}, 404, "4711"),
            ({"a": group["keep"], "decision": "different"}, 400, "b = None"),
        ):
            refused = client.post("/v1/duplicates/decisions", json=body)
            assert (refused.status_code, told in refused.json()["detail"]) == (status, True), refused.text
        assert client.get("/v1/duplicates", params={"verdict": "same_scene"}).status_code in (400, 422)
