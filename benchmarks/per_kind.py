"""The same extractors as an ingest of every kind, each fed by a full Pillow decode of its own.

That is what services of one kind each do, as the original's are: every service gets the file, decodes all of
it, and reduces it as it needs. Nothing is stored or indexed here, which is in this way's favor.
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from report import cores

Extractors = Mapping[str, Any]
"""By kind."""


def every_extractor() -> Extractors:
    """Those of all kinds that are switched on by default."""
    from ambience import making
    from ambience.settings import Settings

    return making.make_extractors(Settings())


def pillow_picture(data: bytes) -> Any:
    """A file decoded by Pillow at full size, as extractors take it."""
    from ambience.datatypes import Picture

    with Image.open(io.BytesIO(data)) as file:
        rgb = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    return Picture(rgb, rgb.shape[1], rgb.shape[0], "jpeg")


def extract_apart(extractors: Extractors, path: Path) -> None:
    """Features of every kind of a file, which each kind reads and decodes for itself."""
    for extractor in extractors.values():
        extractor.extract([pillow_picture(path.read_bytes())])


def apart_seconds(extractors: Extractors, paths: Sequence[Path]) -> float:
    """Seconds for files on as many threads as cores, after one that is not counted."""
    extract_apart(extractors, paths[0])
    with ThreadPoolExecutor(cores()) as pool:
        start = time.perf_counter()
        list(pool.map(lambda path: extract_apart(extractors, path), paths))
        return time.perf_counter() - start


def apart_profile(extractors: Extractors, paths: Sequence[Path]) -> dict[str, float]:
    """Milliseconds of processor time that a picture costs, one thread.

    Returns:
        "decode": one full decode; every kind: what it makes of all pixels; "whole": one decode a kind and all
        of these.
    """
    data = [path.read_bytes() for path in paths]
    spent: dict[str, float] = {}

    def timed(stage: str, work: Callable[[Any], Any], inputs: Sequence[Any]) -> list[Any]:
        work(inputs[0])
        start = time.process_time()
        found = [work(each) for each in inputs]
        spent[stage] = (time.process_time() - start) / len(inputs) * 1e3
        return found

    timed("decode", pillow_picture, data)
    for kind, extractor in extractors.items():
        pictures = [pillow_picture(each) for each in data]  # anew: nothing is remembered of another kind's
        timed(kind, lambda picture, made=extractor: made.extract([picture]), pictures)
    return {**spent, "whole": sum(spent.values()) + (len(extractors) - 1) * spent["decode"]}
