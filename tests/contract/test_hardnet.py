"""HardNet and HardNet8 equal the reference, with the same random weights, on patches of real photographs."""

import json
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from ambience.models.checkpoint import read_checkpoint
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.hardnet import installed, reference_patches

GOLDEN = Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN))

import make_hardnet  # noqa: E402


def cosines(name: str, reference: np.ndarray, folder: Path, precision: str = "f32") -> np.ndarray:
    """Of our descriptors of our patches to those of the reference, which cut its own."""
    catalog = installed(folder, name, old=name == "hardnet")
    model = Models(ModelSettings(folder=folder, precision=precision, threads=1), catalog).get(name)
    ours = model.run(reference_patches()[: len(reference)])
    wanted = reference.astype(np.float32)
    return (ours * wanted).sum(axis=1) / np.linalg.norm(wanted, axis=1)


@pytest.mark.parametrize("name", ["hardnet8", "hardnet"])
def test_descriptors_are_those_of_the_reference(name: str, tmp_path: Path) -> None:
    with np.load(GOLDEN / "hardnet.npz") as golden:
        reference, patches = golden[name].astype(np.float32), golden["patches"].astype(np.float32)
    assert len(reference) == make_hardnet.KEPT[name]
    between = np.corrcoef(reference)[np.triu_indices(len(reference), 1)]
    assert np.median(between) < 0.8  # or any descriptor would be near any other
    assert cosines(name, reference, tmp_path).min() > 0.99999  # golden values are of 16 bits
    assert np.abs(reference_patches()[make_hardnet.KEPT_PATCHES] - patches).max() < 1e-3


def test_bf16_stays_within_the_tolerance(tmp_path: Path) -> None:
    with np.load(GOLDEN / "hardnet.npz") as golden:
        reference = golden["hardnet"]
    assert cosines("hardnet", reference, tmp_path, "bf16").min() > 0.9999


@pytest.mark.reference
@pytest.mark.timeout(1800)
def test_the_reference_itself_agrees(tmp_path: Path) -> None:
    """PyTorch and Kornia in an environment of their own, made at the first run."""
    kept_in = Path(platformdirs.user_cache_dir("ambience", appauthor=False)) / "reference"
    made = make_hardnet.make_reference(make_hardnet.environment(kept_in), tmp_path)
    assert np.abs(made["patches"] - reference_patches()).max() < 1e-4
    for name in make_hardnet.MODELS:
        assert len(made[name]) >= 500
        assert cosines(name, made[name], tmp_path / "models").min() > 0.9999
    truth = json.loads((GOLDEN / "checkpoint.json").read_text(encoding="utf-8"))
    for file in ("checkpoint.pt", "checkpoint_old.pth"):
        assert read_checkpoint(tmp_path / file, max_bytes=10**6).keys() == truth.keys()
