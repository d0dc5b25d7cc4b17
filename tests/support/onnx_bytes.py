"""Writes ONNX files byte by byte: small right ones, and such as nobody should be given."""

import struct
from collections.abc import Iterable, Sequence

FLOAT, INT64 = 1, 7


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def part(number: int, value: "int | bytes | str") -> bytes:
    """One field of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def tensor(name: str, dims: Sequence[int], raw: bytes | None, kind: int = FLOAT, extra: bytes = b"") -> bytes:
    said = b"".join(part(1, side) for side in dims) + part(2, kind) + part(8, name)
    return said + (b"" if raw is None else part(9, raw)) + extra


def floats(name: str, dims: Sequence[int], values: Iterable[float]) -> bytes:
    listed = list(values)
    return tensor(name, dims, struct.pack(f"<{len(listed)}f", *listed))


def whole(name: str, values: Sequence[int]) -> bytes:
    return tensor(name, [len(values)], struct.pack(f"<{len(values)}q", *values), INT64)


def node(kind: str, inputs: Sequence[str], outputs: Sequence[str], *attributes: bytes) -> bytes:
    named = b"".join(part(1, name) for name in inputs) + b"".join(part(2, name) for name in outputs)
    return named + part(4, kind) + b"".join(part(5, attribute) for attribute in attributes)


def value(name: str, dims: Sequence["int | str"]) -> bytes:
    """A float input or output."""
    sides = b"".join(part(1, part(1, side) if isinstance(side, int) else part(2, side)) for side in dims)
    return part(1, name) + part(2, part(1, part(1, FLOAT) + part(2, sides)))


def graph(
    nodes: Sequence[bytes],
    tensors: Sequence[bytes] = (),
    inputs: Sequence[bytes] = (),
    outputs: Sequence[bytes] = (),
) -> bytes:
    return (
        b"".join(part(1, each) for each in nodes)
        + part(2, "graph")
        + b"".join(part(5, each) for each in tensors)
        + b"".join(part(11, each) for each in inputs)
        + b"".join(part(12, each) for each in outputs)
    )


def model(inside: bytes, extra: bytes = b"") -> bytes:
    return part(1, 8) + part(7, inside) + part(8, part(1, "") + part(2, 17)) + extra


def summing(sides: Sequence["int | str"] = ("batch", 3, 8, 8), more: Sequence[bytes] = ()) -> bytes:
    """A network from pictures (B, 3, 8, 8) to the sums of their planes, times two: (B, 3)."""
    nodes = [
        node("ReduceSum", ["pictures", "axes"], ["sums"], part(1, "keepdims") + part(3, 0) + part(20, 2)),
        node("Mul", ["sums", "two"], ["made"]),
        *more,
    ]
    tensors = [whole("axes", [2, 3]), floats("two", [1], [2.0])]
    return model(graph(nodes, tensors, [value("pictures", sides)], [value("made", [sides[0], 3])]))
