"""Reads the tensors of a safetensors file: a header in JSON, then their bytes; nothing of it can run."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError

MAX_HEADER = 16 * 2**20
"""Bytes; that of a model with 1,000 tensors has some 100 kB."""

MAX_DIMENSIONS = 16

MAX_NUMBERS = 2**40
"""Product of a tensor's sides at most, those of zero left out: of larger ones NumPy makes no empty array."""

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
    "I8": "|i1", "U8": "|u1", "BOOL": "|b1",
}  # fmt: skip


def is_safetensors(data: bytes) -> bool:
    """Whether bytes begin as such a file does: with the length of a header, and a brace."""
    return len(data) > 8 and data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 2**40


def read_safetensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Arrays by name, read-only views of the bytes; bfloat16 comes as float32.

    Args:
        data: the whole file.

    Returns:
        Arrays by name.

    Raises:
        CorruptModelError: the header is no JSON of its form, or a tensor does not fit its bytes.
    """
    size = int.from_bytes(data[:8], "little")
    if size > min(MAX_HEADER, len(data) - 8):
        raise CorruptModelError(f"a header of {size:,} bytes, of {len(data):,} in all: it is cut off")
    try:
        said = json.loads(data[8 : 8 + size], object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as exc:
        raise CorruptModelError(f"a header that is no JSON: {str(exc)[:200]}") from exc
    body = memoryview(data)[8 + size :]
    found, ends = {}, 0
    for name, facts in said.items():
        if name != "__metadata__":
            found[name], count = _tensor(name, facts, body)
            ends += count
    if ends > len(body):
        raise CorruptModelError(f"tensors of {ends:,} bytes in {len(body):,}: they lie over one another")
    return found


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _tensor(name: str, facts: Any, body: memoryview) -> tuple[NDArray[Any], int]:
    """One tensor, once it is sure to lie within the file, and its bytes."""
    try:
        kind, shape, (start, end) = facts["dtype"], facts["shape"], facts["data_offsets"]
        numbers = [*shape, start, end]
        is_right = len(shape) <= MAX_DIMENSIONS and all(type(each) is int and each >= 0 for each in numbers)
        dtype = np.dtype(DTYPES[kind])
    except (KeyError, TypeError, ValueError) as exc:
        raise CorruptModelError(f"a tensor {name:.60} that is not described, or of a type not read") from exc
    lies_within = (
        is_right and start <= end <= len(body) and math.prod(side or 1 for side in shape) <= MAX_NUMBERS
    )
    if not lies_within or end - start != math.prod(shape) * dtype.itemsize:
        raise CorruptModelError(
            f"a tensor {name:.60} of shape {shape!s:.60} at {start:,} to {end:,} of {len(body):,} bytes"
            if is_right
            else f"a tensor {name:.60} whose shape or place is no row of whole numbers"
        )
    array = np.frombuffer(body[start:end], dtype).reshape(shape)
    if kind == "BF16":
        array = (array.astype(np.uint32) << 16).view(np.float32)
    array.flags.writeable = False
    return array, end - start
