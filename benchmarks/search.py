"""How fast a million hashes and a million histograms are searched, against the memory's own pace and faiss.

    python benchmarks/search.py [--photos DIR] [--quick] [--json FILE] [--update-docs]

Hamming: one 576-bit query over all codes; all eight orientations in one pass; plain faiss beside it. The
floor is the time to read the codes once (numpy summing them, on as many threads). Color: our histogram
index beside faiss flat L1 (which is also the ground truth) and faiss IVF over the raw histograms, each on
one thread, because faiss on two threads stalls on a busy machine. Opening: both saved indexes, in a fresh
process. What is compared is timed in turn, so that noise of the machine falls on all alike. `--quick` takes
a quarter of the histograms (of the same seed) and fewer queries; hashes stay a million.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
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

PACKAGES = ("ambience", "numpy", "numba", "faiss-cpu", "opencv-python-headless")
SEED = 2026
CODES = 1_000_000
HISTOGRAMS = {True: 250_000, False: 1_000_000}
QUERIES = {True: 20, False: 100}
TURNS = {True: 15, False: 41}
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


def hash_times(folder: Path, turns: int) -> dict[str, float]:
    """Median seconds of every way to search the hashes; saves our index into a folder."""
    import faiss

    from ambience.extract.phash import PHash
    from ambience.index.binary import BinaryIndex

    stored, queries = hashes(CODES, seed=SEED)
    # compile_from 0: what a server that has run for a while does; the first search waits for the compiler.
    ours = BinaryIndex(PHash(PHash.options_class()).spec, BinaryIndex.options_class(compile_from=0))
    ours.add(np.arange(CODES), stored)
    ours.save(folder)
    peer = faiss.IndexBinaryFlat(576)
    peer.add(stored)
    parts = np.array_split(stored.reshape(-1).view(np.uint64), cores())
    with ThreadPoolExecutor(cores()) as pool:

        def read_once(_: int) -> None:
            list(pool.map(np.sum, parts))

        def peer_search(turn: int, *, count: int, threads: int) -> None:
            faiss.omp_set_num_threads(threads)
            peer.search(eight(turn)[:count], K)

        def eight(turn: int) -> NDArray[np.uint8]:
            return queries[turn % 8 * 8 : turn % 8 * 8 + 8]

        return in_turn(
            {
                "read the codes once": read_once,
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


# --- histograms -------------------------------------------------------------------------------------------


def color_times(data: Histograms, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds and recall@10 of every way to search the histograms; saves our index into a folder."""
    import faiss

    from ambience.extract.color import Color
    from ambience.index.histogram import HistogramIndex

    def fetch(ids: NDArray[np.int64]) -> NDArray[np.float16]:
        return data.stored[ids]

    count = len(data.stored)
    ours = HistogramIndex(Color(Color.options_class()).spec, HistogramIndex.options_class(), fetch=fetch)
    chosen = np.sort(np.random.default_rng(SEED).permutation(count)[:TRAINED_ON])
    ours.train(data.stored[chosen], expected=count)
    flat = faiss.IndexFlat(512, faiss.METRIC_L1)
    lists = faiss.IndexIVFFlat(faiss.IndexFlatL2(512), 512, PEER_LISTS, faiss.METRIC_L2)
    lists.cp.niter = 4
    lists.train(data.stored[chosen].astype(np.float32))
    for start in range(0, count, 50_000):
        part = np.asarray(data.stored[start : start + 50_000])
        ours.add(np.arange(start, start + len(part)), part)
        flat.add(part.astype(np.float32))
        lists.add(part.astype(np.float32))
    ours.save(folder)
    faiss.omp_set_num_threads(1)
    lists.nprobe = PEER_PROBES
    queries, wide = data.queries, data.queries.astype(np.float32)
    answers: dict[str, dict[int, NDArray[np.int64]]] = {}

    def keep(name: str, search: Callable[[int], NDArray[np.int64]]) -> Callable[[int], None]:
        def call(turn: int) -> None:
            answers.setdefault(name, {})[turn] = search(turn)

        return call

    ways = {
        "Ambience": lambda turn: ours.search(queries[turn : turn + 1], K).ids[0],
        "faiss flat L1": lambda turn: flat.search(wide[turn : turn + 1], K)[1][0],
        "faiss IVF, L2 of raw histograms": lambda turn: lists.search(wide[turn : turn + 1], K)[1][0],
    }
    seconds = in_turn({name: keep(name, way) for name, way in ways.items()}, len(queries))
    true = answers["faiss flat L1"]
    recalls = {
        name: float(np.mean([np.isin(true[turn], found[turn]).mean() for turn in true]))
        for name, found in answers.items()
    }
    return seconds, recalls


# --- opening ----------------------------------------------------------------------------------------------


OPENING = """
import json, sys, time
from pathlib import Path
import numpy as np

def resident():
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith("Rss:"))

from ambience.extract.color import Color
from ambience.extract.phash import PHash
from ambience.index.binary import BinaryIndex
from ambience.index.histogram import HistogramIndex

def opened(engine, kind, folder, fetch):
    spec = kind(kind.options_class()).spec
    before, start = resident(), time.perf_counter()
    index = engine.load(Path(folder), spec, engine.options_class(), fetch=fetch)
    index.search(np.zeros((1, spec.entries), spec.dtype), 10)
    return index, time.perf_counter() - start, resident() - before

rows = np.zeros((1, 512), np.float16)
hashes = opened(BinaryIndex, PHash, sys.argv[1], None)
colors = opened(HistogramIndex, Color, sys.argv[2], lambda ids: np.repeat(rows, len(ids), axis=0))
print(json.dumps({"phash": hashes[1:], "color": colors[1:], "total": resident()}))
"""
"""Opens both indexes and searches each once, so that what a search touches is counted as resident."""


def opening(hash_folder: Path, color_folder: Path) -> dict[str, Any]:
    """Seconds and resident bytes of both indexes, opened in a process of its own."""
    command = [sys.executable, "-c", OPENING, str(hash_folder), str(color_folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- all --------------------------------------------------------------------------------------------------


def color_sources(folder: Path | None) -> list[Path]:
    """Color photographs of a folder, or those of scikit-image."""
    paths = [photo.path for photo in find_photos(folder)] if folder else skimage_paths()
    return [path for path in paths if np.ptp(load_rgb(path)[::8, ::8].astype(int), axis=2).max() > 16]


def measure(photos: Path | None, *, is_quick: bool) -> Report:
    """Everything, as a report."""
    sources = color_sources(photos)
    data = histograms(sources, HISTOGRAMS[is_quick], queries=QUERIES[is_quick], seed=SEED)
    count = len(data.stored)
    with tempfile.TemporaryDirectory() as folder:
        hash_folder, color_folder = Path(folder) / "phash", Path(folder) / "color"
        hash_folder.mkdir()
        color_folder.mkdir()
        hamming = hash_times(hash_folder, TURNS[is_quick])
        color, recalls = color_times(data, color_folder)
        opened = opening(hash_folder, color_folder)
    floor, one = hamming["read the codes once"], hamming["Ambience, 1 query"]
    color_floor = color["faiss flat L1"]
    # With a quarter of the histograms the rest of the million is added at the same bytes each.
    grown = opened["total"] + opened["color"][1] * (HISTOGRAMS[False] / count - 1)
    figures = {
        "phash_over_floor": round(one / floor, 3),
        "phash_8_over_1": round(hamming["Ambience, 8 orientations"] / one, 3),
        "color_over_faiss": round(color_floor / color["Ambience"], 2),
        "color_recall_at_10": round(recalls["Ambience"], 4),
        "open_s": round(opened["phash"][0] + opened["color"][0] * HISTOGRAMS[False] / count, 3),
        "resident_gb": round(grown / 1e9, 3),
    }
    limits = (1.7, 3.0, 4.0, 0.99, 5.0, 1.2)
    signs = ("≤", "≤", "≥", "≥", "≤", "≤")
    return Report(
        name="search",
        command=command_of("search", photos, is_quick=is_quick),
        figures=figures,
        parameters={
            "codes": CODES,
            "histograms": count,
            "queries": QUERIES[is_quick],
            "turns": TURNS[is_quick],
            "k": K,
            "seed": SEED,
            "sources": len(sources),
            "is_quick": is_quick,
            "peer_lists": PEER_LISTS,
            "peer_probes": PEER_PROBES,
        },
        packages=PACKAGES,
        tables=[
            Table(
                f"{CODES:,} hashes of 576 bits, {cores()} threads",
                ("", "ms, median", "times the floor"),
                [(name, each * 1e3, each / floor) for name, each in hamming.items()],
            ),
            Table(
                f"{count:,} histograms of 512 cells, 1 thread",
                ("", "ms, median", "faiss flat L1 over it", "recall@10"),
                [
                    (name, each * 1e3, color_floor / each, round(recalls[name], 4))
                    for name, each in color.items()
                ],
            ),
            Table(
                "Both opened in a fresh process, and searched once",
                ("", "s", "MB resident"),
                [(name, opened[name][0], opened[name][1] / 1e6) for name in ("phash", "color")],
            ),
            Table(
                "Limits",
                ("", "measured", "asked"),
                [
                    (name, figures[name], f"{sign} {limit:g}")
                    for name, sign, limit in zip(figures, signs, limits, strict=True)
                ],
            ),
        ],
        notes=[
            f"Crops and tone changes of {len(sources)} photographs; floor of the hashes: "
            f"{CODES * 72 / floor / 1e9:.1f} GB/s read."
        ],
    )


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs; default: those of scikit-image")
    parser.add_argument("--quick", action="store_true", help="fewer histograms and turns")
    parser.add_argument("--json", type=Path, help="write the report with machine and versions to this file")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    arguments = parser.parse_args()
    report = measure(arguments.photos, is_quick=arguments.quick)
    if arguments.json:
        text = json.dumps(as_dict(report), indent=1, ensure_ascii=False)
        arguments.json.write_text(text + "\n", encoding="utf-8")
    finish(report, update_docs=arguments.update_docs)


if __name__ == "__main__":
    main()
