"""What is read in pictures is found by its words moments after it was committed."""

from pathlib import Path

import pytest

from ambience.maintain import WordFollowing
from ambience.search.words import WordSearch
from ambience.store.vocabulary import Vocabulary
from ambience.store.vocabulary_writer import VocabularyWriter
from support.text_lines import LineTable
from support.workshop import wait_for


def test_new_lines_are_found_soon_and_an_earlier_process_is_gone_on_from(tmp_path: Path) -> None:
    table = LineTable(tmp_path / "lines.sqlite")
    file = tmp_path / "index" / "words.sqlite"
    search = WordSearch(Vocabulary(file), table)
    for image_id in range(2):
        following = WordFollowing(VocabularyWriter(file, table))
        following.start()
        table.put(image_id, [f"harbor {image_id}"])
        following.wake()
        wait_for(lambda count=image_id + 1: len(search.by_text("harbor", k=5)) == count)
        assert following.stop()
    assert not VocabularyWriter(file, table).catch_up()


def test_stopping_what_never_began_is_fine(tmp_path: Path) -> None:
    writer = VocabularyWriter(tmp_path / "words.sqlite", LineTable(tmp_path / "lines.sqlite"))
    assert WordFollowing(writer).stop()


def test_a_fault_is_told_and_outlived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = LineTable(tmp_path / "lines.sqlite")
    blocked = tmp_path / "index"
    blocked.write_bytes(b"a file where the folder belongs")
    following = WordFollowing(VocabularyWriter(blocked / "words.sqlite", table))
    following.start()
    table.put(1, ["harbor"])
    following.wake()
    wait_for(lambda: "the index of words" in caplog.text)
    blocked.unlink()
    search = WordSearch(Vocabulary(blocked / "words.sqlite"), table)

    def is_found() -> bool:
        following.wake()
        return bool(search.by_text("harbor", k=5))

    wait_for(is_found)
    assert following.stop()
