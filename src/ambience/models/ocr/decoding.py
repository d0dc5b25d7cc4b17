"""From what a reading network says of every place of a line to its characters."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Reading(NamedTuple):
    """A line that was read.

    Attributes:
        text: as it stands there; "" where nothing was read.
        confidence: mean chance of its characters, 0–1; 0 where there are none.
    """

    text: str
    confidence: float


NOTHING = Reading("", 0.0)


def decoded(chances: NDArray[np.float32], characters: tuple[str, ...]) -> Reading:
    """The likeliest characters: the best class of every place, repetitions as one, without the blank.

    Args:
        chances: (T, C) float32 of the places of a line, left to right.
        characters: C of them; the first is the blank, which stands between two alike.

    Returns:
        The line.

    Source: Graves et al., "Connectionist temporal classification", ICML 2006, best path.
    """
    best = chances.argmax(axis=1)
    is_new = np.concatenate(([True], best[1:] != best[:-1])) & (best != 0)
    if not is_new.any():
        return NOTHING
    text = "".join(characters[place] for place in best[is_new])
    return Reading(text, float(chances[is_new, best[is_new]].mean()))
