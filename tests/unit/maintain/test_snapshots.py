"""Snapshots on disk while others read them."""

import threading
from pathlib import Path

from ambience.maintain.index_check import check_snapshot
from ambience.maintain.snapshots import SnapshotFolder


def test_a_snapshot_that_is_replaced_while_it_is_checked_is_no_problem(tmp_path: Path) -> None:
    snapshots = SnapshotFolder(tmp_path, kind="phash", fingerprint="phash-v1", engine="binary")

    def save(folder: Path) -> None:
        for number in range(8):
            (folder / f"part-{number}").write_bytes(bytes(100_000))

    kept = snapshots.publish(snapshots.stage(save), 0)
    is_over, problems, checks = threading.Event(), [], []

    def check() -> None:
        while not is_over.is_set():
            problems.extend(check_snapshot("phash", snapshots))
            checks.append(True)

    checker = threading.Thread(target=check)
    checker.start()
    for seq in range(1, 150):
        kept = snapshots.publish(snapshots.stage(save), seq)
        snapshots.keep_only(kept)
    is_over.set()
    checker.join()
    assert checks
    assert problems == []
    assert [each.name for each in tmp_path.iterdir()] == [kept.folder.name]
