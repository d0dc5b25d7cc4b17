"""A real library of a million images for `search.py`, made once and kept in the cache folder.

Rows, features and both index snapshots are what adding a million pictures leaves behind, written in large
transactions instead of one picture at a time; only the pictures themselves do not exist.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

import ambience
from ambience.datatypes import Feature, FeatureSpec, FeatureState, ImageState
from ambience.index.binary import BinaryIndex
from ambience.index.histogram import HistogramIndex
from ambience.maintain import LiveIndex
from ambience.making import make_extractors
from ambience.settings import Settings
from ambience.store import schema
from ambience.store.commit import Store
from ambience.store.lock import WriterLock
from ambience.store.opening import count_again
from ambience.store.plan_rows import save_numbers
from report import cache_folder, versions

KINDS = ("phash", "color")
"""Kinds of every image, in the order of their feature ids."""

ENGINES: dict[str, Any] = {"phash": BinaryIndex, "color": HistogramIndex}
GROUP = 25_000
"""Images written at a time."""


@dataclass(frozen=True)
class Made:
    """A library that is ready to be opened.

    Attributes:
        folder: of the library, closed cleanly.
        took_s: seconds of each step of making it, whenever that was.
    """

    folder: Path
    took_s: dict[str, float]

    def snapshot(self, kind: str) -> Path:
        """Folder of the newest snapshot of a kind's index."""
        return max((self.folder / "index" / specs()[kind].fingerprint).glob("[0-9]*"))


def specs() -> dict[str, FeatureSpec]:
    """The kinds of the library, with default settings."""
    made = make_extractors(Settings())
    return {kind: made[kind].spec for kind in KINDS}


def feature_ids(kind: str, count: int) -> NDArray[np.int64]:
    """Feature ids of images 1 … count: every image has one of each kind, in turn."""
    return np.arange(count) * len(KINDS) + KINDS.index(kind) + 1


def library(vectors: dict[str, NDArray[Any]], *, stamp: str) -> Made:
    """The library of these vectors; made where it is not there.

    Args:
        vectors: (N, entries) by kind, one row an image.
        stamp: names their content.

    Returns:
        The library and what making it took.
    """
    code = hashlib.sha256(b"".join(file.read_bytes() for file in [Path(__file__), *_engine_files()]))
    fingerprints = [spec.fingerprint for spec in specs().values()]
    count = len(vectors["phash"])
    name = json.dumps([stamp, count, code.hexdigest(), fingerprints, versions(("faiss-cpu", "numpy"))])
    folder = cache_folder("libraries") / hashlib.sha256(name.encode()).hexdigest()[:12]
    notes = folder / "made.json"
    if not notes.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        took_s = _make(folder, vectors, count)
        notes.write_text(json.dumps(took_s), encoding="utf-8")
    return Made(folder, json.loads(notes.read_text(encoding="utf-8")))


def _engine_files() -> list[Path]:
    """Sources that say what a library looks like on disk."""
    package = Path(ambience.__file__).parent
    index = [package / "index" / f"{name}.py" for name in ("_flat_codes", "_root_lists", "_slots")]
    return [*index, package / "store" / "schema.py"]


def _make(folder: Path, vectors: dict[str, NDArray[Any]], count: int) -> dict[str, float]:
    took_s: dict[str, float] = {}
    folder.mkdir(parents=True)
    lock = WriterLock.acquire(folder, purpose="benchmark")
    with Store.open(folder, specs(), writer=True) as store:
        start = perf_counter()
        for first in range(0, count, GROUP):
            store.features.put_many(list(_features(vectors, first, min(first + GROUP, count))))
        took_s["features"] = perf_counter() - start
        start = perf_counter()
        _write_rows(store, count)
        took_s["rows"] = perf_counter() - start
        for kind, spec in specs().items():
            engine, settings = ENGINES[kind], Settings().index
            index = folder / "index" / spec.fingerprint
            live = LiveIndex(
                store, spec, engine, engine.options_class(), index, settings=settings, is_writer=True
            )
            start = perf_counter()
            live.rebuild()
            took_s[f"index of {kind}"] = perf_counter() - start
            start = perf_counter()
            live.snapshot()
            took_s[f"snapshot of {kind}"] = perf_counter() - start
    lock.release()
    return took_s


def _features(vectors: dict[str, NDArray[Any]], first: int, stop: int) -> Iterator[tuple[str, int, Feature]]:
    """Features of images first + 1 … stop: fingerprint, feature id, feature; by rising id."""
    columns = [
        (spec.fingerprint, feature_ids(kind, stop)[first:].tolist(), vectors[kind][first:stop])
        for kind, spec in specs().items()
    ]
    for at in range(stop - first):
        for fingerprint, ids, rows in columns:
            yield fingerprint, ids[at], Feature(rows[at], 0.5)


def _write_rows(store: Store, count: int) -> None:
    """One row an image and one a feature, as a million commits would have left them."""
    with store.records.database.writing() as connection:
        for index in schema.images.indexes | schema.features.indexes:
            index.drop(connection)  # built at once at the end, in a third of the time
        spaces = [
            {"space_id": number, "kind": kind, "fingerprint": spec.fingerprint}
            for number, (kind, spec) in enumerate(specs().items(), start=1)
        ]
        connection.execute(sa.insert(schema.spaces), spaces)
        for first in range(0, count, GROUP):
            numbers = range(first + 1, min(first + GROUP, count) + 1)
            _insert(connection, schema.images, [_image(number) for number in numbers])
            _insert(connection, schema.features, [row for number in numbers for row in _feature_rows(number)])
        for index in schema.images.indexes | schema.features.indexes:
            index.create(connection)
        last = {"image_id": count, "feature_id": count * len(KINDS), "seq": count * (len(KINDS) + 1)}
        save_numbers(connection, last)
        count_again(connection)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows in the order of the table's columns."""
    places = ", ".join("?" * len(table.columns))
    connection.exec_driver_sql(f"INSERT INTO {table.name} VALUES ({places})", list(rows))


def _image(number: int) -> tuple[Any, ...]:
    """A photograph of a camera, in folders of a thousand."""
    name = b"IMG_%07d.jpg" % number
    return (
        number,
        hashlib.sha256(name).digest(),
        1_500_000 + number,
        name,
        b"/home/someone/Pictures/%04d/%b" % (number // 1000, name),
        1_700_000_000_000_000_000 + number,
        False,
        "jpeg",
        4000,
        3000,
        None,
        "2026-01-01T00:00:00+00:00",
        ImageState.PRESENT.value,
    )


def _feature_rows(number: int) -> Iterator[tuple[Any, ...]]:
    """Rows of an image's features; each took a change number, and the image itself a third."""
    for place in range(len(KINDS)):
        feature_id = (number - 1) * len(KINDS) + place + 1
        seq = (number - 1) * (len(KINDS) + 1) + place + 1
        yield number, place + 1, FeatureState.DONE.value, feature_id, seq, b""
