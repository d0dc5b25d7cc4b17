"""The original system's local features, as well as its recipe does without its weights.

Its own selection of 200 SIFT keypoints, faiss `OPQ64,IVF√n,PQ64` at nprobe 16, five neighbours a descriptor,
every picture with a hit below `matching_threshold` matched by mutual ratio 0.8 both ways, and MAGSAC at 4
pixels. Its descriptor is HardNet8, whose weights ship in no package; RootSIFT stands in. Its threshold of 0.9
on HardNet8's squared distances says nothing about RootSIFT's; `MATCHING_THRESHOLD` says how ours was chosen.
"""

import hashlib
import inspect
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from answers import Answered, Found, Search, code_stamp
from photos import Photo, load_rgb
from report import cache_folder, versions

KEY = "original_local"
TITLE = "the original's local features (RootSIFT)"

POINTS = 200
QUADRANT = 50
SPACING = 50.0
NEIGHBORS = 3
MAX_AREA = 9_000_000
NPROBE = 16
K_CLUSTERS = 5
RATIO = 0.8
REPROJECTION = 4.0

MATCHING_THRESHOLD = 0.2
"""Squared distance of unit-length RootSIFT, from an approximate index, below which a neighbor counts.

On other photos 99.9 % of the matches that the mutual ratio test keeps are nearer, and half of what chance
finds is not.
"""

PACKAGES = ("numpy", "opencv-python-headless", "faiss-cpu")


# --- extraction -------------------------------------------------------------------------------------------


def descriptors_of(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places in pixels and descriptors of a picture's chosen keypoints.

    Returns:
        (N, 2) float32 x, y, and (N, 128) float32 RootSIFT of unit length; N at most 200.
    """
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    area = grey.shape[0] * grey.shape[1]
    if area > MAX_AREA:
        scale = math.sqrt(MAX_AREA / area)
        size = (round(grey.shape[1] * scale), round(grey.shape[0] * scale))
        grey = cv2.resize(grey, size, interpolation=cv2.INTER_LANCZOS4)
    points, raw = cv2.SIFT.create(contrastThreshold=-1).detectAndCompute(grey, None)
    if not points:
        return np.empty((0, 2), np.float32), np.empty((0, 128), np.float32)
    places = np.array([point.pt for point in points], np.float32)
    order = np.argsort([-point.response for point in points], kind="stable")
    chosen = order[_selection()(places[order], grey.shape[1] // 2, grey.shape[0] // 2)]
    rooted = np.sqrt(raw[chosen] / np.maximum(raw[chosen].sum(axis=1, keepdims=True), 1e-6))
    return places[chosen], np.asarray(rooted, np.float32)


@cache
def _selection() -> Any:
    """The original's walk over keypoints by falling response, compiled at first use."""
    import numba

    @numba.njit(cache=True)
    def select(places: Any, middle_x: int, middle_y: int) -> Any:
        chosen = np.empty(POINTS, np.int64)
        counter = np.empty(POINTS, np.int64)  # points at the very same place share one, as its table does
        counts = np.zeros(POINTS, np.int64)
        quadrants = np.zeros(4, np.int64)
        found = 0
        for candidate in range(len(places)):
            x, y = places[candidate]
            if found == POINTS:
                break
            if x == middle_x or y == middle_y:
                continue
            same, is_crowded = found, False
            for other in range(found):
                away = math.hypot(places[chosen[other], 0] - x, places[chosen[other], 1] - y)
                if away == 0:
                    same = counter[other]
                elif away < SPACING and counts[counter[other]] >= NEIGHBORS:
                    is_crowded = True
                    break
            quadrant = 2 * int(y > middle_y) + int(x > middle_x)
            if is_crowded or quadrants[quadrant] == QUADRANT:
                continue
            for other in range(found):
                away = math.hypot(places[chosen[other], 0] - x, places[chosen[other], 1] - y)
                if 0 < away < SPACING:
                    counts[counter[other]] += 1
            chosen[found], counter[found] = candidate, same
            counts[same] = 0
            quadrants[quadrant] += 1
            found += 1
        return chosen[:found]

    return select


# --- search -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OriginalPlan:
    """The original's index over these photos, and how it is asked.

    Attributes:
        photos: the gallery.
        matching_threshold: see `MATCHING_THRESHOLD`.
    """

    photos: Sequence[Photo]
    matching_threshold: float = MATCHING_THRESHOLD

    @cached_property
    def place(self) -> Path:
        """Folder of the index, named by all that makes it."""
        code = "".join(inspect.getsource(each) for each in (descriptors_of, _selection, OriginalPlan.prepare))
        numbers = [POINTS, QUADRANT, SPACING, NEIGHBORS, MAX_AREA]
        text = json.dumps([code, numbers, [photo.key for photo in self.photos], versions(PACKAGES)])
        return cache_folder("original-local") / hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def folder(self) -> Path:
        """Of the answers."""
        return self.place / f"answers-{code_stamp([Path(__file__)])}-{self.matching_threshold:g}"

    def prepare(self) -> None:
        """Extracts the photos, trains the index on them, and adds them."""
        if (self.place / "index.faiss").is_file():
            return
        import faiss

        faiss.omp_set_num_threads(1)
        found = [descriptors_of(load_rgb(photo.path)) for photo in self.photos]
        descriptors = np.concatenate([each[1] for each in found])
        index = faiss.index_factory(128, f"OPQ64,IVF{math.isqrt(len(descriptors))},PQ64")
        index.train(descriptors)
        index.add(descriptors)
        self.place.mkdir(parents=True, exist_ok=True)
        np.savez(
            self.place / "points.npz",
            places=np.concatenate([each[0] for each in found]),
            descriptors=descriptors,
            starts=np.cumsum([0] + [len(each[0]) for each in found]),
            keys=np.array([photo.key for photo in self.photos]),
        )
        faiss.write_index(index, str(self.place / "index.part"))
        (self.place / "index.part").replace(self.place / "index.faiss")

    def open(self) -> Search:
        """The index, in this process."""
        return OriginalSearcher(self.place, self.matching_threshold)


class OriginalSearcher:
    """Asks the original's index."""

    def __init__(self, place: Path, matching_threshold: float) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self._index = faiss.read_index(str(place / "index.faiss"))
        with np.load(place / "points.npz") as kept:
            self._places, self._descriptors = kept["places"], kept["descriptors"]
            self._starts, self._keys = kept["starts"], kept["keys"].tolist()
        self._owners = np.repeat(np.arange(len(self._keys)), np.diff(self._starts))
        self._threshold = matching_threshold

    def ask(self, data: bytes, own: str | None) -> Answered:
        """As `answers.Search` says."""
        cpu, wall = time.process_time(), time.perf_counter()
        rgb = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        places, descriptors = descriptors_of(np.asarray(rgb, np.uint8))
        candidates = self._candidates(descriptors, None)
        found = self._verified(places, descriptors, candidates)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        if own is None:
            return Answered(found, found, cpu, wall)
        masked = self._candidates(descriptors, own)  # what was proven before need not be proven again
        new = self._verified(places, descriptors, sorted(set(masked) - set(candidates)))
        keys = {self._keys[image] for image in masked}
        return Answered(found, tuple(hit for hit in (*found, *new) if hit.key in keys), cpu, wall)

    def _candidates(self, descriptors: NDArray[np.float32], without: str | None) -> list[int]:
        """Pictures with a descriptor among the five nearest of any of the query's, most of them first."""
        import faiss

        if not len(descriptors):
            return []
        inner = faiss.SearchParametersIVF(nprobe=NPROBE)
        if without is not None:
            image = self._keys.index(without)
            own = faiss.IDSelectorRange(int(self._starts[image]), int(self._starts[image + 1]))
            inner = faiss.SearchParametersIVF(nprobe=NPROBE, sel=faiss.IDSelectorNot(own))
        distances, ids = self._index.search(
            descriptors, K_CLUSTERS, params=faiss.SearchParametersPreTransform(index_params=inner)
        )
        near = ids[(distances < self._threshold) & (ids >= 0)]
        images, votes = np.unique(self._owners[near], return_counts=True)
        return images[np.argsort(-votes, kind="stable")].tolist()

    def _verified(
        self, places: NDArray[np.float32], descriptors: NDArray[np.float32], images: Sequence[int]
    ) -> tuple[Found, ...]:
        """Pictures with inliers; of equal ones those with more matches score a little higher."""
        hits = []
        for image in images:
            span = slice(self._starts[image], self._starts[image + 1])
            mine, theirs = mutual_matches(descriptors, self._descriptors[span])
            if len(mine) <= 3:
                continue
            _, mask = cv2.findHomography(
                places[mine], self._places[span][theirs], cv2.USAC_MAGSAC, REPROJECTION,
                maxIters=2000, confidence=0.999,
            )  # fmt: skip
            inliers = 0 if mask is None else int(mask.sum())
            if inliers:
                hits.append(Found(self._keys[image], inliers + len(mine) / 1000))
        return tuple(sorted(hits, key=lambda hit: -hit.score))


def mutual_matches(
    first: NDArray[np.float32], second: NDArray[np.float32], ratio: float = RATIO
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs that are each other's nearest, by far in both directions.

    Args:
        first: (N, D) of unit length.
        second: (M, D) of unit length.
        ratio: of the nearest to the second nearest distance, at most, both ways.

    Returns:
        Rows of `first` and rows of `second`, one entry a pair; none where either side has fewer than two.
    """
    if len(first) < 2 or len(second) < 2:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    distances = np.sqrt(np.maximum(2 - 2 * first @ second.T, 0))
    across = np.partition(distances, 1, axis=1)[:, :2]
    along = np.partition(distances, 1, axis=0)[:2]
    nearest = distances.argmin(axis=1)
    rows = np.arange(len(first))
    back = distances.argmin(axis=0)
    kept = (back[nearest] == rows) & (across[:, 0] <= ratio * across[:, 1])
    kept &= along[0, nearest] <= ratio * along[1, nearest]
    return np.flatnonzero(kept), nearest[kept]
