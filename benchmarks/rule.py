"""The rule that robustness is measured by: pure functions of scores.

A method's threshold is the highest negative score on half A of the photos. "Recall by the rule" is the share
of queries whose true picture is first, strictly, and above that threshold; false accepts are the negatives of
half B above it. Pairs that truly show the same thing count in neither; they are counted apart. Nor is a
picture of what lies behind an inset a rival of the inset: the query shows it as well. A method is either
features and a way to compare them (`evaluate`) or a search that answers some pictures (`outcome_of`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from methods import Method, Named
from photos import Split
from transforms import TRANSFORMS


@dataclass(frozen=True)
class Row:
    """What one method reached under one transform.

    Attributes:
        transform: its name.
        is_hard: one of the 15.
        recall_at_1: share of queries whose true picture is first.
        recall: the same, and above the threshold: recall by the rule.
        strict: recall by the rule where pictures of what lies behind an inset are rivals all the same.
        low: of the 95 % interval of `recall` (Wilson).
        high: of that interval.
        false_accepts: negatives of half B above the threshold.
        negatives: of half B.
    """

    transform: str
    is_hard: bool
    recall_at_1: float
    recall: float
    strict: float
    low: float
    high: float
    false_accepts: int
    negatives: int


@dataclass(frozen=True)
class Outcome:
    """What one method reached.

    Attributes:
        key: of the method.
        title: of the method.
        threshold: highest negative score on half A.
        rows: one per transform.
        related_above: queries that rank a related picture, not their own, above the threshold.
        related: queries that have a related picture in the gallery.
        documented: mean recall over the 26 and false accepts (both halves) at the threshold that the method's
            own documentation names, if any.
    """

    key: str
    title: str
    threshold: float
    rows: tuple[Row, ...]
    related_above: int
    related: int
    documented: tuple[float, int] | None

    def mean(self, *, is_hard: bool) -> float:
        """Mean recall by the rule over the 26 transforms or the 15."""
        return float(np.mean([row.recall for row in self.rows if row.is_hard == is_hard]))

    def mean_at_1(self, *, is_hard: bool) -> float:
        """Mean recall@1 over the 26 transforms or the 15."""
        return float(np.mean([row.recall_at_1 for row in self.rows if row.is_hard == is_hard]))

    @property
    def false_accepts(self) -> int:
        """Negatives of half B above the threshold, over all transforms."""
        return sum(row.false_accepts for row in self.rows)

    @property
    def negatives(self) -> int:
        """Negatives of half B."""
        return sum(row.negatives for row in self.rows)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
    """
    z = 1.959964
    share, weight = successes / trials, z * z / trials
    middle = (share + weight / 2) / (1 + weight)
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / trials + weight / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def related_masks(
    subjects: Sequence[int], others: Sequence[int], split: Split, related: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether a gallery picture shows what a query shows, the query itself included.

    Args:
        subjects: for each query photo, then each outsider, its place among the photos.
        others: for each of them, the place of the photo that its insets lie on.
        split: who is who.
        related: which photos truly show the same thing.

    Returns:
        (P, 41, N).
    """
    behind = behind_masks(others, split, related)
    own = related[np.asarray(subjects)][:, split.gallery]
    masks: NDArray[np.bool_] = own[:, None, :] | behind
    return masks


def behind_masks(others: Sequence[int], split: Split, related: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether a gallery picture shows what lies behind an inset: to answer it before the inset is no fault.

    Args:
        others: as `related_masks` takes them.
        split: who is who.
        related: which photos truly show the same thing.

    Returns:
        (P, 41, N), false where the transform is no inset.
    """
    behind = related[np.asarray(others)][:, split.gallery]
    shows_other = np.array(["inset" in each.name for each in TRANSFORMS])
    masks: NDArray[np.bool_] = behind[:, None, :] & shows_other[None, :, None]
    return masks


def evaluate(
    method: Method,
    kept: NDArray[Any],
    asked: NDArray[Any],
    split: Split,
    related: NDArray[np.bool_],
    behind: NDArray[np.bool_] | None = None,
) -> Outcome:
    """Applies the rule to a method that compares features.

    Args:
        method: scores.
        kept: (N, D) features of the gallery, query sources first.
        asked: (P, 41, V, D) features of queries, then outsiders.
        split: who is who.
        related: (P, 41, N), see `related_masks`.
        behind: (P, 41, N), see `behind_masks`.

    Returns:
        Threshold, rows and counts.
    """
    scores = method.score(asked.reshape(-1, *asked.shape[2:]), kept)
    return outcome_of(method, scores.reshape(len(asked), len(TRANSFORMS), -1), split, related, behind)


def outcome_of(
    named: Named,
    scores: NDArray[np.float32],
    split: Split,
    related: NDArray[np.bool_],
    behind: NDArray[np.bool_] | None = None,
    *,
    masked: NDArray[np.float32] | None = None,
) -> Outcome:
    """Applies the rule to scores.

    Args:
        named: whose scores they are.
        scores: (P, 41, N) of queries, then outsiders, against the gallery, query sources first; pictures that
            a search does not answer score below every answer.
        split: who is who.
        related: (P, 41, N), see `related_masks`.
        behind: (P, 41, N), see `behind_masks`; these are no rivals. None: there are none.
        masked: (P, 41, N) scores of the same with a query's true picture kept out of the search, for methods
            that search on where the first look finds nothing sure; by default it is only passed over.

    Returns:
        Threshold, rows and counts.
    """
    queries = len(split.queries)
    negative = np.where(related, -np.inf, scores if masked is None else masked).max(axis=2)
    sources = np.arange(queries)
    true = scores[sources, :, sources]
    rivals = scores[:queries].copy()
    rivals[sources, :, sources] = -np.inf
    strict = true > rivals.max(axis=2)
    is_first = strict if behind is None else true > np.where(behind[:queries], -np.inf, rivals).max(axis=2)
    threshold = float(negative[split.is_half_a].max())
    is_above = true > threshold
    accepted, strict, false = is_first & is_above, strict & is_above, negative[~split.is_half_a] > threshold
    rows = []
    for number, each in enumerate(TRANSFORMS):
        found = int(accepted[:, number].sum())
        rows.append(Row(each.name, each.is_hard, float(is_first[:, number].mean()), found / queries,
                        float(strict[:, number].mean()), *wilson(found, queries),
                        int(false[:, number].sum()), len(false)))  # fmt: skip
    akin = related.copy()
    akin[sources, :, sources] = False
    documented = None
    if named.accepts_from is not None:
        easy = np.array([not each.is_hard for each in TRANSFORMS])
        hits = is_first & (true >= named.accepts_from)
        documented = (float(hits[:, easy].mean()), int((negative >= named.accepts_from).sum()))
    return Outcome(
        key=named.key, title=named.title, threshold=threshold, rows=tuple(rows),
        related_above=int((np.where(akin, scores, -np.inf).max(axis=2) > threshold).sum()),
        related=int(akin.any(axis=2).sum()), documented=documented,
    )  # fmt: skip
