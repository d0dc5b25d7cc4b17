"""From places of words to scores of pictures: pure functions over arrays.

A picture's score is the share of the question's weight that is found in it, each word by its best likeness
there, less up to a tenth where words that were asked one after another stand apart or in another order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ordinals = NDArray[np.intp]

APART_COSTS: Final = 0.1
"""Share of the score of a typed question that is lost where nothing stands near what was asked beside it."""

BACKWARD: Final = 0.5
"""How near words in the other order count, of what they would in the right one."""

SHORTLIST: Final = 5_000
"""Pictures, best first, of which it is looked how near the words stand."""

_AT_BITS = 24


@dataclass(frozen=True, slots=True)
class UnitPlaces:
    """Where one unit of a question stands (N places).

    Attributes:
        pictures: (N,) ordinals of pictures.
        lines: (N,) int64, line ids.
        starts: (N,) int64, numbers of its first word within the picture's text.
        words: how many words it has; the next word is numbered `starts + words`.
        likeness: (N,) float32.
        found: (N,) indices of the word found, for the caller.
    """

    pictures: Ordinals
    lines: NDArray[np.int64]
    starts: NDArray[np.int64]
    words: int
    likeness: Floats
    found: Ordinals

    def only(self, is_kept: NDArray[np.bool_]) -> "UnitPlaces":
        """Those places alone for which a flag is set."""
        return UnitPlaces(
            self.pictures[is_kept],
            self.lines[is_kept],
            self.starts[is_kept],
            self.words,
            self.likeness[is_kept],
            self.found[is_kept],
        )


def rarity(images: int, of_images: int) -> float:
    """Weight of a word: ln(1 + N / (n + ½)), of n of N images; above zero for every word."""
    return float(np.log1p(max(images, 1) / (of_images + 0.5)))


def scores(
    units: Sequence[UnitPlaces],
    weights: Sequence[float],
    pictures: int,
    *,
    required: Sequence[bool],
    apart_costs: float = APART_COSTS,
) -> Floats:
    """Scores of all pictures.

    Args:
        units: of the question, in its order.
        weights: of each unit, above zero.
        pictures: how many there are; ordinals are below.
        required: whether a picture without this unit scores 0.
        apart_costs: share of the score that is lost where units stand apart; 0 looks at no order.

    Returns:
        (pictures,) float32, 0–1.
    """
    total = np.zeros(pictures, np.float32)
    is_lacking = np.zeros(pictures, bool)
    share = np.asarray(weights, np.float32) / np.float32(max(sum(weights), 1e-9))
    for unit, weight, is_required in zip(units, share, required, strict=True):
        best = np.zeros(pictures, np.float32)
        np.maximum.at(best, unit.pictures, unit.likeness)
        total += weight * best
        if is_required:
            is_lacking |= best == 0
    total[is_lacking] = 0
    # Sums of shares round to a little more than one.
    np.minimum(total, 1, out=total)
    if len(units) > 1 and apart_costs:
        is_looked_at = np.zeros(pictures, bool)
        best_first = (
            np.argpartition(-total, SHORTLIST - 1)[:SHORTLIST] if pictures > SHORTLIST else slice(None)
        )
        is_looked_at[best_first] = total[best_first] > 0
        total *= 1 - apart_costs * (1 - _nearness(units, pictures, is_looked_at))
    return total


def phrase(words: Sequence[UnitPlaces]) -> UnitPlaces:
    """Places where words stand one after another.

    Args:
        words: of the phrase, in its order; each place of likeness 1.

    Returns:
        One place for each time that the phrase stands somewhere.
    """
    keys = [(each.pictures.astype(np.int64) << _AT_BITS) + each.starts for each in words]
    first, rows = np.unique(keys[0], return_index=True)
    is_start = np.ones(len(first), bool)
    for at, key in enumerate(keys[1:], 1):
        is_start &= np.isin(first + at, key)
    is_kept = np.zeros(len(keys[0]), bool)
    is_kept[rows[is_start]] = True
    found = words[0].only(is_kept)
    return UnitPlaces(
        found.pictures, found.lines, found.starts, len(words), np.ones_like(found.likeness), found.found
    )


def _nearness(units: Sequence[UnitPlaces], pictures: int, is_looked_at: NDArray[np.bool_]) -> Floats:
    """How near units stand to those asked beside them: mean over neighbors of 1 / words from one to the next.

    Returns:
        (pictures,) float32, 0–1: 1 where all stand one after another as asked.
    """
    total = np.zeros(pictures, np.float32)
    looked_at = [unit.only(is_looked_at[unit.pictures]) for unit in units]
    for left, right in pairwise(looked_at):
        best = np.zeros(pictures, np.float32)
        for before, after, worth in ((left, right, 1.0), (right, left, BACKWARD)):
            ends = (before.pictures.astype(np.int64) << _AT_BITS) + before.starts + before.words - 1
            starts = np.sort((after.pictures.astype(np.int64) << _AT_BITS) + after.starts)
            if not len(starts) or not len(ends):
                continue
            at = np.searchsorted(starts, ends, side="right")
            next_start = starts[np.minimum(at, len(starts) - 1)]
            is_same = (at < len(starts)) & (next_start >> _AT_BITS == before.pictures)
            gaps = (next_start - ends)[is_same]
            np.maximum.at(best, before.pictures[is_same], (worth / gaps).astype(np.float32))
        total += best
    return total / np.float32(len(units) - 1)
