"""Kill -9 at random moments under concurrent adds, updates and deletes: what was acknowledged is there."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_writer import KINDS, sha256_of, vector_of

from ambience.datatypes import FeatureState
from ambience.errors import UnknownImageError
from ambience.store.commit import Store
from ambience.store.lock import WriterLock

WRITER = Path(__file__).with_name("killed_writer.py")
ABSENT = 0


@dataclass
class Ledger:
    """What the killed processes said.

    Attributes:
        versions: image → version of its bytes that was acknowledged last; ABSENT where it was removed.
        open: thread → the write that was about to be made when its process died.
        unseen: versions of images that were about to be added: an id was given to them or not.
        assigned: every id that was ever given, in order of acknowledgement.
    """

    versions: dict[int, int] = field(default_factory=dict)
    open: dict[int, dict[str, Any]] = field(default_factory=dict)
    assigned: list[int] = field(default_factory=list)
    tagged: set[int] = field(default_factory=set)

    def read(self, lines: Iterable[str]) -> int:
        """Takes up the lines of one process; returns how many writes it acknowledged."""
        self.open = {}
        acknowledged = 0
        for line in lines:
            said = json.loads(line)
            if said["event"] == "about":
                self.open[said["thread"]] = said
            elif said["event"] == "done":
                del self.open[said["thread"]]
                acknowledged += 1
                self._take(said)
        return acknowledged

    def settle(self, store: Store) -> None:
        """A write in flight came through or not; either is right, and from now on it is the truth."""
        for said in self.open.values():
            if said["what"] == "add":
                found = store.records.by_path(f"/photos/{said['version']}.jpg")
                if found is not None:
                    self._take(said | {"image_id": found})
                continue
            image_id, before = said["image_id"], self.versions[said["image_id"]]
            now = self._version(store, image_id)
            assert now in (before, said["version"]), f"image {image_id} is neither as before nor as {said}"
            tags = store.records.images([image_id])[image_id].tags if now else ()
            if now == said["version"] and (said["what"] != "tag" or tags):
                self._take(said)

    def _take(self, said: dict[str, Any]) -> None:
        image_id = said["image_id"]
        if said["what"] == "add":
            assert image_id not in self.versions, f"id {image_id} was given twice"
            self.assigned.append(image_id)
        self.versions[image_id] = ABSENT if said["what"] == "remove" else said["version"]
        if said["what"] == "tag":
            self.tagged.add(image_id)

    @staticmethod
    def _version(store: Store, image_id: int) -> int:
        found = store.records.images([image_id])
        return found[image_id].size if found else ABSENT


def run_and_kill(folder: Path, seed: int, after_s: float) -> list[str]:
    """Runs the writer, kills it `after_s` seconds after it opened the library, returns its whole lines."""
    process = subprocess.Popen(
        [sys.executable, str(WRITER), str(folder), str(seed)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout as output, process.stderr as errors:
        first = output.readline()
        assert json.loads(first or b"{}") == {"event": "open"}, errors.read().decode()
        # Read while it works, else the pipe fills up and the writer stands still.
        os.set_blocking(output.fileno(), False)
        end, parts = time.monotonic() + after_s, []
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.005))
            parts.append(output.read() or b"")
        process.send_signal(signal.SIGKILL)
        process.wait()
        os.set_blocking(output.fileno(), True)
        parts.append(output.read())
        assert process.returncode == -signal.SIGKILL, errors.read().decode()
    return b"".join(parts).decode().splitlines()


def assert_agrees(store: Store, ledger: Ledger) -> None:
    """Everything acknowledged is there with the right bytes, and nothing else is."""
    alive = {image_id: version for image_id, version in ledger.versions.items() if version != ABSENT}
    records = store.records.list_images(limit=1_000_000)
    assert {record.image_id: record.size for record in records} == alive
    ids = sorted(alive)
    for record in records:
        version = alive[record.image_id]
        assert (record.sha256, record.path) == (sha256_of(version), f"/photos/{version}.jpg")
        assert record.features == dict.fromkeys(KINDS, (FeatureState.DONE, ""))
        assert record.tags == (("seen",) if record.image_id in ledger.tagged else ())
    for kind, spec in KINDS.items():
        feature_ids = store.records.feature_ids(spec.fingerprint, ids)
        vectors, _ = store.features.get(spec, feature_ids)
        assert np.array_equal(vectors, np.array([vector_of(kind, alive[each]) for each in ids]))
        assert np.array_equal(np.sort(feature_ids), store.records.all_feature_ids(spec.fingerprint))
        assert np.array_equal(replayed(store, spec.fingerprint), np.sort(feature_ids))
    assert list(store.check()) == []


def replayed(store: Store, fingerprint: str) -> np.ndarray[Any, Any]:
    """Ids that an index holds which follows the change log from its beginning."""
    held: set[int] = set()
    after = 0
    while page := store.records.changes(fingerprint, after, limit=700):
        for change in page:
            (held.discard if change.is_removal else held.add)(change.feature_id)
        after = page[-1].seq
    return np.array(sorted(held), np.int64)


def kill_repeatedly(folder: Path, times: int) -> int:
    """The loop; returns how many writes were acknowledged in all."""
    draw = random.Random(20)
    ledger, acknowledged, last_id, last_seq = Ledger(), 0, 0, 0
    for seed in range(1, times + 1):
        lines = run_and_kill(folder, seed, draw.uniform(0.02, 0.5))
        acknowledged += ledger.read(lines)
        with (
            WriterLock.acquire(folder, purpose="check", timeout_s=10),
            Store.open(folder, KINDS, writer=True) as store,
        ):
            assert store.repairs == ()
            ledger.settle(store)
            assert_agrees(store, ledger)
            seq = store.records.last_seq()
            assert seq >= last_seq
            fresh = [each for each in ledger.assigned if each > last_id]
            assert len(ledger.assigned) == len(set(ledger.assigned))
            last_id, last_seq = max([last_id, *fresh]), seq
    return acknowledged


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    assert kill_repeatedly(tmp_path / "library", 10) > 100


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    assert kill_repeatedly(tmp_path / "library", 200) > 2000


def test_a_removed_id_is_not_given_again(tmp_path: Path) -> None:
    from killed_writer import put_of

    from ambience.store.base import RemoveImage

    with Store.open(tmp_path / "library", KINDS, writer=True) as store:
        first = store.submit(put_of(1)).image_id
        store.submit(RemoveImage(first))
        with pytest.raises(UnknownImageError):
            store.records.image(first)
    with Store.open(tmp_path / "library", KINDS, writer=True) as store:
        assert store.submit(put_of(2)).image_id > first
