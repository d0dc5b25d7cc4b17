"""Which copies are still found: 26 transforms and 15 harder ones, our kinds and their peers in one run.

    python benchmarks/robustness.py --photos DIR [--quick] [--only SEARCH] [--unmasked] [--json FILE]
        [--update-docs]

Photos are split by a seed into gallery, query sources (also in the gallery) and outsiders. Negatives are
every outsider, and every query with its true picture masked, under all 41 transforms; pairs that truly show
the same thing (`photos.related_pairs`; for insets also what the photo behind shows) are counted apart.
What is then counted: `rule.py`. Searches (all our kinds together, as a library answers by default; local
features, ours and the original's) are asked for the first
photos of each part alone, one file at a time, with the true picture truly kept out for the negatives; their
answers are kept in the cache folder under the code that gave them, so that a run cut short goes on. All other
results are made anew; transformed queries are kept.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fused_answers
from answers import narrowed
from cases import FULL, QUICK, Case, fixture_pictures, make_cases, make_fixture
from methods import HashMethod, Method, UprightOnly, all_methods
from photos import Photo, Split, find_photos, load_rgb, related_pairs, split_photos
from report import IMAGES, Report, Table, cache_folder, command_of, cores, finish
from rule import Outcome, Row, behind_masks, evaluate, related_masks
from searches import (
    SEARCHED_FULL,
    SEARCHED_QUICK,
    SearchResult,
    all_searches,
    search_details,
    search_figures,
    search_result,
)
from single_kinds import SINGLE, beside_figures, beside_note, beside_table
from transforms import TRANSFORMS

PACKAGES = (
    "ambience",
    "numpy",
    "pillow",
    "opencv-python-headless",
    "faiss-cpu",
    "ImageHash",
    "pdqhash",
    "imagededup",
)
GALLERY_AT_LEAST, QUERIES_AT_LEAST = 1000, 200
"""Below these, figures are only indicative."""

IMAGEDEDUP_INSTALL_S = {True: 150, False: 600}
"""Seconds that installing imagededup with PyTorch may take, by whether the run is quick."""

SUMMARY = (
    "method", "recall by the rule, 26", "recall@1, 26", "recall by the rule, 15 harder", "threshold",
    "false accepts, half B", "related above it", "at its documented threshold: recall, 26",
)  # fmt: skip
IN_FULL = ("fused", "local", "phash")
"""Methods whose rows are given with every figure."""

ROWS = ("transform", "recall@1", "recall by the rule", "95 % interval", "false accepts")

Features = dict[str, NDArray[Any]]


# --- features ---------------------------------------------------------------------------------------------

_methods: list[Method] = []


def start_worker() -> None:
    """Makes the methods of a worker process that extract anything; OpenCV keeps to one thread."""
    import cv2

    cv2.setNumThreads(1)
    _methods[:] = [method for method in all_methods() if not isinstance(method, UprightOnly)]


def gallery_features(photo: Photo) -> Features:
    """The upright feature of a photo by every method: key → (D,)."""
    rgb = load_rgb(photo.path)
    return {method.key: method.extract(rgb)[0] for method in _methods}


def query_features(case: Case) -> Features:
    """The features of a photo under every transform by every method: key → (41, V, D)."""
    make_fixture(case)
    found: dict[str, list[NDArray[Any]]] = {method.key: [] for method in _methods}
    for rgb in fixture_pictures(case.fixture):
        for method in _methods:
            found[method.key].append(method.extract(rgb))
    return {key: np.stack(features) for key, features in found.items()}


def extract_all(photos: Sequence[Photo], split: Split, cases: Sequence[Case]) -> tuple[Features, Features]:
    """Features of the gallery, key → (N, D), and of all queries, key → (P, 41, V, D)."""
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # the workers share the cores among themselves
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), mp_context=context, initializer=start_worker) as pool:
        asked = list(pool.map(query_features, cases, chunksize=4))
        kept = list(pool.map(gallery_features, [photos[index] for index in split.gallery], chunksize=16))
    keys = asked[0].keys()
    return {key: np.stack([one[key] for one in kept]) for key in keys}, {
        key: np.stack([one[key] for one in asked]) for key in keys
    }


# --- imagededup, in an environment of its own -------------------------------------------------------------


def imagededup_features(
    photos: Sequence[Photo], split: Split, cases: Sequence[Case], *, is_quick: bool
) -> tuple[Features, Features] | str:
    """The same as `extract_all` for imagededup's hashes, or why there are none."""
    python = imagededup_python(IMAGEDEDUP_INSTALL_S[is_quick])
    if isinstance(python, str):
        return python
    with tempfile.TemporaryDirectory() as folder:
        tasks, out = Path(folder) / "tasks.json", Path(folder) / "out.npz"
        files = [str(case.fixture) for case in cases] + [str(photos[index].path) for index in split.gallery]
        tasks.write_text(json.dumps(files), encoding="utf-8")
        script = Path(__file__).with_name("imagededup_peer.py")
        done = subprocess.run([python, script, tasks, out], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}"
        with np.load(out) as arrays:
            found = {f"imagededup_{name}": arrays[name] for name in arrays.files}
    asked = len(cases) * len(TRANSFORMS)
    shape = (len(cases), len(TRANSFORMS), 1, -1)
    kept = {key: bits[asked:] for key, bits in found.items()}
    return kept, {key: bits[:asked].reshape(shape) for key, bits in found.items()}


def imagededup_python(timeout_s: float) -> Path | str:
    """The interpreter of an environment with imagededup, made at first use, or why there is none."""
    folder = cache_folder("imagededup-env")
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / "ready"
    if ready.is_file():
        return python
    venv.create(folder, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "imagededup"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"not installed: pip took longer than {timeout_s:g} s"
    if done.returncode != 0:
        return f"not installed: {(done.stderr.strip().splitlines() or ['pip said nothing'])[-1]}"
    ready.touch()
    return python


# --- report -----------------------------------------------------------------------------------------------


def figures_of(outcomes: Sequence[Outcome], searched: Sequence[SearchResult]) -> dict[str, Any]:
    """The one line at the end."""
    figures: dict[str, Any] = {}
    for outcome in outcomes:
        figures[f"recall_all_{outcome.key}"] = round(outcome.mean(is_hard=False), 4)
    for outcome in outcomes:
        figures[f"recall_hard_{outcome.key}"] = round(outcome.mean(is_hard=True), 4)
    for outcome in outcomes:
        figures[f"false_accepts_{outcome.key}"] = round(outcome.false_accepts / outcome.negatives, 6)
    for result in searched:
        figures |= search_figures(result)
    return figures


def tables_of(outcomes: Sequence[Outcome]) -> list[Table]:
    """Summary; recall by the rule of every row and method; every figure of some methods' rows."""
    summary = [
        [
            one.title, f"{one.mean(is_hard=False):.3f}", f"{one.mean_at_1(is_hard=False):.3f}",
            f"{one.mean(is_hard=True):.3f}", f"{one.threshold + 0.0:g}",
            f"{one.false_accepts} of {one.negatives:,}",
            f"{one.related_above} of {one.related:,}",
            f"{one.documented[0]:.3f}, {one.documented[1]} false" if one.documented else "–",
        ]
        for one in outcomes
    ]  # fmt: skip
    by_row = [
        [
            ("◆ " if first.is_hard else "") + first.transform,
            *(f"{one.rows[number].recall:.2f}" for one in outcomes),
        ]
        for number, first in enumerate(outcomes[0].rows)
    ]
    return [
        Table("Means over the transforms", SUMMARY, summary),
        Table("Recall by the rule (◆ = harder)", ("transform", *(one.key for one in outcomes)), by_row),
        *(Table(one.title, ROWS, every_row(one)) for one in outcomes if one.key in IN_FULL),
    ]


def every_row(outcome: Outcome) -> list[list[str]]:
    """All figures of a method's rows."""
    return [
        [
            ("◆ " if row.is_hard else "") + row.transform, f"{row.recall_at_1:.3f}", f"{row.recall:.3f}",
            f"{row.low:.3f} – {row.high:.3f}", f"{row.false_accepts} of {row.negatives}",
        ]
        for row in outcome.rows
    ]  # fmt: skip


def draw(outcomes: Sequence[Outcome], file: Path) -> None:
    """A map of recall by the rule: transforms down, methods across."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    values = np.array([[row.recall for row in one.rows] for one in outcomes]).T
    easy = sum(not each.is_hard for each in TRANSFORMS)
    figure, axes = plt.subplots(figsize=(2.9 + 0.62 * len(outcomes), 11.4), layout="constrained")
    axes.imshow(values, cmap="YlGnBu", vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        text = "1" if value == 1 else "·" if value == 0 else f"{value:.2f}".lstrip("0")
        axes.text(
            column, row, text, ha="center", va="center", fontsize=8, color="white" if value > 0.55 else "#444"
        )
    axes.set_yticks(range(len(TRANSFORMS)), [each.name for each in TRANSFORMS], fontsize=9)
    axes.set_xticks(
        range(len(outcomes)),
        [one.title.replace(", ", "\n").replace(" (", "\n(") for one in outcomes],
        fontsize=9,
        rotation=60,
        ha="left",
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.axhline(easy - 0.5, color="#c33", linewidth=1.5)
    axes.set_xlabel("Recall by the rule: true picture first and above every negative of half A.\n"
                    "Below the red line: the 15 harder transforms.", fontsize=9)  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def _insets(outcome: Outcome) -> list[Row]:
    return [row for row in outcome.rows if "inset" in row.transform]


def notes_of(
    photos: Sequence[Photo], split: Split, folder: str, missing: str, searched: Sequence[SearchResult]
) -> list[str]:
    """What was measured, in sentences."""
    negatives = (len(split.queries) + len(split.outsiders)) * len(TRANSFORMS)
    notes = [
        f"{len(photos):,} photos of {folder}: gallery {len(split.gallery):,}, query sources "
        f"{len(split.queries)}, outsiders {len(split.outsiders)}; {negatives:,} negatives."
    ]
    notes += [
        f"{one.outcome.title}: asked for {one.queries} of the query sources and {one.outsiders} of the "
        f"outsiders, {(one.queries + one.outsiders) * len(TRANSFORMS):,} negatives "
        f"(true picture {'kept out of the search' if one.is_masked else 'dropped from the answer'}); a query "
        f"takes {one.cpu_ms['p50']:.0f} ms of one core (p95 {one.cpu_ms['p95']:.0f} ms)."
        for one in searched
    ]
    notes += [
        f"{one.outcome.title}: where pictures of what lies behind an inset are its rivals all the same, "
        f"rows are {', '.join(f'{row.transform} {row.strict:.3f}' for row in _insets(one.outcome))}."
        for one in searched
    ]
    notes += [
        f"{one.outcome.title}: a threshold of 0 says that no negative of half A was answered at all."
        for one in searched
        if one.outcome.threshold == 0
    ]
    if len(split.gallery) < GALLERY_AT_LEAST or max(one.queries for one in searched) < QUERIES_AT_LEAST:
        notes.append(
            f"Fewer photos than the rule asks for (gallery {GALLERY_AT_LEAST:,}, query sources "
            f"{QUERIES_AT_LEAST}): only indicative."
        )
    if missing:
        notes.append(f"imagededup is left out: {missing}.")
    return notes


def features_outcomes(
    photos: Sequence[Photo],
    split: Split,
    cases: Sequence[Case],
    masks: NDArray[np.bool_],
    behind: NDArray[np.bool_],
    *,
    is_quick: bool,
) -> tuple[list[Outcome], list[Outcome], str]:
    """Outcomes of all methods that compare features, and why imagededup is not among them.

    Returns:
        Outcomes; those of our kinds once more, for the photos alone that searches are asked for; the reason.
    """
    kept, asked = extract_all(photos, split, cases)
    methods, missing = all_methods(), ""
    for method in methods:
        if isinstance(method, UprightOnly):
            kept[method.key], asked[method.key] = kept[method.base.key], asked[method.base.key]
    peer = imagededup_features(photos, split, cases, is_quick=is_quick)
    if isinstance(peer, str):
        missing = peer
    else:
        kept, asked = kept | peer[0], asked | peer[1]
        methods += [_imagededup_method(key) for key in peer[0]]
    found = [
        evaluate(method, kept[method.key], asked[method.key], split, masks, behind) for method in methods
    ]
    narrow, left = narrowed(split, **(SEARCHED_QUICK if is_quick else SEARCHED_FULL))
    singles = [
        evaluate(method, kept[method.key], asked[method.key][left], narrow, masks[left], behind[left])
        for method in methods
        if method.key in SINGLE
    ]
    return found, singles, missing


def run(arguments: argparse.Namespace) -> tuple[Report, list[Outcome]]:
    """Measures everything."""
    photos = find_photos(arguments.photos)
    split = split_photos(photos, seed=arguments.seed, **(QUICK if arguments.quick else FULL))
    cases = make_cases(photos, split, arguments.seed)
    place = {photo.key: index for index, photo in enumerate(photos)}
    subjects = [place[case.photo.key] for case in cases]
    others, related = [place[case.other.key] for case in cases], related_pairs(photos)
    masks, behind = related_masks(subjects, others, split, related), behind_masks(others, split, related)
    searched = [
        search_result(
            each,
            photos,
            split,
            cases,
            masks,
            behind,
            is_masked=not arguments.unmasked,
            **(SEARCHED_QUICK if arguments.quick else SEARCHED_FULL),
        )
        for each in all_searches([photos[index] for index in split.gallery])
        if arguments.only in ("", each.key)
    ]
    outcomes, missing = [one.outcome for one in searched], ""
    singles = [one for one in outcomes if one.key in SINGLE]
    if not arguments.only:
        more, narrow, missing = features_outcomes(
            photos, split, cases, masks, behind, is_quick=arguments.quick
        )
        outcomes += more
        singles += narrow
    fused = next((one for one in outcomes if one.key == fused_answers.KEY), None)
    sizes = {part: len(getattr(split, part)) for part in ("gallery", "queries", "outsiders")}
    folder = arguments.photos.resolve().name if arguments.photos else "the scikit-image package"
    report = Report(
        name="robustness",
        command=command_of("robustness", arguments.photos, is_quick=arguments.quick),
        figures=figures_of(outcomes, searched),
        parameters={"seed": arguments.seed, "photos": folder, "is_quick": arguments.quick, **sizes},
        packages=PACKAGES,
        tables=tables_of(outcomes),
        notes=notes_of(photos, split, folder, missing, searched),
        details={
            "outcomes": [asdict(one) for one in outcomes],
            "searches": [search_details(one) for one in searched],
        },
    )
    if fused is not None and singles:
        report.figures |= beside_figures(fused, singles)
        report.notes.insert(1, beside_note(fused, singles))
        report.tables.insert(1, beside_table(fused, singles))
    return report, outcomes


def _imagededup_method(key: str) -> HashMethod:
    """Scores imagededup's hashes; its features come from its own environment."""

    def elsewhere(rgb: NDArray[np.uint8]) -> NDArray[Any]:
        raise NotImplementedError(f"{key} is extracted by imagededup_peer.py")

    return HashMethod(key, key.replace("_", " ") + ", 64 bits", elsewhere, accepts_from=-10.0)


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs; default: those of scikit-image")
    parser.add_argument("--quick", action="store_true", help=f"a seeded subset: {QUICK}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", default="", choices=("fused", "local", "original_local"), help="ask this search alone"
    )
    parser.add_argument(
        "--unmasked",
        action="store_true",
        help="ask searches once: half the time, but a found true picture spares wrong ones a second look",
    )
    parser.add_argument(
        "--update-docs", action="store_true", help="write results/, docs/benchmarks.md and its plot"
    )
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    arguments = parser.parse_args()
    if arguments.update_docs and (arguments.only or arguments.unmasked):
        parser.error("--update-docs wants every method and negative; leave out --only and --unmasked")
    report, outcomes = run(arguments)
    if arguments.update_docs:
        report.image = "robustness.png"
        draw(outcomes, IMAGES / report.image)
    finish(report, update_docs=arguments.update_docs, json_file=arguments.json)


if __name__ == "__main__":
    main()
