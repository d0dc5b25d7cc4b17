import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from ambience.answers import Evidence
from ambience.datatypes import Orientation, Verdict
from ambience.serve.cli.output import (
    SafeLines,
    as_json,
    counted,
    distance,
    duration,
    rate,
    shortened,
    shown,
    shown_path,
    size,
    write_table,
)
from ambience.serve.placement import VERDICT_WORDS, verdict_words


def test_shown_text_is_always_printable() -> None:
    odd = os.fsdecode(b"caf\xe9\n\x1b[31mred.jpg")
    assert shown(odd) == "caf�\\n\\x1b[31mred.jpg"
    assert shown("line\nline", keep_lines=True) == "line\nline"
    assert shown("naïve 図.jpg") == "naïve 図.jpg"
    assert shown("lone \ud800 surrogate").encode("utf-8")


def test_a_logged_name_forges_no_line_and_steers_no_terminal() -> None:
    lines = SafeLines("%(levelname)s %(message)s")
    try:
        raise ValueError("two\nlines \x1b[2J")
    except ValueError as exc:
        fault = (type(exc), exc, exc.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 0, "GET /%s", ("a\nERROR forged\x1b[31m",), fault)
    first, second, *_, last = lines.format(record).split("\n")
    assert first == "ERROR GET /a\\nERROR forged\\x1b[31m"
    assert (second, last) == ("Traceback (most recent call last):", "lines \\x1b[2J")


def test_paths_are_shown_from_where_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/someone")
    assert shown_path(f"{tmp_path}/a/b.jpg") == "a/b.jpg"
    assert shown_path("/home/someone/b.jpg") == "~/b.jpg"
    assert shown_path("/home/someone2/b.jpg") == "/home/someone2/b.jpg"


def test_json_keeps_names_that_are_no_text_and_shapes_our_nouns() -> None:
    evidence = Evidence("phash", 12.0, 0.9, 1, Verdict.SAME_PICTURE, Orientation(90, True))
    name = os.fsdecode(b"caf\xe9.jpg")
    document = {"name": name, "path": Path("/a"), "at": datetime(2026, 1, 2, tzinfo=UTC), "of": (evidence,)}
    written = as_json(document)
    assert written.isascii()
    read = json.loads(written)
    assert os.fsencode(read["name"]) == b"caf\xe9.jpg"
    assert read["path"] == "/a"
    assert read["at"] == "2026-01-02T00:00:00+00:00"
    assert read["of"][0]["verdict"] == "same_picture"
    assert read["of"][0]["orientation"] == {"rotation": 90, "mirrored": True}


@pytest.mark.parametrize("width", [12, 20, 21, 40])
@pytest.mark.parametrize(
    "text", ["/a/long/folder/with/a/picture.jpg", "/図図図図図図図図図図図図図図図図図図図図/図.jpg"]
)
def test_shortened_text_fits_and_keeps_its_end(text: str, width: int) -> None:
    short = shortened(text, width)
    assert cell_len(short) <= width
    if cell_len(text) > width:
        assert "…" in short
        assert short.endswith(".jpg")
    else:
        assert short == text


def test_a_table_for_a_pipe_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    path = "/very/long/" + "x" * 200
    write_table(["#", "kind", "path"], [["1", "図", path], ["10", "ab", "/y"]], right=frozenset({0}))
    lines = capsys.readouterr().out.splitlines()
    assert lines == [" #  kind  path", f" 1  図    {path}", "10  ab    /y"]


def test_figures_for_people() -> None:
    assert [counted(1, "picture"), counted(1204, "picture")] == ["1 picture", "1,204 pictures"]
    assert [duration(3.21), duration(245), duration(7800)] == ["3.2 s", "4 min 05 s", "2 h 10 min"]
    assert [rate(0.864), rate(44.24), rate(3424.9), rate(0)] == ["0.864/s", "44.2/s", "3,420/s", "0/s"]
    assert [size(512), size(3_400_000), size(2.5e13)] == ["512 B", "3.4 MB", "25.0 TB"]
    assert [distance(12.0), distance(0.034567), distance(576.0)] == ["12", "0.03457", "576"]


def test_every_verdict_has_words() -> None:
    assert set(VERDICT_WORDS) == {verdict.value for verdict in Verdict}
    turned = Orientation(90, True)
    assert verdict_words(Verdict.SAME_PICTURE, turned) == "same picture, mirrored, rotated 90°"
    assert verdict_words(Verdict.SAME_COLORS, turned) == "same colors"
    assert verdict_words("of_a_newer_server", Orientation()) == "of a newer server"
