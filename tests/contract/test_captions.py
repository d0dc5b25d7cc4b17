"""Captions are, token for token, those of transformers' `generate`: preparing and loading included.

Small networks of the real architectures, with weights drawn by name, are served by a mirror, installed as any
model is, and loaded as any model is.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from ambience.models.captioner import Captioner, Search
from ambience.models.folder import ModelFolder
from ambience.models.install import Installer
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from support.caption_pictures import caption_pictures
from support.mirror import Mirror, put
from support.tiny_caption_rows import tiny_captioner
from support.tiny_captioners import END, ROWS, SEARCHES, TOKENIZER, caption_files, expected
from support.tiny_networks import GOLDEN

sys.path.insert(0, str(GOLDEN))

import make_captions

PICTURES = caption_pictures()


class Installed:
    """Models that came from a mirror; those that nobody publishes, from a folder."""

    def __init__(self, folder: Path, golden: Path = GOLDEN, prefix: str = "captions") -> None:
        self.expected = expected(golden, prefix)
        installer = Installer(ModelFolder(folder / "models"))
        settings = ModelSettings(folder=folder / "models", precision="f32", threads=1, device="cpu")
        rows = {}
        with Mirror() as mirror:
            for name in ROWS:
                made = caption_files(name, golden, prefix)
                rows[name] = tiny_captioner(name, made)
                if rows[name].made_by:
                    installer.from_folder(rows[name], put(folder / name, made))
                else:
                    mirror.publish(rows[name], made)
                    installer.from_hub(rows[name], ModelSettings(hub=mirror.address))
        self._models = Models(settings, rows)

    def captioner(self, name: str) -> Captioner:
        return self._models.captioner(name)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    yield Installed(tmp_path_factory.mktemp("captions"))


def check(installed: Installed, name: str, search: str) -> None:
    beams, most, least = SEARCHES[search]
    wanted = installed.expected[f"{name}/{search}"]
    made = installed.captioner(name).describe(PICTURES, Search(beams, most, least))
    assert [each.decoded.tokens for each in made] == wanted
    assert all(-20 < each.decoded.score < 0 for each in made)


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("name", ROWS)
def test_captions_are_those_of_the_reference(installed: Installed, name: str, search: str) -> None:
    check(installed, name, search)


@pytest.mark.parametrize("name", ROWS)
def test_the_reference_says_something_of_its_own_of_every_picture(installed: Installed, name: str) -> None:
    """Or the comparison would be of one sentence, or of cut ones alone."""
    end = END[TOKENIZER[name]]
    for search, (_, most, least) in SEARCHES.items():
        wanted = installed.expected[f"{name}/{search}"]
        assert len(wanted) == 50
        assert len(set(wanted)) >= 35
        assert all(least < len(tokens) <= most for tokens in wanted)
        assert sum(len(tokens) < most and tokens[-1] == end for tokens in wanted) >= 5
        assert sum(len(tokens) == most for tokens in wanted) >= 5
    greedy, beams = (installed.expected[f"{name}/{search}"] for search in ("greedy", "beams"))
    assert sum(one != other for one, other in zip(greedy, beams, strict=True)) >= 10


@pytest.mark.parametrize("name", ROWS)
def test_pictures_described_together_are_described_as_alone(installed: Installed, name: str) -> None:
    captioner = installed.captioner(name)
    together = captioner.describe(PICTURES[:7])
    assert [captioner.describe([picture])[0].decoded.tokens for picture in PICTURES[:7]] == [
        each.decoded.tokens for each in together
    ]
    assert captioner.describe([]) == []


@pytest.mark.parametrize("name", ROWS)
def test_odd_pictures_are_described_as_well(installed: Installed, name: str) -> None:
    odd = [
        np.zeros((1, 1, 3), np.uint8),
        np.full((900, 3, 3), 255, np.uint8),
        np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8),
    ]
    made = installed.captioner(name).describe(odd)
    assert all(
        each.decoded.tokens and "\n" not in each.text and each.text == each.text.strip() for each in made
    )


@pytest.mark.reference
@pytest.mark.timeout(3000)
def test_the_reference_itself_agrees(tmp_path: Path) -> None:
    """transformers in an environment of its own, made at the first run."""
    kept_in = Path(platformdirs.user_cache_dir("ambience", appauthor=False)) / "reference-embeddings"
    make_captions.make_reference(make_captions.environment(kept_in), tmp_path)
    fresh = Installed(tmp_path / "installed", tmp_path, "golden")
    for name in ROWS:
        for search in SEARCHES:
            check(fresh, name, search)
