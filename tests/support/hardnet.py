"""Random weights of HardNet and HardNet8, the same on every machine, and patches of real photographs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray

from ambience.extract._patches import cut_patches, keypoint_frames
from ambience.models.catalog import CATALOG, ModelFile, ModelRow
from ambience.models.graphs.hardnet import shapes
from support.checkpoints import checkpoint

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
SEED = 2020
PER_PHOTO = 103


def random_weights(name: str, seed: int = SEED) -> dict[str, NDArray[np.float32]]:
    """Weights that spread descriptors widely: those of two patches have a cosine of 0.1 to 0.9."""
    generator = np.random.default_rng(seed)
    made = {}
    for tensor, shape in shapes(name).items():
        drawn = generator.standard_normal(shape)
        if tensor.endswith("_var"):
            drawn = 0.5 + drawn**2 / 2
        elif tensor.endswith("running_mean"):
            drawn *= 0.2
        elif tensor == "components":
            drawn = np.linalg.qr(drawn)[0]
        elif tensor == "mean":
            drawn *= 0.01
        else:
            drawn *= np.sqrt(2 / np.prod(shape[1:]))
        made[tensor] = drawn.astype(np.float32)
    return made


def greys() -> list[NDArray[np.uint8]]:
    """Photographs in grey, of even and of odd sides."""
    import cv2

    rgbs = [getattr(skimage.data, name)() for name in PHOTOS]
    return [cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (*rgbs, rgbs[1][:-1, :-2])]


def random_places(grey: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.float32]:
    """(N, 4) x, y, size, angle of keypoints of every size, some of them beyond the edge."""
    generator = np.random.default_rng(seed)
    height, width = grey.shape
    columns = [
        generator.uniform(0, width - 1, count),
        generator.uniform(0, height - 1, count),
        np.exp(generator.uniform(np.log(1.8), np.log(24), count)),
        generator.uniform(0, 360, count),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def reference_patches() -> NDArray[np.float32]:
    """(515, 32, 32): our patches at the places whose golden values `make_hardnet.py` made."""
    cut = []
    for number, grey in enumerate(greys()):
        places = random_places(grey, PER_PHOTO, number)
        cut.append(cut_patches(grey, keypoint_frames(places[:, :2], places[:, 2], places[:, 3])))
    return np.concatenate(cut)


def installed(folder: Path, name: str, *, old: bool = False, seed: int = SEED) -> dict[str, ModelRow]:
    """Random weights in a folder of models, and the catalog whose one row they are."""
    row = CATALOG[name]
    data = checkpoint(random_weights(name, seed), old=old)
    place = folder / name / row.files[0].name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)
    return {name: replace(row, files=(ModelFile(place.name, len(data), None, is_size_exact=False),))}
