"""One score for how alike two words are, and by what."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambience.phonetics.keys import WordKeys

RELEVANT = 0.7
"""Likeness from which two words count as the same word, spelled or read otherwise."""

HOWS = ("exact", "spelling", "sound", "romanized")


@dataclass(frozen=True, slots=True)
class Likenesses:
    """Likeness of one asked word to B found words.

    Attributes:
        scores: (B,) float32, 0–1; 1 where the normalized forms are the same.
        hows: (B,) uint8, places in `HOWS`: by what each score came about.
    """

    scores: NDArray[np.float32]
    hows: NDArray[np.uint8]


def likeness(asked: WordKeys, found: WordKeys) -> tuple[float, str]:
    """How alike two words are, and by what: `likenesses` for one found word.

    Returns:
        score 0–1, and one of "exact", "spelling", "sound", "romanized".
    """
    both = likenesses(asked, [found])
    return float(both.scores[0]), HOWS[int(both.hows[0])]


def likenesses(asked: WordKeys, found: Sequence[WordKeys]) -> Likenesses:
    """How alike one asked word is to each of many found words.

    Returns:
        scores and by what, in the order of the found words.
    """
    from rapidfuzz.distance import OSA

    scores = np.zeros(len(found), np.float32)
    hows = np.zeros(len(found), np.uint8)
    for i, other in enumerate(found):
        options = [(OSA.normalized_similarity(asked.normalized, other.normalized), 1)]
        options += [(OSA.normalized_similarity(a, b), 2) for a in asked.ipa for b in other.ipa]
        if asked.script != other.script:
            options += [(OSA.normalized_similarity(a, b), 3) for a in asked.romanized for b in other.romanized]
        score, how = max(options)
        if asked.normalized == other.normalized:
            score, how = 1.0, 0
        scores[i], hows[i] = score, how
    return Likenesses(scores, hows)
