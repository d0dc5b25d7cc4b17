"""What every picture is to every other, and how sure that is: verdicts and scores of all kinds together.

    python benchmarks/verdicts.py [--photos DIR] [--scenes DIR] [--quick] [--seed N] [--json FILE]
        [--update-docs]

Pairs are those of the "test" part of `labelled_pairs.py`, which shares no photograph with the pictures that
the calibration was fitted to. Each pair of which the truth is known goes into the confusion matrix; every
match of every answer of which it is known goes into the figures of scores. Answers are kept as they come: a
run that was broken off goes on where it was. Without `--photos`, the photographs of scikit-image are taken:
they have no labels and are few, which the report says.
"""

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kept_rankings import Answered, Asked, asked
from labelled_pairs import EITHER, Labelled, Material, Truth, material, moved_camera
from report import Report, Table, cache_folder, command_of, finish
from verdict_figures import (
    CLASSES,
    NOTHING,
    Said,
    Scored,
    brier,
    calibration_bins,
    calibration_error,
    confusion,
    macro_recall,
    recalls,
)

if TYPE_CHECKING:
    from ambience.answers import Match, Ranking
    from ambience.fuse.calibration import Calibration

PACKAGES = ("ambience", "numpy", "pillow", "opencv-python-headless", "faiss-cpu", "openvino")

QUICK_EACH = 3
"""Queries of every sort that a quick run asks."""

ENOUGH = 100
"""Pairs of a class below which its share says little."""

UNTOLD = frozenset({"same_colors", "same_words"})
"""Verdicts that say no more than their figure."""

EITHER_ROW = "edited or part"
"""Truth of copies that are an edited picture or a part of one, more or less; not in the mean."""

COLUMNS = ("same_file", "same_picture", "edited", "part", "same_scene", "look_alike", NOTHING)

ROWS = (*COLUMNS, EITHER_ROW)

Pairs = Mapping[int, Truth]
"""Of one query: places of pictures in the library, and what they are to it."""


# --- pairs ------------------------------------------------------------------------------------------------


def pairs_of(found: Asked, answer: Answered, stems: Sequence[str], number: int) -> Pairs:
    """Pairs of one query that are judged.

    Args:
        found: the library's pictures.
        answer: to the query.
        stems: names of the library's files, without suffix.
        number: of the query among those of its group.

    Returns:
        All whose truth is known one by one, but those of one place that may show nothing in common. For a
        flat picture, or one with text over it, those in the library of the same making. For a picture with a
        label, of those that any kind names one drawn look-alike and one drawn of another label.
    """
    query = answer.query
    places = {key: place for place, key in enumerate(found.keys)}
    pairs: dict[int, Truth] = {
        places[key]: truth for key, truth in query.truths.items() if truth not in ("far_scene", "same_colors")
    }
    if query.group == "shared text":
        same = [place for place, stem in enumerate(stems) if _made(stem, "text") == number // 4]
        return pairs | {place: "foreign" for place in same}
    if query.group == "flat picture":
        flats = [place for place, stem in enumerate(stems) if stem.startswith("flat-")]
        return pairs | {flats[number % len(flats)]: "foreign"} if flats else pairs
    if query.group not in ("whole photo", "outsider"):
        return pairs
    named = {hit.image_id for ranking in answer.rankings for hit in ranking.hits}
    return pairs | _drawn_by_label(found, query, named)


def _drawn_by_label(found: Asked, query: Labelled, named: Set[int]) -> dict[int, Truth]:
    by_truth: dict[str, list[int]] = defaultdict(list)
    for place, (key, label) in enumerate(zip(found.keys, found.labels, strict=True)):
        if key != query.own and place in named:
            by_truth[query.truth(key, label) or ""].append(place)
    seed = int.from_bytes(hashlib.sha256(query.data).digest()[:8], "big")
    rng = np.random.default_rng(seed)
    drawn: dict[int, Truth] = {}
    if query.group == "whole photo" and by_truth["look_alike"]:
        drawn[int(rng.choice(by_truth["look_alike"]))] = "look_alike"
    unlike: Truth = "none" if by_truth["none"] else "foreign"
    if by_truth[unlike]:
        drawn[int(rng.choice(by_truth[unlike]))] = unlike
    return drawn


def _made(stem: str, sort: str) -> int | None:
    """Which of the texts a made picture shows; None of other files."""
    name, _, number = stem.partition("-")
    return int(number) // 4 if name == sort and number.isdigit() else None


def said_of(query: Labelled, truth: Truth, match: "Match | None") -> Said:
    """What was said of one pair."""
    verdict = NOTHING if match is None or match.verdict in UNTOLD else str(match.verdict)
    if truth in ("none", "foreign"):
        is_unknown = truth == "foreign" and verdict == "look_alike"
        return Said(NOTHING, verdict, None if is_unknown else verdict == NOTHING)
    is_either = query.group in EITHER
    return Said(EITHER_ROW if is_either else truth, verdict, query.is_right(verdict, truth))


# --- methods ----------------------------------------------------------------------------------------------


def merged(
    found: Asked, answer: Answered, rankings: "Sequence[Ranking]", calibration: "Calibration | None"
) -> "tuple[Match, ...]":
    """Matches as the product makes them of these rankings."""
    from ambience.fuse.verdict import merge
    from ambience.search.vector import score

    return merge(rankings, found.specs, score, same_files=answer.same_files, calibration=calibration)


def scored_of(found: Asked, answer: Answered, matches: "Sequence[Match]") -> Iterator[Scored]:
    """Every match of which it is known whether it is right; that of equal bytes is not counted."""
    for match in matches:
        truth = answer.query.truth(found.keys[match.image_id], found.labels[match.image_id])
        right = answer.query.is_right(match.verdict, truth)
        if right is not None and match.verdict != "same_file":
            yield Scored(str(match.verdict), match.score, right)


def by_method(found: Sequence[Asked], calibration: "Calibration") -> dict[str, list[Scored]]:
    """Answered pairs of all kinds together, and of each alone: by its own measure, and by the calibration."""
    scored: dict[str, list[Scored]] = defaultdict(list)
    for one in found:
        for answer in one.answers:
            scored["all kinds"] += scored_of(one, answer, merged(one, answer, answer.rankings, calibration))
            for ranking in answer.rankings:
                alone = merged(one, answer, [ranking], None)
                scored[ranking.kind] += scored_of(one, answer, alone)
                told = merged(one, answer, [ranking], calibration)
                scored[f"{ranking.kind}, calibrated"] += scored_of(one, answer, told)
    return dict(sorted(scored.items()))


def judged(
    found: Sequence[Asked], files: Sequence[Mapping[str, Path]], calibration: "Calibration"
) -> list[Said]:
    """What all kinds together say of every pair."""
    said = []
    for one, paths in zip(found, files, strict=True):
        stems = [paths[key].stem for key in one.keys]
        numbers: dict[str, int] = defaultdict(int)
        for answer in one.answers:
            pairs = pairs_of(one, answer, stems, numbers[answer.query.group])
            numbers[answer.query.group] += 1
            matches = {each.image_id: each for each in merged(one, answer, answer.rankings, calibration)}
            said += [said_of(answer.query, truth, matches.get(place)) for place, truth in pairs.items()]
    return said


# --- report -----------------------------------------------------------------------------------------------


def report_of(
    said: Sequence[Said], scored: Mapping[str, Sequence[Scored]]
) -> tuple[dict[str, float], list[Table], list[str]]:
    """Figures, tables and sentences."""
    shares, fused = recalls(said), scored["all kinds"]
    alone = {name: brier(each) for name, each in scored.items() if name != "all kinds" and each}
    figures = {
        "verdict_macro": round(macro_recall(said), 4),
        "ece": round(calibration_error(fused), 4),
        "brier": round(brier(fused), 4),
        "brier_best_single": round(min(alone.values()), 4),
    }
    figures |= {f"verdict_{truth}": round(shares[truth][0], 4) for truth in CLASSES if truth in shares}
    cells = confusion(said, COLUMNS)
    rows: list[list[str | int | float]] = [
        [truth, *cells[truth], f"{shares[truth][0]:.3f}"] for truth in ROWS if truth in cells
    ]
    tables = [
        Table("Pairs by what they are, and what they are called", ("is", *COLUMNS, "right"), rows),
        Table(
            "Scores of answered pairs",
            ("answered by", "pairs", "right", "calibration error", "Brier score"),
            [_scores_row(name, each) for name, each in scored.items() if each],
        ),
        Table(
            "Scores by verdict, all kinds",
            ("verdict", "pairs", "right", "mean score", "calibration error"),
            _verdict_rows(fused),
        ),
        Table(
            "Scores in ten bins of as many pairs, all kinds",
            ("mean score", "right", "pairs"),
            [[f"{score:.3f}", f"{right:.3f}", count] for score, right, count in calibration_bins(fused)],
        ),
    ]
    missing = [truth for truth in CLASSES if truth not in shares]
    few = [
        f"{truth} ({shares[truth][1]})" for truth in CLASSES if truth in shares and shares[truth][1] < ENOUGH
    ]
    notes = [
        f"{len(said):,} pairs; the mean is over {', '.join(truth for truth in CLASSES if truth in shares)}."
    ]
    if missing:
        notes.append(
            f"No pairs at all of {', '.join(missing)}: the photographs have no labels, or no scenes."
        )
    if few:
        notes.append(f"Fewer than {ENOUGH} pairs, so only indicative: {', '.join(few)}.")
    return figures, tables, notes


def _scores_row(name: str, scored: Sequence[Scored]) -> list[str | int | float]:
    right = float(np.mean([each.is_right for each in scored]))
    return [name, len(scored), f"{right:.3f}", f"{calibration_error(scored):.4f}", f"{brier(scored):.4f}"]


def _verdict_rows(scored: Sequence[Scored]) -> list[list[str | int | float]]:
    rows: list[list[str | int | float]] = []
    for verdict in COLUMNS:
        members = [each for each in scored if each.verdict == verdict]
        if members:
            right = float(np.mean([each.is_right for each in members]))
            mean = float(np.mean([each.score for each in members]))
            rows.append(
                [verdict, len(members), f"{right:.3f}", f"{mean:.3f}", f"{calibration_error(members):.4f}"]
            )
    return rows


def fewer(made: Material) -> Material:
    """The same library, asked with the first queries of every sort."""
    taken: dict[str, list[Labelled]] = defaultdict(list)
    for query in made.queries:
        if len(taken[query.group]) < QUICK_EACH:
            taken[query.group].append(query)
    return replace(made, queries=[query for members in taken.values() for query in members])


def run(arguments: argparse.Namespace) -> Report:
    """Asks what was not asked yet, and judges."""
    from ambience.fuse.calibration import shipped

    photos: Path | None = arguments.photos
    scenes: Path | None = arguments.scenes or (photos.resolve().parent / "scenes" if photos else None)
    scenes = scenes if scenes is not None and scenes.is_dir() else None
    folder = cache_folder("labelled-pairs")
    size = "" if photos else "-small"
    made = material("test", photos, scenes, folder / f"made-test{size}", seed=arguments.seed)
    moved = moved_camera("test", photos, folder / f"made-camera-test{size}", seed=arguments.seed)
    materials = [fewer(made), fewer(moved)] if arguments.quick else [made, moved]
    found = [asked(name, each) for name, each in zip(("test", "camera-test"), materials, strict=True)]
    calibration = shipped()
    said = judged(found, [each.files for each in materials], calibration)
    figures, tables, notes = report_of(said, by_method(found, calibration))
    if photos is None:
        notes.append("Photographs of scikit-image alone: few, without labels and scenes; only a try.")
    return Report(
        name="verdicts",
        command=command_of("verdicts", photos, is_quick=arguments.quick),
        figures=figures,
        parameters={"seed": arguments.seed, "is_quick": arguments.quick},
        packages=PACKAGES,
        tables=tables,
        notes=notes,
        details={"calibration": dict(calibration.provenance)},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, measures, reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs, labelled or not")
    parser.add_argument(
        "--scenes", type=Path, help="folder with a manifest.csv of groups; default: beside it"
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_EACH} queries of every sort")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    given = parser.parse_args(arguments)
    finish(run(given), update_docs=given.update_docs, json_file=given.json)


if __name__ == "__main__":
    main()
