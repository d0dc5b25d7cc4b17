"""Downloads end whole and right or not at all: broken off, killed, forged, refused, redirected ones."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ambience.errors import CorruptModelError, DownloadError, InstallError, SettingsError
from ambience.models.download import Downloader, Patience
from ambience.models.folder import ModelFolder, note_of, part_of
from ambience.models.install import Installer, InstallProgress, InstallReport
from ambience.models.row import ModelRow
from ambience.settings import ModelSettings
from ambience.settings_sources import load_settings
from support.mirror import Mirror, tiny_contents, tiny_row, with_sha256

CONTENTS = tiny_contents()
MODEL = CONTENTS["onnx/model.onnx"]
PATH = "/someone/tiny-model/resolve/abc123/onnx/model.onnx"
IMPATIENT = Patience(connect_s=2, read_s=0.5, tries=3, first_wait_s=0)
SOURCE = Path(__file__).parents[3]


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror() as running:
        yield running


@pytest.fixture
def row(mirror: Mirror) -> ModelRow:
    return mirror.publish(tiny_row(), CONTENTS)


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(ModelFolder(tmp_path / "models"))


def fetch(
    installer: Installer, row: ModelRow, mirror: Mirror, patience: Patience = IMPATIENT
) -> InstallReport:
    settings = ModelSettings(hub=mirror.address)
    return installer.from_hub(row, settings, downloader=Downloader(patience))


def is_whole(installer: Installer, row: ModelRow) -> bool:
    return [place.read_bytes() for place in installer.folder.files(row)] == list(CONTENTS.values())


def leftovers(installer: Installer, row: ModelRow) -> list[str]:
    folder = installer.folder.folder(row)
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def test_a_model_is_fetched_once_and_progress_is_told(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    told: list[InstallProgress] = []
    settings = ModelSettings(hub=f"{mirror.address}/")
    report = installer.from_hub(row, settings, on_progress=told.append)
    assert report == InstallReport("tiny", tuple(CONTENTS), row.size, tuple(CONTENTS))
    assert is_whole(installer, row)
    assert leftovers(installer, row) == ["installed.json", "onnx/model.onnx", "tokenizer.json"]
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert (told[-1].done, told[-1].total) == (row.size, row.size)
    assert max(each.rate for each in told) > 0
    asked = mirror.asked.total()
    assert fetch(installer, row, mirror).files == ()
    assert mirror.asked.total() == asked


def test_one_broken_off_is_gone_on_with(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.cut_after, mirror.faults.cuts = 100_000, 2
    fetch(installer, row, mirror)
    assert is_whole(installer, row)
    assert mirror.ranges[:3] == ["", "bytes=100000-", "bytes=200000-"]


def test_one_that_always_breaks_off_at_the_same_place_ends(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    mirror.faults.cut_after, mirror.faults.ignores_range = 100_000, True
    with pytest.raises(DownloadError, match=r"in 3 tries.*broke.*the same command goes on from there"):
        fetch(installer, row, mirror)
    assert installer.folder.is_installed(row) is False
    mirror.faults.cut_after = None
    fetch(installer, row, mirror)
    assert is_whole(installer, row)


def test_a_server_without_ranges_starts_anew(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.cut_after, mirror.faults.cuts, mirror.faults.ignores_range = 100_000, 1, True
    fetch(installer, row, mirror)
    assert is_whole(installer, row)
    assert mirror.ranges[1] == "bytes=100000-"


def test_a_file_that_changed_meanwhile_is_not_mixed(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    mirror.faults.cut_after = 100_000
    with pytest.raises(DownloadError):
        fetch(installer, row, mirror, replace(IMPATIENT, tries=1))
    assert part_of(installer.folder.place(row, row.files[0])).stat().st_size == 100_000
    mirror.faults.cut_after = None
    mirror.faults.version = "2"
    mirror.files[PATH] = tiny_contents(seed=2)["onnx/model.onnx"]
    fetch(installer, row, mirror)
    assert installer.folder.files(row)[0].read_bytes() == mirror.files[PATH]


def test_a_damaged_part_is_fetched_anew_once(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.cut_after = 100_000
    with pytest.raises(DownloadError):
        fetch(installer, row, mirror, replace(IMPATIENT, tries=1))
    part = part_of(installer.folder.place(row, row.files[0]))
    part.write_bytes(bytes(100_000))  # as a loss of power may leave it
    mirror.faults.cut_after = None
    fetch(installer, row, mirror)
    assert is_whole(installer, row)


@pytest.mark.parametrize("stated_by", ["row", "hub"])
def test_wrong_bytes_are_refused_and_not_kept(
    installer: Installer, row: ModelRow, mirror: Mirror, stated_by: str
) -> None:
    if stated_by == "row":
        row = with_sha256(row, CONTENTS)
        mirror.faults.states_nothing = True
    mirror.faults.wrong_bytes = True
    with pytest.raises(DownloadError, match=r"has sha256 \w{64}, and \w{64} is expected.*was deleted"):
        fetch(installer, row, mirror)
    assert leftovers(installer, row) == []


def test_what_the_hub_states_is_compared_before_anything_comes(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    row = with_sha256(row, CONTENTS)
    mirror.faults.wrong_statement = True
    with pytest.raises(DownloadError, match=r"states sha256 \w{64}, and \w{64} is expected"):
        fetch(installer, row, mirror)
    other = replace(row, files=(replace(row.files[0], size=299_999), row.files[1]))
    with pytest.raises(DownloadError, match="has 300,000 bytes, and 299,999 are expected"):
        fetch(installer, other, mirror)
    assert leftovers(installer, row) == []


def test_a_file_of_another_size_than_it_may_have_is_refused(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    guess = replace(row.files[0], size=200_000, is_size_exact=False)
    with pytest.raises(DownloadError, match="has 300,000 bytes, and 160,000 to 250,000 are expected"):
        fetch(installer, replace(row, files=(guess, row.files[1])), mirror)
    mirror.files[PATH] = b"<html>Please log in to this network</html>"
    with pytest.raises(DownloadError, match="has 42 bytes, and 160,000 to 250,000 are expected"):
        fetch(installer, replace(row, files=(guess, row.files[1])), mirror)
    mirror.files[PATH] = MODEL
    near = replace(row, files=(replace(guess, size=290_000), row.files[1]))
    assert fetch(installer, near, mirror).bytes == row.size


def test_a_body_without_a_length_is_judged_when_it_ends(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    mirror.faults.hides_length, mirror.faults.states_nothing = True, True
    mirror.faults.cut_after = 100_000
    with pytest.raises(DownloadError, match="has 100,000 bytes, and 300,000 are expected"):
        fetch(installer, row, mirror)
    assert leftovers(installer, row) == []
    mirror.faults.cut_after = None
    mirror.files[PATH] = MODEL * 2
    with pytest.raises(DownloadError, match="gave more than 300,000 bytes"):
        fetch(installer, row, mirror)
    part = part_of(installer.folder.place(row, row.files[0]))
    assert part.stat().st_size == 0
    mirror.files[PATH] = MODEL
    fetch(installer, row, mirror)
    assert is_whole(installer, row)


def test_the_first_install_is_held_from_then_on(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.states_nothing = True
    assert fetch(installer, row, mirror).first_seen == tuple(CONTENTS)
    installer.remove(row)
    assert leftovers(installer, row) == ["installed.json"]
    mirror.files[PATH] = tiny_contents(seed=2)["onnx/model.onnx"]
    with pytest.raises(DownloadError, match=r"has sha256 .* is expected"):
        fetch(installer, row, mirror)
    mirror.files[PATH] = MODEL
    assert fetch(installer, row, mirror).first_seen == ()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (404, "there is no such file .*a mirror may lack the repository"),
        (401, r"the server refuses it \(401\)"),
        (418, "the server answered 418"),
        (503, "in 3 tries: the server answered 503"),
        (429, "in 3 tries: the server answered 429"),
    ],
)
def test_refusals_are_told_with_what_to_do(
    installer: Installer, row: ModelRow, mirror: Mirror, status: int, words: str
) -> None:
    mirror.faults.status = status
    with pytest.raises(DownloadError, match=words) as caught:
        fetch(installer, row, mirror)
    assert f"{mirror.address}{PATH}" in str(caught.value)
    assert "models.hub or HF_ENDPOINT" in str(caught.value)
    assert "ambience models install tiny --from DIR" in str(caught.value)


def test_a_busy_server_is_asked_again_as_late_as_it_wants(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    waits: list[float] = []
    mirror.faults.status, mirror.faults.failures, mirror.faults.retry_after = 429, 2, 7
    patience = Patience(tries=3, first_wait_s=0.5, longest_wait_s=20)
    installer.from_hub(
        row, ModelSettings(hub=mirror.address), downloader=Downloader(patience, sleep=waits.append)
    )
    assert is_whole(installer, row)
    assert waits == [7, 7]
    installer.remove(row)
    mirror.faults.status, mirror.faults.failures, mirror.faults.retry_after = 503, 2, None
    installer.from_hub(
        row, ModelSettings(hub=mirror.address), downloader=Downloader(patience, sleep=waits.append)
    )
    assert waits[2:] == [0.5, 1.0]


def test_a_mirror_that_is_down_is_named(installer: Installer, row: ModelRow) -> None:
    with Mirror() as gone:
        settings = ModelSettings(hub=gone.address)
    with pytest.raises(DownloadError, match=rf"{gone.address}.*in 3 tries: it cannot be reached"):
        installer.from_hub(row, settings, downloader=Downloader(IMPATIENT))


def test_a_silent_server_is_given_up(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.silence_s = 0.5
    with pytest.raises(DownloadError, match="in 2 tries: the server is silent"):
        fetch(installer, row, mirror, Patience(read_s=0.1, tries=2, first_wait_s=0))


def test_a_slow_server_is_waited_for(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    """Every try brings some bytes before the server falls silent, so none of them counts as a failure."""
    mirror.files[PATH] = MODEL[:20_000]
    slow = replace(row, files=(replace(row.files[0], size=20_000), row.files[1]))
    mirror.faults.pause_s = 0.2
    fetch(installer, slow, mirror, Patience(read_s=0.1, tries=2, first_wait_s=0))
    assert installer.folder.files(slow)[0].read_bytes() == MODEL[:20_000]
    assert len(mirror.ranges) > 3


def test_redirects_never_leave_https_and_end(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.leads_to = f"{mirror.address}{PATH}"
    with pytest.raises(DownloadError, match="more than 8 redirects"):
        fetch(installer, row, mirror)
    mirror.faults.leads_to = "file:///etc/passwd"
    with pytest.raises(DownloadError, match="redirects to file://"):
        fetch(installer, row, mirror)


def test_addresses_elsewhere_are_tried_when_the_hub_fails(
    installer: Installer, row: ModelRow, mirror: Mirror
) -> None:
    del mirror.files[PATH]
    mirror.files["/copy/model.onnx"] = MODEL
    there = replace(row.files[0], elsewhere=(f"{mirror.address}/store/copy/model.onnx",))
    moved = replace(row, files=(there, row.files[1]))
    with Mirror() as other:
        other.files |= mirror.files
        other.files[PATH.replace("onnx/model.onnx", "tokenizer.json")] = CONTENTS["tokenizer.json"]
        with pytest.raises(DownloadError, match="is not asked: http can be forged"):
            fetch(installer, moved, other)
        fetch(installer, with_sha256(moved, CONTENTS), other)
    assert is_whole(installer, row)


def test_offline_asks_nobody(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    settings = ModelSettings(hub=mirror.address, offline=True)
    with pytest.raises(DownloadError, match=r"models.offline \(or HF_HUB_OFFLINE\) is set.*--from DIR"):
        installer.from_hub(row, settings)
    assert mirror.asked.total() == 0
    fetch(installer, row, mirror)
    assert installer.from_hub(row, settings).files == ()


def test_the_variables_of_other_programs_are_understood() -> None:
    environment = {"HF_ENDPOINT": "https://mirror.example/", "HF_HUB_OFFLINE": "1"}
    found = load_settings(environment=environment).models
    assert (found.hub, found.offline) == ("https://mirror.example/", True)
    ours = environment | {"AMBIENCE_MODELS_HUB": "https://other.example", "AMBIENCE_MODELS_OFFLINE": "false"}
    found = load_settings(environment=ours).models
    assert (found.hub, found.offline) == ("https://other.example", False)
    assert load_settings(environment={"HF_ENDPOINT": "", "HF_HUB_OFFLINE": "0"}).models == ModelSettings()


@pytest.mark.parametrize(
    "hub", ["huggingface.co", "ftp://mirror", "https://user:word@mirror", "https://", "x y"]
)
def test_what_is_no_address_of_a_hub_is_refused(installer: Installer, row: ModelRow, hub: str) -> None:
    with pytest.raises(SettingsError, match=r"models\.hub = .*; it must be the address of a hub"):
        installer.from_hub(row, ModelSettings(hub=hub))


def test_a_disk_that_cannot_hold_it_is_told_before(tmp_path: Path, row: ModelRow, mirror: Mirror) -> None:
    full = Installer(ModelFolder(tmp_path / "models"), free_bytes=lambda folder: 1_000_000)
    with pytest.raises(InstallError, match=r"tiny needs 0 MB more, and 1 MB are free.*models\.folder"):
        fetch(full, row, mirror)
    assert mirror.asked.total() == 0
    free = Installer(ModelFolder(tmp_path / "models"), free_bytes=lambda folder: 40_000_000)
    assert fetch(free, row, mirror).bytes == row.size


def test_a_broken_record_is_not_forgotten(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    fetch(installer, row, mirror)
    (installer.folder.folder(row) / "installed.json").write_text("{", encoding="utf-8")
    with pytest.raises(CorruptModelError, match=r"installed\.json cannot be read.*Delete it"):
        installer.folder.files(row)


CHILD = """
import resource, sys
from pathlib import Path
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.settings import ModelSettings
from support.mirror import tiny_contents, tiny_row
from dataclasses import replace
hub, folder, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
row = tiny_row()
files = tuple(replace(file, size=len(tiny_contents()[file.name])) for file in row.files)
try:
    Installer(ModelFolder(folder)).from_hub(replace(row, files=files), ModelSettings(hub=hub))
except Exception as exc:
    print(type(exc).__name__, exc)
"""


def child(mirror: Mirror, installer: Installer, *, limit: int = 0) -> "subprocess.Popen[str]":
    """Another process that installs the same model; its files cannot grow beyond `limit`."""
    paths = os.pathsep.join([str(SOURCE / "src"), str(SOURCE / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, mirror.address, str(installer.folder.root), str(limit)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_disk_that_fills_up_keeps_what_came(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    said, _ = child(mirror, installer, limit=150_000).communicate(timeout=60)
    assert "InstallError the disk of" in said
    assert "is full" in said
    part = part_of(installer.folder.place(row, row.files[0]))
    assert 0 < part.stat().st_size <= 150_000
    kept = part.stat().st_size
    fetch(installer, row, mirror)
    assert is_whole(installer, row)
    assert mirror.ranges[1] == f"bytes={kept}-"


def test_a_killed_download_is_gone_on_with(installer: Installer, row: ModelRow, mirror: Mirror) -> None:
    mirror.faults.pause_s = 0.02
    killed = child(mirror, installer)
    part = part_of(installer.folder.place(row, row.files[0]))
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size > 50_000):
        assert time.monotonic() < deadline
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    kept = part.stat().st_size
    assert 50_000 < kept < 300_000
    assert installer.folder.is_installed(row) is False
    mirror.faults.pause_s = 0
    mirror.ranges.clear()
    fetch(installer, row, mirror)
    assert is_whole(installer, row)
    assert mirror.ranges[0] == f"bytes={kept}-"
    assert not note_of(installer.folder.place(row, row.files[0])).exists()


def test_two_processes_install_one_model_once(tmp_path: Path, row: ModelRow, mirror: Mirror) -> None:
    waited: list[str] = []
    installer = Installer(ModelFolder(tmp_path / "models"), tell=waited.append)
    mirror.faults.pause_s = 0.01
    other = child(mirror, installer)
    deadline = time.monotonic() + 60
    while not mirror.asked[PATH]:
        assert time.monotonic() < deadline
        assert other.poll() is None, other.communicate()
        time.sleep(0.01)
    assert fetch(installer, row, mirror).files == ()
    said, _ = other.communicate(timeout=60)
    assert said == ""
    assert waited == ["another process is installing or removing tiny; waiting until it is done"]
    assert mirror.asked[PATH] == 1
    assert is_whole(installer, row)
