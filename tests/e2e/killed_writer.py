"""The program that `test_kill.py` kills: threads that add, update and delete, and say what was acknowledged.

Run as `python killed_writer.py FOLDER SEED`. Each line on stdout is written after `submit` returned, in
one `write` call of less than a pipe's atomic size, so that a kill leaves no half line. Before a write is
submitted, a line says that it is about to be: the parent then knows the only writes whose fate is open.
"""

import hashlib
import json
import os
import random
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np

from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageDraft
from ambience.store.base import FeatureDraft, PutFeatures, PutImage, RemoveImage, SetTags, Write
from ambience.store.commit import Store
from ambience.store.lock import WriterLock

KINDS = {
    "phash": FeatureSpec("phash", "hash", 576, "uint8", "hamming", 1, 1),
    "color": FeatureSpec("color", "histogram", 512, "float16", "l1", 1, 2),
}
THREADS = 4


def vector_of(kind: str, version: int) -> np.ndarray[Any, Any]:
    """The vector that everyone expects of a version of a picture."""
    spec = KINDS[kind]
    return np.random.default_rng([version, spec.port]).integers(0, 200, spec.entries).astype(spec.dtype)


def sha256_of(version: int) -> bytes:
    """The sha256 that everyone expects of a version of a picture."""
    return hashlib.sha256(b"%d" % version).digest()


def features_of(version: int, *kinds: str) -> dict[str, FeatureDraft]:
    """Features of a version of a picture."""
    return {
        kind: FeatureDraft(KINDS[kind].fingerprint, FeatureState.DONE, Feature(vector_of(kind, version), 1.0))
        for kind in kinds or KINDS
    }


def put_of(version: int, image_id: int | None = None) -> PutImage:
    """Adds a picture, or gives an image new bytes; its path carries the version."""
    draft = ImageDraft(sha256_of(version), version, f"{version}.jpg", f"/photos/{version}.jpg", version)
    return PutImage(draft, features_of(version), image_id=image_id, replaces=image_id is not None)


def say(**fields: Any) -> None:
    """One line to the parent."""
    os.write(sys.stdout.fileno(), json.dumps(fields).encode() + b"\n")


class Worker(threading.Thread):
    """Works on images of its own, so that the order of its lines is the order of their fates."""

    def __init__(self, store: Store, number: int, seed: int, owned: dict[int, int]) -> None:
        super().__init__(daemon=True)
        self._store = store
        self._number = number
        self._random = random.Random(seed * 1000 + number)
        self._owned = owned
        self._next_version = (seed * THREADS + number) * 1_000_000

    def run(self) -> None:
        while True:
            image_id = self._random.choice(sorted(self._owned)) if self._owned else None
            draw = self._random.random()
            if image_id is None or draw < 0.5:
                self._add()
            elif draw < 0.7:
                self._submit("update", image_id, self._version(), put_of(self._next_version, image_id))
            elif draw < 0.8:
                version = self._owned[image_id]
                again = PutFeatures(image_id, features_of(version, "color"), renews=True)
                self._submit("renew", image_id, version, again)
            elif draw < 0.85:
                version = self._owned[image_id]
                self._submit("tag", image_id, version, SetTags(image_id, ("seen",)))
            else:
                self._submit("remove", image_id, 0, RemoveImage(image_id))

    def _version(self) -> int:
        self._next_version += 1
        return self._next_version

    def _add(self) -> None:
        version = self._version()
        say(event="about", what="add", version=version, thread=self._number)
        written = self._store.submit(put_of(version))
        self._owned[written.image_id] = version
        say(event="done", what="add", image_id=written.image_id, version=version, thread=self._number)

    def _submit(self, what: str, image_id: int, version: int, write: Write) -> None:
        say(event="about", what=what, image_id=image_id, version=version, thread=self._number)
        self._store.submit(write)
        if what == "remove":
            del self._owned[image_id]
        else:
            self._owned[image_id] = version
        say(event="done", what=what, image_id=image_id, version=version, thread=self._number)


def main() -> None:
    """Opens the library, shares the images there are among the threads, and works until killed."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    WriterLock.acquire(folder, purpose="add", timeout_s=10)
    store = Store.open(folder, KINDS, writer=True)
    owned: list[dict[int, int]] = [{} for _ in range(THREADS)]
    for record in store.records.list_images(limit=100_000):
        owned[record.image_id % THREADS][record.image_id] = record.size
    say(event="open")
    for number in range(THREADS):
        Worker(store, number, seed, owned[number]).start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
