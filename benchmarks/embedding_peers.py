"""Plain faiss and usearch over the embeddings that `embedding_search.py` searches, each in its own file.

Every index is made in a process of its own, which says what that took, kept in the cache folder, and read
from there to be searched.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedding_inputs import NEAR, Units, Vectors
from embedding_library import size_of
from local_building import Memory
from report import cores

SAMPLE = 65_536
"""Embeddings that lists are trained on, as ours are."""
TRAINED = 8
"""Rounds of k-means, as ours has."""
LINKS = 32
"""Neighbors of a node of faiss's graph."""

Search = Callable[[Units], tuple[NDArray[np.int64], float]]
"""A query (D,) → rows of its nearest, and vectors that it was compared with (NaN where nobody counts)."""


@dataclass(frozen=True)
class Peer:
    """An index of another library.

    Attributes:
        key: of its file.
        title: for people.
        make: data → an index filled.
        write: an index → a file.
        read: a file → an index.
        search: index, setting → a way to search; one thread.
        settings: how thoroughly it is searched.
        remove: index, rows → how many it says are gone; None where it cannot.
        bytes_each: dim → bytes read for one vector that a query is compared with.
        overhead: dim, vectors → bytes read by every query besides.
    """

    key: str
    title: str
    make: Callable[[Vectors], Any]
    write: Callable[[Any, Path], None]
    read: Callable[[Path], Any]
    search: Callable[[Any, int], Search]
    settings: Sequence[int]
    remove: Callable[[Any, NDArray[np.int64]], int] | None
    bytes_each: Callable[[int], float]
    overhead: Callable[[int, int], float]


def lists_of(count: int) -> int:
    """Inverted lists, as many as ours has."""
    return int(2 * count**0.5)


def built(key: str, data: Vectors, file: Path) -> dict[str, Any]:
    """A peer's index in its file; made where it is not there.

    Args:
        key: which.
        data: that it holds.
        file: of the index.

    Returns:
        What making it took: seconds, processor seconds, the most memory, bytes on disk.
    """
    notes = file.with_name(f"{file.name}.json")
    if not notes.is_file():
        import faiss

        faiss.omp_set_num_threads(cores())
        peer = peers()[key]
        with Memory() as used:
            wall, cpu = time.perf_counter(), time.process_time()
            index = peer.make(data)
            took = {"seconds": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
        peer.write(index, file)
        peaks = {"peak_anonymous": used.anonymous, "peak_resident": used.resident}
        notes.write_text(json.dumps({**took, **peaks, "bytes": size_of(file)}), encoding="utf-8")
    return dict(json.loads(notes.read_text(encoding="utf-8")))


def peers() -> Mapping[str, Peer]:
    """By key; the first is compared with all others."""
    made = (_flat(), _lists(), _graph(), _usearch())
    return {each.key: each for each in made}


def _flat() -> Peer:
    def make(data: Vectors) -> Any:
        import faiss

        return _filled(faiss.IndexFlatIP(data.dim), data)

    return Peer(
        "flat", "faiss flat, float32", make, _write, _read, _flat_search, (0,), _remove,
        lambda dim: 4 * dim, lambda dim, count: 0,
    )  # fmt: skip


def _lists() -> Peer:
    def make(data: Vectors) -> Any:
        import faiss

        kind, metric = faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        count = lists_of(len(data.stored))
        index = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatIP(data.dim), data.dim, count, kind, metric)
        index.cp.niter, index.cp.min_points_per_centroid = TRAINED, 1
        index.train(data.sample(SAMPLE))
        return _filled(index, data)

    return Peer(
        "ivf_sq8", "faiss IVF-SQ8", make, _write, _read, _lists_search, (8, 16, 32, 64, 128), _remove,
        lambda dim: dim + 8, lambda dim, count: 4 * dim * lists_of(count),
    )  # fmt: skip


def _graph() -> Peer:
    def make(data: Vectors) -> Any:
        import faiss

        return _filled(faiss.IndexHNSWFlat(data.dim, LINKS, faiss.METRIC_INNER_PRODUCT), data)

    return Peer(
        "hnsw", f"faiss HNSW{LINKS}, float32", make, _write, _read, _graph_search, (32, 64, 128, 256), None,
        lambda dim: 4 * dim, lambda dim, count: 0,
    )  # fmt: skip


def _usearch() -> Peer:
    def make(data: Vectors) -> Any:
        from usearch.index import Index

        index, first = Index(ndim=data.dim, metric="cos", dtype="f16"), 0
        for part in data.pieces():
            index.add(np.arange(first, first + len(part)), part, threads=cores())
            first += len(part)
        return index

    def read(file: Path) -> Any:
        from usearch.index import Index

        return Index.restore(str(file))

    def search(index: Any, setting: int) -> Search:
        def asked(query: Units) -> tuple[NDArray[np.int64], float]:
            index.expansion_search = setting
            found = index.search(query, NEAR, threads=1)
            return found.keys.astype(np.int64), float(found.computed_distances)

        return asked

    return Peer(
        "usearch", "usearch, float16", make, lambda index, file: index.save(str(file)), read, search,
        (32, 64, 128, 256), lambda index, rows: int(index.remove(rows)),
        lambda dim: 2 * dim, lambda dim, count: 0,
    )  # fmt: skip


def _filled(index: Any, data: Vectors) -> Any:
    for part in data.pieces():
        index.add(part)
    return index


def _write(index: Any, file: Path) -> None:
    import faiss

    faiss.write_index(index, str(file))


def _read(file: Path) -> Any:
    import faiss

    return faiss.read_index(str(file))


def _remove(index: Any, rows: NDArray[np.int64]) -> int:
    import faiss

    return int(index.remove_ids(faiss.IDSelectorBatch(rows)))


def _flat_search(index: Any, setting: int) -> Search:
    return lambda query: (index.search(query[None], NEAR)[1][0], float(index.ntotal))


def _lists_search(index: Any, setting: int) -> Search:
    import faiss

    chosen = faiss.SearchParametersIVF(nprobe=setting)
    sizes = np.array([index.invlists.list_size(number) for number in range(index.nlist)])

    def asked(query: Units) -> tuple[NDArray[np.int64], float]:
        return index.search(query[None], NEAR, params=chosen)[1][0], float(sizes.mean() * setting)

    return asked


def _graph_search(index: Any, setting: int) -> Search:
    import faiss

    chosen = faiss.SearchParametersHNSW(efSearch=setting)
    return lambda query: (index.search(query[None], NEAR, params=chosen)[1][0], float("nan"))
