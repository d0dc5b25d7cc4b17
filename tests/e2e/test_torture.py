"""Every file of a collection of hostile and odd pictures is a picture or a clear error."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil
import pytest

from ambience.datatypes import PixelNeed
from ambience.decode.image import Decoder
from ambience.errors import ImageError
from ambience.settings import DecodeSettings

DATA = Path(os.environ.get("TEST_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
TORTURE = DATA / "torture"

pytestmark = pytest.mark.skipif(not TORTURE.is_dir(), reason="needs TEST_DATA with its folder torture/")

MUST_DECODE = (
    "drew_avif/Issue_649.avif",
    "drew_heic/cheers_1440x960.heic",
    "pillow_heif/heif__RGBA_12__128x128.heif",
    "jxl/features__distance_2_0.jxl",
    "jxl/conformance__cmyk_layers.jxl",
    "jxl/conformance__grayscale_jpeg.jxl",
    "pillow/16bit.deflate.tif",
    "pillow_heif/non_heif__RGBA_16__128x128.png",
    "drew_webp/Animation_Lossy.webp",
    "image_rs/test-images__gif__anim__large-gif-anim-combine.gif",
    "pillow/lab-red.tif",
    "mozjpeg/monkey16.ppm",
    "pillow/jpeg_ff00_header.jpg",
)


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    decoder = Decoder(DecodeSettings(workers=1), [PixelNeed(1500)])
    yield decoder
    decoder.close()


class PeakMemory:
    """Greatest resident memory of the children that are started meanwhile: those that decode.

    What earlier tests left running in this process and beside it grows for reasons of its own.
    """

    def __enter__(self) -> "PeakMemory":
        self._others = set(psutil.Process().children(recursive=True))
        self.bytes, self._end = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.02):
            self.bytes = max(self.bytes, self._now())

    def _now(self) -> int:
        total = 0
        for process in set(psutil.Process().children(recursive=True)) - self._others:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total


def test_every_file_is_a_picture_or_a_clear_error() -> None:
    pictures = errors = 0
    with PeakMemory() as peak, closing(Decoder(DecodeSettings(workers=1), [PixelNeed(1500)])) as decoder:
        for file in sorted(path for path in TORTURE.rglob("*") if path.is_file()):
            started = time.monotonic()
            try:
                picture = decoder.decode(decoder.read(file), name=file.name)
            except ImageError as exc:
                assert str(exc).startswith(f"{file.name}: ") and len(str(exc)) > len(file.name) + 10
                errors += 1
            else:
                assert picture.rgb.ndim == 3 and picture.rgb.shape[2] == 3 and picture.rgb.size
                pictures += 1
            assert time.monotonic() - started < 15, file
    assert pictures > 180 and errors > 60
    assert 0 < peak.bytes < 1.5e9


@pytest.mark.parametrize("name", MUST_DECODE)
def test_samples_of_every_sort_decode(decoder: Decoder, name: str) -> None:
    picture = decoder.decode((TORTURE / name).read_bytes(), name=name)
    assert max(picture.rgb.shape[:2]) <= max(picture.width, picture.height)
    assert picture.rgb.min() < picture.rgb.max() or name.endswith("lab-red.tif")


@pytest.mark.parametrize("shape", ["Landscape", "Portrait"])
def test_eight_orientations_come_out_the_same_way_up(decoder: Decoder, shape: str) -> None:
    files = sorted((TORTURE / "exif_orientation").glob(f"{shape}_*.jpg"))
    assert len(files) >= 8
    pictures = [decoder.decode(file.read_bytes(), name=file.name).rgb for file in files]
    first = pictures[0][::8, ::8].astype(np.int16)
    for picture, file in zip(pictures[1:], files[1:], strict=True):
        assert picture.shape == pictures[0].shape
        # They were encoded one by one, and each has its number written into the middle.
        assert np.median(np.abs(picture[::8, ::8] - first)) <= 4, file
    upside_down = np.abs(pictures[1][::-1, ::-1][::8, ::8] - first)
    assert np.median(upside_down) > 20
