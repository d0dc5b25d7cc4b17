"""Asks a library of local features in a process of its own, and times it; started by `local_search.py`.

    python benchmarks/local_queries.py FOLDER CASES.npz

CASES holds the bytes of query files. Each is asked in two ways: the whole way, as people ask (decoded,
extracted, searched with second looks and a comparison of pixels); and for the first answer alone, from
features that are there already: once as this process finds it ("cold"), and once more. All answers come back
as one line of JSON, with what each took, the memory of this process, and where the time of the first answers
goes, by a profiler in a pass of its own.
"""

import cProfile
import json
import pstats
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

K = 10
PROFILED = 40
"""Queries of the profile."""

STAGES = {
    "index": ("live_index.py", "search"),
    "votes": ("votes.py", "cast_votes"),
    "candidates by votes": ("votes.py", "most_voted"),
    "places of the shortlist read": ("features.py", "heads"),
    "keypoints of candidates read": ("local.py", "_read"),
    "agreement in scale and angle": ("votes.py", "consistency"),
    "matching": ("matching.py", "mutual_matches"),
    "geometry": ("proof.py", "proof"),
    "all": ("local.py", "by_variants"),
}
"""Stages of a first answer: name → file and function, which never call each other, but for the last."""


class Timed(NamedTuple):
    """An answer.

    Attributes:
        wall_s: seconds that it took.
        cpu_s: seconds of all processors.
        hits: (image id, score) pairs.
    """

    wall_s: float
    cpu_s: float
    hits: list[tuple[int, float]]


MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ")


class Asking:
    """A library opened as a reader opens it.

    Args:
        folder: of the library.
    """

    def __init__(self, folder: Path) -> None:
        from ambience.composition import compose
        from ambience.settings import Settings
        from local_library import KIND

        self.parts = compose(replace(Settings(), library=folder), writer=False)
        space = self.parts.spaces.in_use(KIND)
        self._extractor, self._search = space.extractor, space.search

    def whole(self, data: bytes) -> Timed:
        """From bytes to the answer; there is none for a picture without keypoints."""
        start = clocks()
        picture = self.parts.decoder.decode(data, name="query")
        variants = self._variants(picture)
        hits = self._search.by_variants(variants, k=K, picture=picture).hits if variants else ()
        return timed(start, hits)

    def features(self, data: bytes) -> Sequence[Any]:
        """What is searched with; nothing of a picture without keypoints."""
        return self._variants(self.parts.decoder.decode(data, name="query"))

    def first(self, variants: Sequence[Any]) -> Timed:
        """From features to the first answer, without second looks."""
        start = clocks()
        return timed(start, self._search.by_variants(variants, k=K).hits if variants else ())

    def _variants(self, picture: Any) -> Sequence[Any]:
        from ambience.errors import EmptyFeatureError

        try:
            found: Sequence[Any] = self._extractor.query_variants(picture)
        except EmptyFeatureError:
            return ()
        return found


def clocks() -> tuple[float, float]:
    """Seconds on the wall, and of all processors by this process."""
    return time.perf_counter(), time.process_time()


def timed(start: tuple[float, float], hits: Sequence[Any]) -> Timed:
    """What an answer took since `start`, and (image id, score) of its hits."""
    wall, cpu = (now - then for now, then in zip(clocks(), start, strict=True))
    return Timed(wall, cpu, [(hit.image_id, -hit.geometry.log10_chance) for hit in hits])


def profile(asking: Asking, queries: Sequence[Any]) -> dict[str, float]:
    """Milliseconds of each stage of a first answer: the mean over queries, under a profiler."""
    profiler = cProfile.Profile()
    for variants in queries:
        profiler.enable()
        asking.first(variants)
        profiler.disable()
    stats: Any = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    spent = {
        name: sum(
            row[3] for (path, _, call), row in stats.items() if call == function and path.endswith("/" + file)
        )
        for name, (file, function) in STAGES.items()
    }
    rest = spent["all"] - sum(each for name, each in spent.items() if name != "all")
    return {name: each / len(queries) * 1e3 for name, each in {**spent, "the rest": rest}.items()}


def resident(folder: Path) -> dict[str, int]:
    """Bytes in memory: this process's own, and pages of the library's files, which the system can drop."""
    found = {"own": 0, "index files": 0, "features": 0, "other files": 0}
    kind = "other files"
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if MAPPING.match(line):
            is_library = str(folder.resolve()) in line
            kind = "other files"
            if is_library:
                kind = "index files" if "/index/" in line else "features"
        elif line.startswith("Anonymous:"):
            size = int(line.split()[1]) * 1024
            found["own"] += size
            found[kind] -= size
        elif line.startswith("Rss:"):
            found[kind] += int(line.split()[1]) * 1024
    return found


def main() -> None:
    """Opens, asks, prints."""
    folder = Path(sys.argv[1])
    with np.load(sys.argv[2]) as stored:
        files = [stored[name].tobytes() for name in stored.files]
    start = time.perf_counter()
    asking = Asking(folder)
    opened_s = time.perf_counter() - start
    features = [asking.features(data) for data in files]
    asked = {"cold": [asking.first(variants) for variants in features]}
    asked["first"] = [asking.first(variants) for variants in features]
    after_first = resident(folder)
    asked["whole"] = [asking.whole(data) for data in files]
    answer = {
        "opened_s": opened_s,
        **{name: [answer._asdict() for answer in answers] for name, answers in asked.items()},
        "resident": after_first,
        "resident_after_whole": resident(folder),
        "profile_ms": profile(asking, [each for each in features if each][:PROFILED]),
        "pending": asking.parts.spaces.in_use("local_features").live.pending,
    }
    asking.parts.opened.close()
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
