"""The photographs that benchmarks run on: found, split by a seed, and which of them show the same thing."""

import csv
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})

SKIMAGE_PHOTOS = (
    "astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "hubble_deep_field.jpg",
    "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg", "rocket.jpg",
    "brick.png", "grass.png", "gravel.png",
)  # fmt: skip
"""The real photographs that ship inside the scikit-image package."""

QUERY_SHORT_SIDE = 240
"""Pixels that the shorter side of a query source has at least."""

DUPLICATE_CORRELATION = 0.95
"""Correlation of 32×32 RGB thumbnails, best of 8 orientations, from which two photos are near-duplicates."""


@dataclass(frozen=True)
class Photo:
    """A photograph.

    Attributes:
        path: of the file.
        key: sha256 of its bytes, hexadecimal: its name whatever its path.
        label: what it shows; "" where nobody said.
        width: pixels, orientation applied.
        height: pixels, orientation applied.
    """

    path: Path
    key: str
    label: str
    width: int
    height: int

    @property
    def name(self) -> str:
        """Name of the file in its folder."""
        return f"{self.path.parent.name}/{self.path.name}"

    @property
    def short_side(self) -> int:
        """Pixels."""
        return min(self.width, self.height)


@dataclass(frozen=True)
class Split:
    """Who plays which part; lists of indices into the photos.

    Attributes:
        gallery: what is searched; holds the query sources, which come first.
        queries: photos that are transformed and searched for.
        outsiders: photos that are transformed and must not be found.
        is_half_a: for queries, then outsiders: whether the threshold is set on this photo's negatives.
    """

    gallery: NDArray[np.int64]
    queries: NDArray[np.int64]
    outsiders: NDArray[np.int64]
    is_half_a: NDArray[np.bool_]


def find_photos(folder: Path | None) -> list[Photo]:
    """Photos of a folder, or those of the scikit-image package.

    Args:
        folder: with a `manifest.csv` (columns path and label) that names them; else every picture below it.

    Returns:
        Sorted by sha256; of equal files the first.
    """
    rows = _manifest_rows(folder.resolve()) if folder else [(path, "") for path in skimage_paths()]
    with ThreadPoolExecutor() as pool:
        photos = [photo for photo in pool.map(_described, rows) if photo is not None]
    return sorted({photo.key: photo for photo in reversed(photos)}.values(), key=lambda photo: photo.key)


def skimage_paths() -> list[Path]:
    """Files of the photographs inside the scikit-image package."""
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    return [folder / name for name in SKIMAGE_PHOTOS]


def load_rgb(path: Path) -> NDArray[np.uint8]:
    """Pixels of a photo at full size: (H, W, 3) uint8 RGB, orientation applied."""
    with Image.open(path) as file:
        return np.asarray(ImageOps.exif_transpose(file).convert("RGB"))


def split_photos(photos: Sequence[Photo], *, seed: int, gallery: int, queries: int, outsiders: int) -> Split:
    """Gallery, query sources and outsiders, drawn by a seed.

    Query sources and outsiders have a short side of at least `QUERY_SHORT_SIDE`. Where there are fewer
    photos than asked for, the outsiders are at most a quarter of the suitable ones.

    Raises:
        ValueError: fewer than eight photos are large enough.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(photos))
    suitable = [int(i) for i in order if photos[i].short_side >= QUERY_SHORT_SIDE]
    if len(suitable) < 8:
        raise ValueError(
            f"{len(suitable)} photos with a short side of {QUERY_SHORT_SIDE} px; at least 8 are needed"
        )
    outsiders = min(outsiders, len(suitable) // 4)
    strangers, asked = suitable[:outsiders], suitable[outsiders : outsiders + queries]
    chosen = {*strangers, *asked}
    others = [int(i) for i in order if int(i) not in chosen]
    half = np.arange(len(asked) + len(strangers)) % 2 == 0
    return Split(
        gallery=np.array(asked + others[: max(0, gallery - len(asked))], np.int64),
        queries=np.array(asked, np.int64),
        outsiders=np.array(strangers, np.int64),
        is_half_a=half,
    )


def related_pairs(photos: Sequence[Photo]) -> NDArray[np.bool_]:
    """Which photos truly show the same thing: same label, or near-duplicates.

    Labels are compared in lower case and without a final "_easy" (Caltech-101's `Faces_easy` are crops of
    its `Faces`). Near-duplicates and bursts: see `DUPLICATE_CORRELATION`.

    Returns:
        (N, N), symmetric, true on the diagonal.
    """
    labels = np.array([photo.label.lower().removesuffix("_easy") for photo in photos])
    same = (labels[:, None] == labels[None, :]) & (labels[:, None] != "")
    found: NDArray[np.bool_] = same | near_duplicates(photos)
    return found


def near_duplicates(photos: Sequence[Photo]) -> NDArray[np.bool_]:
    """Which photos are nearly the same picture; see `DUPLICATE_CORRELATION`.

    Returns:
        (N, N), symmetric, true on the diagonal.
    """
    with ThreadPoolExecutor() as pool:
        thumbnails = np.stack(list(pool.map(_thumbnail, photos)))
    upright = _normalized(thumbnails)
    same = np.eye(len(photos), dtype=bool)
    for flipped in (thumbnails, thumbnails[:, :, ::-1]):
        for turns in range(4):
            same |= upright @ _normalized(np.rot90(flipped, turns, axes=(1, 2))).T >= DUPLICATE_CORRELATION
    found: NDArray[np.bool_] = same | same.T
    return found


def _manifest_rows(folder: Path) -> list[tuple[Path, str]]:
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        with manifest.open(encoding="utf-8", newline="") as file:
            return [(folder / row["path"], row.get("label") or "") for row in csv.DictReader(file)]
    return [(path, "") for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES]


def _described(row: tuple[Path, str]) -> Photo | None:
    """A photo of a file, or None where Pillow cannot read its header."""
    path, label = row
    try:
        key = hashlib.sha256(path.read_bytes()).hexdigest()
        with Image.open(path) as file:
            width, height = file.size
            if file.getexif().get(0x0112, 1) >= 5:
                width, height = height, width
    except OSError:
        return None
    return Photo(path, key, label, width, height)


def _thumbnail(photo: Photo) -> NDArray[np.float32]:
    with Image.open(photo.path) as file:
        file.draft("RGB", (64, 64))
        small = ImageOps.exif_transpose(file).convert("RGB").resize((32, 32), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def _normalized(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    flat = thumbnails.reshape(len(thumbnails), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    unit: NDArray[np.float32] = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return unit
