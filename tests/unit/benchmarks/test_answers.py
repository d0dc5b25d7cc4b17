"""What searches answer becomes scores, is kept, and a run that was cut short goes on."""

from pathlib import Path

import numpy as np
import pytest

from answers import Answered, Found, TransformedPhoto, answers_of, code_stamp, narrowed, score_matrices
from cases import Case
from photos import Photo, Split
from support.echo_search import EchoPlan
from transforms import TRANSFORMS


def photo(key: str, path: Path = Path("a/b.jpg")) -> Photo:
    return Photo(path, key, "", 300, 300)


def test_what_was_not_answered_scores_nothing_and_the_masked_search_has_its_own_scores():
    hits = (Found("b", 30.0, 0.99, True), Found("c", 20.0))
    answers = [[Answered(hits, (Found("c", 25.0),), 0.1, 0.2)]]
    whole, masked = score_matrices(answers, [photo("a"), photo("b"), photo("c")])
    assert whole.tolist() == [[[0, 30, 20]]]
    assert masked.tolist() == [[[0, 0, 25]]]


def test_fewer_photos_are_the_first_of_each_part_and_keep_their_half():
    split = Split(
        gallery=np.array([3, 4, 5, 9]),
        queries=np.array([3, 4, 5]),
        outsiders=np.array([7, 8]),
        is_half_a=np.array([True, False, True, False, True]),
    )
    narrow, left = narrowed(split, queries=2, outsiders=1)
    assert left.tolist() == [0, 1, 3]
    assert narrow.queries.tolist() == [3, 4]
    assert narrow.outsiders.tolist() == [7]
    assert narrow.is_half_a.tolist() == [True, False, False]
    assert narrow.gallery is split.gallery
    everything, left = narrowed(split, queries=99, outsiders=99)
    assert left.tolist() == [0, 1, 2, 3, 4]
    assert everything.queries.tolist() == [3, 4, 5]


def test_a_stamp_follows_content_not_folders(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in "ab":
        (tmp_path / folder / "code.py").write_text("one")
    assert code_stamp([tmp_path / "a" / "code.py"]) == code_stamp([tmp_path / "b" / "code.py"])
    (tmp_path / "b" / "code.py").write_text("two")
    assert code_stamp([tmp_path / "a" / "code.py"]) != code_stamp([tmp_path / "b" / "code.py"])


def test_answers_are_kept_and_only_what_is_missing_is_asked_again(tmp_path: Path, shipped_photographs: Path):
    pictures = [shipped_photographs / name for name in ("chelsea.png", "rocket.jpg")]
    other = photo("other", shipped_photographs / "coffee.png")
    asked = [
        TransformedPhoto(
            Case(photo(path.name, path), other, 1, tmp_path / f"{path.stem}.npz"), is_held=is_held
        )
        for path, is_held in zip(pictures, (True, False), strict=True)
    ]
    plan = EchoPlan(tmp_path / "answers")
    first = answers_of(plan, asked, title="echo")
    assert [len(row) for row in first] == [len(TRANSFORMS)] * 2
    assert {answer.found[0].key for answer in first[0]} == {"chelsea.png"}
    assert {answer.found[0].key for answer in first[1]} == {"none"}
    assert len({answer.found[0].score for answer in first[0]}) > 30, "each transform has its own file"

    stays, goes = (plan.folder / each.file for each in asked)
    written = stays.stat().st_mtime_ns
    goes.unlink()
    goes.with_suffix(".part").write_text("[")  # what a run leaves that was killed while it wrote
    assert answers_of(plan, asked, title="echo") == first
    assert goes.is_file()
    assert stays.stat().st_mtime_ns == written


def test_the_parts_of_a_photo_are_kept_apart(tmp_path: Path):
    case = Case(photo("a"), photo("b"), 1, tmp_path / "stamp" / "a-b.npz")
    assert TransformedPhoto(case, is_held=True).file != TransformedPhoto(case, is_held=False).file
    assert TransformedPhoto(case, is_held=True).file.startswith("stamp-a-b")


def test_a_search_that_fails_stops_the_run(tmp_path: Path):
    case = Case(photo("a", tmp_path / "gone.png"), photo("b"), 1, tmp_path / "a.npz")
    with pytest.raises(FileNotFoundError):
        answers_of(EchoPlan(tmp_path / "answers"), [TransformedPhoto(case, is_held=True)], title="echo")
