"""Duplicates as people and programs ask for them: by the command line, beside a server, and by HTTP."""

import json
import shutil
import subprocess
from base64 import b64decode
from hashlib import sha256
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from ambience.copies import CopyPair
from ambience.datatypes import Verdict
from ambience.store.pair_file import PairFile
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


def test_a_report_is_one_page_that_needs_nothing_else(terminal, copies: Path, tmp_path: Path) -> None:
    (copies / "coffee.png").rename(copies / "<script src=x onload=alert(1)>&.png")
    terminal.run("add", copies)
    file = tmp_path / "report.html"
    told = terminal.run("duplicates", "--report", file)
    assert "1 group" in told.err
    assert told.out == ""
    page = Page(file.read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert "&lt;script src=x onload=alert(1)&gt;&amp;.png" in file.read_text(encoding="utf-8")
    assert "\x1b" not in file.read_text(encoding="utf-8")
    assert page.sources, "no pictures"
    for source in page.sources:
        assert source.startswith("data:image/jpeg;base64,")
        with Image.open(BytesIO(b64decode(source.partition(",")[2]))) as picture:
            assert max(picture.size) <= 192
    assert len(page.sources) == 3
    for words in ("keep", "same file", "same picture", "600×400", "most pixels"):
        assert words in page.text
    assert not [each for each in tmp_path.iterdir() if each.name.endswith(".partial")]

    terminal.run("duplicates", "--no-find", "--report", file)  # over the one before
    other = tmp_path / "mine.html"
    other.write_text("<p>mine</p>", encoding="utf-8")
    assert "no report of Ambience" in terminal.run("duplicates", "--report", other, code=1).err
    assert other.read_text(encoding="utf-8") == "<p>mine</p>"
    assert "is no file" in terminal.run("duplicates", "--report", tmp_path, code=1).err
    assert "--report goes with" in terminal.run("duplicates", "--json", "--report", file, code=2).err
    for picture in copies.iterdir():
        picture.unlink()
    terminal.run("duplicates", "--no-find", "--report", file)
    assert "cannot be shown" in file.read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.sources += [given["src"] or ""] if "src" in given else []
        assert not any(name.startswith("on") or name == "href" for name in given)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_command_puts_copies_away_and_brings_them_back(terminal, copies: Path) -> None:
    terminal.run("add", copies)
    names = {each.name for each in copies.iterdir()}
    asked = terminal.run("duplicates", "--trash", "losers", code=2)
    assert "--yes" in asked.err
    dry = terminal.run("duplicates", "--trash", "losers", "--dry-run")
    assert "would move 2 pictures" in dry.err
    assert {each.name for each in copies.iterdir()} == names
    assert "belong to --trash" in terminal.run("duplicates", "--dry-run", code=2).err
    assert "no group 77" in terminal.run("duplicates", "--trash", "losers", "--group", "77", code=1).err

    (copies / "half\x1b[31m.jpg").write_bytes(b"changed")
    gone = terminal.run("duplicates", "--trash", "losers", "--yes", code=1)
    assert "moved 1 picture " in gone.err
    assert "left 1 picture where" in gone.err
    assert "its file was changed since it was added" in gone.err
    assert "\x1b[31m.jpg" not in gone.out + gone.err
    left = {each.name for each in copies.iterdir()}
    assert names - left <= {"coffee.png", "coffee again.png"}
    assert len(names - left) == 1

    listed = terminal.run("trash", "list")
    assert "copies/coffee" in listed.out
    (entry,) = json.loads(terminal.run("trash", "list", "--json").out)
    assert entry["name"] in names - left
    assert "give numbers of entries" in terminal.run("trash", "restore", code=2).err
    assert "there is no such entry" in terminal.run("trash", "restore", "55", code=1).err
    assert "1 picture" in terminal.run("trash", "empty", "--older-than", "0", "--dry-run").err
    assert "0 pictures" in terminal.run("trash", "empty", "--older-than", "1", "--yes").err
    assert "brought back 1 picture" in terminal.run("trash", "restore", "--last").err
    assert {each.name for each in copies.iterdir()} == names

    terminal.run("duplicates", "--trash", "losers", "--yes", code=1)
    assert "deleted 1 picture" in terminal.run("trash", "empty", "--older-than", "0", "--yes").err
    assert "0 pictures" in terminal.run("trash", "list").err
    problems = terminal.run("check", code=1).out  # of the file that this test changed, and of nothing else
    assert "1 problem found" in problems
    assert "file_changed" in problems


def test_a_copy_of_a_copy_alone_is_shown_and_stays(
    terminal, tmp_path: Path, shipped_photographs: Path
) -> None:
    """Two altered copies of one picture are not always found to be copies of each other."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for side, name in zip((300, 200, 100), ("coffee.png", "rocket.jpg", "chelsea.png"), strict=True):
        with Image.open(shipped_photographs / name) as opened:
            opened.convert("RGB").resize((side, side)).save(folder / f"{side}.png")
    terminal.run("add", folder)
    best, middle, least = (sha256((folder / f"{side}.png").read_bytes()).digest() for side in (300, 200, 100))
    file = PairFile(terminal.library / "index" / "copies.sqlite", writes=True)
    pairs = [
        CopyPair(*sorted(both), Verdict.EDITED, 0.9, "local_features")
        for both in ((best, middle), (middle, least))
    ]
    file.put(pairs, fingerprint="made", seq=0)
    file.close()

    listed = terminal.run("duplicates", "--no-find").out
    (group,) = json.loads(terminal.run("duplicates", "--json", "--no-find").out)["groups"]
    direct, beside = group["members"]
    assert (direct["copy_of"], beside["copy_of"]) == (group["keep"], direct["image_id"])
    assert f"copy of {direct['image_id']} alone" in listed.splitlines()[-1]
    terminal.run("duplicates", "--no-find", "--report", tmp_path / "report.html")
    assert f"copy of {direct['image_id']} alone" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "moved 1 picture " in terminal.run("duplicates", "--no-find", "--trash", "losers", "--yes").err
    assert {each.name for each in folder.iterdir()} == {"300.png", "100.png"}


def test_copies_are_put_away_over_http_and_come_back(terminal, copies: Path, free_port: int) -> None:
    terminal.run("add", copies)
    terminal.run("duplicates")
    names = {each.name for each in copies.iterdir()}
    with terminal.server("--port", str(free_port), port=free_port) as client:
        (group,) = client.get("/v1/duplicates").json()["groups"]
        members = [each["image_id"] for each in group["members"]]
        asked = {"groups": [{"keep": group["keep"], "trash": members}]}
        dry = client.post("/v1/duplicates/resolve", json=asked).json()
        assert dry["dry_run"] is True
        assert [step["outcome"] for step in dry["steps"]] == ["would_trash", "would_trash"]
        assert {each.name for each in copies.iterdir()} == names

        run = client.post("/v1/duplicates/resolve", json={**asked, "dry_run": False})
        assert str(copies) not in run.text
        assert [step["outcome"] for step in run.json()["steps"]] == ["trashed", "trashed"]
        assert client.get("/v1/duplicates").json()["groups"] == []
        assert len(list(copies.iterdir())) == len(names) - 2
        page = client.get("/v1/duplicates/trash", params={"limit": 1}).json()
        assert (page["total"], len(page["entries"])) == (2, 1)
        older = client.get("/v1/duplicates/trash", params={"before": page["next"]}).json()
        entries = [each["entry"] for each in page["entries"] + older["entries"]]
        assert "2 pictures" in terminal.run("trash", "list").err

        back = client.post("/v1/duplicates/restore", json={"entries": [*entries, 99]})
        assert [step["outcome"] for step in back.json()["steps"]] == ["restored", "restored", "refused"]
        assert {each.name for each in copies.iterdir()} == names
        beside = terminal.run("duplicates", "--trash", "losers", "--yes")
        assert "moved 2 pictures" in beside.err
        assert "brought back 2 pictures" in terminal.run("trash", "restore", "--all").err

        for path, body, told in (
            ("resolve", {"groups": 7}, "groups = 7"),
            ("resolve", {"groups": [7]}, "groups has 7"),
            ("resolve", {"groups": [{"keep": 1}]}, "trash = None"),
            ("resolve", {"groups": [{"keep": True, "trash": []}]}, "keep has True"),
            ("resolve", {"groups": [{"keep": 1, "trash": [-1]}]}, "trash has -1"),
            ("resolve", {"groups": [{"keep": 1, "trash": [1]}]}, "image 1 is to be kept"),
            ("resolve", {"groups": [{"keep": 1, "trash": list(range(2, 1003))}]}, "1001 pictures"),
            ("resolve", {"groups": [{"keep": 1, "trash": []}] * 1001}, "1001 groups"),
            ("resolve", {**asked, "dry_run": "no"}, "dry_run"),
            ("restore", {"entries": "3"}, "entries = '3'"),
            ("restore", {"entries": [2**60]}, "entries has"),
        ):
            refused = client.post(f"/v1/duplicates/{path}", json=body)
            assert (refused.status_code, told in refused.json()["detail"]) == (400, True), refused.text


def test_a_writer_that_was_killed_while_copies_went_has_lost_none(terminal, copies: Path) -> None:
    """Real processes, killed at many moments; whatever was begun is finished or taken back by the next."""
    for number in range(12):
        with Image.open(copies / "rocket.jpg") as opened:
            opened.resize((300 + 10 * number, 200 + 7 * number)).save(copies / f"rocket-{number}.png")
    terminal.run("add", copies)
    terminal.run("duplicates")
    contents = {sha256(each.read_bytes()).digest() for each in copies.iterdir()}
    delay = 0.2
    while True:
        process = terminal.start("duplicates", "--no-find", "--trash", "losers", "--yes")
        try:
            process.communicate(timeout=delay)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        trash = terminal.library / "trash"
        there = [*copies.iterdir(), *(each for each in trash.rglob("*") if each.is_file())]
        assert contents <= {sha256(each.read_bytes()).digest() for each in there}
        if process.returncode in (0, 1):
            break
        delay += 0.15
    listed = json.loads(terminal.run("trash", "list", "--json").out)
    assert len(listed) >= 12
    assert f"brought back {len(listed)} pictures" in terminal.run("trash", "restore", "--all").err
    assert {sha256(each.read_bytes()).digest() for each in copies.iterdir()} == contents
    terminal.run("check")
