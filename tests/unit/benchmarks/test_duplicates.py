"""The judging of groups, and the files of the library of copies."""

from pathlib import Path

import pytest
from PIL import Image

from duplicates import rightness
from duplicates_library import EVERY_SAME_FILE, copies, halves, write_copies
from photos import find_photos

PHOTOS = {1: 7, 2: 7, 3: 8, 4: 8, 5: 9}
KNOWN = {2: 1, 4: 3}


@pytest.mark.parametrize(
    ("groups", "precision", "recall"),
    [
        ([[1, 2], [3, 4]], 1.0, 1.0),
        ([[1, 2]], 1.0, 0.5),
        ([], 1.0, 0.0),
        ([[1, 2, 3], [4, 5]], 1 / 3, 0.5),
        ([[1, 99], [98, 97]], 0.0, 0.0),  # what fills the library is a copy of nothing, not even of its like
    ],
)
def test_groups_are_judged_by_what_they_show(
    groups: list[list[int]], precision: float, recall: float
) -> None:
    found = rightness(groups, PHOTOS, KNOWN)
    assert (found.precision, found.recall) == (pytest.approx(precision), recall)
    assert found.known == 2


def test_files_are_what_their_names_say(tmp_path: Path) -> None:
    shown, others = halves(find_photos(None), seed=1)
    assert not {photo.key for photo in shown} & {photo.key for photo in others}
    wanted = copies(2, seed=1)
    assert [copy.truth for copy in wanted if copy.photo == 1] == ["", "same_picture", "edited", "part"]
    assert sum(copy.truth == "same_file" for copy in wanted) == 1
    assert EVERY_SAME_FILE > 1
    write_copies(tmp_path, shown, wanted, 1, others=others)
    by_truth = {copy.truth: tmp_path / copy.name for copy in wanted if copy.photo == 0}
    assert by_truth["same_file"].read_bytes() == by_truth[""].read_bytes() == shown[0].path.read_bytes()
    for truth in ("same_picture", "edited", "part"):
        with Image.open(by_truth[truth]) as picture:
            picture.load()
        assert by_truth[truth].read_bytes() != shown[0].path.read_bytes()
    before = by_truth["part"].stat().st_mtime_ns
    write_copies(tmp_path, shown, wanted, 1, others=others)
    assert by_truth["part"].stat().st_mtime_ns == before
    assert not list(tmp_path.glob("*.part"))
