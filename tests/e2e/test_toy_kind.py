"""A new kind is one file: its service, endpoints, index and command-line name follow from it."""

import json
import shutil
from pathlib import Path

import pytest

TOY = '''
"""A toy: the mean color of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ambience.datatypes import Feature, FeatureSpec, Picture, PixelNeed, QueryVariant


@dataclass(frozen=True, slots=True)
class ToyOptions:
    """It has no settings."""


class Toy:
    """Mean of each channel, 0-1."""

    options_class = ToyOptions

    def __init__(self, options: ToyOptions, *, exact: bool = False) -> None:
        self.need = PixelNeed(longest_side=32)
        self.spec = FeatureSpec(
            kind="toy", title="mean color", dim=3, dtype="float32", metric="l2", version=1, port={port}
        )

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        return [Feature((each.rgb.mean(axis=(0, 1)) / 255).astype(np.float32)) for each in pictures]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        return [QueryVariant(self.extract([picture])[0])]


__all__ = ["Toy"]
'''


@pytest.fixture
def source(tmp_path: Path, source: Path, free_port: int) -> Path:
    """A copy of the package with one file more."""
    copy = tmp_path / "source"
    shutil.copytree(source / "ambience", copy / "ambience", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "ambience" / "extract" / "toy.py").write_text(TOY.replace("{port}", str(free_port)))
    return copy


@pytest.mark.usefixtures("without_embeddings")
def test_a_new_kind_is_one_file(terminal, photographs: Path, free_port: int) -> None:
    # Its loops would be compiled anew for the copy of the package, which takes some ten seconds.
    terminal.environment["AMBIENCE_KINDS__LOCAL_FEATURES__ENABLED"] = "false"
    terminal.run("add", photographs)

    assert json.loads(terminal.run("info", "--json").out)["kinds"]["toy"]["entries"] == 5
    assert "mean color" in terminal.run("info").out
    assert "kinds.toy.index" in terminal.run("info", "--settings").out
    assert list((terminal.library / "index").glob("toy-*/**/*"))

    found = json.loads(terminal.run("search", photographs / "rocket.jpg", "--by", "toy", "--json").out)
    (evidence,) = [each for each in found["matches"][0]["evidence"] if each["kind"] == "toy"]
    assert found["matches"][0]["name"] == "rocket.jpg"
    assert evidence["distance"] == pytest.approx(0, abs=1e-3)
    assert "toy" in terminal.run("search", photographs / "rocket.jpg").out.splitlines()[0]

    _ask_the_service(terminal, photographs, free_port)
    assert terminal.run("check").out == "all is well\n"


def _ask_the_service(terminal, photographs: Path, port: int) -> None:
    """Alone on its own port, with the endpoints that every kind of the original system has."""
    with terminal.server("toy", port=port) as client:
        kinds = client.get("/v1/kinds").raise_for_status().json()["kinds"]
        assert "toy" in [row["kind"] for row in kinds]
        other = client.post("/color_get_similar_images_by_id", json={"image_id": 1, "k": 1})
        assert other.status_code == 404
        assert other.json().get("code") != "unknown_image"

        rocket = (photographs / "rocket.jpg").read_bytes()
        near = client.post(
            "/toy_get_similar_images_by_image_buffer", files={"image": ("a.jpg", rocket)}, data={"k": "2"}
        )
        assert len(near.raise_for_status().json()) == 2
        assert near.json()[0]["distance"] == pytest.approx(0, abs=1e-3)

        put = client.post(
            "/calculate_toy_features", files={"image": ("a.jpg", rocket)}, data={"image_id": "4711"}
        )
        assert put.status_code == 200
        by_id = client.post("/toy_get_similar_images_by_id", json={"image_id": 4711, "k": 6})
        assert 4711 in [hit["image_id"] for hit in by_id.raise_for_status().json()]
        gone = client.post("/delete_toy_features", json={"image_id": 4711})
        assert gone.status_code == 200
        assert (
            client.post("/toy_get_similar_images_by_id", json={"image_id": 4711, "k": 1}).status_code == 404
        )
