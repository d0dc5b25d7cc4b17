"""A library of embeddings for `embedding_search.py`: made by the product, taken up where it was broken off.

Rows, features and indexes are what adding pictures leaves behind; only the pictures do not exist. Besides its
index as it comes, the library has one that compares every vector, below `exact/`, as `index_form = "exact"`
makes it.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import ambience
from ambience.datatypes import Feature, FeatureSpec, FeatureState
from ambience.errors import StoreError
from ambience.maintain import LiveIndex
from ambience.store.base import FeatureDraft, PutImage, RemoveImage
from ambience.store.commit import Store
from ambience.store.lock import WriterLock
from drafts import camera_draft
from embedding_inputs import NEAR, QUERIES, Displaced, Made, Vectors
from local_building import SPARE_BYTES, Memory, Notes, index_all, live_index, remove_beyond
from report import cache_folder, versions

KIND = "global_features"
GROUP = 1000
"""Images of one commit."""
ADDED, ADDED_AT_ONCE = 1000, 100
"""Images added to the finished library, and removed again, and how many of them share a commit."""
ALONE = 20
"""Images that are removed one by one."""
EXACT = "exact"

Source = Made | Displaced


def spec_of(dim: int) -> FeatureSpec:
    """The kind of the library: embeddings of so many values."""
    return FeatureSpec(KIND, "embeddings of a benchmark", dim, "float16", "cosine", 1, 33334)


def library_folder(data: Vectors) -> Path:
    """Where a library is kept: named by its embeddings, and by the code that stores and indexes them."""
    package = Path(ambience.__file__).parent
    sources = [*sorted(package.glob("index/*.py")), package / "store" / "schema.py", Path(__file__)]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    name = json.dumps([data.stamp, code, versions(("faiss-cpu", "numpy"))])
    stamp = hashlib.sha256(name.encode()).hexdigest()[:12]
    return cache_folder("embedding-libraries") / f"{len(data.stored)}-{stamp}"


def build(folder: Path, data: Vectors, extra: NDArray[np.float16]) -> dict[str, Any]:
    """The library of these embeddings; made where it is not there.

    Args:
        folder: of the library.
        data: that it holds; image n + 1 is row n.
        extra: embeddings that are added at the end to be timed, and removed again.

    Returns:
        What making it took: seconds and images of each step, the most memory, bytes on disk.
    """
    finished = folder / "made.json"
    if finished.is_file():
        return dict(json.loads(finished.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    count, spec, notes = len(data.stored), spec_of(data.dim), Notes(folder / "making.json")
    lock = WriterLock.acquire(folder, purpose="benchmark")
    try:
        with Store.open(folder, {KIND: spec}, writer=True) as store:
            with Memory() as used:
                _commit_all(store, data, notes)
                live = live_index(store, spec, folder)
                index_all(live, count, notes)
            notes.peak(used)
            remove_beyond(store, count)  # an earlier run was killed while they were there
            live.catch_up()
            _add_and_remove(store, live, extra, notes)
            live.snapshot()
            exact = live_index(store, spec, folder / EXACT, form="exact")
            index_all(exact, count, notes, name="exact index")
    finally:
        lock.release()
    places = {"features": "features", "index": "index", "exact index": f"{EXACT}/index"}
    sizes = {name: size_of(folder / place) for name, place in places.items()}
    made = {**notes.kept, "images": count, "bytes": sizes}
    finished.write_text(json.dumps(made), encoding="utf-8")
    return made


def size_of(place: Path) -> int:
    """Bytes that a file, or the files of a folder, take on disk."""
    files = [place] if place.is_file() else [file for file in place.rglob("*") if file.is_file()]
    return sum(file.stat().st_blocks * 512 for file in files)


class Library:
    """The library, opened for reading, and its indexes.

    Args:
        folder: of the library.
        dim: of its embeddings.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder, self._spec = folder, spec_of(dim)
        self._store = Store.open(folder, {KIND: self._spec}, writer=False)
        self.ids = self._store.records.all_feature_ids(self._spec.fingerprint)

    def index(self, *, is_exact: bool = False, **options: Any) -> LiveIndex:
        """One of its indexes, opened with these options of its engine."""
        folder = self._folder / EXACT if is_exact else self._folder
        if is_exact:
            options["form"] = "exact"
        live = live_index(self._store, self._spec, folder, is_writer=False, **options)
        live.open(wait=False)
        if len(live) != len(self.ids):
            raise StoreError(f"the index of {folder} holds {len(live):,} of {len(self.ids):,} embeddings")
        return live

    def rows(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the collection that feature ids stand for."""
        return np.searchsorted(self.ids, ids)

    def close(self) -> None:
        """Ends reading."""
        self._store.close()


def extra_of(source: Source, count: int) -> NDArray[np.float16]:
    """Embeddings that neither the library nor its queries hold."""
    return source.drawn(ADDED, 10 * (count + QUERIES))[0]


def _commit_all(store: Store, data: Vectors, notes: Notes) -> None:
    """Commits what is missing of the embeddings."""
    count, there = len(data.stored), store.records.count()
    notes.begin("features", there)
    for first in range(there, count, GROUP):
        if shutil.disk_usage(store.folder).free < SPARE_BYTES:
            raise OSError(f"less than {SPARE_BYTES >> 30} GiB are left on the disk after {first:,} images")
        stop = min(first + GROUP, count)
        _commit(store, range(first + 1, stop + 1), data.stored[first:stop])
        notes.reach(stop)


def _commit(store: Store, image_ids: Sequence[int], rows: NDArray[np.float16]) -> None:
    """Adds images in one commit.

    Raises:
        StoreError: an image was refused.
    """
    spec = spec_of(rows.shape[1])
    writes = [
        PutImage(
            camera_draft(image_id),
            {KIND: FeatureDraft(spec.fingerprint, FeatureState.DONE, Feature(row))},
            image_id=image_id,
        )
        for image_id, row in zip(image_ids, np.array(rows), strict=True)
    ]
    for outcome in store.commit(writes):
        if isinstance(outcome, StoreError):
            raise outcome


def _add_and_remove(store: Store, live: LiveIndex, extra: NDArray[np.float16], notes: Notes) -> None:
    """Adds images, searchable after every commit; removes them again, each gone from the next search on.

    Raises:
        AssertionError: an image that was added is not found, or one that was removed is.
    """
    count = store.records.count()
    notes.begin("add")
    for first in range(0, len(extra), ADDED_AT_ONCE):
        rows = extra[first : first + ADDED_AT_ONCE]
        _commit(store, range(count + first + 1, count + first + len(rows) + 1), rows)
        live.catch_up()
        notes.reach(first + len(rows))
    last = live.ids()[-1]
    _require(int(live.search(extra[-1:], NEAR).ids[0, 0]) == last, "an embedding that was added is not found")
    taken = []
    for number in range(ALONE):
        started = time.perf_counter()
        store.commit([RemoveImage(count + len(extra) - number)])
        live.catch_up()
        taken.append(time.perf_counter() - started)
        found = live.search(extra[len(extra) - number - 1 :][:1], NEAR).ids[0]
        _require(int(last) - number not in found.tolist(), "an embedding that was removed is still found")
    notes.kept["remove_one_s"] = float(np.median(taken))
    notes.begin("remove")
    remove_beyond(store, count)
    live.catch_up()
    notes.reach(len(extra) - ALONE)
    found = live.search(extra, NEAR).ids
    _require(int(found.max()) <= int(last) - len(extra), "embeddings that were removed are still found")


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise AssertionError(otherwise)
