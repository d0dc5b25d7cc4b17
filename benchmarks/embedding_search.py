"""How fast embeddings are searched among a million, how many of the nearest are found, and what that weighs.

Called by `search.py --kind embeddings`. Libraries are made and searched by the product
(`embedding_library.py`, `embedding_queries.py`), the indexes of faiss and usearch beside them
(`embedding_peers.py`). Then what 256 bytes of product quantiser make of embeddings of 768 values
(`embedding_products.py`), and the choices behind the index (`embedding_codes.py`). Embeddings, libraries,
indexes and finished parts are kept in the cache folder: what was broken off goes on where it stopped.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import embedding_codes
import embedding_products
from embedding_inputs import (
    PER_CENTER,
    QUERIES,
    Displaced,
    Made,
    Vectors,
    embeddings_of,
    leading,
    units,
    vectors,
)
from embedding_library import Source, build, extra_of, library_folder
from embedding_peers import built, peers
from embedding_queries import USUAL_PROBES, asked, titles, weighed
from embedding_tables import figures_of, library_tables, limits
from local_search import apart
from photos import Photo, find_photos
from report import Report, cache_folder, versions

PACKAGES = ("ambience", "numpy", "faiss-cpu", "usearch", "lmdb")
SEED = 2026
SIZES = {True: 100_000, False: 1_000_000}
REAL = {True: 25_000, False: 100_000}
"""Displaced embeddings of photographs."""
DIM, PRODUCT_DIM = 512, 768
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def measure(photos_folder: Path | None, *, is_quick: bool) -> Report:
    """Everything, as a report.

    Args:
        photos_folder: photographs, with labels if product codes are to be judged by them; None: those of
            scikit-image, too few for anything real.
        is_quick: 100,000 embeddings instead of a million.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait for cores would count as work
    photos = find_photos(photos_folder) if photos_folder else []
    real = apart(embeddings_of, photos) if photos else {}
    count = SIZES[is_quick]
    made = Made(count // PER_CENTER, DIM, seed=SEED)
    results = [searched(f"{count:,} × {DIM}, made", made, count)]
    if real:
        source = Displaced(leading(real["global_features"], DIM), seed=SEED)
        few = REAL[is_quick]
        results.append(searched(f"{few:,} × {DIM}, of photographs, displaced", source, few))
    products = kept("products", embedding_products.measure, PRODUCT_DIM, count, SEED, *_labeled(photos, real))
    codes = kept("codes", embedding_codes.measure, SEED, real)
    figures = figures_of(results[0], products)
    return Report(
        name="embedding_search",
        command=command(photos_folder, is_quick=is_quick),
        figures=figures,
        parameters={"sizes": [each["count"] for each in results], "queries": QUERIES, "seed": SEED,
                    "photos": len(photos), "is_quick": is_quick, "probes": USUAL_PROBES},
        packages=PACKAGES,
        tables=[
            *(table for each in results for table in library_tables(each)),
            *embedding_products.tables_of(products, results[0]["read_gb_s"]),
            *embedding_codes.tables_of(codes),
            limits(figures),
        ],
        notes=[note(results, len(photos))],
        details={"searched": results, "products": products, "codes": codes},
    )  # fmt: skip


def command(photos: Path | None, *, is_quick: bool) -> str:
    """What makes these figures, with the last name of the folder of photographs alone."""
    words = ["python benchmarks/search.py --kind embeddings"]
    words += ["--photos", photos.resolve().name] if photos else []
    return " ".join(words + (["--quick"] if is_quick else []))


def note(results: Sequence[Mapping[str, Any]], photos: int) -> str:
    """What was searched, in words."""
    near = "; ".join(f"{each['name']}: {each['near']}" for each in results)
    real = f" Embeddings of {photos:,} photographs by the starter models." if photos else ""
    return (
        f"One query at a time on one thread, {QUERIES} queries, milliseconds of the processor. Memory was "
        f"read at {results[0]['read_gb_s']:.1f} GB/s on one thread. Cosine to the tenth neighbor, and to any "
        f"embedding, medians: {near}.{real}"
    )


def searched(name: str, source: Source, count: int) -> dict[str, Any]:
    """Embeddings of a source in every index: what that took, finds and weighs."""
    data = vectors(name, source, count)
    folder = library_folder(data)
    made = apart(build, folder, data, extra_of(source, count))
    package_versions = versions(("faiss-cpu", "usearch"))
    peers_folder = cache_folder("embedding-peers")
    stamp = hashlib.sha256(json.dumps([data.stamp, package_versions, _code("embedding_peers")]).encode())
    files = {key: peers_folder / f"{count}-{stamp.hexdigest()[:12]}.{key}" for key in peers()}
    took = {key: apart(built, key, data, file) for key, file in files.items()}
    found = one_thread(asked, data, folder, files)
    resident = {title: one_thread(weighed, title, data, folder, files) for title in titles()}
    return {"name": name, "count": count, "dim": data.dim, "near": _near(data), "library": made,
            "peers": took, "resident": resident, **found}  # fmt: skip


def one_thread(work: Callable[..., Any], *arguments: Any) -> Any:
    """What some work returns in a fresh process, all of whose libraries have one thread."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        return apart(work, *arguments)
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def kept(name: str, work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a part of the benchmark found; from the cache folder where it was finished with the same code."""
    import pickle

    code = [_code(each) for each in ("embedding_inputs", work.__module__)]
    stamp = hashlib.sha256(pickle.dumps([code, versions(PACKAGES), _engine(), arguments])).hexdigest()[:12]
    file = cache_folder("embedding-parts") / f"{name}-{stamp}.json"
    if not file.is_file():
        result = one_thread(work, *arguments)
        file.write_text(json.dumps(result), encoding="utf-8")
    return dict(json.loads(file.read_text(encoding="utf-8")))


def _code(module: str) -> str:
    return hashlib.sha256(Path(__file__).with_name(f"{module}.py").read_bytes()).hexdigest()


def _engine() -> str:
    import ambience

    files = sorted((Path(ambience.__file__).parent / "index").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _labeled(photos: Sequence[Photo], real: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Embeddings of photographs whose label others bear as well, and their labels; None: there are none."""
    labels = [photo.label for photo in photos]
    chosen = [number for number, label in enumerate(labels) if label and labels.count(label) > 1]
    if not chosen:
        return None, []
    return real["global_features"][chosen], [labels[number] for number in chosen]


def _near(data: Vectors) -> str:
    """How near neighbors are, and others."""
    queries = units(data.queries)
    tenth = (queries * units(data.stored[data.true[:, -1]])).sum(axis=1)
    others = queries @ data.sample(1000).T
    return f"{np.median(tenth):.2f} and {np.median(others):.2f}"
