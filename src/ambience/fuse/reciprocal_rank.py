"""Reciprocal rank fusion: rankings become one by ranks alone, whatever their figures mean."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

K = 60
"""The constant of the paper: how little the first places stand out from those that follow."""


def merge(lists: Mapping[str, Sequence[int]], *, k: int = K) -> list[tuple[int, float]]:
    """Images by reciprocal rank fusion: score(i) = Σ 1 / (k + r) over the lists that hold i.

    The rank r counts from 1, as in the paper (other projects count from 0 under the same name); a list that
    does not hold an image adds nothing. Where a list names an image more than once, its best rank counts.

    Args:
        lists: by kind, image ids, best first.
        k: 0 or more.

    Returns:
        (image id, score) pairs, greatest score first; ties by image id.

    Source: Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
        learning methods", SIGIR 2009; k = 60 is theirs.
    """
    scores: dict[int, float] = defaultdict(float)
    for ranking in lists.values():
        for rank, image_id in enumerate(dict.fromkeys(ranking), start=1):
            scores[image_id] += 1 / (k + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
