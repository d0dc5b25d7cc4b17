"""Real and synthetic pictures as bytes of files."""

import io
import struct
from typing import Any

import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image


def photo(width: int = 640, height: int = 427) -> Image.Image:
    return Image.fromarray(skimage.data.coffee()).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def exif(orientation: int = 1, taken_at: str | None = None) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    if taken_at:
        block.get_ifd(0x8769)[0x9003] = taken_at
    return block


def pixels_of(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def mean_difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(np.int16) - b.astype(np.int16)).mean())


def png_claiming(width: int, height: int) -> bytes:
    """A whole PNG header, checksums and all, in front of next to nothing."""
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    start = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", start)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )
