"""Photographs under every transform: the files that searches and methods are asked with, kept on disk."""

import hashlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photos import Photo, Split, load_rgb
from report import cache_folder, versions
from transforms import TRANSFORMS, transformed

FULL = {"gallery": 2000, "queries": 240, "outsiders": 260}
QUICK = {"gallery": 300, "queries": 50, "outsiders": 50}
"""Photos of each part at most."""


@dataclass(frozen=True)
class Case:
    """A photo that is transformed, the photo that its insets lie on, and where its queries are kept."""

    photo: Photo
    other: Photo
    seed: int
    fixture: Path


def make_cases(photos: Sequence[Photo], split: Split, seed: int) -> list[Case]:
    """Queries, then outsiders; insets lie on an outsider drawn by the seed, never on the photo itself."""
    code = Path(sys.modules["transforms"].__file__ or "").read_bytes()
    stamp = json.dumps(versions(("numpy", "pillow", "opencv-python-headless"))).encode()
    folder = cache_folder("robustness") / hashlib.sha256(code + stamp + str(seed).encode()).hexdigest()[:16]
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng([seed, 2])
    cases = []
    for index in (*split.queries, *split.outsiders):
        other = photos[int(rng.choice(split.outsiders[split.outsiders != index]))]
        photo = photos[index]
        cases.append(Case(photo, other, seed, folder / f"{photo.key[:20]}-{other.key[:12]}.npz"))
    return cases


def make_fixture(case: Case) -> None:
    """Writes the JPEG bytes of a photo under every transform, unless they are there."""
    if case.fixture.is_file():
        return
    image, other = load_rgb(case.photo.path), load_rgb(case.other.path)
    files = [transformed(image, other, each, seed=case.seed, key=case.photo.key) for each in TRANSFORMS]
    beside = case.fixture.with_suffix(".part")
    with beside.open("wb") as out:
        np.savez(out, *[np.frombuffer(file, np.uint8) for file in files])
    beside.replace(case.fixture)


def fixture_pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The transformed pictures of a fixture, in the order of `TRANSFORMS`."""
    with np.load(path) as files:
        for name in files.files:
            with Image.open(io.BytesIO(files[name].tobytes())) as file:
                yield np.asarray(file.convert("RGB"))
