"""Pairs and how far they go are kept together; a broken file is made anew; readers see what was kept."""

from pathlib import Path

import pytest

from ambience.copies import CopyPair
from ambience.datatypes import Verdict
from ambience.errors import IndexFileError
from ambience.store.pair_file import VERSION, PairFile

LOW, HIGH, OTHER = b"\x01" * 32, b"\x02" * 32, b"\x03" * 32


def pair(verdict: Verdict, score: float, kind: str = "phash", high: bytes = HIGH) -> CopyPair:
    return CopyPair(LOW, high, verdict, score, kind)


def test_of_a_pair_the_strongest_verdict_is_kept(tmp_path: Path) -> None:
    file = PairFile(tmp_path / "index" / "copies.sqlite", writes=True)
    assert (file.seq("space"), file.pairs(), file.count()) == (0, [], 0)
    edited, same, better = pair(Verdict.EDITED, 0.9), pair(Verdict.SAME_PICTURE, 0.5), None
    for put in (edited, same, pair(Verdict.PART, 1.0, "local_features")):
        file.put([put], fingerprint="space", seq=4)
    assert file.pairs() == [same]
    better = pair(Verdict.SAME_PICTURE, 0.7, "local_features")
    file.put([better, pair(Verdict.PART, 0.2, high=OTHER)], fingerprint="space", seq=9)
    assert file.pairs() == [better, pair(Verdict.PART, 0.2, high=OTHER)]
    assert (file.seq("space"), file.seq("another"), file.count()) == (9, 0, 2)
    file.close()


def test_a_reader_sees_what_was_kept_and_the_stamp_moves(tmp_path: Path) -> None:
    path = tmp_path / "copies.sqlite"
    reader = PairFile(path, writes=False)
    assert (reader.pairs(), reader.seq("space"), reader.stamp()) == ([], 0, (0, 0))
    assert not path.exists()
    writer = PairFile(path, writes=True)
    writer.put([pair(Verdict.EDITED, 0.9)], fingerprint="space", seq=1)
    before = (reader.stamp(), writer.stamp())
    writer.put([pair(Verdict.EDITED, 0.9, high=OTHER)], fingerprint="space", seq=2)
    assert reader.stamp() != before[0]
    assert writer.stamp() != before[1]
    assert len(reader.pairs()) == reader.count() == 2
    assert reader.seq("space") == 2
    reader.close()
    writer.close()


def test_a_broken_file_is_told_once_and_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "copies.sqlite"
    path.write_bytes(b"this is no database at all, whoever wrote it" * 100)
    reader = PairFile(path, writes=False)
    with pytest.raises(IndexFileError, match="broken"):
        reader.pairs()
    writer = PairFile(path, writes=True)
    with pytest.raises(IndexFileError, match="made anew"):
        writer.seq("space")
    writer.put([pair(Verdict.EDITED, 0.9)], fingerprint="space", seq=1)
    assert writer.count() == 1
    writer.close()


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_a_file_of_another_version_begins_anew(tmp_path: Path, version: int) -> None:
    import sqlite3

    path = tmp_path / "copies.sqlite"
    writer = PairFile(path, writes=True)
    writer.put([pair(Verdict.EDITED, 0.9)], fingerprint="space", seq=5)
    writer.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    reader, again = PairFile(path, writes=False), PairFile(path, writes=True)
    assert reader.pairs() == []
    assert (again.seq("space"), again.pairs()) == (0, [])
    again.close()
