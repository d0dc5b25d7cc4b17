"""What `search.py` searches in: a million hashes and a million histograms, by seed, kept in the cache folder.

Histograms are of distinct crops and tone changes of real photographs. Hashes are half random, half copies of
the others with some bits flipped, as re-saved pictures have them; a scan's time does not depend on them.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from photos import load_rgb
from report import cache_folder, cores, versions

SIDE = 144
"""Longest side in pixels that sources are brought to first: what a histogram costs grows with its pixels."""

LEAST_CROP = 0.4
"""Smallest share of either side that a crop keeps."""

TASK = 10_000
"""Histograms that a process makes at a time."""

TRUTH_PIECE = 5_000
"""Histograms that all queries are compared with at a time: 10 MB, which stay in a cache."""

FLIPPED = (4, 64)
"""Bits in which a copied hash differs from its source, drawn evenly."""


@dataclass(frozen=True)
class Histograms:
    """Histograms of variants of photographs.

    Attributes:
        stored: (N, 512) float16, memory-mapped.
        queries: (Q, 512) float16, of other variants of the same photographs.
        true: (Q, k) rows of `stored` nearest to each query by L1, nearest first, as faiss finds them.
        stamp: names their content.
    """

    stored: NDArray[np.float16]
    queries: NDArray[np.float16]
    true: NDArray[np.int64]
    stamp: str


def hashes(count: int, *, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """(N, 72) stored hashes and (64, 72) queries, which are copies of stored ones with bits flipped."""
    generator = np.random.default_rng(seed)
    first = generator.integers(0, 256, (count - count // 2, 72), dtype=np.uint8)
    stored = np.concatenate([first, _flipped(first[: count // 2], generator)])
    return stored, _flipped(stored[:: max(1, count // 64)][:64], generator)


def _flipped(codes: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Copies of hashes with `FLIPPED` bits turned over, drawn with replacement."""
    copies = codes.copy()
    flips = generator.integers(*FLIPPED, len(codes))
    for flip in range(FLIPPED[1]):
        rows = np.flatnonzero(flips > flip)
        bits = generator.integers(0, 576, len(rows))
        copies[rows, bits // 8] ^= (1 << (bits % 8)).astype(np.uint8)
    return copies


def histograms(sources: Sequence[Path], count: int, *, queries: int, seed: int, k: int) -> Histograms:
    """Histograms of `count` + `queries` variants of photographs; made on all cores where they are not there.

    Args:
        sources: color photographs, used in turn.
        count: stored.
        queries: beside them.
        seed: of crops and tones.
        k: nearest rows noted for every query.
    """
    digests = [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    stamp = json.dumps([digests, count, queries, seed, code, versions(("numpy", "opencv-python-headless"))])
    file = cache_folder("histograms") / f"{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.npy"
    if not file.is_file():
        making = file.with_suffix(".part")
        rows = np.lib.format.open_memmap(making, mode="w+", dtype=np.float16, shape=(count + queries, 512))
        starts = range(0, len(rows), TASK)
        with ProcessPoolExecutor(cores(), initializer=_load, initargs=(list(sources),)) as pool:
            sizes = [min(TASK, len(rows) - start) for start in starts]
            for start, part in zip(
                starts, pool.map(_variants, starts, sizes, [seed] * len(sizes)), strict=True
            ):
                rows[start : start + len(part)] = part
        rows.flush()
        making.rename(file)
    rows = np.load(file, mmap_mode="r")
    truth = file.with_suffix(f".true{k}.npy")
    if not truth.is_file():
        np.save(truth, _nearest(rows[:count], np.array(rows[count:]), k))
    return Histograms(rows[:count], np.array(rows[count:]), np.load(truth), file.stem)


def _nearest(stored: NDArray[np.float16], queries: NDArray[np.float16], k: int) -> NDArray[np.int64]:
    """Rows nearest to each query by L1, by comparing with all, a piece at a time."""
    import faiss

    distances, rows = np.empty((len(queries), 0), np.float32), np.empty((len(queries), 0), np.int64)
    for start in range(0, len(stored), TRUTH_PIECE):
        part = stored[start : start + TRUTH_PIECE].astype(np.float32)
        found = faiss.knn(queries.astype(np.float32), part, k, metric=faiss.METRIC_L1)
        distances = np.concatenate([distances, found[0]], axis=1)
        rows = np.concatenate([rows, found[1] + start], axis=1)
        kept = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances, rows = np.take_along_axis(distances, kept, 1), np.take_along_axis(rows, kept, 1)
    return rows


_SOURCES: list[NDArray[np.uint8]] = []


def _load(paths: list[Path]) -> None:
    """Reads the photographs into a worker process, scaled down."""
    cv2.setNumThreads(1)
    for path in paths:
        rgb = load_rgb(path)
        scale = min(1.0, SIDE / max(rgb.shape[:2]))
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        _SOURCES.append(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))


def _variants(start: int, count: int, seed: int) -> NDArray[np.float16]:
    """Histograms of variants `start` … `start + count`, the same whoever makes them."""
    made = np.empty((count, 512), np.float16)
    generator = np.random.default_rng((seed, start))
    for number in range(count):
        rgb = _SOURCES[(start + number) % len(_SOURCES)]
        made[number] = _histogram(_toned(_crop(rgb, generator), generator))
    return made


def _crop(rgb: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """A rectangle that keeps `LEAST_CROP` to all of either side."""
    height, width = (max(1, round(side * generator.uniform(LEAST_CROP, 1))) for side in rgb.shape[:2])
    top = generator.integers(0, rgb.shape[0] - height + 1)
    left = generator.integers(0, rgb.shape[1] - width + 1)
    return rgb[top : top + height, left : left + width]


def _toned(rgb: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    """Gamma 0.6–1.7, contrast 0.7–1.3, and each channel's gain 0.85–1.15."""
    levels = (np.arange(256) / 255) ** generator.uniform(0.6, 1.7)
    levels = (levels - 0.5) * generator.uniform(0.7, 1.3) + 0.5
    table = np.clip(levels[:, None] * generator.uniform(0.85, 1.15, 3) * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(np.ascontiguousarray(rgb), table[None])


def _histogram(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    counts = cv2.calcHist([rgb], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel()
    return counts / (rgb.shape[0] * rgb.shape[1])
