"""Models come from a folder on machines without a network: the same checks, whole or not at all."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ambience.errors import CorruptModelError, InstallError, MissingModelError
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer, InstallProgress
from ambience.models.row import ModelFile
from support.mirror import put, tiny_contents, tiny_row, with_sha256

CONTENTS = tiny_contents()
ROW = with_sha256(tiny_row(), CONTENTS)
SOURCE = Path(__file__).parents[3]


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(ModelFolder(tmp_path / "models"))


@pytest.mark.parametrize("names", ["as published", "last parts", "a folder per model"])
def test_files_are_found_by_their_names(installer: Installer, tmp_path: Path, names: str) -> None:
    stick = tmp_path / "stick"
    if names == "last parts":
        put(stick, {Path(name).name: data for name, data in CONTENTS.items()})
    else:
        put(stick / ROW.name if names == "a folder per model" else stick, CONTENTS)
    told: list[InstallProgress] = []
    report = installer.from_folder(ROW, stick, on_progress=told.append)
    assert (report.files, report.bytes, report.first_seen) == (tuple(CONTENTS), ROW.size, ())
    assert [place.read_bytes() for place in installer.folder.files(ROW)] == list(CONTENTS.values())
    assert (told[-1].done, told[-1].total) == (ROW.size, ROW.size)
    assert installer.from_folder(ROW, tmp_path / "gone").files == ()


def test_a_last_part_that_two_files_share_is_not_enough(installer: Installer, tmp_path: Path) -> None:
    row = replace(
        ROW, files=(ModelFile("visual/model.onnx", 5, None), ModelFile("textual/model.onnx", 5, None))
    )
    stick = put(tmp_path / "stick", {"model.onnx": b"12345"})
    with pytest.raises(MissingModelError, match=r"stick lacks visual/model\.onnx .*tiny/visual/model\.onnx"):
        installer.from_folder(row, stick)


def test_a_size_that_is_known_roughly_is_held_roughly(installer: Installer, tmp_path: Path) -> None:
    rough = replace(ROW, files=(ModelFile("tokenizer.json", 30, None, is_size_exact=False),))
    with pytest.raises(CorruptModelError, match="has 18 bytes, and 24 to 37 are expected"):
        installer.from_folder(rough, put(tmp_path / "stick", CONTENTS))


def test_other_files_are_refused_and_what_serves_stays(installer: Installer, tmp_path: Path) -> None:
    wrong = CONTENTS | {"onnx/model.onnx": tiny_contents(seed=2)["onnx/model.onnx"]}
    stick = put(tmp_path / "stick", wrong)
    with pytest.raises(CorruptModelError, match=r"stick/onnx/model\.onnx has sha256 .* is expected"):
        installer.from_folder(ROW, stick)
    put(stick, {"onnx/model.onnx": CONTENTS["onnx/model.onnx"][:-1]})
    with pytest.raises(CorruptModelError, match=r"has 299,999 bytes, and 300,000 are expected"):
        installer.from_folder(ROW, stick)
    assert list((tmp_path / "models").rglob("*.part")) == []
    assert not installer.folder.is_installed(ROW)
    put(stick, CONTENTS)
    installer.from_folder(ROW, stick)
    place = installer.folder.place(ROW, ROW.files[0])
    before = place.stat().st_ino
    installer.from_folder(ROW, put(tmp_path / "other", wrong))
    assert place.stat().st_ino == before


def test_one_that_is_broken_is_replaced(installer: Installer, tmp_path: Path) -> None:
    stick = put(tmp_path / "stick", CONTENTS)
    installer.from_folder(ROW, stick)
    place = installer.folder.place(ROW, ROW.files[0])
    place.write_bytes(bytes(300_000))
    assert installer.from_folder(ROW, stick).files == ("onnx/model.onnx",)
    installer.folder.verify(ROW)


def test_without_a_stated_sha256_the_first_install_is_held(installer: Installer, tmp_path: Path) -> None:
    row = replace(ROW, files=tuple(replace(file, sha256=None) for file in ROW.files))
    stick = put(tmp_path / "stick", CONTENTS)
    assert installer.from_folder(row, stick).first_seen == tuple(CONTENTS)
    installer.remove(row)
    put(stick, tiny_contents(seed=2))
    with pytest.raises(CorruptModelError, match=r"has sha256 .* is expected"):
        installer.from_folder(row, stick)


def test_what_is_no_folder_is_named(installer: Installer, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match="nowhere is no folder; name the one that holds the files of tiny"):
        installer.from_folder(ROW, tmp_path / "nowhere")


def test_a_full_disk_leaves_nothing(installer: Installer, tmp_path: Path) -> None:
    put(tmp_path / "stick", CONTENTS)
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from ambience.models.folder import ModelFolder\n"
        "from ambience.models.install import Installer\n"
        "from support.mirror import tiny_contents, tiny_row, with_sha256\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))\n"
        "try:\n"
        "    row = with_sha256(tiny_row(), tiny_contents())\n"
        "    Installer(ModelFolder(Path(sys.argv[1]))).from_folder(row, Path(sys.argv[2]))\n"
        "except Exception as exc:\n"
        "    print(type(exc).__name__, exc)\n"
    )
    paths = os.pathsep.join([str(SOURCE / "src"), str(SOURCE / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "models"), str(tmp_path / "stick")],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("InstallError the disk of")
    assert [each for each in (tmp_path / "models").rglob("*") if each.stat().st_size and each.is_file()] == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    stick = put(tmp_path / "stick", CONTENTS)
    installer = Installer(ModelFolder(stick / "tokenizer.json" / "models"))
    with pytest.raises(InstallError, match=r"tiny\.lock cannot be written: Not a directory"):
        installer.from_folder(ROW, stick)
