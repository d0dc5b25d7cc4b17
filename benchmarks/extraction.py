"""Processor time of local features per picture, by step, beside OpenCV's SIFT and the filters alone.

    python benchmarks/extraction.py [--photos DIR] [--quick] [--update-docs] [--json FILE]

One thread, pictures decoded beforehand (all kinds share one decode). Of each picture and step the least of
three runs counts: on a busy machine others' work can only add.
"""

import argparse
import hashlib
import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import skimage

from ambience.datatypes import Picture, PixelNeed
from ambience.decode.image import Decoder
from ambience.extract import _sift
from ambience.extract._selection import spread_over_bands
from ambience.extract.local_features import LocalFeatures, LocalFeaturesOptions
from ambience.keypoints import pack
from ambience.settings import DecodeSettings
from photos import SKIMAGE_PHOTOS, SUFFIXES
from report import Report, Table, command_of, finish

PICTURES, QUICK_PICTURES = 100, 24
REPEATS = 3
NEED = 800
"""Longest side that the default kinds make the decoder reach: that of the color histogram."""


def pictures(folder: Path | None, count: int) -> list[Picture]:
    """Decoded photographs, picked by a hash of their names."""
    if folder is None:
        paths = [Path(skimage.data_dir) / name for name in SKIMAGE_PHOTOS]
    else:
        paths = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    paths.sort(key=lambda path: hashlib.sha256(path.name.encode()).digest())
    decoder = Decoder(DecodeSettings(), [PixelNeed(NEED)])
    return [decoder.decode(path.read_bytes(), name=path.name) for path in paths[:count]]


def cpu_ms(call: Callable[[], Any]) -> float:
    """Least processor time of some runs."""
    least = math.inf
    for _ in range(REPEATS):
        start = time.process_time()
        call()
        least = min(least, time.process_time() - start)
    return least * 1000


def working_grey(picture: Picture) -> np.ndarray:
    """What the extractor reduces a picture to, nearly: longest side 512, area filter."""
    grey = cv2.cvtColor(picture.rgb, cv2.COLOR_RGB2GRAY)
    factor = min(1.0, 512 / max(grey.shape))
    size = (round(grey.shape[1] * factor), round(grey.shape[0] * factor))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))


def filters_alone(grey: np.ndarray) -> None:
    """Doubling the picture and blurring every level: what no scale space of this form can do without."""
    level = cv2.resize(grey.astype(np.float32), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    while min(level.shape) > 10:
        following = level
        for number in range(_sift.LEVELS - 1):
            sigma = _sift.SIGMA * 2 ** (number / _sift.LAYERS) * math.sqrt(2 ** (2 / _sift.LAYERS) - 1)
            level = cv2.GaussianBlur(level, (0, 0), sigma)
            following = level if number == _sift.LAYERS - 1 else following
        level = np.ascontiguousarray(following[::2, ::2])


def steps(extractor: LocalFeatures, picture: Picture) -> dict[str, float]:
    """Milliseconds of each step of one picture."""
    grey = working_grey(picture)
    space = _sift.ScaleSpace(grey)
    chosen = spread_over_bands(space.places, space.sizes, space.responses, 250)
    points, angles = space.directed(chosen, 1)
    found = extractor.keypoints(picture, 512, 250)
    sift = cv2.SIFT.create(contrastThreshold=-1)
    objects = sift.detect(grey, None)[:: max(1, len(space.sizes) // 250)]
    return {
        "grey and working size": cpu_ms(partial(working_grey, picture)),
        "scale space and extrema": cpu_ms(partial(_sift.ScaleSpace, grey)),
        "of these: filters": cpu_ms(partial(filters_alone, grey)),
        "choice of 250": cpu_ms(partial(spread_over_bands, space.places, space.sizes, space.responses, 250)),
        "directions": cpu_ms(partial(space.directed, chosen, 1)),
        "descriptors": cpu_ms(partial(space.described, points, angles)),
        "blob": cpu_ms(partial(pack, found)),
        "all": cpu_ms(partial(extractor.extract, [picture])),
        "OpenCV, all described": cpu_ms(partial(sift.detectAndCompute, grey, None)),
        "OpenCV, detect, then describe 250": cpu_ms(partial(sift.detect, grey, None))
        + cpu_ms(partial(sift.compute, grey, objects)),
    }


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=Path, help="folder of photographs; default: those of scikit-image")
    parser.add_argument("--quick", action="store_true", help="fewer pictures")
    parser.add_argument("--update-docs", action="store_true", help="write results/ and docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="write the whole report to this file")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    extractor = LocalFeatures(LocalFeaturesOptions())
    taken = pictures(asked.photos, QUICK_PICTURES if asked.quick else PICTURES)
    extractor.extract(taken[:1])  # compiles
    measured = [steps(extractor, picture) for picture in taken]
    spread = {
        name: np.percentile([each[name] for each in measured], (50, 90)).round(1).tolist()
        for name in measured[0]
    }
    report = Report("extraction", command_of("extraction", asked.photos, is_quick=asked.quick))
    report.parameters = {"pictures": len(taken), "points": 250, "longest_side": 512, "repeats": REPEATS}
    report.packages = ("ambience", "numpy", "numba", "opencv-python-headless")
    report.figures = {"local_extract_cpu_ms": spread["all"][0], "local_extract_cpu_ms_p90": spread["all"][1]}
    report.tables = [
        Table(
            f"Milliseconds of processor time per picture, one thread, {len(taken)} photographs",
            ("step", "median", "90th percentile"),
            [(name, *values) for name, values in spread.items()],
        )
    ]
    finish(report, update_docs=asked.update_docs, json_file=asked.json)


if __name__ == "__main__":
    main()
