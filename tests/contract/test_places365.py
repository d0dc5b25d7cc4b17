"""What the scene models say is what the references say: preparing and loading included.

Small networks of the real architectures, with weights drawn by name and written in the published form, are
served by a mirror, installed as any model is, and run as any model is.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.mirror import Mirror
from support.scene_models import SCENE_MODELS, scene_files, tiny_scene_row
from support.tiny_networks import GOLDEN
from support.tiny_pictures import pictures

sys.path.insert(0, str(GOLDEN))

import make_places365

NAMES = pytest.mark.parametrize("name", SCENE_MODELS)


def responses(folder: Path, golden: Path, precision: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """By model, what ours and the reference make of the same pictures."""
    with Mirror() as mirror:
        rows = {
            name: mirror.publish(tiny_scene_row(name), scene_files(name, golden)) for name in SCENE_MODELS
        }
        for row in rows.values():
            Installer(ModelFolder(folder)).from_hub(row, ModelSettings(hub=mirror.address))
    models = Models(ModelSettings(folder=folder, precision=precision, threads=1, device="cpu"), rows)
    with np.load(golden / "places365.npz") as kept:
        return {name: (models.classifier(name).responses(pictures()), kept[name]) for name in rows}


@pytest.fixture(scope="module", params=["f32", "bf16"])
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, dict[str, tuple[np.ndarray, np.ndarray]]]]:
    yield request.param, responses(tmp_path_factory.mktemp("models"), GOLDEN, request.param)


def cosines(ours: np.ndarray, reference: np.ndarray) -> np.ndarray:
    assert ours.shape == reference.shape
    return (ours * reference).sum(axis=1) / (np.linalg.norm(ours, axis=1) * np.linalg.norm(reference, axis=1))


@NAMES
def test_responses_are_the_references(
    made: tuple[str, dict[str, tuple[np.ndarray, np.ndarray]]], name: str
) -> None:
    precision, found = made
    ours, reference = found[name]
    between = cosines(reference[:-1], reference[1:])
    assert np.median(between) < 0.99  # or any answer would be near any other
    assert cosines(ours, reference).min() > (0.9999 if precision == "f32" else 0.999)
    if precision == "f32":  # their heights count as well: probabilities and signs are made of them
        assert np.abs(ours - reference).max() < 0.01 * np.abs(reference).max()


@pytest.mark.reference
@pytest.mark.timeout(3000)
def test_the_references_themselves_agree(tmp_path: Path) -> None:
    """torchvision in the environment of the embeddings' references, made at the first run."""
    kept_in = Path(platformdirs.user_cache_dir("ambience", appauthor=False)) / "reference-embeddings"
    python = make_places365.make_embeddings.environment(kept_in)
    make_places365.make_reference(python, tmp_path)
    for ours, reference in responses(tmp_path / "models", tmp_path, "f32").values():
        assert cosines(ours, reference).min() > 0.9999
