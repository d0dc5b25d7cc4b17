"""A full disk is an error that loses nothing."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ambience.datatypes import FeatureState
from ambience.errors import StoreFullError
from ambience.store.base import FailedFile, RemoveImage, Written
from ambience.store.commit import Store
from support.store_writes import KINDS, PHASH, image_of


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB of its own; only root may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fill_up(store: Store, start: int, step: int) -> int:
    """Commits until the disk is full; returns how many images were acknowledged."""
    for number in range(start, 100_000, step):
        before = store.records.count()
        try:
            outcomes = store.commit([image_of(each) for each in range(number, number + step)])
        except StoreFullError:
            assert store.records.count() == before
            return number - start
        assert all(isinstance(each, Written) for each in outcomes)
    raise AssertionError("the disk never got full")


@pytest.mark.parametrize("step", [1, 100])
def test_a_full_disk_loses_nothing_and_gets_well_again(small_disk: Path, step: int) -> None:
    balloon = small_disk / "balloon"
    balloon.write_bytes(bytes(1_500_000))
    library = small_disk / "library"
    with Store.open(library, KINDS, writer=True) as store:
        kept = fill_up(store, 0, step)
        assert kept > 0
        for number in range(5):
            with pytest.raises(StoreFullError, match="is full"):
                store.commit([image_of(10_000 + 1000 * number + each) for each in range(500)])
        assert store.records.count() == kept
        balloon.unlink()
        store.submit(image_of(90_001))
        store.submit(RemoveImage(1))
        assert store.records.counts()["phash"][FeatureState.DONE] == kept
        assert list(store.check()) == []
    with Store.open(library, KINDS, writer=True) as store:
        assert store.repairs == ()
        assert store.records.count() == kept
        ids = store.records.all_feature_ids(PHASH.fingerprint)
        assert len(store.features.get(PHASH, ids)[0]) == kept
        assert list(store.check()) == []


def test_notes_on_a_full_disk_are_refused(small_disk: Path) -> None:
    with Store.open(small_disk / "library", KINDS, writer=True) as store:
        many = [FailedFile(f"/photos/{each}", 1, 1, "image_corrupt", "x" * 1000) for each in range(10_000)]
        with pytest.raises(StoreFullError):
            store.records.note_failed(many)
        assert store.records.failed_files() == []
        store.records.note_failed(many[:3])
        assert len(store.records.failed_files()) == 3


def test_making_a_library_on_a_full_disk_is_refused(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "balloon").write_bytes(bytes(8_000_000))
    with pytest.raises(StoreFullError):
        Store.open(small_disk / "library", KINDS, writer=True)
    (small_disk / "balloon").unlink()
    with Store.open(small_disk / "library", KINDS, writer=True) as store:
        store.submit(image_of(1))


LIMITED = """
import resource, sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from support.store_writes import KINDS, image_of
from ambience.errors import StoreFullError
from ambience.store.commit import Store
with Store.open(Path(sys.argv[1]), KINDS, writer=True) as store:
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
    try:
        for start in range(0, 50_000, 100):
            store.commit([image_of(number) for number in range(start, start + 100)])
    except StoreFullError:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        store.submit(image_of(60_000))
        print(store.records.count(), start, len(list(store.check())))
"""


def test_a_limit_on_file_sizes_counts_as_a_full_disk(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "library"), *sys.path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    count, start, problems = map(int, done.stdout.split())
    assert (count, problems) == (start + 1, 0)
    assert start > 0
