"""Embeddings are those of the reference implementations: preparing, tokenizing and loading included.

Small networks of the real architectures, with weights drawn by name, are served by a mirror, installed as any
model is, and loaded as any model is.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from ambience.models.catalog import CATALOG
from ambience.models.embedder import Embedder
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.mirror import Mirror
from support.tiny_networks import DIM, GOLDEN, TEXTS
from support.tiny_pictures import pictures
from support.tiny_rows import files, tiny

sys.path.insert(0, str(GOLDEN))

import make_embeddings

WITH_TEXT = [name for name in DIM if CATALOG[name].text is not None]


class Installed:
    """Models that came from a mirror.

    Attributes:
        golden: what the references made, by "row/pictures" and "row/texts".
    """

    def __init__(
        self, folder: Path, mirror: Mirror, golden: Path = GOLDEN, prefix: str = "embeddings"
    ) -> None:
        self._folder = folder
        self._rows = {name: mirror.publish(tiny(name), files(name, golden, prefix)) for name in DIM}
        installer = Installer(ModelFolder(folder))
        for row in self._rows.values():
            installer.from_hub(row, ModelSettings(hub=mirror.address))
        with np.load(golden / f"{prefix}.npz") as kept:
            self.golden = {name: kept[name] for name in kept.files if name.endswith(("/pictures", "/texts"))}

    def embedder(self, name: str, precision: str = "f32", **changes: object) -> Embedder:
        """One model; `changes` are to its row."""
        settings = ModelSettings(folder=self._folder, precision=precision, threads=1, device="cpu")
        rows = {name: replace(self._rows[name], **changes)}  # type: ignore[arg-type]
        return Models(settings, rows).embedder(name)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with Mirror() as mirror:
        yield Installed(tmp_path_factory.mktemp("models"), mirror)


def cosines(ours: np.ndarray, reference: np.ndarray) -> np.ndarray:
    assert ours.shape == reference.shape
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    between = (reference @ reference.T)[np.triu_indices(len(reference), 1)]
    assert np.median(between) < 0.95  # or any embedding would be near any other
    return (ours * reference).sum(axis=1)


@pytest.mark.parametrize("name", DIM)
def test_pictures_are_where_the_reference_puts_them(installed: Installed, name: str) -> None:
    made = installed.embedder(name).embed_pictures(pictures())
    assert cosines(made, installed.golden[f"{name}/pictures"]).min() > 0.9999


@pytest.mark.parametrize("name", WITH_TEXT)
def test_sentences_are_where_the_reference_puts_them(installed: Installed, name: str) -> None:
    made = installed.embedder(name).embed_texts(TEXTS)
    assert cosines(made.embeddings, installed.golden[f"{name}/texts"]).min() > 0.9999
    assert [note == "" for note in made.notes[:1]] == [True]
    assert all("too long for the model" in note for note in made.notes[-3:])


@pytest.mark.parametrize(("precision", "least"), [("bf16", 0.999), ("int8", 0.998)])
@pytest.mark.parametrize("name", DIM)
def test_shorter_numbers_stay_near(installed: Installed, name: str, precision: str, least: float) -> None:
    """Least of all seven, measured: 0.99988 and 0.9994; of ViT-B/32 and B/16 in their real sizes 0.99998."""
    made = installed.embedder(name, precision).embed_pictures(pictures())
    assert (made * installed.golden[f"{name}/pictures"]).sum(axis=1).min() > least


@pytest.mark.reference
@pytest.mark.timeout(3000)
def test_the_references_themselves_agree(tmp_path: Path) -> None:
    """transformers, timm, open_clip and torchvision in an environment of their own, made at the first run."""
    kept_in = Path(platformdirs.user_cache_dir("ambience", appauthor=False)) / "reference-embeddings"
    make_embeddings.make_reference(make_embeddings.environment(kept_in), tmp_path)
    with Mirror() as mirror:
        fresh = Installed(tmp_path / "models", mirror, tmp_path, "golden")
    for name in DIM:
        made = fresh.embedder(name).embed_pictures(pictures())
        assert cosines(made, fresh.golden[f"{name}/pictures"]).min() > 0.9999
    for name in WITH_TEXT:
        texts = fresh.embedder(name).embed_texts(TEXTS).embeddings
        assert cosines(texts, fresh.golden[f"{name}/texts"]).min() > 0.9999
