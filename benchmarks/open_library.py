"""One process that opens the library of `search.py`, searches it, and prints what that took as JSON.

    python benchmarks/open_library.py FOLDER reader|writer|killed

`reader` also times each step of opening by itself, and the library's searches against the bare index.
`killed` opens for writing and then kills itself, so that the next opening finds an unclean end.
"""

import json
import os
import re
import signal
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SEARCHES = 100
K = 10
MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ ")


def resident_bytes() -> dict[str, int]:
    """Memory that is this process's own, and what is in memory of the mapped files of indexes."""
    own = mapped = 0
    is_index = False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if MAPPING.match(line):
            is_index = "/index/" in line
        elif line.startswith("Anonymous:"):
            size = int(line.split()[1]) * 1024
            own += size
            mapped -= size if is_index else 0
        elif line.startswith("Rss:") and is_index:
            mapped += int(line.split()[1]) * 1024
    return {"anonymous": own, "index mappings": mapped}


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that a call took, and what it answered."""
    start = time.perf_counter()
    answer = call()
    return time.perf_counter() - start, answer


def opened(folder: Path, *, writer: bool) -> tuple[Any, dict[str, float]]:
    """The library, after the first search of either kind, and what each took."""
    import ambience
    from ambience.answers import Query
    from ambience.settings import Settings

    open_s, library = timed(lambda: ambience.open(folder, settings=Settings(), writer=writer))
    steps = {"open": open_s}
    for kind in library.kinds:
        steps[f"first {kind} search"], _ = timed(
            lambda kind=kind: library.search_kind(kind, Query(image_id=1), k=K, turned=False)
        )
    return library, steps


def searches(library: Any) -> None:
    """So many searches of each kind that all that searches touch is in memory."""
    from ambience.answers import Query

    for number in np.linspace(2, library.info().images, SEARCHES).astype(int):
        for kind in library.kinds:
            library.search_kind(kind, Query(image_id=int(number)), k=K, turned=False)


def parts(folder: Path) -> dict[str, float]:
    """Seconds of each step of opening, done once more by itself."""
    from ambience.maintain.snapshots import SnapshotFolder
    from ambience.store import probe
    from ambience.store.commit import Store
    from search_library import ENGINES, specs

    took: dict[str, float] = {}
    took["records and features"], store = timed(lambda: Store.open(folder, specs(), writer=False))
    store.close()
    took["reading all features' pages (after an unclean end alone)"], _ = timed(
        lambda: probe.walk(str(folder / "features"))
    )
    for kind, spec in specs().items():
        place = folder / "index" / spec.fingerprint
        snapshots = SnapshotFolder(place, kind=kind, fingerprint=spec.fingerprint, engine="")
        newest = snapshots.found()[0]
        took[f"sha256 of the {kind} snapshot"], _ = timed(lambda s=snapshots, n=newest: s.verify(n))
        engine = ENGINES[kind]
        took[f"mapping or reading the {kind} index"], _ = timed(
            lambda e=engine, n=newest, s=spec: e.load(n.folder, s, e.options_class(), fetch=_no_vectors)
        )
    return took


def _no_vectors(ids: Any) -> Any:
    raise AssertionError(f"opening reads no vectors, but {ids} were asked for")


def against_bare(folder: Path, library: Any) -> dict[str, dict[str, float]]:
    """Milliseconds of the library's searches and of the bare index, in turn: median and 95th percentile."""
    from ambience.answers import Query
    from ambience.store.features import Features
    from search_library import ENGINES, specs

    features = Features(folder / "features", is_writer=False)
    found: dict[str, dict[str, float]] = {}
    for kind, spec in specs().items():
        newest = max((folder / "index" / spec.fingerprint).glob("[0-9]*"))
        engine = ENGINES[kind]
        bare = engine.load(
            newest, spec, engine.options_class(), fetch=lambda ids, spec=spec: features.get(spec, ids)[0]
        )
        taken: dict[str, list[float]] = {"library": [], "bare index": []}
        for number in np.linspace(3, library.info().images, SEARCHES).astype(int).tolist():
            place = np.array([(number - 1) * len(specs()) + list(specs()).index(kind) + 1])
            vector = features.get(spec, place)[0]
            bare.search(vector, K)  # not timed: both find the same pages in memory
            seconds, _ = timed(lambda v=vector, b=bare: b.search(v, K))
            taken["bare index"].append(seconds)
            query = Query(image_id=number)
            seconds, _ = timed(lambda q=query, kind=kind: library.search_kind(kind, q, k=K, turned=False))
            taken["library"].append(seconds)
        for name, times in taken.items():
            cuts = statistics.quantiles(times, n=20)
            found[f"{kind}, {name}"] = {"p50_ms": statistics.median(times) * 1e3, "p95_ms": cuts[-1] * 1e3}
    features.close()
    return found


def main() -> None:
    """Opens, measures, prints."""
    folder, how = Path(sys.argv[1]), sys.argv[2]
    library, steps = opened(folder, writer=how != "reader")
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    searches(library)
    answer: dict[str, Any] = {"steps": steps, "resident": resident_bytes()}
    answer["repairs"] = [problem.message for problem in library.repairs]
    if how == "reader":
        answer["searches"] = against_bare(folder, library)
    library.close()
    if how == "reader":
        answer["parts"] = parts(folder)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
