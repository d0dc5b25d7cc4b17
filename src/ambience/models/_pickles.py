"""Reads the pickles inside of PyTorch checkpoints without running anything that they say.

A machine of its own over Python's disassembler: values, containers and exactly the names below are known, so
that no module is imported and nothing of the caller's is called, whatever the bytes hold. What a pickle says
of tensors is kept as said (`TensorNote`), for `checkpoint.py` to check against the bytes that are there.
"""

import io
import pickletools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ambience.errors import CorruptModelError

MAX_STEPS = 1_000_000
"""Instructions, and items that they copy, of one pickle; a checkpoint of 1,000 tensors has some 40,000."""

MAX_DIMENSIONS = 16
"""Of a tensor."""

MAX_WHOLE = 2**62
"""Numbers from here on are no size, no place and no key of anything."""

STORAGE_TYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "|i1",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}
"""PyTorch's names of typed storages, and the numpy dtype of each; numpy has no bfloat16."""

STORAGE_MODULES = ("torch", "torch.cuda")
"""Where a typed storage lay when it was written; older checkpoints of graphics cards say so in its name."""

REBUILD = {"_rebuild_tensor", "_rebuild_tensor_v2"}
"""How tensors are written: storage, offset, size, stride, and what only training needs."""

_CONSTANTS = {
    "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING",
    "SHORT_BINBYTES", "BINBYTES",
}  # fmt: skip
_FIXED: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_BROKEN = (
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    Warning,  # of escapes that Python does not know, where warnings are made errors
)
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True, slots=True)
class StorageNote:
    """One run of numbers, as a pickle names it.

    Attributes:
        key: of the storage in its file.
        dtype: value of `STORAGE_TYPES`.
        count: numbers.
    """

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class TensorNote:
    """A tensor, as a pickle says it lies in a storage; nothing of it is checked yet."""

    storage: StorageNote
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Name:
    """A name that a pickle may say; it stands for itself and is never looked up."""

    module: str
    name: str


_ALLOWED = (
    {_Name("collections", "OrderedDict"), _Name("torch", "Size"), _Name("torch._utils", "_rebuild_parameter")}
    | {_Name("torch._utils", name) for name in REBUILD}
    | {_Name(module, name) for module in STORAGE_MODULES for name in STORAGE_TYPES}
)


def read_pickle(data: bytes, start: int = 0) -> tuple[Any, int]:
    """What one pickle says, and where it ends.

    Args:
        data: bytes that hold it.
        start: of the pickle.

    Returns:
        Nested dicts, lists, tuples, numbers, texts, `StorageNote` and `TensorNote`; and the place after it.

    Raises:
        CorruptModelError: it is broken, or says something that a checkpoint of tensors has no need to say.
    """
    stream = io.BytesIO(data)
    stream.seek(start)
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            machine.charge(1)
            machine.run(opcode.name, argument)
    except _BROKEN as exc:
        raise CorruptModelError(f"a broken pickle: {exc}") from exc
    return machine.result, stream.tell()


class _Machine:
    """The stack that a pickle works on.

    Nothing that a pickle made is ever hashed, compared or printed whole: parts that hold one another many
    times over would take forever.
    """

    def __init__(self) -> None:
        self.left = MAX_STEPS
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.result: Any = None
        self._plain: dict[str, Callable[[], None]] = {
            "EMPTY_DICT": lambda: self.stack.append({}),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "MARK": lambda: self.marks.append(len(self.stack)),
            "TUPLE": lambda: self.stack.append(tuple(self._since_mark())),
            "APPEND": lambda: self._extend([self.stack.pop()]),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "SETITEM": lambda: self._set_items([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda: self._set_items(self._since_mark()),
            "MEMOIZE": lambda: self._remember(len(self.memo)),
            "STACK_GLOBAL": lambda: self._name(self.stack.pop(-2), self.stack.pop()),
            "REDUCE": lambda: self._call(self.stack.pop(-2), self.stack.pop()),
            "BUILD": self._drop_attributes,
            "BINPERSID": lambda: self.stack.append(_storage(self.stack.pop())),
        }

    def charge(self, steps: int) -> None:
        """Counts work, so that it ends.

        Raises:
            CorruptModelError: there was too much of it.
        """
        self.left -= steps
        if self.left < 0:
            raise CorruptModelError(f"a pickle of more than {MAX_STEPS:,} instructions")

    def run(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in _CONSTANTS:
            self.stack.append(_FIXED.get(name, argument))
        elif name in _TUPLES:
            count = _TUPLES[name]
            taken = [self.stack.pop() for _ in range(count)]
            self.stack.append(tuple(reversed(taken)))
        elif name in self._plain:
            self._plain[name]()
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._remember(argument)
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self._name(*argument.split(" ", 1))
        elif name == "STOP":
            self.result = self.stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise CorruptModelError(f"the pickle instruction {name}, which checkpoints of tensors do not use")

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def _extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise CorruptModelError("a pickle that appends to what is no list")
        self.stack[-1].extend(items)

    def _set_items(self, flat: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            raise CorruptModelError("a pickle that sets items of what is no dictionary")
        self.stack[-1].update(_pairs(zip(flat[::2], flat[1::2], strict=True)))

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise CorruptModelError("a name that is no text")
        if _Name(module, name) not in _ALLOWED:
            allowed = ", ".join(sorted(f"{each.module}.{each.name}" for each in _ALLOWED))
            raise CorruptModelError(
                f"the name {module:.60}.{name:.60}, which is not read; weights may name only {allowed}. "
                "Save the state_dict alone"
            )
        self.stack.append(_Name(module, name))

    def _call(self, called: Any, given: Any) -> None:
        if not isinstance(called, _Name) or not isinstance(given, tuple):
            raise CorruptModelError("a pickle that calls what is no name")
        if called.name == "OrderedDict" and given:
            self.charge(len(given[0]))
        self.stack.append(_made(called.name, given))

    def _drop_attributes(self) -> None:
        """Attributes of a dictionary (PyTorch's `_metadata`) say nothing of the tensors; others have none."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict):
            raise CorruptModelError("a pickle that sets attributes of what is no dictionary")


def _made(name: str, given: tuple[Any, ...]) -> Any:
    """What a call of an allowed name stands for."""
    if name == "OrderedDict":
        return dict(_pairs(given[0] if given else []))
    if name == "Size":
        return _whole(given[0])
    if name == "_rebuild_parameter" and isinstance(given[0], TensorNote):
        return given[0]
    if name in REBUILD and isinstance(given[0], StorageNote):
        storage, offset, shape, strides = given[:4]
        return TensorNote(storage, _whole((offset,))[0], _whole(shape), _whole(strides))
    raise CorruptModelError(f"a call of {name} with what it does not take")


def _pairs(items: Iterable[Any]) -> list[tuple[str | int, Any]]:
    pairs = [(key, value) for key, value in items]
    if not all(is_key(key) for key, _ in pairs):
        raise CorruptModelError("a dictionary key that is neither a text nor a number")
    return pairs


def is_key(value: Any) -> bool:
    """Whether a value is a text, or a whole number of some sense, by which something may be called."""
    return isinstance(value, str) or (isinstance(value, int) and 0 <= value < MAX_WHOLE)


def _whole(numbers: Any) -> tuple[int, ...]:
    if not isinstance(numbers, tuple | list) or len(numbers) > MAX_DIMENSIONS:
        raise CorruptModelError(f"a tensor of no shape, or of more than {MAX_DIMENSIONS} dimensions")
    if not all(isinstance(number, int) and 0 <= number < MAX_WHOLE for number in numbers):
        raise CorruptModelError("a tensor whose shape or place is no row of whole numbers")
    return tuple(numbers)


def _storage(said: Any) -> StorageNote:
    """What a persistent id names: ("storage", type, key, device, count[, view])."""
    if not isinstance(said, tuple) or len(said) < 5 or said[0] != "storage" or not isinstance(said[1], _Name):
        raise CorruptModelError("a reference to something outside that is no storage")
    if len(said) > 5 and said[5] is not None:
        raise CorruptModelError("storages that are views of others, as PyTorch 0.2 wrote; save them anew")
    (count,) = _whole((said[4],))
    if said[1].name not in STORAGE_TYPES or not is_key(said[2]):
        raise CorruptModelError(f"a storage of {said[1].name:.60}; have {', '.join(STORAGE_TYPES)}")
    return StorageNote(str(said[2]), STORAGE_TYPES[said[1].name], count)
