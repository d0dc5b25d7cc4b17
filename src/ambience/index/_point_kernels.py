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
FIRST_RATIO, NEXT_RATIO = float(np.float32(RATIO_START)), float(np.float32(RATIO_STEP))
FUSED = ("contract",)
"""A product and a sum may be rounded once, in one instruction."""


def _measuring(context: Any, codes: Any, factors: Any, planes: Any, terms: Any, limit: Any, out: Any) -> Any:
    """Estimated squared distances of a block's codes, into out (B,) float32; a bit for each within the limit.

    codes is (WORDS, B) uint64, factors (2, B) uint8, planes (PLANES, WORDS) uint64, terms (4,) float32.
    Written in the compiler's own terms, since it would work on one code at a time by itself.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        block, lengths, query, numbers, _, sums = (
            context.make_array(kind)(context, builder, value) if hasattr(kind, "ndim") else value
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        repeated = [
            spread(builder, builder.load(builder.gep(query.data, [_whole(at)])))
            for at in range(PLANES * WORDS)
        ]
        own, start, step, length_step = (
            _repeated(builder, builder.load(builder.gep(numbers.data, [_whole(at)]))) for at in range(4)
        )
        bound = _repeated(builder, arguments[4])
        near = ir.Constant(ir.IntType(64), 0)
        for run in range(BLOCK // LANES):
            count = builder.uitofp(_differing(builder, block.data, repeated, run), FLOATS)
            length, ratio = (_bytes(builder, lengths.data, row, run) for row in range(2))
            length = builder.fmul(length, length_step)
            weight = builder.fmul(length, _fused(builder, ratio, NEXT_RATIO, FIRST_RATIO))
            taken = builder.fsub(start, builder.fmul(step, count, flags=FUSED), flags=FUSED)
            distance = builder.fadd(own, builder.fmul(length, length, flags=FUSED), flags=FUSED)
            distance = builder.fsub(distance, builder.fmul(weight, taken, flags=FUSED), flags=FUSED)
            place = builder.gep(sums.data, [_whole(run * LANES)])
            builder.store(distance, builder.bitcast(place, FLOATS.as_pointer()), align=4)
            bits = builder.bitcast(builder.fcmp_ordered("<=", distance, bound), ir.IntType(LANES))
            shifted = builder.shl(builder.zext(bits, ir.IntType(64)), _whole(run * LANES))
            near = builder.or_(near, shifted)
        return near

    return numba.types.uint64(codes, factors, planes, terms, limit, out), generate


def _differing(builder: Any, codes: Any, planes: Any, run: int) -> Any:
    """Bits that differ between eight codes and the planes of a query, by 1, 2, 4 and so on."""
    words = [
        builder.load(vector_at(builder, codes, _whole(word * BLOCK), run), align=8) for word in range(WORDS)
    ]
    total = ir.Constant(VECTOR, None)
    for plane in reversed(range(PLANES)):
        total = builder.add(total, total)
        for word in range(WORDS):
            differing = builder.xor(words[word], planes[plane * WORDS + word])
            total = builder.add(total, popcount(builder, differing))
    return total


def _bytes(builder: Any, data: Any, row: int, run: int) -> Any:
    """Eight bytes of a row of a block, as numbers."""
    place = builder.gep(data, [_whole(row * BLOCK + run * LANES)])
    kind = ir.VectorType(ir.IntType(8), LANES)
    return builder.uitofp(builder.load(builder.bitcast(place, kind.as_pointer()), align=1), FLOATS)


def _fused(builder: Any, values: Any, factor: float, summand: float) -> Any:
    factors, summands = (ir.Constant(FLOATS, [number] * LANES) for number in (factor, summand))
    return builder.fadd(builder.fmul(values, factors, flags=FUSED), summands, flags=FUSED)


def _repeated(builder: Any, number: Any) -> Any:
    """A vector that holds one number in every lane."""
    single = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), number, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(single, single, lanes)


def _whole(number: int) -> Any:
    return ir.Constant(ir.IntType(64), number)


def _finding(context: Any, bits: Any) -> Any:
    """Place of the lowest bit that is set."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return numba.types.uint64(bits), generate


_measure: Any = numba.extending.intrinsic(_measuring)
_lowest: Any = numba.extending.intrinsic(_finding)


@compiled
def scan(
    words: Any,
    factors: Any,
    points: Any,
    following: Any,
    first: Any,
    sizes: Any,
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
        lists: (P,) int64, ascending: which list is visited …
        queries: (P,) int64: … by which query.
        planes: (P, PLANES, WORDS) uint64.
        terms: (P, 4) float32, the last one being the step of lengths.
        mask: (slots,) bool, whose points may be answered.
        best_distances: (Q, k) float32, filled with +inf; holds the answer afterwards, unsorted.
        best_points: (Q, k) int64, filled with a huge number; likewise.
    """
    out = np.empty(BLOCK, np.float32)
    start = 0
    while start < len(lists):
        stop = start + 1
        while stop < len(lists) and lists[stop] == lists[start]:
            stop += 1
        left, block = sizes[lists[start]], first[lists[start]]
        while left > 0 and 0 <= block < len(words):
            for probe in range(start, stop):
                heap_distances, heap_points = best_distances[queries[probe]], best_points[queries[probe]]
                near = _measure(
                    words[block], factors[block], planes[probe], terms[probe], heap_distances[0], out
                )
                if near:
                    _take(near, out, points[block], min(left, BLOCK), mask, heap_distances, heap_points)
            left -= BLOCK
            block = following[block]
        start = stop


@compiled
def _take(
    near: Any, out: Any, points: Any, count: Any, mask: Any, heap_distances: Any, heap_points: Any
) -> None:
    """Puts those of a block's points into a heap that are nearer than its farthest, by bits."""
    while near:
        at = _lowest(near)
        near &= near - np.uint64(1)
        if at >= count:
            return
        point = np.int64(points[at])
        slot = point // MAX_POINTS
        is_nearer = out[at] < heap_distances[0] or (out[at] == heap_distances[0] and point < heap_points[0])
        if is_nearer and slot < len(mask) and mask[slot]:
            replace_top(heap_distances, heap_points, out[at], point)


@compiled
def keep_smallest(rows: Any, values: Any, first: Any, best: Any, columns: Any) -> None:
    """Keeps the smallest values of each row that have passed by, ascending.

    Args:
        rows: (M,) int64.
        values: (M, T) float32 of these rows.
        first: number of the first of their columns.
        best: (N, count) float32 of all rows.
        columns: (N, count) int64 that they come from.
    """
    last = best.shape[1] - 1
    for number in range(len(rows)):
        own, own_columns, own_values = best[rows[number]], columns[rows[number]], values[number]
        for column in range(values.shape[1]):
            value = own_values[column]
            if value < own[last]:
                at = last
                while at > 0 and own[at - 1] > value:
                    own[at], own_columns[at] = own[at - 1], own_columns[at - 1]
                    at -= 1
                own[at], own_columns[at] = value, first + column
