"""Fits what figures of the kinds prove (`ambience.fuse.calibration`) to labelled pairs of pictures.

    python tools/fit_calibration.py --photos DIR [--scenes DIR] [--out FILE] [--seed N]

Pairs are made by `benchmarks/labelled_pairs.py` from photographs that `benchmarks/robustness.py`
reports nothing of: copies under 41 transforms, other photographs, other photographs
of the same scene, pictures with the same text over them, flat pictures, and pixels in another order. Fitted
to one's own pictures: `--photos` with a `manifest.csv` of columns path and label, or any folder (whose
pictures then have no labels, and "alike" stays what it was), and `search.calibration = FILE` in the settings.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

from ambience.answers import Hit  # noqa: E402
from ambience.fuse.calibration import Calibration, Claim, Scale, shipped, to_document  # noqa: E402
from ambience.fuse.evidence import readings  # noqa: E402
from ambience.fuse.fitting import LabelledReading, fit_claim, fit_last, log_loss  # noqa: E402
from ambience.fuse.verdict import merge  # noqa: E402
from ambience.search.vector import score  # noqa: E402
from kept_rankings import Answered, Asked, asked  # noqa: E402
from labelled_pairs import COPIES, EITHER, Truth, material, moved_camera  # noqa: E402
from report import cache_folder  # noqa: E402

Keep = Callable[[int], bool]
"""Whether answers of a group are taken."""

OUT = ROOT / "src" / "ambience" / "fuse" / "data" / "calibration.json"

PARTS = 4
"""Parts of the pairs, each judged by a fit to the others for the last step."""

SCORED = ("same_picture", "edited", "part", "same_scene", "look_alike")
"""Verdicts whose score is a probability; that of equal bytes is 1."""


def holds_of(claim: Claim, truth: Truth | None, answer: Answered, *, is_proven: bool) -> bool | None:
    """Whether a claim holds of a pair; None where nobody knows, or it is not asked."""
    query = answer.query
    if claim is Claim.COPY:
        return None if truth is None else truth in COPIES
    if claim is Claim.UNALTERED:
        asks = truth in ("same_picture", "edited") and query.group not in EITHER
        return truth == "same_picture" if asks else None
    if claim is Claim.SCENE:
        if not is_proven or truth in (None, "look_alike"):
            return None
        return truth in COPIES or truth in ("same_scene", "far_scene")
    return truth == "look_alike" if truth in ("look_alike", "none") else None


def rows_of(claim: Claim, asked: Sequence[Asked], *, keep: Keep) -> Iterator[LabelledReading]:
    """Labelled readings of every pair that any kind answered."""
    for found, answer, group in grouped(asked):
        if not keep(group):
            continue
        specs = {ranking.kind: found.specs[ranking.kind] for ranking in answer.rankings}
        for image_id, hits in hits_of(answer).items():
            truth = answer.query.truth(found.keys[image_id], found.labels[image_id])
            is_proven = any(hit.geometry is not None for hit in hits.values())
            holds = holds_of(claim, truth, answer, is_proven=is_proven)
            if holds is not None:
                yield LabelledReading(group, readings(hits, specs, claim), holds)


def hits_of(answer: Answered) -> dict[int, dict[str, Hit]]:
    """By image, by kind."""
    hits: dict[int, dict[str, Hit]] = defaultdict(dict)
    for ranking in answer.rankings:
        for hit in ranking.hits:
            hits[hit.image_id][ranking.kind] = hit
    return hits


def grouped(asked: Sequence[Asked]) -> Iterator[tuple[Asked, Answered, int]]:
    """Every answer, with a number that is the same for all that show one photograph or scene."""
    numbers: dict[str, int] = {}
    for found in asked:
        for place, answer in enumerate(found.answers):
            query = answer.query
            name = query.group if query.group.startswith("scene ") else next(iter(query.truths), query.own)
            yield found, answer, numbers.setdefault(name or f"query {place}", len(numbers))


def fitted(asked: Sequence[Asked], *, keep: Keep = lambda group: True) -> Calibration:
    """Scales and weights of all claims, without the last step."""
    witnesses, offsets, provenance = {}, {}, {}
    for claim in Claim:
        rows = list(rows_of(claim, asked, keep=keep))
        if len({row.holds for row in rows}) < 2:
            old = shipped()
            witnesses[claim], offsets[claim] = old.witnesses[claim], old.offsets[claim]
            continue
        witnesses[claim], offsets[claim], odds = fit_claim(rows)
        holds = np.array([row.holds for row in rows])
        provenance[claim.value] = {
            "pairs": len(rows),
            "of which it holds for": int(holds.sum()),
            "log loss on folds apart": round(log_loss(odds, holds), 5),
        }
    fingerprints = {kind: spec.fingerprint for kind, spec in asked[0].specs.items()}
    return Calibration(fingerprints, witnesses, offsets, {}, provenance)


def last_of(asked: Sequence[Asked]) -> tuple[dict[str, Scale], dict[str, dict[str, float]]]:
    """The last step: log-odds of verdicts, by fits to the other parts, against whether they were right.

    Returns:
        By verdict a scale, and what it was fitted to: pairs, and the share that was right.
    """
    told: dict[str, list[tuple[float, bool, int]]] = defaultdict(list)
    for part in range(PARTS):
        learned = fitted(asked, keep=lambda group: group % PARTS != part)  # noqa: B023  called at once
        for found, answer, group in grouped(asked):
            if group % PARTS == part:
                for verdict, value, right in judged(answer, found, learned):
                    told[verdict].append((value, right, group))
    last, facts = {}, {}
    for verdict in SCORED:
        if told[verdict]:
            values, right, groups = (np.array(each) for each in zip(*told[verdict], strict=True))
            p = np.clip(values, 1e-6, 1 - 1e-6)
            last[verdict] = fit_last(np.log(p / (1 - p)), right.astype(bool), groups)
            facts[verdict] = {"pairs": len(right), "of which right": round(float(right.mean()), 4)}
    return last, facts


def judged(answer: Answered, found: Asked, calibration: Calibration) -> Iterator[tuple[str, float, bool]]:
    """(verdict, score, whether it is right) of every match of which that is known."""
    matches = merge(
        answer.rankings, found.specs, score, same_files=answer.same_files, calibration=calibration
    )
    for match in matches:
        truth = answer.query.truth(found.keys[match.image_id], found.labels[match.image_id])
        right = answer.query.is_right(match.verdict, truth)
        if right is not None:
            yield match.verdict, match.score, right


def main(arguments: Sequence[str] | None = None) -> None:
    """Reads the command line, asks what was not asked yet, fits, writes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs, labelled or not")
    parser.add_argument(
        "--scenes", type=Path, help="folder with a manifest.csv of groups; default: beside it"
    )
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    scenes = given.scenes or given.photos.resolve().parent / "scenes"
    folder = cache_folder("labelled-pairs")
    made = material("fit", given.photos, scenes, folder / "made-fit", seed=given.seed)
    moved = moved_camera("fit", given.photos, folder / "made-camera-fit", seed=given.seed)
    found = [asked("fit", made), asked("camera-fit", moved)]
    calibration, (last, facts) = fitted(found), last_of(found)
    provenance = {
        "fitted": datetime.now(UTC).date().isoformat(),
        "photos": f"{given.photos.resolve().name}, seed {given.seed}: {len(made.files)} pictures in the "
        f"library, {len(made.queries) + len(moved.queries)} queries; none shows a query source or an "
        "outsider of benchmarks/robustness.py",
        "claims": dict(calibration.provenance),
        "verdicts": facts,
    }
    document = to_document(
        Calibration(
            calibration.fingerprints,
            calibration.witnesses,
            calibration.offsets,
            last,
            provenance,
        )
    )
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(provenance, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
