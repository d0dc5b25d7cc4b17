"""What Tesseract answers is read with suspicion; which languages it is asked for follows its list."""

import shutil
import stat
from pathlib import Path

import numpy as np
import pytest

from ambience.annotate._line_inks import plain
from ambience.annotate._tesseract import Tesseract, installed_tesseract, words_of
from ambience.models.ocr.decoding import NOTHING

HEADER = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n"
LINES = [np.full((48, 200), 255, np.uint8)] * 3
MODELS = ("chi_sim", "ell", "eng", "rus", "script/Cyrillic", "srp")


def fake(tmp_path: Path, body: str) -> Tesseract:
    """A program that behaves as told in place of Tesseract."""
    program = tmp_path / "tesseract"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return Tesseract(str(program), "5.0", MODELS)


def row(page: int, text: str, conf: str = "90") -> str:
    return f"5\t{page}\t1\t1\t1\t1\t20\t30\t100\t40\t{conf}\t{text}\n"


def test_a_script_is_read_by_its_own_model_else_by_its_languages() -> None:
    engine = Tesseract("tesseract", "5.0", MODELS)
    assert engine.by_script() == {"Cyrl": "script/Cyrillic", "Grek": "ell", "Hani": "chi_sim", "Latn": "eng"}
    without = Tesseract("tesseract", "5.0", ("rus", "srp"))
    assert without.by_script() == {"Cyrl": "rus+srp"}
    assert without.by_script(["ru"]) == {"Cyrl": "rus"}
    assert engine.by_script(["zh-Hans", "EL"]) == {"Grek": "ell", "Hani": "chi_sim"}


def test_words_go_to_the_line_on_whose_page_they_stand(tmp_path: Path) -> None:
    strays = row(0, "before") + row(4, "behind")
    table = HEADER + row(1, "upper") + row(1, "line", "50") + row(3, "third") + strays
    (tmp_path / "table").write_text(table)
    answers = fake(tmp_path, f"cat >/dev/null; cat {tmp_path}/table").read(LINES, "eng")
    assert answers[0].text == "upper line"
    assert answers[0].confidence == pytest.approx((5 * 0.9 + 4 * 0.5) / 9)
    assert answers[1] == NOTHING
    assert answers[2].text == "third"


@pytest.mark.parametrize("body", ["exit 1", "cat >/dev/null; echo nonsense", "kill -9 $$"])
def test_a_program_that_fails_reads_nothing(tmp_path: Path, body: str) -> None:
    assert fake(tmp_path, body).read(LINES, "eng") == [NOTHING] * 3


def test_broken_rows_are_passed_over() -> None:
    broken = ["5\t1", row(1, "x").replace("\t100\t", "\t-\t"), row(1, "y", "nan"), row(1, "  "), "\t" * 11]
    assert words_of(HEADER + "\n".join(broken)) == []
    assert [word["text"] for word in words_of(HEADER + row(1, "good"))] == ["good"]
    assert words_of("") == []


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="Tesseract is not installed")
def test_the_program_itself_reads_lines_of_any_size() -> None:
    import cv2

    engine = installed_tesseract()
    assert engine is not None
    assert engine.version[0].isdigit()
    lines = []
    for text, front, back in (("Wooden bridge", 0, 255), ("Silver garden", 255, 0)):
        line = np.full((48, 330, 3), back, np.uint8)
        cv2.putText(line, text, (10, 34), cv2.FONT_HERSHEY_DUPLEX, 1.1, (front,) * 3, 2, cv2.LINE_AA)
        lines.append(plain(line))
    lines[1] = cv2.resize(lines[1], None, fx=0.8, fy=0.8, interpolation=cv2.INTER_AREA)
    if "eng" not in engine.models:
        pytest.skip("Tesseract has no English here")
    answers = engine.read(lines, "eng")
    assert [each.text for each in answers] == ["Wooden bridge", "Silver garden"]
    assert min(each.confidence for each in answers) > 0.7
