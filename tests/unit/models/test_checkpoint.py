"""Checkpoints: what PyTorch wrote is read to the bit, and nothing else is done, whatever a file says."""

import hashlib
import io
import json
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ambience.errors import CorruptModelError
from ambience.models.checkpoint import read_checkpoint
from support.checkpoints import (
    MAGIC,
    START,
    VERSION,
    archive,
    checkpoint,
    name,
    pickled,
    python2_checkpoint,
    run_of_pickles,
    tensor,
)

GOLDEN = Path(__file__).parents[2] / "contract" / "golden"
NUMBERS = np.arange(12, dtype=np.float32).reshape(3, 4)
LARGEST = 1_000_000


def read(folder: Path, data: bytes, **options: Any) -> dict[str, Any]:
    file = folder / "weights.pt"
    file.write_bytes(data)
    return read_checkpoint(file, **{"max_bytes": LARGEST, **options})


def refused(folder: Path, data: bytes, words: str, **options: Any) -> None:
    with pytest.raises(CorruptModelError, match=words) as caught:
        read(folder, data, **options)
    assert "weights.pt" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("file", ["checkpoint.pt", "checkpoint_old.pth"])
def test_what_pytorch_wrote_is_read_to_the_bit(file: str) -> None:
    truth = json.loads((GOLDEN / "checkpoint.json").read_text(encoding="utf-8"))
    found = read_checkpoint(GOLDEN / file, max_bytes=LARGEST)
    assert found.keys() == truth.keys()
    for tensor_name, values in truth.items():
        expected = np.array(values, np.float32)
        assert found[tensor_name].shape == expected.shape
        assert np.array_equal(found[tensor_name].astype(np.float32), expected), tensor_name
        assert not found[tensor_name].flags.writeable
    assert found["float64"].dtype == np.float64
    assert found["bfloat16"].dtype == np.float32
    assert found["int8"].dtype == np.int8


def test_a_whole_module_is_refused_by_its_name() -> None:
    with pytest.raises(CorruptModelError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict alone"):
        read_checkpoint(GOLDEN / "checkpoint_module.pt", max_bytes=LARGEST)


def test_what_python_2_wrote_of_a_graphics_card_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, python2_checkpoint({"module.a": NUMBERS, "module.b": NUMBERS[0]}))
    assert list(found) == ["module.a", "module.b"]
    assert np.array_equal(found["module.a"], NUMBERS)
    assert np.array_equal(found["module.b"], NUMBERS[0])


@pytest.mark.parametrize("old", [False, True])
def test_the_sha256_is_checked_before_anything_is_read(tmp_path: Path, old: bool) -> None:
    data = checkpoint({"a": NUMBERS}, old=old)
    right = hashlib.sha256(data).hexdigest()
    assert np.array_equal(read(tmp_path, data, sha256=right)["a"], NUMBERS)
    refused(tmp_path, b"no checkpoint at all", "sha256 .* is expected.*fetch it again", sha256=right)
    refused(tmp_path, data, "larger than 100 bytes", max_bytes=100)


class Malicious:
    """Pickles as a call of anything."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
def test_calls_of_the_system_are_not_made(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    import os

    said = pickle.dumps(Malicious(os.system, f"touch '{trace}'"), protocol)
    evil = said[2:-1] if protocol > 1 else said[:-1]
    words = (
        "the name (posix|nt).system" if protocol > 1 else "the pickle instruction|the name (posix|nt).system"
    )
    refused(tmp_path, archive(evil, []), words)
    refused(tmp_path, run_of_pickles(evil, [], []), words)
    refused(tmp_path, said, "the pickle instruction|the name|broken")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("module", "attribute"),
    [("builtins", "eval"), ("torch", "load"), ("torch._utils", "_rebuild_qtensor"), ("collections", "deque")],
)
def test_names_besides_the_allowed_ones_are_refused(tmp_path: Path, module: str, attribute: str) -> None:
    refused(tmp_path, archive(name(module, attribute) + b"(t" + b"R", []), f"the name {module}.{attribute}")


def test_allowed_names_do_nothing_but_what_they_stand_for(tmp_path: Path) -> None:
    """Neither attributes of them are set nor their results called."""
    ordered = name("collections", "OrderedDict")
    refused(tmp_path, archive(ordered + b"}b", []), "sets attributes of what is no dictionary")
    refused(tmp_path, archive(ordered + b")R)R", []), "calls what is no name")
    refused(tmp_path, archive(name("torch", "FloatStorage") + b")R", []), "a call of FloatStorage")
    refused(tmp_path, archive(name("torch._utils", "_rebuild_parameter") + b"(K\x01tR", []), "a call of")


STORAGE_BYTES = NUMBERS.tobytes()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"count": 10**9}, "storages of 4,000,000,000 bytes in a file of"),
        ({"count": 11}, "of 44 bytes|has 48 bytes, over 44|at 11 of 11|in a storage of 11"),
        ({"shape": (3, 5)}, "of shape"),
        ({"shape": (2**30, 2**30), "strides": (0, 0)}, "of shape"),
        ({"offset": 1}, "ends at 12 of 12"),
        ({"strides": (5, 1)}, "ends at 13 of 12"),
        ({"strides": (-4, 1)}, "whole numbers"),
        ({"shape": (3, 4, 1)}, "of shape"),
        ({"shape": tuple([1] * 17), "strides": tuple([1] * 17)}, "more than 16 dimensions"),
        ({"shape": "12"}, "of no shape"),
    ],
)
def test_tensors_that_leave_their_storage_are_refused(
    tmp_path: Path, said: dict[str, Any], words: str
) -> None:
    bad = pickled({"a": tensor("0", NUMBERS, **said)})
    refused(tmp_path, archive(bad, [STORAGE_BYTES]), words)


def test_storages_are_where_and_what_they_are_said_to_be(tmp_path: Path) -> None:
    good = pickled({"a": tensor("0", NUMBERS)})
    refused(tmp_path, archive(good, []), "no entry weights/data/0")
    refused(tmp_path, archive(good, [STORAGE_BYTES[:-4]]), "44 bytes for 12 numbers")
    refused(tmp_path, archive(good, [STORAGE_BYTES + b"1234"]), "52 bytes, over 48")
    old = pickled({"a": tensor("0", NUMBERS, old=True)})
    refused(tmp_path, run_of_pickles(old, [STORAGE_BYTES], [11]), "cut off, or not of 12")
    refused(tmp_path, run_of_pickles(old, [STORAGE_BYTES[:-1]], [12]), "cut off")
    refused(tmp_path, run_of_pickles(old, [], []), "storages other than those")
    both = pickled({"a": tensor("0", NUMBERS), "b": tensor("0", NUMBERS, count=6)})
    refused(tmp_path, archive(both, [STORAGE_BYTES]), "two types or sizes")


def test_archives_of_other_making_are_refused(tmp_path: Path) -> None:
    good = pickled({"a": tensor("0", NUMBERS)})
    refused(tmp_path, archive(good, [STORAGE_BYTES], **{"constants.pkl": b"."}), "TorchScript")
    refused(tmp_path, archive(good, [STORAGE_BYTES], **{"more/data.pkl": b"."}), "2 entries data.pkl")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("weights/data.pkl", b"\x80\x02" + b"]" * 10_000_000)
    refused(tmp_path, out.getvalue(), "compressed or has 10,000,002 bytes")
    plain = io.BytesIO()
    with zipfile.ZipFile(plain, "w") as pictures:
        pictures.writestr("holiday.jpg", b"\xff\xd8")
    refused(tmp_path, plain.getvalue(), "0 entries data.pkl")
    big = pickled({"protocol_version": 1001, "little_endian": False})
    refused(tmp_path, MAGIC + VERSION + START + big + b".", "little-endian")
    refused(tmp_path, archive(pickled([1, 2]), []), "a list; a dictionary of tensors")
    refused(tmp_path, archive(pickled({"a": 1}), []), "no tensors by name")
    refused(tmp_path, b"", "broken|no PyTorch checkpoint")
    refused(tmp_path, b"\x93NUMPY\x01\x00", "no PyTorch checkpoint|broken")


def test_parts_that_hold_one_another_many_times_take_no_time(tmp_path: Path) -> None:
    """Lists of lists, doubled sixty times over, as a value, a key, a name and a shape; and endless copies."""
    doubled = b"]" + b"q\x00" + b"".join(b"](h%ch%ceq%c" % (n, n, n + 1) for n in range(60))
    last = b"h" + bytes([60])
    refused(tmp_path, archive(doubled + b"}" + last * 2 + b"s", []), "neither a text nor a number")
    refused(tmp_path, archive(doubled + last * 2 + b"\x93", []), "a name that is no text")
    refused(tmp_path, archive(doubled + last, []), "a list; a dictionary")
    refused(tmp_path, archive(doubled + last + b"Q", []), "no storage")
    deep = b"(" * 50_000 + b"t" * 50_000
    refused(tmp_path, archive(deep, []), "a tuple; a dictionary")
    pairs = pickled([("k", 1)] * 20_000) + b"q\x00"
    copied = name("collections", "OrderedDict") + b"h\x00\x85R"
    refused(tmp_path, archive(pairs + copied * 100, []), "more than 1,000,000 instructions")


def test_damage_is_told_and_never_more(tmp_path: Path) -> None:
    """Bytes changed, cut, doubled and removed, in the files and in the pickles inside of whole archives."""
    generator = random.Random(7)
    sources = [(GOLDEN / file).read_bytes() for file in ("checkpoint.pt", "checkpoint_old.pth")]
    with zipfile.ZipFile(io.BytesIO(sources[0])) as opened:
        entries = {info.filename: opened.read(info) for info in opened.infolist()}
    outcomes = {"read": 0, "refused": 0}
    for turn in range(600):
        if turn % 3:
            data = damaged(sources[turn % 2], generator)
        else:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w") as archived:
                for entry, part in entries.items():
                    archived.writestr(entry, damaged(part, generator) if entry.endswith(".pkl") else part)
            data = out.getvalue()
        try:
            read(tmp_path, data)
            outcomes["read"] += 1
        except CorruptModelError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 480
    assert outcomes["read"] > 3


def damaged(data: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(data))
    way = generator.randrange(5)
    if way == 0:
        return data[:place]
    if way == 1:
        return data[:place] + data[place + generator.randrange(1, 9) :]
    if way == 2:
        return data[:place] + data[generator.randrange(len(data)) :][:40] + data[place:]
    if way == 3:
        return data[:place] + struct.pack("<i", generator.choice([-1, 2**31 - 1])) + data[place + 4 :]
    return data[:place] + bytes([generator.randrange(256)]) + data[place + 1 :]
