"""Asking a library in a process of its own: answers, times, memory, and stages that the product has."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

import ambience
import local_queries
from local_building import build
from local_inputs import decoded
from local_library import extractor
from transforms import jpeg_bytes


class Two:
    """Two pictures, over and over."""

    def __init__(self) -> None:
        self.files = [jpeg_bytes(rgb[:300, :400], 95) for rgb in (data.chelsea(), data.coffee())]
        self._blobs = [extractor().extract([decoded(file)])[0].vector for file in self.files]

    def blobs(self, first: int, stop: int):
        for number in range(first, stop):
            yield self._blobs[number % 2]


def test_the_stages_of_a_profile_are_functions_of_the_product():
    defined: set[tuple[str, str]] = set()
    for file in Path(ambience.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        defined |= {(file.name, node.name) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    assert set(local_queries.STAGES.values()) <= defined


@pytest.mark.slow
def test_a_library_is_asked_in_both_ways(tmp_path: Path):
    pictures = Two()
    folder = tmp_path / "library"
    build(folder, pictures, 2, {}, added=0)
    blank = jpeg_bytes(np.full((200, 200, 3), 128, np.uint8), 95)
    with Image.open(_saved(tmp_path / "cat.jpg", pictures.files[0])) as cat:
        crop = jpeg_bytes(np.asarray(cat)[60:240, 100:330], 90)
    cases = tmp_path / "cases.npz"
    np.savez(cases, a=np.frombuffer(crop, np.uint8), b=np.frombuffer(blank, np.uint8))

    done = subprocess.run(
        [sys.executable, str(Path(local_queries.__file__)), str(folder), str(cases)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)

    for way in ("cold", "first", "whole"):
        of_crop, of_blank = found[way]
        assert of_crop["hits"][0][0] == 1 and of_crop["hits"][0][1] > 20
        assert of_crop["wall_s"] > 0 and of_crop["cpu_s"] > 0
        assert of_blank["hits"] == []
    assert found["resident"]["own"] > 0 and found["pending"] == 0
    assert found["profile_ms"]["all"] >= found["profile_ms"]["matching"] > 0


def _saved(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file
