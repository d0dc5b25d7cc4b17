"""Weighted feature edit distance of one pronunciation to many at once."""

import numpy as np
from numpy.typing import NDArray

from ambience.phonetics.features import SOUNDS, VOWELS, encoded, gap_costs, substitution_costs

LONGEST = 40
"""Sounds of a word that are compared."""

_IS_VOWEL = np.array([*(sound in VOWELS for sound in SOUNDS), False])
UNWRITTEN_VOWEL = 0.12
"""What a vowel costs that the other word's script does not write."""


def sound_distances(
    asked: str,
    found: list[str],
    *,
    vowels_left_out: NDArray[np.bool_] | None = None,
    vowels_put_in: NDArray[np.bool_] | None = None,
) -> NDArray[np.float32]:
    """Feature edit distances of one pronunciation to B others: 0 where they are the same.

    Args:
        asked: one pronunciation.
        found: B pronunciations.
        vowels_left_out: (B,) bool, where the found word's script leaves vowels out: there a vowel that only
            the asked word has costs next to nothing.
        vowels_put_in: (B,) bool, where the asked word's script does, and the found word's does not.

    Returns:
        (B,) float32: the least sum of costs of sounds changed, left out or put in. Symmetric, up to rounding,
        where the two masks are exchanged with the words.

    Source: Wagner & Fischer, "The string-to-string correction problem", J. ACM 21(1), 1974, over all found
    words at once; costs of sounds by features, see `ambience.phonetics.features`.
    """
    if not found:
        return np.zeros(0, np.float32)
    order = np.argsort([-len(word) for word in found], kind="stable")
    rows, lengths = encoded([found[i] for i in order], LONGEST)
    sounds = encoded([asked], LONGEST)[0][0]
    longer_than = [int(np.count_nonzero(lengths > j)) for j in range(rows.shape[1])]
    gaps = gap_costs()
    columns = np.ascontiguousarray(rows.T)
    put_in = gaps[columns]
    if vowels_put_in is not None:
        put_in[_IS_VOWEL[columns] & vowels_put_in[order]] = UNWRITTEN_VOWEL
    costs = substitution_costs()
    previous = np.zeros((rows.shape[1] + 1, len(found)), np.float32)
    np.cumsum(put_in, axis=0, out=previous[1:])
    current = np.empty_like(previous)
    for sound in sounds:
        left_out = np.full(len(found), gaps[sound], np.float32)
        if vowels_left_out is not None and _IS_VOWEL[sound]:
            left_out[vowels_left_out[order]] = UNWRITTEN_VOWEL
        np.add(previous, left_out, out=current)
        np.minimum(current[1:], previous[:-1] + costs[sound][columns], out=current[1:])
        for j, count in enumerate(longer_than):
            np.minimum(
                current[j + 1, :count], current[j, :count] + put_in[j, :count], out=current[j + 1, :count]
            )
        previous, current = current, previous
    distances = np.empty(len(found), np.float32)
    distances[order] = previous[lengths, np.arange(len(found))]
    return distances
