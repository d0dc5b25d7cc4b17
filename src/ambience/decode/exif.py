"""The two facts that are wanted of EXIF: which way up, and when taken.

A parser of our own, because it must be quick (it runs for every JPEG), bounded and silent: Pillow's warns
through `warnings` about the broken blocks that many cameras and editors write.
"""

import struct
from datetime import datetime
from typing import NamedTuple

ORIENTATION, EXIF_IFD, DATE_TIME_ORIGINAL = 0x0112, 0x8769, 0x9003
MAX_ENTRIES = 1000


class ExifFacts(NamedTuple):
    """What was found.

    Attributes:
        orientation: 1–8 as in the EXIF standard; 1 where none, or a meaningless one, is given.
        taken_at: DateTimeOriginal, or None.
    """

    orientation: int = 1
    taken_at: datetime | None = None


NO_FACTS = ExifFacts()


def read_exif(block: bytes) -> ExifFacts:
    """Orientation and capture time of a TIFF-structured block; whatever is broken in it counts as absent.

    Args:
        block: an EXIF block, with or without the leading "Exif" and two zeros, or a whole TIFF file.

    Returns:
        What could be read.

    Source: CIPA DC-008 (EXIF 2.32), §4.5–4.6.
    """
    start = 6 if block[:6] == b"Exif\0\0" else 0
    order = {b"II": "<", b"MM": ">"}.get(block[start : start + 2])
    if order is None:
        return NO_FACTS
    try:
        (first,) = struct.unpack_from(order + "I", block, start + 4)
        main = _entries(block, start, start + first, order)
        details = _entries(block, start, start + main[EXIF_IFD], order) if EXIF_IFD in main else {}
    except struct.error:
        return NO_FACTS
    orientation = main.get(ORIENTATION, 1)
    if order == ">":  # a SHORT stands in the upper half of the value field
        orientation >>= 16
    orientation &= 0xFFFF
    taken_at = _date(block, start + details.get(DATE_TIME_ORIGINAL, len(block)))
    return ExifFacts(orientation if 1 <= orientation <= 8 else 1, taken_at)


def _entries(block: bytes, start: int, offset: int, order: str) -> dict[int, int]:
    """Tag → value field of the tags that matter, of one directory."""
    (count,) = struct.unpack_from(order + "H", block, offset)
    wanted = (ORIENTATION, EXIF_IFD, DATE_TIME_ORIGINAL)
    found: dict[int, int] = {}
    end = min(offset + 2 + 12 * min(count, MAX_ENTRIES), len(block) - (len(block) - offset - 2) % 12)
    for tag, _type, _count, value in struct.iter_unpack(order + "HHII", block[offset + 2 : end]):
        if tag in wanted:
            # An orientation written as LONG keeps its value in the low half of a big-endian field.
            is_long = tag == ORIENTATION and _type == 4 and order == ">"
            found[tag] = value << 16 & 0xFFFFFFFF if is_long else value
    return found


def _date(block: bytes, offset: int) -> datetime | None:
    text = block[offset : offset + 19]
    try:
        return datetime.strptime(text.decode("ascii"), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
