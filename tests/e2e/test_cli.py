"""The command line over a library of real photographs."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

KINDS = ("color", "global_features", "image_text_features", "local_features", "phash")


def test_add_then_search_finds_copies_and_colors(terminal, photographs: Path, tmp_path: Path) -> None:
    added = terminal.run("add", photographs)
    assert "5 added" in added.out
    again = terminal.run("add", photographs)
    assert "5 unchanged" in again.out
    assert "added" not in again.out

    copy = tmp_path / "turned copy.jpg"
    with Image.open(photographs / "coffee.png") as picture:
        picture.resize((300, 200)).transpose(Image.Transpose.ROTATE_90).save(copy, quality=70)
    found = terminal.run("search", copy)
    header, first, *_ = found.out.splitlines()
    assert header.split()[:2] == ["#", "id"]
    assert "same picture, rotated" in first
    assert first.endswith("photographs/coffee.png")

    document = json.loads(terminal.run("search", copy, "--json", "-k", "3").out)
    assert document["matches"][0]["name"] == "coffee.png"
    assert document["matches"][0]["orientation"]["rotation"] in (90, 270)
    assert {status["kind"] for status in document["kinds"]} == set(KINDS)

    colors = json.loads(terminal.run("search", copy, "--by", "color", "--json").out)
    assert [status["kind"] for status in colors["kinds"]] == ["color"]
    assert colors["matches"][0]["name"] == "coffee.png"


def test_a_picture_of_the_library_is_a_question_too(terminal, photographs: Path) -> None:
    shutil.copy(photographs / "chelsea.png", photographs / "chelsea again.png")
    terminal.run("add", photographs)
    paths = terminal.run("search", photographs / "chelsea.png", "--paths").out.splitlines()
    assert {Path(path).name for path in paths[:2]} == {"chelsea.png", "chelsea again.png"}
    asked = json.loads(terminal.run("search", photographs / "chelsea.png", "--json").out)["matches"][0]
    by_id = json.loads(terminal.run("search", str(asked["image_id"]), "--json").out)["matches"]
    assert asked["image_id"] not in [match["image_id"] for match in by_id]
    assert by_id[0]["verdict"] == "same_file"
    whole = terminal.run("search", photographs / "chelsea.png", "--fold").out
    assert whole.count("chelsea") == 1
    assert "(1 more of this picture)" in whole
    kept = json.loads(terminal.run("search", photographs / "chelsea.png", "--fold", "--json").out)["matches"][
        0
    ]
    assert {kept["image_id"], *kept["copies"]} == {asked["image_id"], by_id[0]["image_id"]}


def test_nothing_found_is_said_and_told_by_the_exit_code(terminal, photographs: Path, tmp_path: Path) -> None:
    terminal.run("add", photographs / "rocket.jpg")
    plain = tmp_path / "plain.png"
    Image.new("RGB", (64, 64), (0, 255, 0)).save(plain)
    nothing = terminal.run("search", plain, code=1)
    assert nothing.out == ""
    assert "nothing found for" in nothing.err
    assert json.loads(terminal.run("search", plain, "--json", code=1).out)["matches"] == []


def test_info_check_remove_rebuild_train_and_jobs(terminal, photographs: Path) -> None:
    terminal.run("add", photographs)
    assert "5 pictures" in terminal.run("info").out
    held = json.loads(terminal.run("info", "--json").out)
    assert held["images"] == 5
    assert {kind: row["entries"] for kind, row in held["kinds"].items()} == dict.fromkeys(KINDS, 5)

    assert terminal.run("check").out == "all is well\n"
    image_id = json.loads(terminal.run("search", photographs / "rocket.jpg", "--json").out)["matches"][0][
        "image_id"
    ]
    assert json.loads(terminal.run("remove", str(image_id), "--json").out) == {"removed": [image_id]}
    assert str(image_id) in terminal.run("remove", str(image_id), code=1).err
    assert (photographs / "rocket.jpg").exists()
    assert json.loads(terminal.run("info", "--json").out)["images"] == 4
    assert json.loads(terminal.run("remove", str(image_id), "--json", code=1).out) == {"removed": []}

    assert "rebuilt: phash" in terminal.run("rebuild", "phash").out
    assert json.loads(terminal.run("rebuild", "--json").out) == {"rebuilt": list(KINDS)}
    assert "trained: color" in terminal.run("train", "color").out
    assert json.loads(terminal.run("train", "color", "--json").out) == {"trained": ["color"]}
    other = json.loads(terminal.run("search", photographs / "coffee.png", "--json").out)["matches"][0]
    assert terminal.run("remove", str(other["image_id"])).out == "1 picture removed\n"
    assert isinstance(json.loads(terminal.run("jobs", "--json").out), list)
    assert terminal.run("check").out == "all is well\n"


def test_whitening_that_is_asked_of_too_few_pictures_is_left_out_and_said(
    terminal, photographs: Path
) -> None:
    for other in set(KINDS) - {"global_features"}:
        terminal.environment[f"AMBIENCE_KINDS__{other.upper()}__ENABLED"] = "false"
    terminal.run("add", photographs)
    terminal.environment["AMBIENCE_KINDS__GLOBAL_FEATURES__INDEX_WHITENING"] = "true"
    expected = "searched without whitening, which is fitted to 1,000 vectors or more; it has 5"
    trained = terminal.run("train", "global_features")
    assert trained.out == "trained: global_features\n"
    assert f"global_features is {expected}" in trained.err
    said = json.loads(terminal.run("train", "global_features", "--json").out)
    assert said == {"trained": ["global_features"], "notes": {"global_features": expected}}
    assert f"global_features is {expected}" in terminal.run("info").out
    held = json.loads(terminal.run("info", "--json").out)["kinds"]
    assert {kind: row["note"] for kind, row in held.items() if row["note"]} == {"global_features": expected}
    assert terminal.run("search", photographs / "coffee.png", "--by", "global_features").out
    del terminal.environment["AMBIENCE_KINDS__GLOBAL_FEATURES__INDEX_WHITENING"]
    assert "whitening" not in terminal.run("train", "global_features").err


@pytest.mark.usefixtures("without_embeddings")
def test_check_names_what_is_broken(terminal, photographs: Path) -> None:
    terminal.run("add", photographs)
    (photographs / "coffee.png").unlink()
    broken = terminal.run("check", code=1)
    assert "coffee.png" in broken.out
    assert "1 problem found" in broken.out


@pytest.mark.usefixtures("without_embeddings")
def test_bad_files_are_grouped_and_reported(terminal, photographs: Path, tmp_path: Path) -> None:
    (photographs / "empty.jpg").touch()
    whole = (photographs / "rocket.jpg").read_bytes()
    for number in range(5):
        (photographs / f"cut{number}.jpg").write_bytes(whole[: 3000 + number])
    report = tmp_path / "report.json"
    added = terminal.run("add", photographs, "--report", report)
    assert "5 added" in added.out
    assert "6 failed" in added.out
    assert "and 2 more" in added.out
    assert len(json.loads(report.read_text())["failed"]) == 6

    again = json.loads(terminal.run("add", photographs, "--json").out)
    assert (again["skipped_known_failed"], again["failed"]) == (6, [])
    alone = terminal.run("add", photographs / "empty.jpg", "--no-wait")
    assert "passed over" in alone.out


@pytest.mark.usefixtures("without_embeddings")
def test_a_run_that_could_use_nothing_fails(terminal, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    assert "1 failed" in terminal.run("add", bad, code=1).out


@pytest.mark.usefixtures("without_embeddings")
def test_a_path_that_is_not_there_fails_beside_those_that_are(terminal, photographs: Path) -> None:
    added = terminal.run("add", photographs, "no-such-folder", code=1)
    assert "5 added, 1 failed" in added.out
    assert "no-such-folder" in added.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["search", "no-such.jpg"], 1, "no file no-such.jpg"),
        (["search", "."], 1, "is a folder"),
        (["search", "12", "--by", "hash"], 1, "hash"),
        (["search"], 2, "say what to look for"),
        (["search", "1", "--json", "--paths"], 2, "two forms"),
        (["search", "--filter", "cat", "--fold"], 2, "--fold is for what a question finds"),
        (["search", "1", "-k", "0"], 2, "0"),
        (["search", "1", "-k", "100000"], 1, "search.max_k"),
        (["search", "999999"], 1, "999999"),
        (["remove", "-1"], 2, "-1"),
        (["rebuild", "hash"], 1, "hash"),
        (["serve", "hash"], 1, "hash"),
        (["--set", "search.k", "info"], 2, "NAME=VALUE"),
        (["--set", "search.kk=1", "info"], 1, "search.kk"),
        (["--settings", "no-such.toml", "info"], 1, "no-such.toml"),
        (["search", "http://127.0.0.1:9/a.jpg"], 1, "127.0.0.1"),
        (["searhc"], 2, "searhc"),
    ],
)
def test_errors_are_one_line_that_names_what_was_wrong(
    with_a_rocket, words: list[str], code: int, message: str
) -> None:
    failed = with_a_rocket.run(*words, code=code)
    assert message in failed.err
    assert failed.out == ""
    if code == 1:
        assert len([line for line in failed.err.splitlines() if line.startswith("ambience: ")]) == 1


@pytest.mark.parametrize("words", [["search", "1"], ["info"], ["check"], ["jobs"]])
def test_without_a_library_it_says_how_to_make_one(terminal, words: list[str]) -> None:
    failed = terminal.run(*words, code=1)
    assert "ambience add" in failed.err
    assert str(terminal.library) in failed.err
    assert not terminal.library.exists()


def test_verbose_twice_shows_where_an_error_comes_from(terminal) -> None:
    process = terminal.start("-vv", "info")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert b"Traceback" in err


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system refuses such names")
@pytest.mark.usefixtures("without_embeddings")
def test_names_with_odd_bytes_are_found_and_printed(terminal, photographs: Path, tmp_path: Path) -> None:
    odd = os.fsencode(photographs) + b"/caf\xe9 \x1b[31m\n.png"
    shutil.copy(photographs / "chelsea.png", odd)
    terminal.run("add", photographs)
    table = terminal.run("search", odd).out
    assert "caf�" in table
    assert "\x1b" not in table
    raw = os.fsencode(terminal.run("search", odd, "--paths").out)
    assert b"caf\xe9" in raw
    paths = [match["path"] for match in json.loads(terminal.run("search", odd, "--json").out)["matches"]]
    assert os.fsdecode(odd) in paths


@pytest.mark.usefixtures("without_embeddings")
def test_a_reader_that_goes_away_is_no_error(terminal, photographs: Path) -> None:
    terminal.run("add", photographs)
    process = terminal.start("search", photographs / "coffee.png")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == b""
    process.wait(timeout=60)


def test_a_closed_or_full_output_is_no_fault_of_ours(with_a_rocket) -> None:
    command = [sys.executable, "-m", "ambience", "info"]
    for target, code in ((">&-", 0), (">/dev/full", 1)):
        ended = subprocess.run(
            ["sh", "-c", f'"$@" {target}', "sh", *command],
            env=with_a_rocket.environment,
            check=False,
            stderr=subprocess.PIPE,
            timeout=60,
        )
        assert (target, ended.returncode) == (target, code)
        assert len(ended.stderr.splitlines()) == code, ended.stderr
        assert b"fault" not in ended.stderr


def _many_pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        color = (number % 256, number // 256 * 40 % 256, 128)
        Image.radial_gradient("L").resize((700, 500 + number % 9)).convert("RGB").point(
            lambda value, color=color: value
        ).save(folder / f"{number}.png", compress_level=0)


@pytest.mark.usefixtures("without_embeddings")
def test_the_first_ctrl_c_stops_in_good_order(terminal, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    _many_pictures(folder, 120)
    process = terminal.start("--set", "ingest.commit_images=8", "add", folder)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and _count(terminal.library) == 0:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"finishing the pictures in work" in err
    assert b"stopped before the end" in out
    assert 0 < _count(terminal.library) < 120
    terminal.run("add", folder)
    assert json.loads(terminal.run("info", "--json").out)["images"] == 120
    assert terminal.run("check").out == "all is well\n"


@pytest.mark.usefixtures("without_embeddings")
def test_ctrl_c_of_a_rebuild_keeps_what_is_made(terminal, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    _many_pictures(folder, 60)
    terminal.run("--set", "kinds.local_features.enabled=false", "add", folder)
    process = terminal.start("--set", "ingest.commit_images=4", "rebuild", "--features", "local_features")
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end and not _done(terminal, "local_features"):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"keeping what is made so far" in err
    assert b"stopped before local_features was made anew; run it again" in err
    assert 0 < _done(terminal, "local_features") < 60
    assert "rebuilt: local_features" in terminal.run("rebuild", "--features", "local_features").out
    held = json.loads(terminal.run("info", "--json").out)["kinds"]["local_features"]
    assert (held["entries"], held["states"]["done"]) == (60, 60)
    assert "trained: local_features" in terminal.run("train", "local_features").out
    assert terminal.run("check").out == "all is well\n"


@pytest.mark.usefixtures("without_embeddings")
def test_features_of_other_settings_are_named_and_deleted(terminal, photographs: Path) -> None:
    terminal.run("add", photographs)
    other = ("--set", "kinds.local_features.points=100")
    terminal.run(*other, "rebuild", "--features", "local_features")
    said = terminal.run(*other, "info").out
    assert "not used: 5 features of local_features-" in said
    assert "would delete 5 features of local_features-" in terminal.run(*other, "clean", "--dry-run").out
    deleted = json.loads(terminal.run(*other, "clean", "--json").out)["deleted"]
    assert [(each["kind"], each["features"]) for each in deleted] == [("local_features", 5)]
    assert terminal.run(*other, "clean").out == "nothing to delete\n"


def _done(terminal, kind: str) -> int:
    """Features that are committed, seen from outside."""
    query = "select count(*) from features join spaces using (space_id) where kind = ? and state = 'done'"
    with contextlib.closing(
        sqlite3.connect(f"file:{terminal.library}/records.sqlite?mode=ro", uri=True)
    ) as database:
        return int(database.execute(query, [kind]).fetchone()[0])


def _count(library: Path) -> int:
    """Images that are committed, seen from outside."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{library}/records.sqlite?mode=ro", uri=True)
        ) as database:
            return int(database.execute("select count(*) from images").fetchone()[0])
    except sqlite3.Error:
        return 0


@pytest.mark.usefixtures("without_embeddings")
def test_a_second_command_waits_for_the_first_or_fails_at_once(terminal, photographs: Path) -> None:
    terminal.run("add", photographs / "coffee.png")
    watcher = terminal.start("add", "--watch", photographs)
    assert watcher.stderr is not None
    waiting = None
    try:
        while b"watching" not in (line := watcher.stderr.readline()):
            assert line, "it ended before it watched"
        refused = terminal.run("remove", "99999", "--no-wait", code=1)
        assert f"process {watcher.pid} (add" in refused.err

        waiting = terminal.start("add", photographs / "chelsea.png")
        assert waiting.stderr is not None
        told = waiting.stderr.readline().decode()
        assert f"process {watcher.pid} (add" in told
        assert "waiting until it is done" in told
        assert json.loads(terminal.run("info", "--json").out)["images"] == 5
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.communicate(timeout=60)
    _, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err


@pytest.mark.usefixtures("without_embeddings")
def test_watching_adds_what_appears(terminal, photographs: Path, shipped_photographs: Path) -> None:
    watcher = terminal.start("add", "--watch", photographs)
    assert watcher.stderr is not None
    try:
        while b"watching" not in (line := watcher.stderr.readline()):
            assert line, "it ended before it watched"
        time.sleep(1)
        shutil.copy(shipped_photographs / "moon.png", photographs)
        end = time.monotonic() + 60
        while time.monotonic() < end and _count(terminal.library) < 6:
            time.sleep(0.1)
    finally:
        watcher.send_signal(signal.SIGINT)
        out, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, err
    assert b"1 added" in out
    assert json.loads(terminal.run("info", "--json").out)["images"] == 6


def test_output_for_pipes_has_no_colors_and_settings_are_listed(terminal) -> None:
    terminal.environment |= {"TERM": "xterm-256color"}
    listed = terminal.run("--set", "search.k=7", "info", "--settings")
    assert "\x1b" not in listed.out
    (line,) = [line for line in listed.out.splitlines() if line.startswith("search.k ")]
    assert line.split()[1:3] == ["7", "changed"]
    as_json = json.loads(terminal.run("info", "--settings", "--json").out)
    assert as_json["search.k"]["value"] == 20


def test_it_answers_at_once(terminal) -> None:
    terminal.run("--help")
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "ambience", "--help"],
        env=terminal.environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert time.monotonic() - started < 2  # 0.11 s on an idle machine; a heavy import alone takes longer


def test_a_filter_narrows_a_search_and_lists_alone(terminal, photographs: Path) -> None:
    terminal.run("add", photographs)
    everything = terminal.run("search", "--filter", "width>=1", "--paths").out.splitlines()
    assert len(everything) == 5
    listed = json.loads(terminal.run("search", "--filter", "format:jpg", "-k", "1", "--json").out)
    assert (listed["total"], len(listed["images"])) == (2, 1)
    some = terminal.run("search", "--filter", "format:jpg", "-k", "1")
    assert "the newest 1 of 2 pictures" in some.err
    assert some.out.splitlines()[0].split() == ["id", "pixels", "tags", "picture"]
    coffee = photographs / "coffee.png"
    found = terminal.run("search", coffee, "--filter", "name:coffee*", "--paths").out.splitlines()
    assert [Path(path).name for path in found] == ["coffee.png"]
    assert terminal.run("search", coffee, "--filter", "!name:coffee*", "--paths", code=1).out == ""
    nothing = terminal.run("search", "--filter", "no such tag", code=1)
    assert "no picture is as the filter says: no such tag" in nothing.err
    assert nothing.out == ""


def test_a_malformed_filter_is_shown_with_its_place(with_a_rocket) -> None:
    said = with_a_rocket.run("search", "--filter", "winter && width>abc", code=1).err.splitlines()
    assert "column 17 of the filter: 'abc' is not a number" in said[0]
    assert said[2].index("^") == said[1].index("abc")
    assert "column 1" in with_a_rocket.run("search", "--filter", "", code=1).err
    usage = with_a_rocket.run("search", "--filter", "winter", "--by", "phash", code=2)
    assert "--by" in usage.err


def test_a_part_of_a_picture_is_asked_with_by_its_shares(with_a_rocket, shipped_photographs) -> None:
    rocket = shipped_photographs / "rocket.jpg"
    found = with_a_rocket.run("search", rocket, "--region", "0.25,0,0.5,1", "--json").out
    document = json.loads(found)
    assert document["query"].startswith("a region of ")
    assert document["matches"][0]["verdict"] == "part"
    for words, said in (
        ((rocket, "--region", "0,0,1"), "--region 0,0,1: give left, top, width and height"),
        (("--text", "x", "--region", "0,0,1,1"), "name the picture as well"),
    ):
        assert said in with_a_rocket.run("search", *words, code=2).err
    assert "not within the picture" in with_a_rocket.run("search", rocket, "--region", "0,0,2,1", code=1).err
