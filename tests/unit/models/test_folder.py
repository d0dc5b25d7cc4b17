"""Files of models are found, checked before they are used, and removed; also those that packages carry."""

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ambience.errors import CorruptModelError, InstallError, MissingModelError
from ambience.models.folder import ModelFolder
from ambience.models.installed import Installed, read_installed
from ambience.models.row import ModelFile, ModelRow
from support.mirror import put, tiny_contents, tiny_row, with_sha256

CONTENTS = tiny_contents(size=5_000)
ROW = with_sha256(tiny_row(), CONTENTS)


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    put(tmp_path / ROW.name, CONTENTS)
    return ModelFolder(tmp_path)


def test_files_put_there_by_hand_are_checked_once(folder: ModelFolder) -> None:
    assert [place.read_bytes() for place in folder.files(ROW)] == list(CONTENTS.values())
    recorded = read_installed(folder.folder(ROW))
    assert recorded.keys() == CONTENTS.keys()
    assert recorded["tokenizer.json"].sha256 == ROW.files[1].sha256
    assert recorded["tokenizer.json"].source == ""
    place = folder.place(ROW, ROW.files[0])
    changed = bytes(len(CONTENTS["onnx/model.onnx"]))
    before = place.stat()
    place.write_bytes(changed)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    folder.files(ROW)  # untouched by size and time: not read again
    with pytest.raises(CorruptModelError, match=r"model\.onnx has sha256 .* is expected"):
        folder.verify(ROW)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(CorruptModelError, match=r"To fetch it again: ambience models install tiny"):
        folder.files(ROW)


def test_files_are_read_whole_by_verify(folder: ModelFolder) -> None:
    read: list[int] = []
    folder.verify(ROW, read.append)
    assert sum(read) == ROW.size


def test_a_missing_file_is_named_with_what_to_do(folder: ModelFolder) -> None:
    place = folder.place(ROW, ROW.files[1])
    place.unlink()
    assert not folder.is_installed(ROW)
    about = replace(ROW, files=(replace(ROW.files[0], is_size_exact=False), ROW.files[1]))
    with pytest.raises(
        MissingModelError, match=r"\(about 0\.0 MB, licence MIT, from https://huggingface\.co/someone"
    ):
        folder.files(about)
    with pytest.raises(
        MissingModelError, match=r"tokenizer\.json is missing.*ambience models install tiny\."
    ):
        folder.files(ROW)


def test_a_file_cut_off_is_told_by_its_size(folder: ModelFolder) -> None:
    place = folder.place(ROW, ROW.files[0])
    place.write_bytes(place.read_bytes()[:-1])
    assert not folder.is_installed(ROW)
    with pytest.raises(CorruptModelError, match=r"has 4,991 bytes, and 4,992 are expected"):
        folder.files(ROW)


def test_a_folder_that_cannot_be_written_serves_all_the_same(folder: ModelFolder) -> None:
    record = folder.folder(ROW) / "installed.json"
    record.mkdir()
    with pytest.raises(CorruptModelError, match="cannot be read"):
        folder.files(ROW)
    record.rmdir()
    folder.folder(ROW).chmod(0o555)
    try:
        assert len(folder.files(ROW)) == 2
    finally:
        folder.folder(ROW).chmod(0o755)


def test_removing_leaves_the_record_and_what_is_not_ours(folder: ModelFolder) -> None:
    folder.files(ROW)
    mine = folder.folder(ROW) / "notes.txt"
    mine.write_text("mine", encoding="utf-8")
    (folder.folder(ROW) / "onnx" / "model.onnx.part").write_bytes(bytes(10))
    assert folder.remove(ROW) == ROW.size + 10
    assert sorted(each.name for each in folder.folder(ROW).iterdir()) == ["installed.json", "notes.txt"]
    assert isinstance(read_installed(folder.folder(ROW))["tokenizer.json"], Installed)
    assert folder.remove(ROW) == 0


def test_a_file_that_a_package_carries_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = put(tmp_path / "site" / "carrier_of_weights", CONTENTS)
    (package / "__init__.py").write_text("raise SystemError('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    importlib.invalidate_caches()
    row = carried(ROW, "carrier_of_weights")
    folder = ModelFolder(tmp_path / "models")
    assert folder.files(row) == (package / "onnx" / "model.onnx", package / "tokenizer.json")
    assert "carrier_of_weights" not in sys.modules
    assert not (tmp_path / "models").exists()
    (package / "tokenizer.json").write_bytes(b'{"version": "2.0"}')
    with pytest.raises(CorruptModelError, match=r"sha256 .* --force-reinstall carrier_of_weights"):
        folder.files(row)
    with pytest.raises(
        InstallError, match=r"comes with the Python package carrier_of_weights.*enabled = false"
    ):
        folder.remove(row)
    assert (package / "tokenizer.json").is_file()


def test_a_package_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = ModelFolder(tmp_path)
    row = carried(ROW, "no_package_of_this_name")
    assert not folder.is_installed(row)
    with pytest.raises(
        MissingModelError, match=r"the package no-package-of-this-name, which Ambience needs: python -m pip"
    ):
        folder.files(row)


def carried(row: ModelRow, package: str) -> ModelRow:
    files: tuple[ModelFile, ...] = tuple(replace(file, package=package) for file in row.files)
    return replace(row, files=files, repository="")
