"""Size, frames, orientation and color profile out of a header, before any pixel is decoded.

JPEG and PNG are the two formats that decode in threads, and most of all pictures: their headers are read
here with a handful of `struct` calls. For the others only what Pillow cannot say beforehand is read here.
Everything here is bounded in time, whatever the bytes.
"""

import struct
from dataclasses import dataclass
from datetime import datetime

from ambience.decode.exif import NO_FACTS, read_exif
from ambience.errors import CorruptImageError, UnsupportedFormatError

MAX_SEGMENTS = 20_000
"""Segments of a JPEG or chunks of a PNG that are walked; real files have fewer than a thousand."""

_READABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Baseline, extended and progressive; the last two of them arithmetically coded."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Attributes:
        format: a key of `formats.PILLOW_NAMES`.
        width: in pixels, as stored.
        height: in pixels, as stored.
        frames: of an animation; 1 otherwise.
        orientation: EXIF's 1–8, still to be applied.
        taken_at: EXIF capture time.
        profile: ICC profile, or b"".
        is_plain: whether the quick decoder of the format can take it.
        cost: pixels that decoding goes through; more than width × height where a JPEG has many scans.
    """

    format: str
    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    taken_at: datetime | None = None
    profile: bytes = b""
    is_plain: bool = False
    cost: int = 0


def jpeg_header(data: bytes, *, name: str) -> Header:
    """Header of a JPEG.

    Args:
        data: of the file.
        name: of the file, for messages.

    Returns:
        `is_plain` where it is 8-bit Huffman-coded grey, YCbCr or RGB.

    Raises:
        CorruptImageError: no frame header before the first scan.
        UnsupportedFormatError: 12-bit or lossless, which no decoder here reads.

    Source: ITU-T T.81, Annex B.
    """
    frame: tuple[int, int, int, int, int] | None = None
    facts, profile = NO_FACTS, []
    position = 2
    for _ in range(MAX_SEGMENTS):
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            break
        marker, length = data[position + 1], (data[position + 2] << 8) + data[position + 3]
        if marker == 0xFF:
            position += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            position += 2
            continue
        if marker in (0xDA, 0xD9):
            break
        body = position + 4
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if body + 6 <= len(data):
                frame = (marker, *struct.unpack_from(">BHHB", data, body))
        elif marker == 0xE1 and data[body : body + 6] == b"Exif\0\0" and facts is NO_FACTS:
            facts = read_exif(data[body : position + 2 + length])
        elif marker == 0xE2 and data[body : body + 12] == b"ICC_PROFILE\0":
            profile.append(data[body + 12 : position + 2 + length])
        position += 2 + length
    if frame is None:
        raise CorruptImageError(f"{name}: a JPEG without a picture in it; the file is truncated or damaged")
    marker, precision, height, width, components = frame
    if precision != 8 or marker not in _READABLE_FRAMES:
        kind = f"{precision}-bit JPEG of the process SOF{marker - 0xC0}"
        raise UnsupportedFormatError(f"{name}: a {kind}; 8-bit baseline and progressive ones are read")
    # A progressive picture may have any number of scans, each of which goes through all its pixels.
    scans = data.count(b"\xff\xda") if marker == 0xC2 else 1
    return Header(
        format="jpeg",
        width=width,
        height=height,
        orientation=facts.orientation,
        taken_at=facts.taken_at,
        profile=_joined(profile),
        is_plain=components in (1, 3) and marker in (0xC0, 0xC1, 0xC2),
        cost=width * height * max(1, scans // 16),
    )


def _joined(chunks: list[bytes]) -> bytes:
    """An ICC profile from its numbered chunks; b"" where one is missing."""
    ordered = sorted(chunk for chunk in chunks if len(chunk) > 2)
    if [chunk[0] for chunk in ordered] != list(range(1, len(ordered) + 1)):
        return b""
    return b"".join(chunk[2:] for chunk in ordered)


def png_header(data: bytes, *, name: str) -> Header:
    """Header of a PNG; orientation and profile are left to Pillow, which meets them on its way.

    Args:
        data: of the file.
        name: of the file, for messages.

    Returns:
        `is_plain` where no channel has more than 8 bits and it is no animation (Pillow warns about broken
        ones through `warnings`, which cannot be silenced in one thread alone).

    Raises:
        CorruptImageError: the first chunk is not a whole IHDR.

    Source: PNG (Third Edition), W3C 2025, §11.
    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise CorruptImageError(f"{name}: a PNG without a header; the file is truncated or damaged")
    width, height, depth = struct.unpack_from(">IIB", data, 16)
    frames, is_animated, position = 1, False, 33
    for _ in range(MAX_SEGMENTS):
        kind = data[position + 4 : position + 8]
        if kind == b"acTL" and position + 12 <= len(data):
            is_animated = True
            (frames,) = struct.unpack_from(">I", data, position + 8)
            break
        if len(kind) < 4 or kind == b"IDAT":
            break
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    is_plain = depth <= 8 and not is_animated
    return Header("png", width, height, frames=max(1, frames), is_plain=is_plain, cost=width * height)


def gif_frames(data: bytes, *, at_most: int) -> int:
    """Frames of a GIF, counted from its block structure without decoding.

    Args:
        data: of the file.
        at_most: where counting may stop.

    Returns:
        1 … at_most + 1.

    Source: GIF89a specification, 1990.
    """
    if len(data) < 13:
        return 1
    position = 13 + _color_table(data[10])
    frames = 0
    while position < len(data) and frames <= at_most:
        if data[position] == 0x21:
            position = _after_sub_blocks(data, position + 2)
        elif data[position] == 0x2C and position + 9 < len(data):
            frames += 1
            position = _after_sub_blocks(data, position + 11 + _color_table(data[position + 9]))
        else:
            break
    return max(1, frames)


def _color_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while position < len(data) and data[position]:
        position += 1 + data[position]
    return position + 1


def tiff_pages(data: bytes, *, at_most: int) -> int:
    """Pages of a TIFF, counted along the chain of directories.

    Args:
        data: of the file.
        at_most: where counting may stop (a chain may run in a circle).

    Returns:
        1 … at_most + 1.

    Source: TIFF 6.0, Adobe 1992, §2; BigTIFF.
    """
    order = "<" if data[:2] == b"II" else ">"
    is_big = data[2:4] in (b"+\0", b"\0+")
    offset_code, count_code, entry = ("Q", "Q", 20) if is_big else ("I", "H", 12)
    pages = 0
    try:
        (offset,) = struct.unpack_from(order + offset_code, data, 8 if is_big else 4)
        while offset and pages <= at_most:
            (count,) = struct.unpack_from(order + count_code, data, offset)
            pages += 1
            next_at = offset + struct.calcsize(count_code) + count * entry
            (offset,) = struct.unpack_from(order + offset_code, data, next_at)
    except (struct.error, OverflowError):
        pass  # a broken chain ends here; whether the first page is whole is for the decoder to say
    return max(1, pages)


_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def jxl_size(data: bytes) -> tuple[int, int]:
    """Width and height of a JPEG XL, which its Pillow plug-in only knows once everything is decoded.

    Args:
        data: of the file, a bare codestream or a container.

    Returns:
        As stored; (0, 0) where the header is missing.

    Source: ISO/IEC 18181-1:2024, D.2 (SizeHeader); 18181-2 (boxes).
    """
    stream = data if data[:2] == b"\xff\x0a" else _jxl_codestream(data)
    bits = int.from_bytes(stream[2:14].ljust(12, b"\0"), "little")
    if stream[:2] != b"\xff\x0a":
        return 0, 0

    def take(count: int) -> int:
        nonlocal bits
        value = bits & (1 << count) - 1
        bits >>= count
        return value

    is_small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if is_small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    ratio = take(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        return height * numerator // denominator, height
    return side(), height


def _jxl_codestream(data: bytes) -> bytes:
    """First bytes of the codestream within a container."""
    position = 0
    for _ in range(MAX_SEGMENTS):
        kind, length, skip = (
            data[position + 4 : position + 8],
            int.from_bytes(data[position : position + 4], "big"),
            8,
        )
        if length == 1:
            length, skip = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if kind == b"jxlc":
            return data[position + skip : position + skip + 16]
        if kind == b"jxlp":
            return data[position + skip + 4 : position + skip + 20]
        if len(kind) < 4 or length < 8:
            break
        position += length
    return b""
