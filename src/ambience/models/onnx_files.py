"""ONNX files of any origin: looked through before a runtime is trusted with them, then read by OpenVINO.

An ONNX file may name other files of this machine to be read, hold tensors of other sizes than their bytes, or
loop forever. None of that is in a published network of ours, so it is refused, with the reason.
"""

import math
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ambience.errors import CorruptModelError
from ambience.models._openvino import imported_openvino
from ambience.models.engine import RUNTIME_ERRORS, OnnxUse, brief

MAX_NODES = 200_000
"""Of a graph, those of its parts included; a network of 24 layers has some 3,000."""

MAX_DEPTH = 4
"""Graphs within graphs."""

MAX_NUMBERS = 2**31
"""Of one value on the way through a graph, for a batch of the largest size."""

BYTES_OF_TYPES = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}
"""Of one number of ONNX's types: float, uint8, int8, uint16, int16, int32, int64, bool, float16, double,
uint32, uint64, bfloat16."""

REFUSED = {"Loop", "Scan"}

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class _Field(NamedTuple):
    """One field of a message: a number, or the place of its bytes."""

    number: int
    value: int
    start: int
    end: int


def read_onnx(file: Path, use: OnnxUse) -> tuple[Any, bool]:
    """The graph of an ONNX file that was looked through, for batches of any length up to a limit.

    Args:
        file: the network.
        use: what is expected of it.

    Returns:
        `openvino.Model` with the one output that is wanted, and whether the file says that it takes one
        example at a time.

    Raises:
        CorruptModelError: OpenVINO cannot read it, or it is another network than the one meant.
        OSError: the file cannot be read.
    """
    openvino = imported_openvino()
    try:
        graph = openvino.Core().read_model(file)
        outputs = {sorted(each.get_names() or {""})[0]: each for each in graph.outputs}
        wanted = [each for each in graph.outputs if use.output in each.get_names() or not use.output]
        if len(wanted) != 1 or len(graph.inputs) != use.inputs:
            raise CorruptModelError(f"{file} is not used: {use.mismatch(len(graph.inputs), list(outputs))}")
        for port in graph.inputs:
            _check_shape(file, [*port.get_partial_shape()][1:], use)
        result = openvino.opset15.result(wanted[0].get_node().input_value(0))
        graph = openvino.Model([result], graph.get_parameters(), file.name)
        one = openvino.Dimension(1)
        is_for_one = all(each.get_partial_shape()[0] == one for each in graph.inputs)
        shape = openvino.PartialShape([openvino.Dimension(1, use.batch), *use.shape])
        graph.reshape({port: shape for port in graph.inputs})
        is_for_one |= _rows(file, graph) == 1
    except RUNTIME_ERRORS as exc:
        raise CorruptModelError(f"{file} is not used: OpenVINO says {brief(exc)}") from exc
    _check_sizes(file, graph)
    return graph, is_for_one


def _rows(file: Path, graph: Any) -> int:
    """Examples that a graph makes whatever it is given, by a size written into it; 0 where it follows.

    OpenVINO 2026.4.1 runs such a graph on more examples than that, and reads memory that is not its own.
    """
    port = graph.outputs[0]
    sides = port.get_partial_shape() if _has_rank(port) else []
    rows = sides[0].get_length() if sides and sides[0].is_static else 0
    if rows > 1:
        raise CorruptModelError(
            f"{file} is not used: it makes {rows} rows of any number of examples, a size that its exporter "
            "wrote into it"
        )
    return int(rows)


def _check_shape(file: Path, sides: list[Any], use: OnnxUse) -> None:
    """What a file says of its inputs agrees with what they are given."""
    fixed = [side.get_length() if side.is_static else -1 for side in sides]
    fits = all(size in (-1, given) for size, given in zip(fixed, use.shape, strict=False))
    if sides and (len(sides) != len(use.shape) or not fits):
        takes = ", ".join(str(side) for side in sides)
        raise CorruptModelError(
            f"{file} is not used: it takes inputs of {takes}, not of {', '.join(map(str, use.shape))}: "
            "another model's?"
        )


def _check_sizes(file: Path, graph: Any) -> None:
    """No value on the way is larger than any network of ours would make it."""
    for node in graph.get_ordered_ops():
        for port in node.outputs():
            sizes = [side.get_max_length() for side in port.get_partial_shape()] if _has_rank(port) else []
            if math.prod(size for size in sizes if size >= 0) > MAX_NUMBERS:
                raise CorruptModelError(
                    f"{file} is not used: {node.get_friendly_name():.60} makes {sizes} numbers, more than "
                    f"{MAX_NUMBERS:,}"
                )


def _has_rank(port: Any) -> bool:
    return bool(port.get_partial_shape().rank.is_static)


def check_onnx(file: Path) -> None:
    """Looks through an ONNX file, without a runtime.

    Args:
        file: the network.

    Raises:
        CorruptModelError: it is cut off or no ONNX file, names other files, loops, or holds a tensor that
            does not fit its bytes.
        OSError: the file cannot be read.
    """
    with file.open("rb") as opened:
        if not opened.seek(0, 2):
            raise CorruptModelError(f"{file} is empty; an ONNX file is needed")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                _Look(data).model()
            except CorruptModelError as exc:
                raise CorruptModelError(f"{file} is not used: it holds {exc}") from exc


def onnx_metadata(file: Path, name: str) -> str:
    """What the makers of an ONNX file wrote into it beside its graph.

    Args:
        file: looked through before.
        name: of the entry.

    Returns:
        Its text; "" where there is none of that name.

    Raises:
        CorruptModelError: it is no text, or the file is cut off.
        OSError: the file cannot be read.
    """
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _Look(data).metadata().get(name, "")
        except (CorruptModelError, UnicodeDecodeError) as exc:
            raise CorruptModelError(f"{file} is not used: its metadata is broken: {exc}") from exc


class _Look:
    """A walk through the messages of an ONNX file, which are those of Protocol Buffers."""

    def __init__(self, data: "mmap.mmap | bytes") -> None:
        self.data = data
        self.nodes = 0

    def model(self) -> None:
        """ModelProto: its graph, and functions, which are lists of nodes as well."""
        has_graph = False
        for field in self._fields(0, len(self.data)):
            if field.number == 7:
                has_graph = True
                self._graph(field, 0)
            elif field.number == 25:
                for part in self._fields(field.start, field.end):
                    if part.number == 7:
                        self._node(part, 0)
        if not has_graph:
            raise CorruptModelError("no graph")

    def metadata(self) -> dict[str, str]:
        """ModelProto.metadata_props: texts by name."""
        found = {}
        for field in self._fields(0, len(self.data)):
            if field.number == 14:
                entry = {part.number: part for part in self._fields(field.start, field.end)}
                if {1, 2} <= entry.keys():
                    name, text = (bytes(self.data[entry[n].start : entry[n].end]).decode() for n in (1, 2))
                    found[name] = text
        return found

    def _graph(self, graph: _Field, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise CorruptModelError(f"graphs in graphs, more than {MAX_DEPTH} deep")
        for field in self._fields(graph.start, graph.end):
            if field.number == 1:
                self._node(field, depth)
            elif field.number == 5:
                self._tensor(field)
            elif field.number == 15:
                raise CorruptModelError("a sparse tensor, which is not read")

    def _node(self, node: _Field, depth: int) -> None:
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise CorruptModelError(f"more than {MAX_NODES:,} nodes")
        for field in self._fields(node.start, node.end):
            if field.number == 4 and self._text(field) in REFUSED:
                raise CorruptModelError(f"the operation {self._text(field)}, which may never end")
            if field.number == 5:
                for part in self._fields(field.start, field.end):
                    if part.number in (5, 10):
                        self._tensor(part)
                    elif part.number in (6, 11):
                        self._graph(part, depth + 1)

    def _tensor(self, tensor: _Field) -> None:
        """TensorProto: dimensions, type, and the bytes that must be as many as these say."""
        dims: list[int] = []
        kind, raw, typed, name = 0, -1, 0, ""
        for field in self._fields(tensor.start, tensor.end):
            if field.number == 1:
                dims += [field.value] if field.value >= 0 else self._varints(field)
            elif field.number == 2:
                kind = field.value
            elif field.number == 8:
                name = self._text(field)
            elif field.number == 9:
                raw = field.end - field.start
            elif field.number in (4, 5, 6, 7, 10, 11):
                typed += max(field.end - field.start, 1)
            if field.number == 13 or (field.number == 14 and field.value == 1):
                raise CorruptModelError(
                    f"the tensor {name:.60}, whose numbers are in another file; a network in one file is "
                    "needed"
                )
        count = math.prod(dims)
        is_right = raw == count * BYTES_OF_TYPES.get(kind, 1) if raw >= 0 else count <= typed
        if any(side >= 2**63 for side in dims) or not is_right:
            raise CorruptModelError(
                f"the tensor {name:.60} of {dims[:8]} numbers of type {kind}, with {max(raw, typed)} bytes"
            )

    def _text(self, field: _Field) -> str:
        return bytes(self.data[field.start : min(field.end, field.start + 200)]).decode("utf-8", "replace")

    def _varints(self, field: _Field) -> list[int]:
        found: list[int] = []
        at = field.start
        while at < field.end and len(found) < 64:
            value, at = self._varint(at, field.end)
            found.append(value)
        return found

    def _fields(self, start: int, end: int) -> Iterator[_Field]:
        at = start
        while at < end:
            key, at = self._varint(at, end)
            number, wire = key >> 3, key & 7
            if wire == _VARINT:
                value, at = self._varint(at, end)
                yield _Field(number, value, at, at)
            elif wire == _BYTES:
                size, at = self._varint(at, end)
                if size > end - at:
                    raise CorruptModelError(
                        f"a part of {size:,} bytes where {end - at:,} are left: it is cut off"
                    )
                yield _Field(number, -1, at, at + size)
                at += size
            elif wire in (_FIXED64, _FIXED32):
                size = 8 if wire == _FIXED64 else 4
                if size > end - at:
                    raise CorruptModelError("a number that is cut off")
                yield _Field(number, -1, at, at + size)
                at += size
            else:
                raise CorruptModelError("what is no ONNX")

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        value = shift = 0
        while at < end and shift < 70:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
            shift += 7
        raise CorruptModelError("a number that is cut off, so no ONNX")
