"""Makes libraries of local features of any size, and measures what that takes.

Everything goes through the product's own commits and its own building of indexes, so that a library is whole
at any moment: one whose making was broken off is taken up where its records end, and its index where the
product kept it. What making took is noted as it goes.
"""

import json
import shutil
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from ambience import registry
from ambience.datatypes import FeatureSpec
from ambience.keypoints import Blob
from ambience.maintain import LiveIndex
from ambience.making import ENGINES, engine_settings
from ambience.settings import Settings
from ambience.settings_sources import options_from
from ambience.store.base import RemoveImage
from ambience.store.commit import Store
from ambience.store.lock import WriterLock
from local_library import KIND, commit, extractor

GROUP = 500
"""Images of one commit."""
ADDED, ADDED_AT_ONCE = 400, 100
"""Images added to the finished library, and removed again, and how many of them share a commit."""
SPARE_BYTES = 4 << 30
"""Left free on the disk."""
LOOK_S = 0.2


class Pictures(Protocol):
    """Pictures of a library, the same at every call."""

    def blobs(self, first: int, stop: int) -> Iterator[Blob | None]:
        """Blobs of pictures `first` … `stop`, None where one has no keypoints."""


class Memory:
    """The most memory that this process has had, while it is entered.

    Attributes:
        anonymous: bytes of its own.
        resident: bytes with pages of mapped files, which the system can take back.
    """

    def __init__(self) -> None:
        self.anonymous = self.resident = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            self._look()

    def _look(self) -> None:
        found = memory()
        self.anonymous = max(self.anonymous, found["Anonymous"])
        self.resident = max(self.resident, found["Rss"])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()


def memory() -> dict[str, int]:
    """Bytes of this process: `Rss`, and `Anonymous` of it, which no file stands behind."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()[1:]
    parts = [line.split() for line in lines]
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in parts}
    return {name: sizes[name] for name in ("Rss", "Anonymous")}


def build(
    folder: Path,
    pictures: Pictures,
    count: int,
    files: Mapping[int, Path],
    *,
    group: int = GROUP,
    added: int = ADDED,
) -> dict[str, Any]:
    """The library of the first pictures; made where it is not there, taken up where it was broken off.

    Args:
        folder: of the library.
        pictures: that it holds; image n + 1 is picture n.
        count: of pictures.
        files: of images whose file is there: image id → path.
        group: images of one commit.
        added: images that are added at the end to be timed, and removed again.

    Returns:
        What making it took: seconds and images of each step, and the most memory.
    """
    finished = folder / "made.json"
    if finished.is_file():
        return dict(json.loads(finished.read_text(encoding="utf-8")))
    folder.mkdir(parents=True, exist_ok=True)
    spec = extractor().spec
    lock = WriterLock.acquire(folder, purpose="benchmark")
    notes = Notes(folder / "making.json")
    try:
        with Store.open(folder, {KIND: spec}, writer=True) as store, Memory() as used:
            _commit_all(store, spec, pictures, range(count), files, notes, group)
            notes.peak(used)
            live = live_index(store, spec, folder)
            index_all(live, count, notes)
            notes.peak(used)
            remove_beyond(store, count)  # an earlier run was killed while they were there
            live.catch_up()
            _add_and_remove(store, live, list(pictures.blobs(count, count + added)), notes)
            notes.peak(used)
    finally:
        lock.release()
    made = {**notes.kept, "images": count, "bytes": _sizes(folder, spec)}
    finished.write_text(json.dumps(made), encoding="utf-8")
    return made


class Notes:
    """What was done so far, kept in a file at every step, whoever is killed in between.

    Attributes:
        kept: step → seconds and images; the most memory.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._name, self._started, self._done = "", 0.0, 0
        self.kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}

    def begin(self, name: str, done: int = 0) -> None:
        """Starts the clock of a step that is at `done` images."""
        self._name, self._started, self._done = name, time.perf_counter(), done

    def reach(self, done: int) -> None:
        """Notes that the step in hand has come to so many images."""
        now = time.perf_counter()
        step = self.kept.setdefault(self._name, {"seconds": 0.0, "images": 0})
        step["seconds"] += now - self._started
        step["images"] += done - self._done
        self._started, self._done = now, done
        self._write()

    def peak(self, used: Memory) -> None:
        """Keeps the most memory."""
        for name in ("anonymous", "resident"):
            self.kept[f"peak_{name}"] = max(self.kept.get(f"peak_{name}", 0), getattr(used, name))
        self._write()

    def _write(self) -> None:
        beside = self._file.with_suffix(".part")
        beside.write_text(json.dumps(self.kept), encoding="utf-8")
        beside.replace(self._file)


def _commit_all(
    store: Store,
    spec: FeatureSpec,
    pictures: Pictures,
    wanted: range,
    files: Mapping[int, Path],
    notes: Notes,
    group: int,
) -> None:
    """Commits what is missing of the wanted pictures."""
    there = store.records.count()
    notes.begin("features", there)
    for first in wanted[there::group]:
        stop = min(first + group, wanted.stop)
        if shutil.disk_usage(store.folder).free < SPARE_BYTES:
            raise OSError(f"less than {SPARE_BYTES >> 30} GiB are left on the disk after {first:,} images")
        commit(store, spec, range(first + 1, stop + 1), list(pictures.blobs(first, stop)), files)
        notes.reach(stop)


def live_index(
    store: Store, spec: FeatureSpec, folder: Path, *, is_writer: bool = True, **options: Any
) -> LiveIndex:
    """The index as a library has it that is set up as it comes, but for the given options of its engine.

    Args:
        store: of the features.
        spec: of the kind.
        folder: that the index lies in, below `index/`.
        is_writer: whether it is written.
        options: of the engine.
    """
    settings = Settings()
    name, _ = engine_settings(settings, spec)
    engine = registry.load(ENGINES, name)
    made = options_from(engine.options_class, options, where=name)
    place = folder / "index" / spec.fingerprint
    return LiveIndex(store, spec, engine, made, place, settings=settings.index, is_writer=is_writer)


def index_all(live: LiveIndex, count: int, notes: Notes, *, name: str = "index") -> None:
    """Makes the index from the store, or goes on with one on its way, and writes it.

    Args:
        live: not yet opened.
        count: of what it will hold.
        notes: of what that took.
        name: of the step.
    """
    live.open(wait=False)
    if live.needs_rebuild:
        started = False

        def progress(done: int, total: int) -> None:
            nonlocal started
            if not started:  # what an earlier run put in is not counted again
                notes.begin(name, done)
            started = True
            notes.reach(done)

        live.rebuild(progress)
        notes.reach(count)
    notes.begin("snapshot" if name == "index" else f"{name}: snapshot")
    live.snapshot()
    notes.reach(count)


def _add_and_remove(store: Store, live: LiveIndex, blobs: Sequence[Blob | None], notes: Notes) -> None:
    """Adds pictures to the finished library, searchable after every commit, and removes them again."""
    count = store.records.count()
    notes.begin("add")
    for first in range(0, len(blobs), ADDED_AT_ONCE):
        part = blobs[first : first + ADDED_AT_ONCE]
        commit(store, live.spec, range(count + first + 1, count + first + len(part) + 1), part, {})
        live.catch_up()
        notes.reach(first + len(part))
    notes.begin("remove")
    remove_beyond(store, count)
    live.catch_up()
    notes.reach(len(blobs))
    live.snapshot()


def remove_beyond(store: Store, count: int) -> None:
    """Removes images above id `count`, which come on end."""
    store.commit([RemoveImage(number + 1) for number in range(count, store.records.count())])


def _sizes(folder: Path, spec: FeatureSpec) -> dict[str, int]:
    """Bytes on disk of features, index and records."""

    def total(place: Path) -> int:
        return sum(file.stat().st_blocks * 512 for file in place.rglob("*") if file.is_file())

    return {
        "features": total(folder / "features"),
        "index": total(folder / "index"),
        "records": sum(file.stat().st_size for file in folder.glob("records*")),
    }
