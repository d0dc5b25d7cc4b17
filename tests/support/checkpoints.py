"""Writes PyTorch's two forms of checkpoints without PyTorch, whole or with a pickle of any making inside."""

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

TYPES = {"float32": "FloatStorage", "float16": "HalfStorage", "int64": "LongStorage"}
START = b"\x80\x02"
MAGIC = START + b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
VERSION = START + b"M\xe9\x03."
EMPTY_ORDERED = b"ccollections\nOrderedDict\n)R"

Tensors = Mapping[str, NDArray[Any]]


def pickled(value: Any) -> bytes:
    """One value in the instructions of a pickle, without their start and end."""
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"\x88" if value else b"\x89"
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    if isinstance(value, str):
        return b"X" + struct.pack("<I", len(value.encode())) + value.encode()
    if isinstance(value, tuple):
        return b"(" + b"".join(map(pickled, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(pickled, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(pickled(key) + pickled(each) for key, each in value.items()) + b"u"
    assert isinstance(value, bytes)
    return value


def name(module: str, attribute: str) -> bytes:
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def tensor(key: str, array: NDArray[Any], *, old: bool = False, **said: Any) -> bytes:
    """A tensor that fills storage `key`; `count`, `offset`, `shape` or `strides` say it otherwise."""
    steps = tuple(step // array.itemsize for step in array.strides)
    storage = ("storage", name("torch", TYPES[array.dtype.name]), key, "cpu", said.get("count", array.size))
    given = (
        pickled((*storage, None) if old else storage) + b"Q",
        said.get("offset", 0),
        said.get("shape", array.shape),
        said.get("strides", steps),
        False,
        EMPTY_ORDERED,
    )
    return name("torch._utils", "_rebuild_tensor_v2") + pickled(given) + b"R"


def state_dict(tensors: Tensors, *, old: bool = False) -> dict[str, bytes]:
    return {each: tensor(str(key), array, old=old) for key, (each, array) in enumerate(tensors.items())}


def archive(said: bytes, storages: list[bytes], **entries: bytes) -> bytes:
    """The form of today: entries of an archive that compresses nothing."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as opened:
        opened.writestr("weights/data.pkl", START + said + b".")
        opened.writestr("weights/byteorder", "little")
        for key, part in enumerate(storages):
            opened.writestr(f"weights/data/{key}", part)
        opened.writestr("weights/version", "3\n")
        for each, part in entries.items():
            opened.writestr(f"weights/{each}", part)
    return out.getvalue()


def run_of_pickles(said: bytes, storages: list[bytes], counts: list[int]) -> bytes:
    """The form before PyTorch 1.6."""
    facts = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    keys = [str(key) for key in range(len(storages))]
    head = MAGIC + VERSION + b"".join(START + part + b"." for part in (pickled(facts), said, pickled(keys)))
    return head + b"".join(
        struct.pack("<q", count) + part for count, part in zip(counts, storages, strict=True)
    )


def checkpoint(tensors: Tensors, *, old: bool = False) -> bytes:
    """A checkpoint of these tensors: bare in the form of today, beside an epoch in the older one."""
    storages = [np.ascontiguousarray(array).tobytes() for array in tensors.values()]
    if old:
        said = pickled({"epoch": 10, "state_dict": state_dict(tensors, old=True)})
        return run_of_pickles(said, storages, [array.size for array in tensors.values()])
    return archive(pickled(state_dict(tensors)), storages)


def python2_checkpoint(tensors: Tensors) -> bytes:
    """What PyTorch 0.2 wrote under Python 2 of a network that was trained on a graphics card.

    Texts are byte strings, the ordered dictionary is called with lists of two, storages are those of
    `torch.cuda`, and tensors are named without what later versions say of them.
    """
    storages = [np.ascontiguousarray(array).tobytes() for array in tensors.values()]
    pairs = []
    for key, (each, array) in enumerate(tensors.items()):
        steps = tuple(step // array.itemsize for step in array.strides)
        kind = name("torch.cuda", TYPES[array.dtype.name])
        storage = ("storage", kind, _byte_string(str(key)), _byte_string("cuda:0"), array.size, None)
        given = (pickled((_byte_string("storage"), *storage[1:])) + b"Q", 0, array.shape, steps)
        rebuilt = name("torch._utils", "_rebuild_tensor") + pickled(given) + b"R"
        pairs.append([_byte_string(each), rebuilt])
    ordered = name("collections", "OrderedDict") + pickled((pairs,)) + b"R"
    rest = {"epoch": 90, "arch": _byte_string("resnet50")}
    said = pickled(rest | {"state_dict": ordered})
    return run_of_pickles(said, storages, [array.size for array in tensors.values()])


def _byte_string(text: str) -> bytes:
    """A text as Python 2 wrote it."""
    return b"U" + bytes([len(text)]) + text.encode()
