"""Compiled Hamming scans: the codes nearest to queries, and all that lie around them.

Imported by `binary.py` alone, and only once compiling pays. A block holds its codes word by word: word w of
all codes, then word w + 1. So one register takes the same word of several codes, and a block stays in the
first-level cache while every query of a batch passes over it, and the next block comes from memory meanwhile.
"""

from collections.abc import Callable
from typing import Any

import numba.core.cgutils
import numba.extending
import numpy as np
from llvmlite import ir

cgutils: Any = numba.core.cgutils

LANES = 8
"""Codes that one vector instruction takes: 512 bits; for narrower processors the compiler splits it."""

RUN = 4
"""Vectors worked on at a time, so that their popcounts overlap."""

VECTOR = ir.VectorType(ir.IntType(64), LANES)


def compiled(function: Callable[..., Any]) -> Any:
    """A function compiled without the interpreter lock, kept on disk where some folder can be written."""
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # numba found no folder that can be written: compile anew in every process
        return numba.njit(nogil=True)(function)


def _measuring(context: Any, block: Any, query: Any, out: Any) -> Any:
    """Bits that differ between a query (W,) and codes of a block (W, B), into out (B,); the least of them.

    All are uint64; B is a multiple of LANES · RUN. Written in the compiler's own terms, because it would use
    registers of half the width by itself, at 1.4 times the time.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes, words, sums = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        word_count, code_count = cgutils.unpack_tuple(builder, codes.shape, 2)
        totals = [cgutils.alloca_once(builder, VECTOR) for _ in range(RUN)]
        least = cgutils.alloca_once_value(builder, ir.Constant(VECTOR, [2**63] * LANES))
        with cgutils.for_range(builder, builder.udiv(code_count, code_count.type(LANES * RUN))) as outer:
            first = builder.mul(outer.index, code_count.type(LANES * RUN))
            for total in totals:
                builder.store(ir.Constant(VECTOR, None), total)
            with cgutils.for_range(builder, word_count) as inner:
                repeated = spread(builder, builder.load(builder.gep(words.data, [inner.index])))
                start = builder.add(builder.mul(inner.index, code_count), first)
                for run, total in enumerate(totals):
                    part = builder.load(vector_at(builder, codes.data, start, run), align=8)
                    counted = popcount(builder, builder.xor(part, repeated))
                    builder.store(builder.add(builder.load(total), counted), total)
            for run, total in enumerate(totals):
                done, best = builder.load(total), builder.load(least)
                builder.store(done, vector_at(builder, sums.data, first, run), align=8)
                builder.store(builder.select(builder.icmp_unsigned("<", done, best), done, best), least)
        return _least_lane(builder, builder.load(least))

    return numba.types.uint64(block, query, out), generate


_measure: Any = numba.extending.intrinsic(_measuring)


def _fetching(context: Any, block: Any, first: Any, stop: Any) -> Any:
    """Asks for the words `first` … `stop` of a block (W, B), so that they are in the cache when needed."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        codes = context.make_array(signature.args[0])(context, builder, arguments[0])
        flag = ir.IntType(32)
        byte = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        words = builder.sub(arguments[2], arguments[1])
        with cgutils.for_range(builder, builder.udiv(words, words.type(LANES))) as loop:
            entry = builder.add(arguments[1], builder.mul(loop.index, words.type(LANES)))
            address = builder.bitcast(builder.gep(codes.data, [entry]), byte)
            builder.call(prefetch, [address, flag(0), flag(3), flag(1)])  # to read; nearest cache; data
        return context.get_dummy_value()

    return numba.types.void(block, numba.types.int64, numba.types.int64), generate


_fetch: Any = numba.extending.intrinsic(_fetching)


def vector_at(builder: Any, data: Any, start: Any, run: int) -> Any:
    """Pointer to the vector that begins `run` vectors after entry `start`."""
    entry = builder.add(start, start.type(run * LANES))
    return builder.bitcast(builder.gep(data, [entry]), VECTOR.as_pointer())


def popcount(builder: Any, vector: Any) -> Any:
    kind = ir.FunctionType(VECTOR, [VECTOR])
    return builder.call(
        cgutils.get_or_insert_function(builder.module, kind, f"llvm.ctpop.v{LANES}i64"), [vector]
    )


def spread(builder: Any, word: Any) -> Any:
    """A vector that holds one word in every lane."""
    single = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), word, ir.IntType(32)(0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), None)
    return builder.shuffle_vector(single, single, lanes)


def _least_lane(builder: Any, vector: Any) -> Any:
    """The smallest lane of a vector."""
    lanes = [builder.extract_element(vector, ir.IntType(32)(lane)) for lane in range(LANES)]
    least = lanes[0]
    for lane in lanes[1:]:
        least = builder.select(builder.icmp_unsigned("<", lane, least), lane, least)
    return least


@compiled
def nearest(blocks: Any, ids: Any, mask: Any, queries: Any, best_distances: Any, best_ids: Any) -> None:
    """The k nearest codes to each query, as one heap a query whose top is the farthest.

    Args:
        blocks: (blocks, W, B) uint64.
        ids: (N,) int64 of the codes, N ≤ blocks · B; what lies behind N in the last block is passed over.
        mask: (N,) bool, which codes may be answered; (0,) where all may.
        queries: (Q, W) uint64.
        best_distances: (Q, k) uint64, filled with a huge number; holds the answer afterwards, unsorted.
        best_ids: (Q, k) int64, filled with the largest one; likewise.
    """
    size = blocks.shape[2]
    entries = blocks.shape[1] * size
    out = np.empty(size, np.uint64)
    for block in range(len(blocks)):
        first = block * size
        stop = min(size, len(ids) - first)
        ahead = min(block + 1, len(blocks) - 1)
        for query in range(len(queries)):
            # The next block comes from memory while this one is compared: without, both take their turns.
            _fetch(blocks[ahead], entries * query // len(queries), entries * (query + 1) // len(queries))
            heap_distances, heap_ids = best_distances[query], best_ids[query]
            if _measure(blocks[block], queries[query], out) > heap_distances[0]:
                continue
            for at in range(stop):
                if out[at] > heap_distances[0]:
                    continue
                is_nearer = out[at] < heap_distances[0] or ids[first + at] < heap_ids[0]
                if is_nearer and (len(mask) == 0 or mask[first + at]):
                    replace_top(heap_distances, heap_ids, out[at], ids[first + at])


@compiled
def within(
    blocks: Any, count: Any, mask: Any, queries: Any, radius: Any, head: Any, first: Any, found: Any
) -> Any:
    """Every code at `radius` or nearer, of one query and block after another, as far as there is room.

    Args:
        blocks: (blocks, W, B) uint64.
        count: of the codes; what lies behind them in the last block is passed over.
        mask: (count,) bool, which codes may be answered; (0,) where all may.
        queries: (Q, W) uint64.
        radius: bits, uint64.
        head: words, 1 … W, by which alone a block is passed over where they differ in more than `radius` bits
            already: the others are then left unread.
        first: the step to go on with, 0 to begin: each is one block and one query, all queries of a block
            before the next block.
        found: (room, 3) int32, room at least B: filled with query, distance and place of the code, unsorted.

    Returns:
        Rows of `found` that were filled, and the step to go on with; blocks · Q where all is done.
    """
    size = blocks.shape[2]
    entries = blocks.shape[1] * size
    out, rest = np.empty(size, np.uint64), np.empty(size, np.uint64)
    rows = 0
    for step in range(first, len(blocks) * len(queries)):
        if rows + size > len(found):
            return rows, step
        block, query = step // len(queries), step % len(queries)
        ahead = min(block + 1, len(blocks) - 1)
        _fetch(blocks[ahead], entries * query // len(queries), entries * (query + 1) // len(queries))
        if _measure(blocks[block, :head], queries[query, :head], out) > radius:
            continue
        _measure(blocks[block, head:], queries[query, head:], rest)
        out += rest
        for at in range(min(size, count - block * size)):
            place = block * size + at
            if out[at] <= radius and (len(mask) == 0 or mask[place]):
                found[rows, 0], found[rows, 1], found[rows, 2] = query, out[at], place
                rows += 1
    return rows, len(blocks) * len(queries)


@compiled
def replace_top(heap_distances: Any, heap_ids: Any, distance: Any, new_id: Any) -> None:
    """Puts an entry in place of the farthest one of a heap and restores the order: by distance, then id."""
    size, at = len(heap_distances), 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        right = child + 1
        if right < size and (
            heap_distances[right] > heap_distances[child]
            or (heap_distances[right] == heap_distances[child] and heap_ids[right] > heap_ids[child])
        ):
            child = right
        if heap_distances[child] < distance or (
            heap_distances[child] == distance and heap_ids[child] <= new_id
        ):
            break
        heap_distances[at], heap_ids[at] = heap_distances[child], heap_ids[child]
        at = child
    heap_distances[at], heap_ids[at] = distance, new_id
