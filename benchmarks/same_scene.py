"""Another photo of the same scene is no copy: how often it is called one, and how often copies are.

    python benchmarks/same_scene.py --photos DIR [--scenes DIR] [--quick] [--sheet FILE] [--json FILE]
        [--update-docs]

Pairs are all of one group of the scenes and all of one label of the gallery, different photos both. Each
photo is searched for, by the bytes of its file, among the others of its group; a pair is verified where
either finds the other, and called a copy where either search says so. Pairs that people would call copies of
one picture are listed apart. Copies are the queries of `robustness.py` under its 26 transforms, with the
answers kept there.
"""

import argparse
import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from answers import Answered, Search, TransformedPhoto, answers_of, code_stamp, narrowed
from cases import FULL, QUICK, Case, make_cases
from local_answers import LocalPlan, LocalSearcher
from photos import Photo, find_photos, near_duplicates, split_photos
from report import IMAGES, Report, Table, command_of, finish
from scene_sheet import draw_pairs
from searches import SEARCHED_FULL, SEARCHED_QUICK
from transforms import TRANSFORMS

PACKAGES = ("ambience", "numpy", "pillow", "opencv-python-headless", "faiss-cpu", "numba")

QUICK_LABELS = 6
"""Labels of the gallery that a quick run takes, the largest first, beside all scenes."""

PAIRS_AT_LEAST = 100
"""Verified pairs below which the share says little."""

TRUE_COPIES = frozenset(
    {
        frozenset({"garfield/image_0027.jpg", "garfield/image_0032.jpg"}),
        frozenset({"grand_piano/image_0004.jpg", "grand_piano/image_0014.jpg"}),
        frozenset({"octopus/image_0005.jpg", "octopus/image_0006.jpg"}),
        frozenset({"pigeon/image_0002.jpg", "pigeon/image_0006.jpg"}),
    }
)
"""Pairs of files, of one group or label, that were looked at and are copies of one picture."""


@dataclass(frozen=True)
class Pair:
    """Two photos of one group whose geometry verifies.

    Attributes:
        group: of the scenes, or label of the gallery.
        first: file.
        second: file.
        score: the higher of both directions.
        correlation: of the pixels after alignment, the higher of both directions, where they were compared.
        is_copy: called a copy in either direction.
        is_near_duplicate: by their thumbnails, upright or turned.
    """

    group: str
    first: str
    second: str
    score: float
    correlation: float | None
    is_copy: bool
    is_near_duplicate: bool


# --- pairs ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WholePhoto:
    """A photo that is asked for as it is."""

    photo: Photo

    @property
    def own(self) -> str:
        """As `answers.Asked` says."""
        return self.photo.key

    @property
    def file(self) -> str:
        """Named by the photo."""
        return f"{self.photo.key[:32]}.json"

    def queries(self) -> list[bytes]:
        """The file itself."""
        return [self.photo.path.read_bytes()]


@dataclass(frozen=True)
class GroupPlan:
    """A library over all photos, each of them searched for among the others of its group.

    Attributes:
        library: of all photos.
        groups: key → keys of the others of its group.
    """

    library: LocalPlan
    groups: Mapping[str, Sequence[str]]

    @cached_property
    def folder(self) -> Path:
        """Of the answers."""
        return self.library.folder.with_name(f"{self.library.folder.name}-{code_stamp([Path(__file__)])}")

    def prepare(self) -> None:
        """Makes the library."""
        self.library.prepare()

    def open(self) -> Search:
        """The library, opened for reading."""
        return GroupSearcher(self.library.open(), self.groups)


class GroupSearcher:
    """Asks a library among one group alone."""

    def __init__(self, searcher: LocalSearcher, groups: Mapping[str, Sequence[str]]) -> None:
        self._searcher, self._groups = searcher, groups

    def ask(self, data: bytes, own: str | None) -> Answered:
        """All of the group that the picture finds."""
        others = self._groups[own or ""]
        return self._searcher.among(data, others, k=len(others))


def scene_photos(folder: Path) -> list[Photo]:
    """Photos of the scenes, their groups as labels."""
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        groups = {row["path"]: row["group"] for row in csv.DictReader(file)}
    return [replace(photo, label=groups[photo.path.name]) for photo in find_photos(folder)]


def grouped(photos: Sequence[Photo]) -> dict[str, list[Photo]]:
    """Photos by label, where a label has at least two."""
    found: dict[str, list[Photo]] = defaultdict(list)
    for photo in photos:
        if photo.label:
            found[photo.label].append(photo)
    return {label: members for label, members in found.items() if len(members) > 1}


def verified_pairs(groups: Mapping[str, Sequence[Photo]], library: Sequence[Photo]) -> list[Pair]:
    """Pairs within the groups that either photo's search finds; searched in a library of all these photos."""
    others = {
        photo.key: [other.key for other in members if other is not photo]
        for members in groups.values()
        for photo in members
    }
    plan = GroupPlan(LocalPlan(library), others)
    asked = [WholePhoto(photo) for members in groups.values() for photo in members]
    answers = answers_of(plan, asked, title="same scene")
    found = {
        (one.own, hit.key): hit
        for one, row in zip(asked, answers, strict=True)
        for hit in row[0].found
    }  # fmt: skip
    pairs = []
    for group, members in groups.items():
        near = near_duplicates(members)
        for i, first in enumerate(members):
            for j, second in enumerate(members[:i]):
                hits = [
                    found[key] for key in ((first.key, second.key), (second.key, first.key)) if key in found
                ]
                if hits:
                    compared = [hit.correlation for hit in hits if hit.correlation is not None]
                    pairs.append(
                        Pair(group, second.name, first.name, max(hit.score for hit in hits),
                             max(compared, default=None), any(hit.is_copy for hit in hits), bool(near[i, j]))
                    )  # fmt: skip
    return sorted(pairs, key=lambda pair: -(pair.correlation or -1.0))


def is_apart(pair: Pair, true_copies: Set[frozenset[str]] = TRUE_COPIES) -> bool:
    """Whether both are copies of one picture, so that calling them so is right."""
    return frozenset((pair.first, pair.second)) in true_copies


# --- copies -----------------------------------------------------------------------------------------------


def copies_kept(photos: Sequence[Photo], *, seed: int, is_quick: bool) -> dict[str, dict[str, int]]:
    """By transform of the 26: queries asked, found, and called copies."""
    split = split_photos(photos, seed=seed, **(QUICK if is_quick else FULL))
    narrow, left = narrowed(
        split, queries=(SEARCHED_QUICK if is_quick else SEARCHED_FULL)["queries"], outsiders=0
    )
    cases = make_cases(photos, split, seed)
    plan = LocalPlan([photos[index] for index in split.gallery])
    asked = [asked_before(plan, cases[place]) for place in left]
    answers = answers_of(plan, asked, title="copies")
    counts: dict[str, dict[str, int]] = {}
    for number, each in enumerate(TRANSFORMS):
        if each.is_hard:
            continue
        hits = [
            next((hit for hit in row[number].found if hit.key == one.case.photo.key), None)
            for one, row in zip(asked, answers, strict=True)
        ]
        counts[each.name] = {
            "asked": len(narrow.queries),
            "found": sum(hit is not None for hit in hits),
            "copies": sum(hit is not None and bool(hit.is_copy) for hit in hits),
        }
    return counts


def asked_before(plan: LocalPlan, case: Case) -> TransformedPhoto:
    """What `robustness.py` has asked of this photo; its true picture need not be kept out here."""
    again = TransformedPhoto(case, is_held=True)
    return again if (plan.folder / again.file).is_file() else TransformedPhoto(case, is_held=False)


# --- report -----------------------------------------------------------------------------------------------


def report_of(
    pairs: Sequence[Pair],
    possible: Mapping[str, int],
    kept: Mapping[str, Mapping[str, int]],
    *,
    true_copies: Set[frozenset[str]] = TRUE_COPIES,
) -> tuple[dict[str, Any], list[Table], list[str]]:
    """Figures, tables and sentences."""
    counted = [pair for pair in pairs if not is_apart(pair, true_copies)]
    wrong = [pair for pair in counted if pair.is_copy]
    asked, found, copies = (sum(row[name] for row in kept.values()) for name in ("asked", "found", "copies"))
    figures = {
        "same_scene_as_copy": round(len(wrong) / max(1, len(counted)), 4),
        "same_scene_pairs": len(counted),
        "copy_kept": round(copies / asked, 4),
        "copy_kept_of_found": round(copies / max(1, found), 4),
        "pairs_apart": len(pairs) - len(counted),
    }
    by_group: Counter[str] = Counter(pair.group for pair in counted)
    called: Counter[str] = Counter(pair.group for pair in wrong)
    tables = [
        Table(
            "Different photos of one scene or thing whose geometry verifies",
            ("group", "pairs", "verified", "called copies"),
            [[group, possible[group], number, called[group]] for group, number in by_group.most_common()],
        ),
        Table(
            "Copies called copies",
            ("transform", "asked", "found", "called copies", "share"),
            [
                [name, row["asked"], row["found"], row["copies"], f"{row['copies'] / row['asked']:.3f}"]
                for name, row in kept.items()
            ],
        ),
        Table(
            "Pairs called copies",
            ("pair", "group", "score", "correlation"),
            [
                [f"{pair.first} – {pair.second}", pair.group, pair.score, f"{pair.correlation or 0:.3f}"]
                for pair in wrong
            ],
        ),
    ]  # fmt: skip
    notes = [
        f"{sum(possible.values()):,} pairs of {len(possible)} groups and labels, of which "
        f"{len(counted)} verify; {len(pairs) - len(counted)} more are copies of one picture, listed apart. "
        f"{asked:,} copies, of which {found:,} are found."
    ]
    if len(counted) < PAIRS_AT_LEAST:
        notes.append(f"Fewer than {PAIRS_AT_LEAST} pairs: only indicative.")
    return figures, tables, notes


def draw(pairs: Sequence[Pair], file: Path) -> None:
    """How far pixels agree after alignment, by what the search calls the pair."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    sides = [
        [pair.correlation for pair in pairs if pair.correlation is not None and pair.is_copy is is_copy]
        for is_copy in (False, True)
    ]
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.hist(sides, bins=np.linspace(-1, 1, 81).tolist(), stacked=True, color=["#4a90b8", "#c33"],
              label=["not called a copy", "called a copy"])  # fmt: skip
    axes.set_xlabel("Correlation of the pixels of two photos of one scene, after alignment")
    axes.set_ylabel("pairs")
    axes.legend(frameon=False)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def run(arguments: argparse.Namespace) -> tuple[Report, list[Pair]]:
    """Measures everything."""
    gallery = find_photos(arguments.photos)
    scenes = arguments.scenes or arguments.photos.resolve().parent / "scenes"
    groups = grouped(scene_photos(scenes)) if scenes.is_dir() else {}
    labels = grouped(gallery)
    if arguments.quick:
        largest = sorted(labels, key=lambda label: (-len(labels[label]), label))[:QUICK_LABELS]
        labels = {label: labels[label] for label in largest}
    groups |= {f"gallery: {label}": members for label, members in labels.items()}
    if not groups:
        raise SystemExit(f"no two photos of {arguments.photos} have one label, and {scenes} is not there")
    library = {photo.key: photo for members in groups.values() for photo in members}
    pairs = verified_pairs(groups, list(library.values()))
    kept = copies_kept(gallery, seed=arguments.seed, is_quick=arguments.quick)
    possible = {group: len(members) * (len(members) - 1) // 2 for group, members in groups.items()}
    figures, tables, notes = report_of(pairs, possible, kept)
    if arguments.sheet:
        places = {photo.name: photo.path for photo in library.values()}
        draw_pairs(
            [pair for pair in pairs if pair.is_copy or pair.is_near_duplicate], places, arguments.sheet
        )
    report = Report(
        name="same_scene",
        command=command_of("same_scene", arguments.photos, is_quick=arguments.quick),
        figures=figures,
        parameters={"seed": arguments.seed, "is_quick": arguments.quick},
        packages=PACKAGES,
        tables=tables,
        notes=notes,
        details={
            "pairs": [asdict(pair) for pair in pairs if not is_apart(pair)],
            "apart": [asdict(pair) for pair in pairs if is_apart(pair)],
        },
    )
    return report, pairs


def main() -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of labelled photographs")
    parser.add_argument(
        "--scenes", type=Path, help="folder with a manifest.csv of groups; default: beside it"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"scenes and {QUICK_LABELS} labels; fewer copies"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--sheet", type=Path, help="draw pairs called copies, and near-duplicates, to this file"
    )
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    arguments = parser.parse_args()
    report, pairs = run(arguments)
    if arguments.update_docs:
        report.image = "same_scene.png"
        draw(pairs, IMAGES / report.image)
    finish(report, update_docs=arguments.update_docs, json_file=arguments.json)


if __name__ == "__main__":
    main()
