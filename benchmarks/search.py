"""How fast a million hashes and a million histograms are searched, against the memory's own pace and faiss.

    python benchmarks/search.py [--photos DIR] [--quick] [--json FILE] [--update-docs]
    python benchmarks/search.py --kind local_features [--images N] …   (see `local_search.py`)
    python benchmarks/search.py --kind embeddings …   (see `embedding_search.py`)

All runs on one library of a million images (`search_library.py`), whose rows, features and index snapshots
are real; only the pictures do not exist. Hamming: one 576-bit query over all codes; all eight orientations in
one pass; plain faiss beside it. The floor is the time to read the codes once, by the fastest of several ways,
on as many threads. Color: our histogram index, fetching its candidates from the library's features, beside
faiss flat L1 (which also gives the ground truth) and faiss IVF over the raw histograms, each on one thread,
because faiss on two threads stalls on a busy machine. Opening: the library, in a fresh process
(`open_library.py`), with the files in the page cache. What is compared is timed in turn, so that noise of the
machine falls on all alike. `--quick` times fewer turns and leaves the inverted lists of faiss out; the
million, the queries that recall is counted over, and every figure stay.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photos import find_photos, load_rgb, skimage_paths
from report import Report, Table, as_dict, command_of, cores, finish
from search_inputs import Histograms, hashes, histograms
from search_library import Made, feature_ids, library, specs

PACKAGES = ("ambience", "numpy", "numba", "faiss-cpu", "opencv-python-headless")
SEED = 2026
IMAGES = 1_000_000
QUERIES = 256
"""Histograms searched for when recall is counted."""
TURNS = {True: 15, False: 41}
COLOR_TURNS = {True: 20, False: QUERIES}
TRAINED_ON = 65_536
K = 10
PEER_LISTS, PEER_PROBES = 1024, 32

Timed = Mapping[str, Callable[[int], Any]]


def in_turn(timed: Timed, turns: int) -> dict[str, float]:
    """Median seconds of each call, all taken in turn, after one that is not counted.

    Args:
        timed: name → call, given the number of the turn.
        turns: how often.
    """
    taken: dict[str, list[float]] = {name: [] for name in timed}
    for turn in range(-1, turns):
        for name, call in timed.items():
            start = time.perf_counter()
            call(max(turn, 0))
            if turn >= 0:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(each) for name, each in taken.items()}


# --- hashes -----------------------------------------------------------------------------------------------


def hash_times(
    made: Made, codes: NDArray[np.uint8], queries: NDArray[np.uint8], turns: int
) -> dict[str, float]:
    """Median seconds of every way to search the hashes."""
    import faiss

    from ambience.index.binary import BinaryIndex

    # compile_from 0: what a server that has run for a while does; the first search waits for the compiler.
    options = BinaryIndex.options_class(compile_from=0)
    ours = BinaryIndex.load(made.snapshot("phash"), specs()["phash"], options)
    peer = faiss.IndexBinaryFlat(576)
    peer.add(codes)
    # The very bytes that the index has mapped: a copy of them would be nearer to the processor, or farther.
    largest = max(made.snapshot("phash").iterdir(), key=lambda file: file.stat().st_size)
    stored = np.memmap(largest, np.uint8, mode="r")
    parts = np.array_split(stored[: len(stored) // 8 * 8].view(np.uint64), cores())
    with ThreadPoolExecutor(cores()) as pool:

        def peer_search(turn: int, *, count: int, threads: int) -> None:
            faiss.omp_set_num_threads(threads)
            peer.search(eight(turn)[:count], K)

        def eight(turn: int) -> NDArray[np.uint8]:
            return queries[turn % 8 * 8 : turn % 8 * 8 + 8]

        return in_turn(
            {
                **{
                    f"read the codes once: {name}": lambda _, read=read: list(pool.map(read, parts))
                    for name, read in readers().items()
                },
                "Ambience, 1 query": lambda turn: ours.search(eight(turn)[:1], K),
                "Ambience, 8 orientations": lambda turn: ours.search(eight(turn), K),
                "Ambience, all within 64 bits": lambda turn: ours.range_search(eight(turn)[:1], 64),
                "faiss flat, 1 query, 1 thread": lambda turn: peer_search(turn, count=1, threads=1),
                "faiss flat, 8 queries, all threads": lambda turn: peer_search(
                    turn, count=8, threads=cores()
                ),
            },
            turns,
        )


def readers() -> dict[str, Callable[[NDArray[np.uint64]], Any]]:
    """Ways to read an array once; the fastest of them is the floor, whichever that is on this machine."""
    import numba

    @numba.njit(nogil=True)
    def four_streams(words: Any) -> Any:
        quarter = len(words) // 4
        total = np.uint64(0)
        for at in range(quarter):
            total += words[at] + words[quarter + at] + words[2 * quarter + at] + words[3 * quarter + at]
        return total

    @numba.njit(nogil=True)
    def one_stream(words: Any) -> Any:
        total = np.uint64(0)
        for word in words:
            total += word
        return total

    return {
        "numpy sum": np.sum,
        "numpy xor": np.bitwise_xor.reduce,
        "compiled sum": one_stream,
        "compiled sum of four streams": four_streams,
    }


# --- histograms -------------------------------------------------------------------------------------------


def color_times(made: Made, data: Histograms, *, is_quick: bool) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds and recall@10 of every way to search the histograms."""
    import faiss

    from ambience.index.histogram import HistogramIndex
    from ambience.store.features import Features

    spec = specs()["color"]
    features = Features(made.folder / "features", is_writer=False)
    ours = HistogramIndex.load(
        made.snapshot("color"),
        spec,
        HistogramIndex.options_class(),
        fetch=lambda ids: features.get(spec, ids)[0],
    )
    row_of = {int(each): row for row, each in enumerate(feature_ids("color", len(data.stored)))}
    flat = faiss.IndexFlat(512, faiss.METRIC_L1)
    peers = {"faiss flat L1": flat} | ({} if is_quick else {"faiss IVF, L2 of raw histograms": _lists(data)})
    for start in range(0, len(data.stored), 50_000):
        wide = data.stored[start : start + 50_000].astype(np.float32)
        for peer in peers.values():
            peer.add(wide)
    faiss.omp_set_num_threads(1)
    queries, wide = data.queries, data.queries.astype(np.float32)
    ways = {
        "Ambience": lambda turn: [
            row_of[int(each)] for each in ours.search(queries[turn : turn + 1], K).ids[0]
        ],
        **{
            name: lambda turn, peer=peer: peer.search(wide[turn : turn + 1], K)[1][0]
            for name, peer in peers.items()
        },
    }
    # Warm: the flat scan reads all of its vectors in every turn, ours only the pages that a query leads to.
    for turn in range(COLOR_TURNS[is_quick]):
        ways["Ambience"](turn)
    seconds = in_turn(ways, COLOR_TURNS[is_quick])
    recalls = {
        name: float(np.mean([np.isin(data.true[turn], way(turn)).mean() for turn in range(QUERIES)]))
        for name, way in ways.items()
        if name != "faiss flat L1"
    }
    features.close()
    return seconds, recalls | {"faiss flat L1": 1.0}


def _lists(data: Histograms) -> Any:
    """Inverted lists of faiss over the raw histograms, trained and empty."""
    import faiss

    chosen = np.sort(np.random.default_rng(SEED).permutation(len(data.stored))[:TRAINED_ON])
    lists = faiss.IndexIVFFlat(faiss.IndexFlatL2(512), 512, PEER_LISTS, faiss.METRIC_L2)
    lists.cp.niter = 4
    lists.train(data.stored[chosen].astype(np.float32))
    lists.nprobe = PEER_PROBES
    return lists


# --- opening ----------------------------------------------------------------------------------------------


def opening(folder: Path) -> dict[str, Any]:
    """What `open_library.py` finds, reading and, after a kill, writing."""
    return {how: _opened(folder, how) for how in ("reader", "killed", "writer")}


def _opened(folder: Path, how: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).with_name("open_library.py")), str(folder), how]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=how != "killed")
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return found


# --- all --------------------------------------------------------------------------------------------------


def color_sources(folder: Path | None) -> list[Path]:
    """Color photographs of a folder, or those of scikit-image."""
    paths = [photo.path for photo in find_photos(folder)] if folder else skimage_paths()
    return [path for path in paths if np.ptp(load_rgb(path)[::8, ::8].astype(int), axis=2).max() > 16]


def measure(photos: Path | None, *, is_quick: bool) -> Report:
    """Everything, as a report."""
    sources = color_sources(photos)
    data = histograms(sources, IMAGES, queries=QUERIES, seed=SEED, k=K)
    codes, queries = hashes(IMAGES, seed=SEED)
    made = library({"phash": codes, "color": data.stored}, stamp=data.stamp)
    hamming = hash_times(made, codes, queries, TURNS[is_quick])
    color, recalls = color_times(made, data, is_quick=is_quick)
    opened = opening(made.folder)
    floor = min(each for name, each in hamming.items() if name.startswith("read"))
    one = hamming["Ambience, 1 query"]
    figures = {
        "phash_over_floor": round(one / floor, 3),
        "phash_8_over_1": round(hamming["Ambience, 8 orientations"] / one, 3),
        "color_over_faiss": round(color["faiss flat L1"] / color["Ambience"], 2),
        "color_recall_at_10": round(recalls["Ambience"], 4),
        "open_s": round(sum(opened["reader"]["steps"].values()), 3),
        "resident_gb": round(sum(opened["reader"]["resident"].values()) / 1e9, 3),
    }
    return Report(
        name="search",
        command=command_of("search", photos, is_quick=is_quick),
        figures=figures,
        parameters={
            "images": IMAGES,
            "queries": QUERIES,
            "turns": TURNS[is_quick],
            "color_turns": COLOR_TURNS[is_quick],
            "k": K,
            "seed": SEED,
            "sources": len(sources),
            "is_quick": is_quick,
            "peer_lists": PEER_LISTS,
            "peer_probes": PEER_PROBES,
        },
        packages=PACKAGES,
        tables=[*index_tables(hamming, floor, color, recalls), *library_tables(made, opened), asked(figures)],
        notes=[
            f"Histograms of {IMAGES:,} crops and tone changes of {len(sources)} photographs, recall over "
            f"{QUERIES} others; floor of the hashes: {IMAGES * 72 / floor / 1e9:.1f} GB/s read."
        ],
        details={"opened": opened, "made_s": made.took_s},
    )


def index_tables(
    hamming: dict[str, float], floor: float, color: dict[str, float], recalls: dict[str, float]
) -> list[Table]:
    """Searches of the bare indexes, and of their peers."""
    return [
        Table(
            f"{IMAGES:,} hashes of 576 bits, {cores()} threads",
            ("", "ms, median", "times the floor"),
            [(name, each * 1e3, each / floor) for name, each in hamming.items()],
        ),
        Table(
            f"{IMAGES:,} histograms of 512 cells, 1 thread",
            ("", "ms, median", "faiss flat L1 over it", "recall@10"),
            [
                (name, each * 1e3, color["faiss flat L1"] / each, round(recalls[name], 4))
                for name, each in color.items()
            ],
        ),
    ]


def library_tables(made: Made, opened: dict[str, Any]) -> list[Table]:
    """The library as a whole: opened, searched, made."""
    reader, writer = opened["reader"], opened["writer"]
    rows: list[tuple[str, float]] = [(f"reader: {name}", each) for name, each in reader["steps"].items()]
    rows += [(f"writer after a kill: {name}", each) for name, each in writer["steps"].items()]
    rows += [(f"alone: {name}", each) for name, each in reader["parts"].items()]
    return [
        Table(f"Opening a library of {IMAGES:,} images", ("", "s"), rows),
        Table(
            "Memory after 100 searches of either kind",
            ("", "MB, reader", "MB, writer"),
            [(name, each / 1e6, writer["resident"][name] / 1e6) for name, each in reader["resident"].items()],
        ),
        Table(
            "Searches by a stored image",
            ("", "ms, median", "ms, 95th percentile"),
            [(name, each["p50_ms"], each["p95_ms"]) for name, each in reader["searches"].items()],
        ),
        Table("Making the library, once", ("", "s"), list(made.took_s.items())),
    ]


def asked(figures: dict[str, float]) -> Table:
    """The figures beside their limits."""
    limits = ("≤ 1.7", "≤ 3", "≥ 4", "≥ 0.99", "≤ 5", "≤ 1.2")
    rows = [(name, each, limit) for (name, each), limit in zip(figures.items(), limits, strict=True)]
    return Table("Limits", ("", "measured", "asked"), rows)


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs; default: those of scikit-image")
    parser.add_argument("--kind", choices=("vectors", "local_features", "embeddings"), default="vectors")
    parser.add_argument("--images", type=int, default=250_000, help="local features: the largest library")
    parser.add_argument("--quick", action="store_true", help="fewer turns, or a smaller library")
    parser.add_argument("--json", type=Path, help="write the report with machine and versions to this file")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.kind == "local_features":
        from local_search import measure as measure_local

        report = measure_local(arguments.photos, images=arguments.images, is_quick=arguments.quick)
    elif arguments.kind == "embeddings":
        from embedding_search import measure as measure_embeddings

        report = measure_embeddings(arguments.photos, is_quick=arguments.quick)
    else:
        report = measure(arguments.photos, is_quick=arguments.quick)
    if arguments.json:
        text = json.dumps(as_dict(report), indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    finish(report, update_docs=arguments.update_docs)


if __name__ == "__main__":
    main()
