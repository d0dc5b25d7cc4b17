"""What 256 bytes of product quantiser make of embeddings of 768 values, and what Ambience makes of them.

The original holds `OPQ256,PQ256x8` in place of 3,072 bytes of float32 and answers by the distance to the
codes alone. Beside it, over the same embeddings: all compared as float32; the same 256 bytes in lists of
Ambience, and Ambience as it comes, which both rank by the exact distance. Recall is counted over queries
drawn as the library was; mean average precision over labeled embeddings that are searched among themselves,
each query left out, by quantisers that were trained on the library.

Source: mean average precision is the mean over queries of the mean precision at the ranks of all that bear
the query's label.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.index.embedding import EmbeddingIndex
from embedding_inputs import (
    NEAR,
    PER_CENTER,
    PIECE,
    QUERIES,
    Displaced,
    Made,
    leading,
    nearest,
    units,
    vectors,
)
from embedding_library import spec_of
from embedding_peers import lists_of
from report import Table

CODE_BYTES = 256
TRAINED_ON = 20_000
"""Embeddings that rotation and quantiser are learned from, as our own `opq` does."""
ROTATION_ROUNDS = 10
MADE_LABELED = 1000
"""Made embeddings that bear a label, where there are no photographs with labels."""
TITLES = {
    "float32": "float32, all compared",
    "pq256": "faiss OPQ256,PQ256x8, by the codes alone (the original)",
    "opq": "Ambience, index_form = opq",
    "default": "Ambience, as it comes",
}


def measure(
    dim: int, count: int, seed: int, real: NDArray[Any] | None, labels: Sequence[str]
) -> dict[str, Any]:
    """Recall, mean average precision, time and bytes of each way.

    Args:
        dim: values of an embedding.
        count: embeddings in the library.
        seed: of what is made.
        real: (L, D) embeddings of photographs, D at least `dim`; None: everything is made.
        labels: L of them.

    Returns:
        "rows" by way, and what was searched.
    """
    if real is None:
        source: Made | Displaced = Made(count // PER_CENTER, dim, seed=seed)
        drawn, numbers = source.drawn(PIECE, 1 + count // PIECE)
        chosen = np.argsort(numbers, kind="stable")[:MADE_LABELED]
        labeled, labels = drawn[chosen], numbers[chosen].astype(str).tolist()
    else:
        labeled = leading(real, dim).astype(np.float16)
        source = Displaced(labeled, seed=seed)
    data = vectors("products", source, count)
    stored = np.concatenate([data.stored, labeled])
    true = nearest(stored, units(data.queries))
    is_same = np.array(labels)[:, None] == np.array(labels)[None]
    judged = Judged(stored, data.queries, true, labeled, is_same)
    rows = {
        "float32": _all_compared(judged),
        "pq256": _codes_alone(judged, data.sample(TRAINED_ON)),
        "opq": _ours(judged, data.sample(65_536), "opq"),
        "default": _ours(judged, data.sample(65_536), "auto"),
    }
    return {"rows": rows, "count": len(stored), "labeled": len(labels), "kinds": len(set(labels)), "dim": dim,
            "is_real": real is not None}  # fmt: skip


class Judged:
    """A library and what is asked of it.

    Args:
        stored: (N, D) float16; the labeled ones come last.
        queries: (Q, D) float16.
        true: (Q, NEAR) rows.
        labeled: (L, D).
        is_same: (L, L) whether two bear the same label.
    """

    def __init__(
        self,
        stored: NDArray[Any],
        queries: NDArray[Any],
        true: NDArray[Any],
        labeled: NDArray[Any],
        is_same: NDArray[np.bool_],
    ) -> None:
        self.stored, self.queries, self.true = stored, queries, true
        self.labeled, self._is_same = labeled, is_same

    def judged(
        self, search: Callable[[int], NDArray[Any]], distances: NDArray[Any], size: float, read_bytes: float
    ) -> dict[str, float]:
        """Recall and time of a search by number of query, and mean average precision of (L, L) distances."""
        shares, taken = [], []
        for turn in range(QUERIES):
            started = time.process_time()
            rows = search(turn)
            taken.append(time.process_time() - started)
            shares.append(np.isin(self.true[turn], rows).mean())
        return {
            "recall": float(np.mean(shares)),
            "map": mean_average_precision(distances, self._is_same),
            "cpu_ms": float(np.median(taken)) * 1e3,
            "bytes": size,
            "read_bytes": read_bytes,
        }


def mean_average_precision(distances: NDArray[Any], is_same: NDArray[np.bool_]) -> float:
    """Over queries, of the mean precision at the ranks of what bears their label; the query itself left out.

    Args:
        distances: (L, L) of each query, a row, to each embedding.
        is_same: (L, L) whether two bear the same label.
    """
    precisions = []
    for query, row in enumerate(distances):
        order = np.argsort(row, kind="stable")
        right = is_same[query, order[order != query]]
        if right.any():
            ranks = np.flatnonzero(right) + 1
            precisions.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    return float(np.mean(precisions))


def _all_compared(judged: Judged) -> dict[str, float]:
    import faiss

    index = faiss.IndexFlatIP(judged.stored.shape[1])
    for start in range(0, len(judged.stored), PIECE):
        index.add(units(judged.stored[start : start + PIECE]))
    queries, labeled = units(judged.queries), units(judged.labeled)

    def search(turn: int) -> NDArray[Any]:
        return np.asarray(index.search(queries[turn : turn + 1], NEAR)[1][0])

    return judged.judged(search, -(labeled @ labeled.T), 4.0 * index.d, 4.0 * index.d * index.ntotal)


def _codes_alone(judged: Judged, sample: NDArray[np.float32]) -> dict[str, float]:
    import faiss

    dim = sample.shape[1]
    rotation, codes = faiss.OPQMatrix(dim, CODE_BYTES), faiss.IndexPQ(dim, CODE_BYTES, 8)
    rotation.niter = ROTATION_ROUNDS
    index = faiss.IndexPreTransform(rotation, codes)
    index.train(sample)
    for start in range(0, len(judged.stored), PIECE):
        index.add(units(judged.stored[start : start + PIECE]))
    queries, labeled = units(judged.queries), units(judged.labeled)
    decoded = index.reconstruct_n(len(judged.stored) - len(labeled), len(labeled))
    distances = np.square(decoded).sum(axis=1) - 2 * labeled @ decoded.T

    def search(turn: int) -> NDArray[Any]:
        return np.asarray(index.search(queries[turn : turn + 1], NEAR)[1][0])

    return judged.judged(search, distances, codes.code_size, codes.code_size * index.ntotal)


def _ours(judged: Judged, sample: NDArray[np.float32], form: str) -> dict[str, float]:
    """An index of the product; what it ranks is fetched from an array, as from the library's features."""
    count, size = len(judged.stored), len(judged.labeled)
    spec = spec_of(sample.shape[1])
    options = EmbeddingIndex.options_class(form=form, train_from=1)
    index = EmbeddingIndex(spec, options, fetch=lambda ids: np.asarray(judged.stored[ids]))
    index.train(sample.astype(np.float16), expected=count)
    for start in range(0, count, PIECE):
        part = judged.stored[start : start + PIECE]
        index.add(np.arange(start, start + len(part)), part)
    labeled_ids = np.arange(count - size, count)
    distances = np.full((size, size), np.inf)
    for number, query in enumerate(judged.labeled):
        found = index.search(query[None], size, allowed=labeled_ids)
        held = found.ids[0][found.ids[0] >= 0] - (count - size)
        distances[number, held] = np.arange(len(held))  # their order is all that counts

    def search(turn: int) -> NDArray[Any]:
        return index.search(judged.queries[turn : turn + 1], NEAR).ids[0]

    code = CODE_BYTES if form == "opq" else spec.dim / 8 + 8
    lists = lists_of(count)
    visited = count * min(1.0, options.probes / lists) * (code + 8)  # with the number of its slot
    read = visited + 4 * spec.dim * lists + 2 * spec.dim * (NEAR + options.rerank)
    return judged.judged(search, distances, code, read)


def tables_of(found: Mapping[str, Any], read_gb_s: float) -> list[Table]:
    """One table, with the time to read once, at such a pace, what a query has to read."""
    rows, plain = found["rows"], found["rows"]["float32"]
    what = "photographs, displaced" if found["is_real"] else "made"
    title = (
        f"{found['count']:,} × {found['dim']}, {what}; mean average precision over {found['labeled']:,} of "
        f"{found['kinds']} labels"
    )
    columns = (
        "", "bytes of a code", "recall@10", "mean average precision", "lost", "ms", "× float32",
        "MB read a query", "ms to read those once",
    )  # fmt: skip
    cells = [
        (
            TITLES[key],
            f"{row['bytes']:.0f}",
            f"{row['recall']:.3f}",
            f"{row['map']:.4f}",
            f"{plain['map'] - row['map']:.4f}",
            row["cpu_ms"],
            plain["cpu_ms"] / row["cpu_ms"],
            row["read_bytes"] / 1e6,
            row["read_bytes"] / read_gb_s / 1e6,
        )
        for key, row in rows.items()
    ]
    return [Table(title, columns, cells)]
