"""Compiled scans of inverted lists of 1-bit codes: estimated distances, and the k nearest of each query.

Loaded by `_point_lists.py`, through `_compiling.py`. A block holds its codes word by word, as
in `_hamming.py`, so that one register takes the same word of eight codes.
"""

from typing import Any

import numba
import numba.extending
import numpy as np
from llvmlite import ir

from ambience.index._hamming import LANES, VECTOR, compiled, popcount, replace_top, spread, vector_at
from ambience.index._point_blocks import BLOCK
from ambience.index._point_codes import PLANES, RATIO_START, RATIO_STEP, WORDS
from ambience.keypoints import MAX_POINTS

FLOATS = ir.VectorType(ir.FloatType(), LANES)
FIRST_RATIO, NEXT_RATIO = np.float32(RATIO_START), np.float32(RATIO_STEP)


def _counting(context: Any, codes: Any, planes: Any, out: Any) -> Any:
    """Bits that differ between codes and the bit planes of a query, weighted by 1, 2, 4 …, into out (B,).

    codes is (WORDS, B) and planes (PLANES, WORDS) uint64, out is float32.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, query, sums = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        whole = ir.IntType(64)
        repeated = [
            spread(builder, builder.load(builder.gep(query.data, [whole(at)])))
            for at in range(PLANES * WORDS)
        ]
        floats = builder.bitcast(sums.data, FLOATS.as_pointer())
        for run in range(BLOCK // LANES):
            words = [
                builder.load(vector_at(builder, block.data, whole(word * BLOCK), run), align=8)
                for word in range(WORDS)
            ]
            total = ir.Constant(VECTOR, None)
            for plane in reversed(range(PLANES)):
                total = builder.add(total, total)
                for word in range(WORDS):
                    differing = builder.xor(words[word], repeated[plane * WORDS + word])
                    total = builder.add(total, popcount(builder, differing))
            builder.store(builder.uitofp(total, FLOATS), builder.gep(floats, [whole(run)]), align=4)
        return context.get_dummy_value()

    return numba.types.void(codes, planes, out), generate


_count: Any = numba.extending.intrinsic(_counting)


@compiled
def _estimate(counts: Any, factors: Any, length_step: Any, terms: Any, out: Any) -> Any:
    """Estimated squared distances of a block's codes, into out (B,); the least of them."""
    least = np.float32(np.inf)
    for at in range(BLOCK):
        length = length_step * np.float32(factors[0, at])
        weight = length * (FIRST_RATIO + NEXT_RATIO * np.float32(factors[1, at]))
        distance = length * length + terms[0] - weight * (terms[1] - terms[2] * counts[at])
        out[at] = distance
        least = min(least, distance)
    return least


@compiled
def scan(
    words: Any,
    factors: Any,
    points: Any,
    following: Any,
    first: Any,
    sizes: Any,
    length_step: Any,
    lists: Any,
    queries: Any,
    planes: Any,
    terms: Any,
    mask: Any,
    best_distances: Any,
    best_points: Any,
) -> None:
    """The k nearest points to each query in the lists that it visits, as one heap a query.

    Args:
        words: (blocks, WORDS, B) uint64.
        factors: (blocks, 2, B) uint8.
        points: (blocks, B) uint32.
        following: (blocks,) int32, the next block of the same list.
        first: (L,) int32, the first block of each list; -1 where there is none.
        sizes: (L,) int64, points of each list.
        length_step: float32.
        lists: (P,) int64, ascending: which list is visited …
        queries: (P,) int64: … by which query.
        planes: (P, PLANES, WORDS) uint64.
        terms: (P, 3) float32.
        mask: (slots,) bool, whose points may be answered.
        best_distances: (Q, k) float32, filled with +inf; holds the answer afterwards, unsorted.
        best_points: (Q, k) int64, filled with a huge number; likewise.
    """
    counts, out = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.float32)
    start = 0
    while start < len(lists):
        stop = start + 1
        while stop < len(lists) and lists[stop] == lists[start]:
            stop += 1
        left, block = sizes[lists[start]], first[lists[start]]
        while left > 0 and 0 <= block < len(words):
            for probe in range(start, stop):
                heap_distances, heap_points = best_distances[queries[probe]], best_points[queries[probe]]
                _count(words[block], planes[probe], counts)
                if _estimate(counts, factors[block], length_step, terms[probe], out) <= heap_distances[0]:
                    _take(out, points[block], min(left, BLOCK), mask, heap_distances, heap_points)
            left -= BLOCK
            block = following[block]
        start = stop


@compiled
def _take(out: Any, points: Any, count: Any, mask: Any, heap_distances: Any, heap_points: Any) -> None:
    """Puts those of a block's points into a heap that are nearer than its farthest."""
    for at in range(count):
        if out[at] > heap_distances[0]:
            continue
        point = np.int64(points[at])
        slot = point // MAX_POINTS
        is_nearer = out[at] < heap_distances[0] or point < heap_points[0]
        if is_nearer and slot < len(mask) and mask[slot]:
            replace_top(heap_distances, heap_points, out[at], point)


@compiled
def smallest(values: Any, chosen: Any, least: Any) -> None:
    """The v smallest entries of each row, ascending.

    Args:
        values: (N, T) float32.
        chosen: (N, v) int64; their columns afterwards.
        least: (N, v) float32; the entries afterwards.
    """
    count = chosen.shape[1]
    for row in range(len(values)):
        own_least, own_chosen = least[row], chosen[row]
        own_least[:] = np.inf
        own_chosen[:] = 0
        for column in range(values.shape[1]):
            value = values[row, column]
            if value < own_least[count - 1]:
                at = count - 1
                while at > 0 and own_least[at - 1] > value:
                    own_least[at], own_chosen[at] = own_least[at - 1], own_chosen[at - 1]
                    at -= 1
                own_least[at], own_chosen[at] = value, column
