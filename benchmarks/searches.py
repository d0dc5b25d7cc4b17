"""The searches that robustness compares: all our kinds together, our local features, the original's."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fused_answers
import local_answers
import original_local
from answers import Answered, SearchPlan, TransformedPhoto, answers_of, narrowed, score_matrices
from cases import Case
from photos import Photo, Split
from rule import Outcome, outcome_of
from transforms import TRANSFORMS

SEARCHED_FULL = {"queries": 200, "outsiders": 60}
SEARCHED_QUICK = {"queries": 20, "outsiders": 12}
"""Of each part, those that searches are asked for."""


@dataclass(frozen=True)
class Searched:
    """A search that is asked.

    Attributes:
        key: in the figures, after "recall_all_".
        title: for people.
        accepts_from: a score that the search's own documentation accepts a match from, or None.
        plan: how to open it.
        one_in: it is asked for one in so many of the photos. Fewer negatives mean a lower threshold: a search
            that is asked for fewer photos is judged more kindly.
    """

    key: str
    title: str
    accepts_from: float | None
    plan: SearchPlan
    one_in: int = 1


@dataclass(frozen=True)
class SearchResult:
    """What a search reached.

    Attributes:
        outcome: by the rule.
        queries: photos that were asked and are in the gallery.
        outsiders: photos that were asked and are not.
        is_masked: whether queries were asked again without their true picture.
        cpu_ms: processor milliseconds of a query on one thread, from its bytes on: "p50" and "p95".
        misses: each query that the rule does not count as found, and each negative of either half that
            scores as high as any accepted picture, or comes within a tenth of it.
    """

    outcome: Outcome
    queries: int
    outsiders: int
    is_masked: bool
    cpu_ms: Mapping[str, float]
    misses: Sequence[Mapping[str, Any]]


def all_searches(gallery: Sequence[Photo]) -> list[Searched]:
    """Ours first; the original's, a query of which takes half a second, for a quarter of the photos."""
    fused, ours = fused_answers.FusedPlan(gallery), local_answers.LocalPlan(gallery)
    original = original_local.OriginalPlan(gallery)
    return [
        Searched(fused_answers.KEY, fused_answers.TITLE, None, fused),
        Searched(local_answers.KEY, local_answers.TITLE, local_answers.accepts_from(), ours),
        Searched(original_local.KEY, original_local.TITLE, None, original, one_in=4),
    ]


def search_result(
    search: Searched,
    photos: Sequence[Photo],
    split: Split,
    cases: Sequence[Case],
    masks: NDArray[np.bool_],
    behind: NDArray[np.bool_],
    *,
    queries: int,
    outsiders: int,
    is_masked: bool = True,
) -> SearchResult:
    """Asks a search for the first of the queries and of the outsiders.

    Args:
        search: which.
        photos: all.
        split: who is who among them.
        cases: of all queries, then all outsiders.
        masks: (P, 41, N) of the same, see `rule.related_masks`.
        behind: (P, 41, N) of the same, see `rule.behind_masks`.
        queries: asked for at most.
        outsiders: asked for at most.
        is_masked: ask each query again with its true picture kept out of the search; otherwise the true
            picture is only dropped from the answer, and a search that has found it looks no further.

    Returns:
        What it reached.
    """
    narrow, left = narrowed(split, queries=queries // search.one_in, outsiders=outsiders // search.one_in)
    gallery = [photos[index] for index in split.gallery]
    chosen = [cases[place] for place in left]
    asked = [
        TransformedPhoto(case, is_held=is_masked and place < len(narrow.queries))
        for place, case in enumerate(chosen)
    ]
    answers = answers_of(search.plan, asked, title=search.key)
    scores, masked = score_matrices(answers, gallery)
    outcome = outcome_of(search, scores, narrow, masks[left], behind[left], masked=masked)
    negative = np.where(masks[left], 0, masked)
    return SearchResult(
        outcome,
        len(narrow.queries),
        len(narrow.outsiders),
        is_masked,
        times_of(answers),
        [
            *missed(outcome, np.where(behind[left], 0, scores), chosen[: len(narrow.queries)], gallery),
            *mistaken(outcome, negative, chosen, gallery),
        ],
    )


def missed(
    outcome: Outcome, scores: NDArray[np.float32], cases: Sequence[Case], gallery: Sequence[Photo]
) -> list[dict[str, Any]]:
    """Queries whose true picture is not first above the threshold, and what was first instead."""
    found = []
    for place, case in enumerate(cases):
        rivals = scores[place].copy()
        rivals[:, place] = 0
        best, true = rivals.argmax(axis=1), scores[place, :, place]
        for number in np.flatnonzero(true <= np.maximum(rivals.max(axis=1), outcome.threshold)):
            first = best[number] if rivals[number, best[number]] else None
            found.append(
                {
                    "transform": TRANSFORMS[number].name,
                    "query": case.photo.name,
                    "score": round(float(true[number]), 2),
                    "other": None if first is None else gallery[first].name,
                    "other_score": round(float(rivals[number].max()), 2),
                }
            )
    return found


def mistaken(
    outcome: Outcome, negative: NDArray[np.float32], cases: Sequence[Case], gallery: Sequence[Photo]
) -> list[dict[str, Any]]:
    """The highest wrong answers of both halves, down to nine tenths of the threshold; at most fifty."""
    at = np.argwhere(negative >= max(0.9 * outcome.threshold, 1e-6))
    ranked = sorted(at.tolist(), key=lambda place: -negative[tuple(place)])
    return [
        {
            "transform": TRANSFORMS[number].name,
            "negative": cases[photo].photo.name,
            "other": gallery[image].name,
            "other_score": round(float(negative[photo, number, image]), 2),
        }
        for photo, number, image in ranked[:50]
    ]


def times_of(answers: Sequence[Sequence[Answered]]) -> dict[str, float]:
    """Processor milliseconds of a query on one thread, decoding and extraction included."""
    spent = [answer.cpu_s * 1e3 for row in answers for answer in row]
    return {"p50": float(np.median(spent)), "p95": float(np.quantile(spent, 0.95))}


def search_figures(result: SearchResult) -> dict[str, Any]:
    """What the line at the end says of a search beyond what it says of every method."""
    key = result.outcome.key
    easy = {row.transform: row.recall for row in result.outcome.rows if not row.is_hard}
    hard = {row.transform: row.recall for row in result.outcome.rows if row.is_hard}
    figures: dict[str, Any] = {
        f"recall_min_row_{key}": round(min(easy.values()), 4),
        f"recall_min_row_hard_{key}": round(min(hard.values()), 4),
    }
    for share, rows in ((15, easy), (8, hard), (4, hard)):
        figures[f"recall_crop_{share}_{key}"] = round(rows[f"crop keeping {share} %"], 4)
    for name, value in result.cpu_ms.items():
        figures[f"query_{name}_cpu_ms_{key}"] = round(value, 1)
    return figures


def search_details(result: SearchResult) -> dict[str, Any]:
    """All of it, for the JSON file."""
    return asdict(result)
