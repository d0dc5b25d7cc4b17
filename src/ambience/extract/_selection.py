"""Which keypoints of a picture are kept: spread over the picture and over sizes, or as the original did.

Pure functions over arrays; `local_features.py` is the only caller.
"""

import numpy as np
from numpy.typing import NDArray

BANDS = (3.2, 6.4, 12.8)
"""Sizes that part the bands, in pixels of the working picture: one octave of the scale space each."""

QUOTAS = (0.30, 0.30, 0.25, 0.15)
"""Share of the points that each band gives, smallest sizes first."""

POOL = 2
"""Keypoints of a band that are looked at, for each that it gives: the strongest. More of them spread farther,
but over weak ones, which the next copy of the picture lacks; fewer leave whole parts of it without any. Of 3,
2 and 1.5, and of 700 a band, 2 had the most matches in the worst tenth of altered copies."""

QUADRANT = 50
"""Points that the original keeps in a quarter of a picture, so 200 in all."""

NEAR = 50.0
"""Pixels within which two points of the original are neighbors."""

CROWDED = 3
"""Neighbors with which a chosen point of the original lets no further one come near."""


def spread_over_bands(
    places: NDArray[np.float32], sizes: NDArray[np.float32], responses: NDArray[np.float32], points: int
) -> NDArray[np.intp]:
    """The points that cover a picture evenly, in each band of sizes.

    What a band cannot give, because it holds too few, the next smaller one gives.

    Args:
        places: (N, 2) float32 x, y in pixels.
        sizes: (N,) float32 in the pixels that `BANDS` are in.
        responses: (N,) float32, stronger is greater.
        points: most that are kept.

    Returns:
        (M,) indices, M ≤ `points`: the largest sizes first, and of one band the most isolated first.
    """
    order = np.argsort(-responses, kind="stable")
    bands = np.searchsorted(BANDS, sizes[order], side="right")
    chosen: list[NDArray[np.intp]] = []
    left = points
    for number in reversed(range(len(QUOTAS))):
        quota = round(left * QUOTAS[number] / sum(QUOTAS[: number + 1]))
        members = order[bands == number]
        strongest = members[: POOL * quota]
        kept = strongest[most_isolated(places[strongest], quota)]
        chosen.append(kept)
        left -= len(kept)
    return np.concatenate(chosen)


def most_isolated(places: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The points that are farthest from any stronger one.

    Args:
        places: (N, 2) float32, strongest first.
        count: most that are kept.

    Returns:
        (min(N, count),) indices: farthest first, ties by strength.

    Source: Brown, Szeliski & Winder, "Multi-image matching using multi-scale oriented patches", CVPR 2005
    (adaptive non-maximal suppression), without its factor of robustness.
    """
    if len(places) <= count:
        return np.arange(len(places))
    from ambience.extract._loops import isolation

    x, y = np.ascontiguousarray(places.T)
    return np.argsort(-isolation(x, y), kind="stable")[:count]


def as_the_original(
    places: NDArray[np.float32], responses: NDArray[np.float32], width: int, height: int
) -> NDArray[np.intp]:
    """The original system's sparse selection: 50 points a quarter, few of them crowded.

    Its rule, with all that follows from it: a candidate is passed over while a chosen point nearer than 50
    pixels has three neighbors or more; a point that is accepted starts with none, however many surround it;
    points on the lines between the quarters are lost; counts are kept by place, so that a second point of
    the same place is nobody's neighbor and starts the count of both anew, and a neighbor counts twice there.

    Args:
        places: (N, 2) float32 x, y in pixels.
        responses: (N,) float32, stronger is greater.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        (M,) indices, M ≤ 200, strongest first.
    """
    from ambience.extract._loops import walk_as_the_original

    order = np.argsort(-responses, kind="stable")
    middle = np.array([width // 2, height // 2], np.float64)
    walked = walk_as_the_original(places[order].astype(np.float64), middle, QUADRANT, NEAR, CROWDED)
    return np.asarray(order[walked])
