"""Safetensors files: right ones are read to the bit, hostile ones are refused and reserve nothing."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ambience.errors import CorruptModelError
from ambience.models._safetensors import MAX_HEADER, is_safetensors, read_safetensors
from ambience.models.checkpoint import read_checkpoint
from support.tiny_networks import safetensors

ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HUGE = 2**62


def made(header: "Mapping[str, Any] | bytes", body: bytes = bytes(16), size: int | None = None) -> bytes:
    """A file with a header of any making; `size` is what it says of the header's length."""
    said = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(said) if size is None else size) + said + body


def test_numbers_come_as_they_were_written() -> None:
    generator = np.random.default_rng(2)
    tensors = {
        "a": generator.standard_normal((2, 3), np.float32),
        "b": generator.standard_normal((0, 4)).astype(np.float32),
        "c": generator.standard_normal(()).astype(np.float32),
    }
    found = read_safetensors(safetensors(tensors))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert np.array_equal(found[name], tensor)
        assert found[name].shape == tensor.shape
        assert not found[name].flags.writeable


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("F64", np.array([1.5, -2.25], "<f8")),
        ("F16", np.array([1.5, -2.25], "<f2")),
        ("I64", np.array([-(2**40), 3], "<i8")),
        ("U8", np.array([200, 3], "|u1")),
        ("BOOL", np.array([True, False])),
    ],
)
def test_types_other_than_float32(kind: str, values: np.ndarray) -> None:
    body = values.tobytes()
    header = {
        "a": {"dtype": kind, "shape": [2], "data_offsets": [0, len(body)]},
        "__metadata__": {"by": "us"},
    }
    found = read_safetensors(made(header, body))
    assert list(found) == ["a"]
    assert np.array_equal(found["a"], values)
    assert found["a"].dtype == values.dtype


def test_bfloat16_comes_as_float32() -> None:
    values = np.array([1.5, -3.140625, 0.0], np.float32)  # three that bfloat16 holds exactly
    body = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    found = read_safetensors(made({"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}, body))
    assert found["a"].dtype == np.float32
    assert np.array_equal(found["a"], values)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (made({"a": ONE}, size=10**6), "a header of 1,000,000 bytes, of .* in all: it is cut off"),
        (made({"a": ONE}, bytes(MAX_HEADER), size=MAX_HEADER + 1), "a header of 16,777,217 bytes"),
        (made(b'{"a": '), "a header that is no JSON"),
        (made(b'{"a": \xff}'), "a header that is no JSON"),
        (made(b'{"a":' * 100_000), "a header that is no JSON"),
        (made(b'{"a": 1, "a": 2}'), "a name twice"),
        (made({"a": {**ONE, "data_offsets": [0, 8]}, "b": ONE, "c": ONE}), "they lie over one another"),
        (made({"a": {**ONE, "data_offsets": [12, 20]}}), "at 12 to 20 of 16 bytes"),
        (made({"a": {**ONE, "data_offsets": [8, 0]}}), "at 8 to 0 of 16 bytes"),
        (made({"a": {**ONE, "shape": [3]}}), r"a tensor a of shape \[3\] at 0 to 8"),
        (made({"a": {**ONE, "shape": [HUGE, HUGE]}}), "a tensor a of shape"),
        (made({"a": {**ONE, "shape": [HUGE, 4, 0]}}), "a tensor a of shape"),
        (made({"a": {"dtype": "F32", "shape": [HUGE, 0], "data_offsets": [0, 0]}}), "a tensor a of shape"),
        (made({"a": {**ONE, "shape": [1] * 17 + [2]}}), "no row of whole numbers"),
        (made({"a": {**ONE, "shape": [-2]}}), "no row of whole numbers"),
        (made({"a": {**ONE, "shape": [2.0]}}), "no row of whole numbers"),
        (made({"a": {**ONE, "shape": [True, 2]}}), "no row of whole numbers"),
        (made({"a": {**ONE, "data_offsets": [0, 4, 8]}}), "that is not described"),
        (made({"a": {**ONE, "dtype": "F8_E4M3"}}), "of a type not read"),
        (made({"a": {**ONE, "dtype": ["F32"]}}), "of a type not read"),
        (made({"a": {"dtype": "F32", "shape": [2]}}), "that is not described"),
        (made({"a": None}), "that is not described"),
        (made({"a": 7}), "that is not described"),
    ],
)
def test_a_hostile_header_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(CorruptModelError, match=words):
        read_safetensors(data)


def test_numbers_of_absurd_length_are_refused() -> None:
    """Python refuses to read whole numbers of more than 4,300 digits, which is no JSON then."""
    with pytest.raises(CorruptModelError, match="a header that is no JSON"):
        read_safetensors(made(b'{"a": {"shape": [' + b"9" * 5000 + b"]}}"))


def test_every_file_that_is_cut_off_is_refused() -> None:
    data = safetensors({"a": np.ones(5, np.float32), "b": np.ones((2, 2), np.float32)})
    for length in range(9, len(data)):
        with pytest.raises(CorruptModelError):
            read_safetensors(data[:length])


def test_flipped_bytes_of_a_header_never_end_in_another_error() -> None:
    data = safetensors({"layer.weight": np.ones((2, 3), np.float32), "layer.bias": np.ones(2, np.float32)})
    header = 8 + int.from_bytes(data[:8], "little")
    generator = np.random.default_rng(4)
    refused = 0
    for _ in range(2000):
        broken = bytearray(data)
        for place in generator.integers(0, header, 3):
            broken[place] = generator.integers(0, 256)
        try:
            found = read_safetensors(bytes(broken))
        except CorruptModelError:
            refused += 1
        else:
            assert sum(each.nbytes for each in found.values()) <= 2 * len(data)
    assert refused > 1000


def test_they_are_told_from_other_forms_and_named_by_their_file(tmp_path: Path) -> None:
    assert is_safetensors(made({"a": ONE}))
    assert not is_safetensors(b"PK\x03\x04 an archive")
    assert not is_safetensors(made({"a": ONE}, size=2**41))
    place = tmp_path / "model.safetensors"
    place.write_bytes(made({"a": {**ONE, "dtype": "F8_E4M3"}}))
    with pytest.raises(CorruptModelError, match=f"{place} is not read: it holds a tensor a"):
        read_checkpoint(place, max_bytes=1000)
    place.write_bytes(made({}))
    with pytest.raises(CorruptModelError, match="holds no tensors by name"):
        read_checkpoint(place, max_bytes=1000)
    place.write_bytes(made({"a": ONE}, bytes(8)))
    assert read_checkpoint(place, max_bytes=1000)["a"].tolist() == [0.0, 0.0]
