"""The merge of the original system, exactly: what its gateway answers as `unified_res`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

LEAST_LISTS = 2
"""Lists that an image must stand in: what one kind alone found is left out, however sure that kind is."""


def merge(lists: Mapping[str, Sequence[int]]) -> list[tuple[int, float]]:
    """Images by the sum of their reciprocal ranks: score(i) = Σ 1 / (r + 1) over the lists that hold i.

    The rank r counts from 0; where a list names an image more than once, its last rank there counts. Unlike
    reciprocal rank fusion (`reciprocal_rank.py`) nothing is added to the rank, so that one first place weighs
    as much as two second places; and an image of fewer than `LEAST_LISTS` lists is not answered.

    Args:
        lists: by kind, image ids, best first. Ids below 0, which pad the original's short lists, are
            counted as any other; leave them out beforehand.

    Returns:
        (image id, score) pairs, greatest score first; ties in the order in which the lists first name them.
    """
    scores: dict[int, float] = defaultdict(float)
    held: dict[int, int] = defaultdict(int)
    for ranking in lists.values():
        for image_id, rank in {image_id: rank for rank, image_id in enumerate(ranking)}.items():
            scores[image_id] += 1 / (rank + 1)
            held[image_id] += 1
    kept = [(image_id, score) for image_id, score in scores.items() if held[image_id] >= LEAST_LISTS]
    return sorted(kept, key=lambda pair: -pair[1])
