"""The choices behind the index of embeddings, each measured: codes, how many are few, what bounds a range.

`embedding_search.py` calls it; docs/decisions/0012 is made of these tables.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.index._code_lists import CodeLists
from ambience.index._sketches import Sketches
from ambience.index.embedding import EmbeddingIndex
from embedding_inputs import NEAR, PER_CENTER, PIECE, QUERIES, Displaced, Made, Vectors, units, vectors
from embedding_library import spec_of
from embedding_peers import lists_of
from report import Table

COUNT, DIM = 100_000, 512
PROBES = (32, 64, 128)
CANDIDATES = (10, 20, 40, 60)
SAMPLE = 65_536
SMALL = (5_000, 20_000, 50_000)
RANGED = 40_000
RADII = (0.05, 0.1, 0.2)
SIMPLE_DIM = 384
"""Values of made embeddings where there are none of photographs."""


def measure(seed: int, real: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """All three.

    Args:
        seed: of embeddings that are made.
        real: embeddings of photographs by kind; empty: all are made.
    """
    sources: dict[str, Made | Displaced] = {
        f"{rows.shape[1]} values, {kind}": Displaced(rows, seed=seed) for kind, rows in real.items()
    } or {f"{SIMPLE_DIM} values, made": Made(RANGED // PER_CENTER, SIMPLE_DIM, seed=seed)}
    return {
        "codes": _codes(vectors("codes", Made(COUNT // PER_CENTER, DIM, seed=seed), COUNT)),
        "few": [_few(name, vectors(name, each, count)) for name, each in sources.items() for count in SMALL],
        "ranges": [_ranges(name, vectors(name, each, RANGED)) for name, each in sources.items()],
    }


# --- codes ------------------------------------------------------------------------------------------------


def _codes(data: Vectors) -> dict[str, Any]:
    """Recall and time of each code, by how many candidates are ranked exactly and lists are visited."""
    import faiss

    sample, queries, stored = data.sample(SAMPLE), units(data.queries), units(np.asarray(data.stored))
    flat = faiss.IndexFlatIP(DIM)
    flat.add(stored)
    flat_s = _median_s(lambda turn: flat.search(queries[turn : turn + 1], NEAR))
    ours = CodeLists.trained(sample, lists=lists_of(COUNT), form="one_bit")
    middles = ours._middles
    turned, asked = ours.rotated(stored), ours.rotated(queries)
    rows = []
    for name, index, chosen in _of_codes(middles, ours.rotated(sample)):
        for start in range(0, COUNT, PIECE):
            index.add(turned[start : start + PIECE])
        for candidates in CANDIDATES:
            for probes in PROBES:
                chosen.nprobe = probes
                slots: list[NDArray[Any]] = []

                def search(turn: int, count: int = candidates, slots: Any = slots, index: Any = index,
                           chosen: Any = chosen) -> None:  # fmt: skip
                    slots.append(index.search(asked[turn : turn + 1], count, params=chosen)[1][0])

                seconds = _median_s(search)
                shares = [
                    np.isin(data.true[turn], _ranked(stored, queries[turn], row)).mean()
                    for turn, row in enumerate(slots)
                ]
                rows.append(
                    {
                        "code": name, "bytes": int(index.code_size), "candidates": candidates,
                        "probes": probes, "recall": float(np.mean(shares)), "cpu_ms": seconds * 1e3,
                    }
                )  # fmt: skip
    return {"rows": rows, "flat_ms": flat_s * 1e3}


def _of_codes(middles: NDArray[Any], sample: NDArray[Any]) -> Any:
    """Name, empty faiss index and parameters of a search, of every code."""
    import faiss

    quantizer = faiss.IndexFlatL2(DIM)
    quantizer.add(middles)
    kinds = faiss.ScalarQuantizer
    for name, kind in (("faiss SQ, 8 bits", kinds.QT_8bit), ("faiss SQ, 4 bits", kinds.QT_4bit)):
        index = faiss.IndexIVFScalarQuantizer(quantizer, DIM, len(middles), kind, faiss.METRIC_L2, False)
        index.train(sample)
        yield name, index, faiss.SearchParametersIVF()
    for bits in (4, 2, 1):
        index = faiss.IndexIVFRaBitQ(quantizer, DIM, len(middles), faiss.METRIC_L2, True, bits)
        index.train(sample)
        chosen = faiss.IVFRaBitQSearchParameters()
        chosen.qb = 8
        yield f"RaBitQ, {bits} bit{'s' if bits > 1 else ''}", index, chosen


def _ranked(stored: NDArray[Any], query: NDArray[Any], rows: NDArray[Any]) -> NDArray[Any]:
    """The ten nearest of some candidates by the exact distance."""
    held = rows[rows >= 0]
    return held[np.argsort(-(stored[held] @ query))[:NEAR]]


def _median_s(search: Callable[[int], Any]) -> float:
    """Median processor seconds of the queries."""
    taken = []
    for turn in range(QUERIES):
        started = time.process_time()
        search(turn)
        taken.append(time.process_time() - started)
    return float(np.median(taken))


# --- how many are few -------------------------------------------------------------------------------------


def _few(name: str, data: Vectors) -> dict[str, Any]:
    """All compared, and by codes."""
    stored, spec = np.asarray(data.stored), spec_of(data.dim)
    found: dict[str, Any] = {"name": name, "count": len(stored)}
    for key, options in (("all", {"form": "exact"}), ("codes", {"train_from": 1})):
        index = EmbeddingIndex(spec, EmbeddingIndex.options_class(**options), fetch=lambda ids: stored[ids])
        if key == "codes":
            index.train(data.sample(SAMPLE).astype(np.float16), expected=len(stored))
        index.add(np.arange(len(stored)), stored)
        rows: list[NDArray[Any]] = []
        seconds = _median_s(
            lambda turn, index=index, rows=rows: rows.append(
                index.search(data.queries[turn : turn + 1], NEAR).ids[0]
            )
        )
        found[key] = seconds * 1e3
        found["recall"] = float(
            np.mean([np.isin(*pair).mean() for pair in zip(data.true, rows, strict=True)])
        )
    return found


# --- ranges -----------------------------------------------------------------------------------------------


def _ranges(name: str, data: Vectors) -> dict[str, Any]:
    """Share of what the bound lets pass that are truly within a radius and that are read, and its time."""
    stored, queries = units(np.asarray(data.stored)), units(data.queries)
    sketches = Sketches.trained(data.sample(SAMPLE))
    sketches.append(stored)
    rows = []
    for radius in RADII:
        passed: list[float] = []
        seconds = _median_s(
            lambda turn, radius=radius, passed=passed: passed.append(
                float(sketches.reachable(queries[turn], (2 * radius) ** 0.5).mean())
            )
        )
        within = float((1 - queries @ stored.T <= radius).mean())
        rows.append({"radius": radius, "within": within, "passed": float(np.mean(passed)),
                     "us": seconds / len(stored) * 1e6})  # fmt: skip
    return {"name": name, "rows": rows}


# --- tables -----------------------------------------------------------------------------------------------


def tables_of(found: Mapping[str, Any]) -> list[Table]:
    """The tables of the decision."""
    codes = found["codes"]
    by_row: dict[tuple[str, int, int], list[str]] = {}
    for row in codes["rows"]:
        key = (row["code"], row["bytes"], row["candidates"])
        by_row.setdefault(key, []).append(f"{row['recall']:.3f}, {codes['flat_ms'] / row['cpu_ms']:.0f}×")
    return [
        Table(
            f"Codes: recall@10 after ranking candidates exactly, and times as fast as faiss flat float32, "
            f"without ranking; {COUNT:,} × {DIM} made, {lists_of(COUNT)} lists",
            ("code", "bytes", "candidates", *(f"{probes} lists" for probes in PROBES)),
            [(*key, *cells) for key, cells in by_row.items()],
        ),
        Table(
            "How many are few: ms a query",
            ("", "vectors", "all compared", "by codes", "recall@10 by codes"),
            [(row["name"], f"{row['count']:,}", row["all"], row["codes"], f"{row['recall']:.3f}")
             for row in found["few"]],
        ),
        Table(
            f"Ranges over {RANGED:,}: what lies within a cosine distance, and what has to be read",
            ("", "distance", "within, %", "read, %", "µs a vector"),
            [(each["name"], row["radius"], row["within"] * 100, row["passed"] * 100, row["us"])
             for each in found["ranges"] for row in each["rows"]],
        ),
    ]  # fmt: skip
