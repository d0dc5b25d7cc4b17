"""Asks the indexes of `embedding_search.py` in one process, a block of queries at a time each in turn.

What is compared is so timed in the same minutes; a block is long enough that each finds the processor's
caches as it left them. One thread, times of the processor.
"""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ambience.index.embedding import EmbeddingOptions
from embedding_inputs import NEAR, QUERIES, Vectors, units
from embedding_library import Library
from embedding_peers import Search, lists_of, peers
from local_building import memory

BLOCK = 20
"""Queries of a block."""
PROBES = (16, 32, 64, 128, 256, 512)
USUAL_PROBES, USUAL_RERANK = EmbeddingOptions().probes, EmbeddingOptions().rerank
"""Those of the index as it comes."""
EXACT_TITLE, OURS_TITLE = "Ambience, exact", "Ambience"
REMOVED = 1000
READ_BYTES = 1 << 28
"""Of the array whose reading says how fast memory is."""


@dataclass(frozen=True)
class Way:
    """A way to search.

    Attributes:
        title: of the index.
        setting: how thoroughly.
        search: of one query.
        bytes_each: read for a vector that a query is compared with.
        overhead: bytes that every query reads besides.
    """

    title: str
    setting: int
    search: Search
    bytes_each: float
    overhead: float


@dataclass(frozen=True)
class Found:
    """What a way reached.

    Attributes:
        title: of the index.
        setting: how thoroughly it searched.
        recall: share of the ten nearest that it answers.
        cpu_ms: of a query, median.
        wall_ms: of a query, median.
        read_bytes: that a query has to read; NaN where nobody counts.
    """

    title: str
    setting: int
    recall: float
    cpu_ms: float
    wall_ms: float
    read_bytes: float


def asked(data: Vectors, folder: Path, files: Mapping[str, Path]) -> dict[str, Any]:
    """What every index finds, and how fast.

    Args:
        data: the collection.
        folder: of the library.
        files: of the peers' indexes.

    Returns:
        "found" by way, "removed" by key, "read_gb_s" of this machine's memory.
    """
    import faiss
    from threadpoolctl import threadpool_limits

    faiss.omp_set_num_threads(1)
    with threadpool_limits(1):
        library = Library(folder, data.dim)
        ways = [*_ours(data, library), *_theirs(data, files)]
        recalls = [_recall(way, data) for way in ways]
        taken, read_s = _taken(ways, data)
        found = [
            Found(
                way.title,
                way.setting,
                recall,
                float(np.median(taken[number, :, 0])) * 1e3,
                float(np.median(taken[number, :, 1])) * 1e3,
                way.overhead + compared * way.bytes_each,
            )
            for number, (way, (recall, compared)) in enumerate(zip(ways, recalls, strict=True))
        ]
        library.close()
        del ways
        removed = {key: _removed(key, data, files[key]) for key in files}
    return {
        "found": [asdict(each) for each in found],
        "removed": removed,
        "read_gb_s": READ_BYTES / read_s / 1e9,
    }


def weighed(title: str, data: Vectors, folder: Path, files: Mapping[str, Path]) -> dict[str, int]:
    """By how much the memory of this process grows when an index is opened and asked everything.

    Args:
        title: of the index.
        data: the collection.
        folder: of the library.
        files: of the peers' indexes.

    Returns:
        Bytes: "own", and "mapped" of files, which the system can take back.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    queries = units(data.queries)
    faiss.knn(queries, queries, 1)  # what libraries take themselves is not counted
    before = memory()
    if title in (OURS_TITLE, EXACT_TITLE):
        library = Library(folder, data.dim)
        search = _through(library, library.index(is_exact=title == EXACT_TITLE))
    else:
        key, peer = next((key, peer) for key, peer in peers().items() if peer.title == title)
        search = peer.search(peer.read(files[key]), peer.settings[-1])
    for query in queries:
        search(query)
    after = memory()
    own = max(0, after["Anonymous"] - before["Anonymous"])
    return {"own": own, "mapped": max(0, after["Rss"] - before["Rss"] - own)}


def titles() -> list[str]:
    """Of all indexes, ours first."""
    return [OURS_TITLE, EXACT_TITLE, *(peer.title for peer in peers().values())]


def _through(library: Library, live: Any, compared: float = float("nan")) -> Search:
    """Searches an index of the library, answers rows."""

    def search(query: Any) -> tuple[Any, float]:
        ids = live.search(query[None].astype(np.float16), NEAR).ids[0]
        return library.rows(ids[ids >= 0]), compared

    return search


def _ours(data: Vectors, library: Library) -> list[Way]:
    """The library's indexes: exact, and with several numbers of lists visited."""
    count, dim, lists = len(data.stored), data.dim, lists_of(len(data.stored))
    exact = _through(library, library.index(is_exact=True), count)
    ways = [Way(EXACT_TITLE, 0, exact, 4 * dim, 0)]
    for probes in PROBES:
        search = _through(library, library.index(probes=probes), count * min(1.0, probes / lists))
        # Middles of lists, and the candidates that are read to be ranked; then a code and its slot number.
        overhead = 4 * dim * lists + 2 * dim * (NEAR + USUAL_RERANK)
        ways.append(Way(OURS_TITLE, probes, search, dim / 8 + 8 + 8, overhead))
    return ways


def _theirs(data: Vectors, files: Mapping[str, Path]) -> list[Way]:
    """The peers' indexes."""
    ways = []
    for key, peer in peers().items():
        opened, overhead = peer.read(files[key]), peer.overhead(data.dim, len(data.stored))
        for setting in peer.settings:
            search = peer.search(opened, setting)
            ways.append(Way(peer.title, setting, search, peer.bytes_each(data.dim), overhead))
    return ways


def _recall(way: Way, data: Vectors) -> tuple[float, float]:
    """Share of the ten nearest that a way answers, and vectors that a query was compared with, on average."""
    shares, compared = [], []
    for query, true in zip(units(data.queries), data.true, strict=True):
        rows, count = way.search(query)
        shares.append(np.isin(true, rows).mean())
        compared.append(count)
    return float(np.mean(shares)), float(np.mean(compared))


def _taken(ways: list[Way], data: Vectors) -> tuple[Any, float]:
    """(ways, QUERIES, 2) seconds of processor and clock, and the least seconds of reading `READ_BYTES`."""
    from search import readers

    queries, taken = units(data.queries), np.empty((len(ways), QUERIES, 2))
    words, read_s = np.ones(READ_BYTES // 8, np.uint64), float("inf")
    for first in range(0, QUERIES, BLOCK):
        for number, way in enumerate(ways):
            for turn in range(first, first + BLOCK):
                wall, cpu = time.perf_counter(), time.process_time()
                way.search(queries[turn])
                taken[number, turn] = time.process_time() - cpu, time.perf_counter() - wall
        for read in readers().values():
            read(words[:8])  # compiled
            started = time.process_time()
            read(words)
            read_s = min(read_s, time.process_time() - started)
    return taken, read_s


def _removed(key: str, data: Vectors, file: Path) -> dict[str, float]:
    """Seconds in which a peer removes the nearest of each query and others, and how many it still answers."""
    peer = peers()[key]
    if peer.remove is None:
        return {}
    index = peer.read(file)
    others = np.random.default_rng(0).permutation(len(data.stored))
    rows = np.unique(np.concatenate([data.true[:, 0], others[: REMOVED - QUERIES]]))
    started = time.perf_counter()
    count = peer.remove(index, rows)
    took = time.perf_counter() - started
    if key == "flat":  # its rows move up
        return {"removed": count, "seconds": took}
    search = peer.search(index, peer.settings[-1])
    still = [np.isin(search(query)[0], rows).sum() for query in units(data.queries)]
    return {"removed": count, "seconds": took, "still": int(np.sum(still))}
