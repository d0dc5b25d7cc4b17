"""Tensors of checkpoints, read without PyTorch and without running anything that the file says.

Three forms are read: safetensors, the archive that PyTorch writes since 1.6, and the run of pickles that it
wrote before.
`pickle.load` and `torch.load` are never called. A file is read once: the very bytes whose sha256 was checked
are those that are taken apart.
"""

import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError
from ambience.models._pickles import StorageNote, TensorNote, is_key, read_pickle
from ambience.models._safetensors import is_safetensors, read_safetensors

Tensors = dict[str, NDArray[Any]]
"""Arrays by name, read-only; shapes and names as the checkpoint has them."""

MAGIC = 0x1950A86A20F9469CFC6C
"""First number of the older form."""

MAX_PICKLE = 64 * 2**20
"""Bytes of the pickle in an archive at most; that of a large model has some 100 kB."""

_ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What `zipfile` raises at broken archives."""


def read_checkpoint(file: Path, *, max_bytes: int, sha256: str | None = None) -> Tensors:
    """Tensors of a checkpoint that holds a state dict, or one under the name `state_dict`.

    Args:
        file: the checkpoint.
        max_bytes: largest file that is read.
        sha256: lower-case hexadecimal digest that the file must have; None where none is known.

    Returns:
        Arrays by name, read-only; those without numbers are left out. bfloat16 comes as float32, everything
        else in its own type.

    Raises:
        CorruptModelError: the file is too large, is not the one that is meant, is no checkpoint, is broken,
            or names something besides tensors.
        OSError: the file cannot be read.
    """
    data = _checked_bytes(file, max_bytes, sha256)
    try:
        tensors = _tensors(data)
    except CorruptModelError as exc:
        raise CorruptModelError(f"{file} is not read: it holds {exc}") from exc
    if not tensors:
        raise CorruptModelError(f"{file} holds no tensors by name; a state dict is needed")
    return tensors


def _checked_bytes(file: Path, max_bytes: int, sha256: str | None) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise CorruptModelError(f"{file} is larger than {max_bytes:,} bytes, so it is not the file meant")
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256:
        raise CorruptModelError(
            f"{file} has sha256 {found}, and {sha256} is expected: it is broken, cut off or another file. "
            "Remove it and fetch it again"
        )
    return data


def _tensors(data: bytes) -> Tensors:
    if is_safetensors(data):
        return {name: array for name, array in read_safetensors(data).items() if array.size}
    if data[:4] == b"PK\x03\x04":
        said, parts = _from_archive(data)
    else:
        said, parts = _from_pickles(data)
    if isinstance(said, Mapping) and isinstance(said.get("state_dict"), Mapping):
        said = said["state_dict"]
    if not isinstance(said, Mapping):
        raise CorruptModelError(f"a {type(said).__name__}; a dictionary of tensors is needed")
    notes = {str(name): note for name, note in said.items() if isinstance(note, TensorNote)}
    return {name: _array(note, parts) for name, note in notes.items() if 0 not in note.shape}


def _from_archive(data: bytes) -> tuple[Any, Mapping[str, bytes]]:
    """What the archive's pickle says, and the bytes of each storage that it names."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = {info.filename: info for info in archive.infolist()}
            folder = _folder(infos)
            said, _ = read_pickle(_entry(archive, infos, f"{folder}/data.pkl", MAX_PICKLE))
            order = f"{folder}/byteorder"
            if order in infos and _entry(archive, infos, order, 16) != b"little":
                raise CorruptModelError("numbers whose bytes are not in little-endian order")
            notes = _distinct_storages(said, len(data))
            parts = {
                key: _entry(archive, infos, f"{folder}/data/{key}", _byte_count(note))
                for key, note in notes.items()
            }
    except _ARCHIVE_ERRORS as exc:
        raise CorruptModelError(f"a broken archive: {exc}") from exc
    return said, parts


def _folder(names: Mapping[str, Any]) -> str:
    folders = [name.removesuffix("/data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise CorruptModelError(
            f"an archive with {len(folders)} entries data.pkl, where a checkpoint has one"
        )
    if f"{folders[0]}/constants.pkl" in names:
        raise CorruptModelError("a program (TorchScript) beside its weights; save the state_dict alone")
    return folders[0]


def _entry(archive: zipfile.ZipFile, infos: Mapping[str, zipfile.ZipInfo], name: str, largest: int) -> bytes:
    """Bytes of an entry, which PyTorch never compresses: so none is larger than the file."""
    if name not in infos:
        raise CorruptModelError(f"no entry {name:.80}")
    info = infos[name]
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > largest:
        raise CorruptModelError(
            f"an entry {name:.80} that is compressed or has {info.file_size:,} bytes, over {largest:,}"
        )
    return archive.read(info)


def _from_pickles(data: bytes) -> tuple[Any, Mapping[str, bytes]]:
    """The older form: magic number, version, facts of the machine, the object, keys, and the storages."""
    magic, at = read_pickle(data)
    if magic != MAGIC:
        raise CorruptModelError(
            "no PyTorch checkpoint: neither an archive nor the number that older ones begin with"
        )
    _, at = read_pickle(data, at)
    facts, at = read_pickle(data, at)
    if not isinstance(facts, Mapping) or facts.get("little_endian") is not True:
        raise CorruptModelError("numbers whose bytes are not in little-endian order")
    said, at = read_pickle(data, at)
    keys, at = read_pickle(data, at)
    notes = _distinct_storages(said, len(data))
    if not isinstance(keys, list) or not all(is_key(key) for key in keys):
        raise CorruptModelError("no list of its storages")
    if {str(key) for key in keys} != notes.keys() or len(keys) != len(notes):
        raise CorruptModelError("storages other than those that its tensors name")
    parts = {}
    for key in keys:
        note = notes[str(key)]
        size = _byte_count(note)
        if data[at : at + 8] != struct.pack("<q", note.count) or len(data) < at + 8 + size:
            raise CorruptModelError(f"a storage {key} that is cut off, or not of {note.count:,} numbers")
        parts[note.key] = data[at + 8 : at + 8 + size]
        at += 8 + size
    return said, parts


def _distinct_storages(said: Any, file_bytes: int) -> dict[str, StorageNote]:
    """Storages by key, once each; refuses more than the file can hold before anything is reserved."""
    notes: dict[str, StorageNote] = {}
    for note in _notes(said):
        if notes.setdefault(note.storage.key, note.storage) != note.storage:
            raise CorruptModelError(f"a storage {note.storage.key} of two types or sizes")
    total = sum(_byte_count(note) for note in notes.values())
    if total > file_bytes:
        raise CorruptModelError(f"storages of {total:,} bytes in a file of {file_bytes:,}")
    return notes


def _notes(said: Any) -> Iterator[TensorNote]:
    """Every tensor named, however deep; a part that is met twice is walked once."""
    waiting, seen = [said], set()
    while waiting:
        each = waiting.pop()
        if isinstance(each, TensorNote):
            yield each
        elif isinstance(each, dict | list | tuple) and id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each


def _byte_count(note: StorageNote) -> int:
    return note.count * (2 if note.dtype == "bfloat16" else np.dtype(note.dtype).itemsize)


def _array(note: TensorNote, parts: Mapping[str, bytes]) -> NDArray[Any]:
    """The tensor as a read-only view of its storage, once it is sure to lie within."""
    shape, strides = note.shape, note.strides
    if len(shape) != len(strides) or math.prod(shape) > note.storage.count:
        raise CorruptModelError(f"a tensor of shape {shape} in a storage of {note.storage.count:,} numbers")
    last = note.offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= note.storage.count:
        raise CorruptModelError(f"a tensor that ends at {last:,} of {note.storage.count:,} numbers")
    part = parts[note.storage.key]
    if len(part) != _byte_count(note.storage):
        raise CorruptModelError(f"a storage of {len(part):,} bytes for {note.storage.count:,} numbers")
    flat = _numbers(note.storage.dtype, part)
    steps = [0 if size == 1 else stride * flat.itemsize for size, stride in zip(shape, strides, strict=True)]
    return np.lib.stride_tricks.as_strided(flat[note.offset :], shape, steps, writeable=False)


def _numbers(dtype: str, part: bytes) -> NDArray[Any]:
    if dtype != "bfloat16":
        return np.frombuffer(part, np.dtype(dtype))
    wide = np.frombuffer(part, "<u2").astype(np.uint32) << 16
    return wide.view(np.float32)
