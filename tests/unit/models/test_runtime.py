"""Models are found, loaded once, shared by threads and run in batches of any length; nobody is told."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ambience.errors import CorruptModelError, MissingModelError, ModelError, SettingsError
from ambience.models.catalog import CATALOG, model_row
from ambience.models.folder import ModelFolder
from ambience.models.graphs.hardnet import shapes
from ambience.models.runtime import BATCH, Models
from ambience.settings import ModelSettings
from ambience.settings_sources import load_settings
from support.checkpoints import checkpoint
from support.hardnet import installed, random_weights

NOISE = np.random.default_rng(5).random((3 * BATCH + 5, 32, 32), dtype=np.float32)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    return Models(ModelSettings(folder=folder, threads=2), installed(folder, "hardnet", old=True))


def test_rows_say_all_that_is_needed_to_fetch_them() -> None:
    assert all(row.name == name for name, row in CATALOG.items())
    for name in ("hardnet", "hardnet8"):
        row = CATALOG[name]
        assert row.licence == "MIT"
        numbers = sum(int(np.prod(shape)) for shape in shapes(name).values())
        for file in row.files:
            assert 4 * numbers < file.size < 4 * numbers + 20_000
            assert file.sha256 is not None
            assert len(file.sha256) == 64
            assert row.addresses(file)[0] == f"https://huggingface.co/kornia/hardnet/resolve/main/{file.name}"
    with pytest.raises(ModelError, match=r"no model 'hardnet9'; have .*hardnet, hardnet8"):
        model_row("hardnet9")


def test_missing_weights_are_named_with_where_they_are_had_and_where_they_belong(tmp_path: Path) -> None:
    with pytest.raises(MissingModelError) as caught:
        Models(ModelSettings(folder=tmp_path)).get("hardnet8")
    place = tmp_path / "hardnet8" / "hardnet8v2.pt"
    for words in (
        f"{place} is missing",
        "36.2 MB, licence MIT, from https://huggingface.co/kornia/hardnet",
        "ambience models install hardnet8",
        "models.folder",
    ):
        assert words in str(caught.value)


def test_the_folder_comes_from_settings_and_environment(tmp_path: Path) -> None:
    found = load_settings(environment={"AMBIENCE_MODELS_FOLDER": str(tmp_path)}).models
    assert ModelFolder.at(found.folder).root == tmp_path
    assert ModelFolder.at(None).root.name == "models"
    with pytest.raises(SettingsError, match=r"models\.precision = 'f64'; it can be auto, f32, bf16"):
        Models(ModelSettings(precision="f64"))


def test_another_file_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "hardnet" / CATALOG["hardnet"].files[0].name
    place.parent.mkdir()
    place.write_bytes(checkpoint(random_weights("hardnet"), old=True))
    with pytest.raises(CorruptModelError, match=r"bytes, and 5,345,580 are expected.*models install hardnet"):
        Models(ModelSettings(folder=tmp_path)).get("hardnet")


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    weights = random_weights("hardnet")
    damaged = {
        r"lack features.0.weight, features.1.running_mean": {"a": weights["features.0.weight"]},
        r"features.19.weight of hardnet has shape \(128, 128, 8, 1\)": weights
        | {"features.19.weight": weights["features.19.weight"][..., :1].copy()},
        r"hold classifier.bias": weights | {"classifier.bias": weights["features.1.running_mean"]},
        r"features.1.running_var of hardnet holds what is no number": weights
        | {"features.1.running_var": -weights["features.1.running_var"]},
    }
    catalog = installed(tmp_path, "hardnet")
    place = tmp_path / "hardnet" / catalog["hardnet"].files[0].name
    for words, tensors in damaged.items():
        place.write_bytes(checkpoint(tensors))
        with pytest.raises(CorruptModelError, match=words):
            Models(ModelSettings(folder=tmp_path), catalog).get("hardnet")


def test_batches_of_any_length_answer_alike(models: Models) -> None:
    model = models.get("hardnet")
    whole = model.run(NOISE)
    assert whole.shape == (len(NOISE), 128)
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    for length in (0, 1, BATCH, BATCH + 1):
        assert np.allclose(model.run(NOISE[:length]), whole[:length], atol=1e-6)


def test_threads_share_one_model(models: Models) -> None:
    with ThreadPoolExecutor(4) as pool:
        ready = list(pool.map(models.get, ["hardnet"] * 4))
        alone = ready[0].run(NOISE)
        together = list(pool.map(lambda shift: ready[shift % 4].run(np.roll(NOISE, shift, axis=0)), range(8)))
    assert all(each is ready[0] for each in ready)
    for shift, answered in enumerate(together):
        assert np.allclose(np.roll(answered, -shift, axis=0), alone, atol=1e-6)


def test_brightness_and_contrast_do_not_matter(models: Models) -> None:
    model = models.get("hardnet")
    assert np.allclose(model.run(NOISE * 0.1 + 0.4), model.run(NOISE), atol=1e-3)
    flat = model.run(np.full((2, 32, 32), 0.5, np.float32))
    assert np.isfinite(flat).all()


def test_bf16_stays_near(tmp_path: Path) -> None:
    catalog = installed(tmp_path, "hardnet", old=True)
    exact = Models(ModelSettings(folder=tmp_path, precision="f32"), catalog).get("hardnet").run(NOISE)
    short = Models(ModelSettings(folder=tmp_path, precision="bf16"), catalog).get("hardnet").run(NOISE)
    assert (exact * short).sum(axis=1).min() > 0.9998  # measured: 0.99994 on photographs


WATCH = """
import sys
told = []
def watch(event, arguments):
    written = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event.startswith("socket.") or written:
        told.append((event, str(arguments)))
sys.addaudithook(watch)
from ambience.models._openvino import imported_openvino
openvino = imported_openvino()
assert openvino is imported_openvino()
op = openvino.opset15
inputs = op.parameter([1, 2], openvino.Type.f32)
openvino.Core().compile_model(openvino.Model([op.relu(inputs)], [inputs]), "CPU")
assert "openvino_telemetry" not in sys.modules
print(told)
"""


def test_the_runtime_reports_to_nobody(tmp_path: Path) -> None:
    """OpenVINO's own import sends an event and writes into the home; ours does neither."""
    home = {"HOME": str(tmp_path), "PATH": "", "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCH],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=home,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_sizes_of_files_bound_what_is_read(tmp_path: Path) -> None:
    catalog = installed(tmp_path, "hardnet", old=True)
    row = catalog["hardnet"]
    small = {"hardnet": replace(row, files=(replace(row.files[0], size=1000),))}
    with pytest.raises(CorruptModelError, match="larger than 2,000 bytes"):
        Models(ModelSettings(folder=tmp_path), small).get("hardnet")
