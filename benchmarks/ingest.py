"""How fast pictures are added, against decoding alone, imagehash alone, and the original's recipe.

    python benchmarks/ingest.py [--photos DIR] [--quick] [--json FILE] [--update-docs]

Ambience: `Library.add_paths` into a fresh library on disk, until every picture is committed, on all cores;
once with phash and color alone, which is what the peers do, and once with every kind (its models loaded
before). In the same run, taken in turn so that noise of the machine falls on all alike: the extractors of
every kind, each fed by a full Pillow decode of its own (`per_kind.py`); reading and decoding alone at the
scale that the kinds need; reading and simplejpeg at 1/8 alone; imagehash's 576-bit hash alone; the original's
recipe (each of two services decodes for itself, one hashes, one counts the full-size histogram). Files are in
the page cache. Rates are pictures a second; a ratio is the median over the turns.
"""

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from camera_files import SETS, FileSet, camera_files
from per_kind import apart_profile, apart_seconds, every_extractor
from photos import find_photos, skimage_paths
from report import Report, Table, cache_folder, command_of, cores, finish

PACKAGES = (
    "ambience",
    "numpy",
    "pillow",
    "simplejpeg",
    "opencv-python-headless",
    "lmdb",
    "sqlalchemy",
    "ImageHash",
)
SKIMAGE_COLOR = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
"""Color photographs inside the scikit-image package."""

SOURCE_PIXELS = 1_000_000
"""Photographs of --photos with at least as many pixels are the sources; else those of scikit-image."""

FILES = {True: {"12mp": 32, "2mp": 240, "03mp": 1200, "12mp_4mb": 12},
         False: {"12mp": 96, "2mp": 400, "03mp": 3000, "12mp_4mb": 48}}  # fmt: skip
"""Files of each set, by whether the run is quick."""

SLOW_SHARE = 4
"""The process-pool peers read one file in so many: they are slow, and a rate needs no more."""

PROFILE = "Processor milliseconds a picture: each stage alone; what is left; all; and what cores did not use"
APART_PROFILE = "The same, where each kind decodes for itself: one full decode by Pillow; each kind; all"
TURNS = {True: 3, False: 7}
PROFILED = {"12mp": 8, "2mp": 24, "03mp": 100, "12mp_4mb": 4}
"""Files on which each stage is timed alone, one thread."""

AMBIENCE, EVERYTHING, APART, DECODE, EIGHTH, IMAGEHASH, ORIGINAL = (
    "Ambience",
    "Ambience, every kind",
    "every kind by itself",
    "decode alone",
    "decode 1/8",
    "imagehash",
    "original",
)


COMPARED = ("phash", "color")
"""Kinds that the peers have something like; rates are compared with these alone."""


# --- Ambience ---------------------------------------------------------------------------------------------


def compared_only() -> dict[str, dict[str, bool]]:
    """Settings that switch every other kind off."""
    from ambience import registry
    from ambience.making import EXTRACTORS

    return {kind: {"enabled": kind in COMPARED} for kind in registry.names(EXTRACTORS)}


class Spent(NamedTuple):
    """Seconds by the clock, and of the processor on all threads."""

    wall: float
    processor: float


def add_all(paths: Sequence[Path], *, every_kind: bool = False) -> float:
    """Seconds that a fresh library on disk takes to add a folder that holds just these files."""
    return spent_to_add(paths, every_kind=every_kind).wall


def spent_to_add(paths: Sequence[Path], *, every_kind: bool = False) -> Spent:
    """What that takes; with every kind, models are loaded and a small picture is added before.

    Raises:
        RuntimeError: not every file was added.
    """
    from ambience import library
    from ambience.settings import Settings

    kinds = {} if every_kind else compared_only()
    with tempfile.TemporaryDirectory(dir=cache_folder("libraries")) as scratch:
        photos = Path(scratch) / "photos"
        photos.mkdir()
        for path in paths:
            os.link(path, photos / path.name)
        settings = Settings(library=Path(scratch) / "library", kinds=kinds)
        with library.open(settings=settings, writer=True) as mine:
            if every_kind:
                warm = Path(scratch) / "warm.png"
                Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)).save(warm)
                mine.add_paths([warm])
            start, processor = time.perf_counter(), time.process_time()
            report = mine.add_paths([photos])
            took = Spent(time.perf_counter() - start, time.process_time() - processor)
    if report.added != len(paths):
        raise RuntimeError(f"{report.added} of {len(paths)} files were added; failed: {report.failed[:3]}")
    return took


# --- decoding alone ---------------------------------------------------------------------------------------


def needed_side() -> int:
    """Longest side that the compared kinds ask of a picture, in pixels."""
    from ambience import making
    from ambience.settings import Settings

    made = making.make_extractors(Settings(kinds=compared_only()))
    needs = [extractor.need.longest_side for extractor in made.values()]
    return max(need for need in needs if need is not None)


def read_and_decode(path: Path, factor: int) -> None:
    """Reads a file and decodes it at 1/`factor`, as the fast path of Ambience's decoder does."""
    import simplejpeg

    data = path.read_bytes()
    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    simplejpeg.decode_jpeg(
        data, min_width=-(-width // factor), min_height=-(-height // factor), min_factor=factor
    )


def scale_for(wanted: FileSet, need: int) -> int:
    """The largest of 8, 4, 2 and 1 that leaves the longest side at `need` pixels or more."""
    longest = max(wanted.width, wanted.height)
    return next((factor for factor in (8, 4, 2) if longest >= factor * need), 1)


def decode_all(paths: Sequence[Path], factor: int) -> float:
    """Seconds to read and decode files on as many threads as cores."""
    with ThreadPoolExecutor(cores()) as pool:
        start = time.perf_counter()
        list(pool.map(lambda path: read_and_decode(path, factor), paths))
        return time.perf_counter() - start


# --- peers, one process per core --------------------------------------------------------------------------


def start_peer() -> None:
    """Imports what the peers use, and keeps OpenCV to one thread."""
    import cv2
    import imagehash

    cv2.setNumThreads(1)
    imagehash.phash(Image.new("RGB", (96, 96)), hash_size=24)


def imagehash_one(path: Path) -> None:
    """Imagehash's 576-bit hash of a file."""
    import imagehash

    with Image.open(path) as file:
        imagehash.phash(file, hash_size=24)


def original_one(path: Path) -> None:
    """The original's hash service, then its color service: each decodes the upload by Pillow at full size."""
    import cv2
    import imagehash

    with Image.open(path) as file:
        imagehash.phash(file, hash_size=24)
    with Image.open(path) as file:
        rgb = np.asarray(file.convert("RGB"))
    counts = cv2.calcHist([rgb], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel()
    counts * 1e7 / (rgb.shape[0] * rgb.shape[1])


def pool_seconds(pool: ProcessPoolExecutor, work: Callable[[Path], None], paths: Sequence[Path]) -> float:
    """Seconds that a warm process pool takes for files."""
    start = time.perf_counter()
    list(pool.map(work, paths, chunksize=max(1, min(16, len(paths) // (4 * cores())))))
    return time.perf_counter() - start


# --- measuring --------------------------------------------------------------------------------------------

Rates = dict[str, list[float]]
"""Candidate → pictures a second, one entry a turn."""

Profiles = dict[str, dict[str, float]]
"""Set of files → stage → milliseconds of processor time a picture."""


def measure(files: dict[str, list[Path]], *, turns: int, share: int) -> dict[str, Rates]:
    """Rates of every candidate on every set, taken in turn."""
    need = needed_side()
    rates: dict[str, Rates] = {name: {} for name in files}
    extractors = every_extractor()
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn"), initializer=start_peer) as pool:
        for wanted in SETS:
            paths = files[wanted.name]
            few = paths[: max(2 * cores(), len(paths) // share)]
            factor = scale_for(wanted, need)
            candidates: list[tuple[str, int, Callable[[], float]]] = [
                (AMBIENCE, len(paths), partial(add_all, paths)),
                (EVERYTHING, len(few), partial(add_all, few, every_kind=True)),
                (APART, len(few), partial(apart_seconds, extractors, few)),
                (DECODE, len(paths), partial(decode_all, paths, factor)),
                (EIGHTH, len(paths), partial(decode_all, paths, 8)),
                (IMAGEHASH, len(few), partial(pool_seconds, pool, imagehash_one, few)),
                (ORIGINAL, len(few), partial(pool_seconds, pool, original_one, few)),
            ]  # fmt: skip
            add_all(few, every_kind=True)  # warm: libraries loaded, code compiled, files in the page cache
            pool_seconds(pool, imagehash_one, few)
            for _ in range(turns):
                for name, count, run in candidates:
                    rates[wanted.name].setdefault(name, []).append(count / run())
    return rates


def ratio(rates: Rates, of: str, to: str) -> float:
    """Median over the turns of one candidate's rate to another's."""
    return statistics.median(mine / theirs for mine, theirs in zip(rates[of], rates[to], strict=True))


def profile(paths: Sequence[Path], profiled: int) -> dict[str, float]:
    """Milliseconds of processor time that a picture costs with every kind, by stage.

    A busy machine hardly moves them.

    Args:
        paths: all of them are added once, which gives the whole.
        profiled: so many of them go through each stage alone, on one thread.

    Returns:
        The stages; "rest": what adding takes beyond them (walking, headers, rows, features, fsync, index);
        "whole": of all threads; "not used": of the cores meanwhile, for want of work or to other programs.
    """
    from ambience import making
    from ambience.decode.image import Decoder
    from ambience.settings import Settings

    extractors = making.make_extractors(Settings())
    decoder = Decoder(Settings().decode, [extractor.need for extractor in extractors.values()])
    spent: dict[str, float] = {}

    def timed(stage: str, work: Callable[[Any], Any], inputs: Sequence[Any]) -> list[Any]:
        work(inputs[0])
        start = time.process_time()
        found = [work(each) for each in inputs]
        spent[stage] = (time.process_time() - start) / len(inputs) * 1e3
        return found

    wall, whole = (each / len(paths) * 1e3 for each in spent_to_add(paths, every_kind=True))
    data = timed("read", lambda path: path.read_bytes(), paths[:profiled])
    timed("sha256", lambda each: hashlib.sha256(each).digest(), data)
    pictures = timed("decode", lambda each: decoder.decode(each, name="profiled"), data)
    for kind, extractor in extractors.items():
        timed(kind, extractor.extract, [[picture] for picture in pictures])
    decoder.close()
    rest = whole - sum(spent.values())
    return {**spent, "rest": rest, "whole": whole, "not used": max(0.0, cores() * wall - whole)}


# --- report -----------------------------------------------------------------------------------------------


def figures_of(rates: dict[str, Rates], profiles: Profiles, apart: Profiles) -> dict[str, Any]:
    """The one line at the end."""
    figures: dict[str, Any] = {}
    for key, to in (
        ("over_decode", DECODE),
        ("over_imagehash", IMAGEHASH),
        ("over_eighth", EIGHTH),
        ("over_original", ORIGINAL),
    ):
        for name, measured in rates.items():
            figures[f"{key}_{name}"] = round(ratio(measured, AMBIENCE, to), 3)
    for name, measured in rates.items():
        figures[f"decode_once_over_per_kind_{name}"] = round(ratio(measured, EVERYTHING, APART), 3)
        whole = [of[name]["whole"] for of in (apart, profiles)]
        figures[f"decode_once_over_per_kind_{name}_processor"] = round(whole[0] / whole[1], 3)
    for name, measured in rates.items():
        figures[f"rate_{name}"] = round(statistics.median(measured[AMBIENCE]), 1)
        figures[f"rate_every_kind_{name}"] = round(statistics.median(measured[EVERYTHING]), 1)
    return figures


def tables_of(
    rates: dict[str, Rates], profiles: Profiles, apart: Profiles, files: dict[str, list[Path]]
) -> list[Table]:
    """Rates, ratios, and where the time goes."""
    titles = {wanted.name: _title(wanted, files[wanted.name]) for wanted in SETS}
    names = (AMBIENCE, EVERYTHING, APART, DECODE, EIGHTH, IMAGEHASH, ORIGINAL)
    medians = [
        [titles[name], *(f"{statistics.median(measured[each]):.1f}" for each in names)]
        for name, measured in rates.items()
    ]
    ratios = [
        [
            titles[name],
            f"{ratio(measured, EVERYTHING, APART):.2f}×",
            *(f"{ratio(measured, AMBIENCE, each):.2f}×" for each in names[3:]),
            _spread(measured),
        ]
        for name, measured in rates.items()
    ]
    return [
        Table("Pictures a second, median of the turns", ("files", *names), medians),
        Table(
            "Ambience over each: every kind over every kind by itself, then phash and color over the rest",
            ("files", *names[2:], "decode alone, range"),
            ratios,
        ),
        _costs(PROFILE, profiles, titles),
        _costs(APART_PROFILE, apart, titles),
    ]


def _costs(title: str, profiles: Profiles, titles: dict[str, str]) -> Table:
    stages = list(next(iter(profiles.values())))
    rows = [[titles[name], *(f"{spent[stage]:.2f}" for stage in stages)] for name, spent in profiles.items()]
    return Table(title, ("files", *stages), rows)


def _spread(measured: Rates) -> str:
    turns = [mine / theirs for mine, theirs in zip(measured[AMBIENCE], measured[DECODE], strict=True)]
    return f"{min(turns):.2f} – {max(turns):.2f}"


def _title(wanted: FileSet, paths: Sequence[Path]) -> str:
    mean = statistics.mean(path.stat().st_size for path in paths)
    return f"{wanted.width}×{wanted.height}, {mean / 1e6:.2f} MB"


def source_photos(folder: Path | None) -> list[Path]:
    """Large photographs of a folder, or the color photographs of scikit-image."""
    if folder is not None:
        photos = find_photos(folder)
        large = [photo.path for photo in photos if photo.width * photo.height >= SOURCE_PIXELS]
        if large:
            return large
    return [path for path in skimage_paths() if path.name in SKIMAGE_COLOR]


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs; default: those of scikit-image")
    parser.add_argument("--quick", action="store_true", help="fewer files and turns")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    arguments = parser.parse_args()
    sources = source_photos(arguments.photos)
    counts, turns = FILES[arguments.quick], TURNS[arguments.quick]
    files = {wanted.name: camera_files(wanted, sources, counts[wanted.name]) for wanted in SETS}
    rates = measure(files, turns=turns, share=SLOW_SHARE)
    profiles = {name: profile(paths, PROFILED[name]) for name, paths in files.items()}
    extractors = every_extractor()
    apart = {name: apart_profile(extractors, paths[: PROFILED[name]]) for name, paths in files.items()}
    report = Report(
        name="ingest",
        command=command_of("ingest", arguments.photos, is_quick=arguments.quick),
        figures=figures_of(rates, profiles, apart),
        parameters={
            "files": counts,
            "turns": turns,
            "is_quick": arguments.quick,
            "longest_side_decoded_at_least": needed_side(),
            "processes_and_threads": cores(),
        },
        packages=PACKAGES,
        tables=tables_of(rates, profiles, apart, files),
        notes=[
            f"Crops of {len(sources)} photographs; {turns} turns; {cores()} cores; files in the page cache."
        ],
        details={"rates": rates, "profiles_ms": profiles, "profiles_apart_ms": apart},
    )
    finish(report, update_docs=arguments.update_docs, json_file=arguments.json)


if __name__ == "__main__":
    main()
