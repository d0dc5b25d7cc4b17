"""JPEG files of camera sizes, cut from real photographs: what the rate of adding pictures is measured on.

Each file is a distinct crop of a photograph, sometimes mirrored, brought to the size wanted. Where a set
names a range of bytes, the JPEG quality is the one that lands in it. The same sources
and library versions give the same files; they are kept in the cache folder.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from photos import load_rgb
from report import cache_folder, cores, versions
from transforms import jpeg_bytes

RgbImage = NDArray[np.uint8]

CROP_LEAST = 0.6
"""Smallest share of each side of the largest 4:3 crop of a photograph that a crop keeps."""


@dataclass(frozen=True)
class FileSet:
    """Files of one size.

    Attributes:
        name: in the figures.
        width: pixels.
        height: pixels.
        quality: of the JPEG, where no range of bytes is asked for.
        bytes_range: smallest and largest file; None leaves it to the quality.
    """

    name: str
    width: int
    height: int
    quality: int = 85
    bytes_range: tuple[int, int] | None = None


SETS = (
    FileSet("12mp", 4000, 3000, bytes_range=(1_500_000, 2_000_000)),
    FileSet("2mp", 1600, 1200),
    FileSet("03mp", 640, 480),
    FileSet("12mp_4mb", 4000, 3000, bytes_range=(3_700_000, 4_300_000)),
)


def camera_files(wanted: FileSet, sources: Sequence[Path], count: int) -> list[Path]:
    """The first `count` files of a set, made where they are not there yet.

    Args:
        wanted: size and bytes.
        sources: files of color photographs, used in turn.
        count: of files.

    Returns:
        Paths of distinct JPEG files.
    """
    digests = [hashlib.sha256(source.read_bytes()).hexdigest() for source in sources]
    code = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    stamp = json.dumps(
        [astuple(wanted), digests, code, versions(("numpy", "pillow", "opencv-python-headless"))]
    )
    folder = cache_folder("camera-files") / f"{wanted.name}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number:05}.jpg" for number in range(count)]
    missing = [number for number, path in enumerate(paths) if not path.is_file()]
    if missing:
        pixels = [load_rgb(source) for source in sources]
        with ThreadPoolExecutor(cores()) as pool:
            list(
                pool.map(
                    lambda number: _write(paths[number], pixels[number % len(pixels)], wanted, number),
                    missing,
                )
            )
    return paths


def distinct_crop(image: RgbImage, wanted: FileSet, number: int) -> RgbImage:
    """A crop of a photograph at the size of a set, drawn by its number."""
    rng = np.random.default_rng([number, wanted.width, wanted.height])
    height, width = image.shape[:2]
    aspect = wanted.width / wanted.height
    largest = min(width, height * aspect)
    crop_width = rng.uniform(CROP_LEAST, 1.0) * largest
    crop_height = crop_width / aspect
    left, top = rng.uniform(0, width - crop_width), rng.uniform(0, height - crop_height)
    cut = image[round(top) : round(top + crop_height), round(left) : round(left + crop_width)]
    shrinks = cut.shape[1] >= wanted.width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    brought: RgbImage = np.asarray(
        cv2.resize(cut, (wanted.width, wanted.height), interpolation=method), np.uint8
    )
    return np.ascontiguousarray(brought[:, ::-1]) if rng.integers(2) else brought


def _write(path: Path, image: RgbImage, wanted: FileSet, number: int) -> None:
    picture = distinct_crop(image, wanted, number)
    data = jpeg_bytes(picture, wanted.quality)
    if wanted.bytes_range is not None:
        data = _within(picture, wanted.bytes_range)
    beside = path.with_suffix(".part")
    beside.write_bytes(data)
    beside.replace(path)


def _within(picture: RgbImage, bytes_range: tuple[int, int]) -> bytes:
    """The file whose size lies in a range, or the nearest that bisecting the quality (20–100) reaches."""
    least, most, low, high = *bytes_range, 20, 100
    best = b""
    middle = sum(bytes_range) / 2
    while low <= high:
        quality = (low + high) // 2
        data = jpeg_bytes(picture, quality)
        if not best or abs(len(data) - middle) < abs(len(best) - middle):
            best = data
        if least <= len(data) <= most:
            return data
        low, high = (quality + 1, high) if len(data) < least else (low, quality - 1)
    return best
