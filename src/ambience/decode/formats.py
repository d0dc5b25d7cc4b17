"""Which format bytes are in, told from the bytes alone; and what they look like where they are no picture.

Only formats listed here reach a decoder: Pillow knows more, some of which start other programs (EPS),
never end (video) or have no known pictures.
"""

import re

from ambience.errors import UnsupportedFormatError

PILLOW_NAMES = {
    "jpeg": ("JPEG",),
    "png": ("PNG",),
    "gif": ("GIF",),
    "webp": ("WEBP",),
    "bmp": ("BMP", "DIB"),
    "tiff": ("TIFF",),
    "heic": ("HEIF",),
    "avif": ("AVIF", "HEIF"),
    "jxl": ("JXL",),
    "jp2": ("JPEG2000",),
    "ico": ("ICO",),
    "cur": ("CUR",),
    "icns": ("ICNS",),
    "psd": ("PSD",),
    "tga": ("TGA",),
    "pnm": ("PPM",),
    "pcx": ("PCX",),
    "sgi": ("SGI",),
    "sun": ("SUN",),
    "dds": ("DDS",),
    "qoi": ("QOI",),
}
"""Format → the names under which Pillow knows it."""

RAW = "raw"
"""Camera RAW files, of which the embedded preview is read."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "jxl"),
    (b"FUJIFILMCCD-RAW", RAW),
    (b"IIRO", RAW),
    (b"IIRS", RAW),
    (b"MMOR", RAW),
    (b"IIU\0", RAW),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    (b"icns", "icns"),
    (b"8BPS", "psd"),
    (b"\x01\xda", "sgi"),
    (b"\x59\xa6\x6a\x95", "sun"),
    (b"DDS ", "dds"),
    (b"qoif", "qoi"),
)

_OTHER_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"\xc5\xd0\xd3\xc6", "an EPS document"),
    (b"PK\x03\x04", "a ZIP archive (or an office document)"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"RIFF", "a RIFF file (video or sound)"),
    (b"OggS", "an Ogg file"),
    (b"ID3", "an MP3 file"),
    (b"fLaC", "a FLAC file"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (b"SQLite format 3", "an SQLite database"),
)

_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_AVIF_BRANDS = frozenset({b"avif", b"avis"})


def sniff(data: bytes, *, name: str) -> str:
    """The format of bytes.

    Args:
        data: of a file; only the first bytes are looked at.
        name: of the file, for messages.

    Returns:
        A key of `PILLOW_NAMES`, or `RAW`.

    Raises:
        UnsupportedFormatError: not a format that is read; says what the bytes look like.
    """
    for magic, found in _MAGIC:
        if data.startswith(magic):
            return RAW if found == "tiff" and data[8:10] == b"CR" else found
    found = _by_structure(data)
    if found:
        return found
    supported = ", ".join([*sorted(PILLOW_NAMES), "camera RAW"])
    raise UnsupportedFormatError(
        f"{name}: {looks_like(data)}, not a picture that is read; these are: {supported}"
    )


def _by_structure(data: bytes) -> str:
    """Formats that need more than a prefix."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        length = min(int.from_bytes(data[:4], "big"), 256)
        brands = {data[8:12]} | {data[at : at + 4] for at in range(16, length, 4)}
        if data[8:12] == b"crx ":
            return RAW
        if brands & _AVIF_BRANDS:
            return "avif"
        return "heic" if brands & _HEIF_BRANDS else ""
    if re.match(rb"P[1-6]\s", data[:3]):
        return "pnm"
    if (
        data[:1] == b"\x0a"
        and data[1:2] in (b"\0", b"\2", b"\3", b"\4", b"\5")
        and data[2:3] in (b"\0", b"\1")
    ):
        return "pcx"
    if data[:4] in (b"\0\0\1\0", b"\0\0\2\0") and data[4:6].strip(b"\0"):  # without entries it is a TGA
        return "ico" if data[2] == 1 else "cur"
    return "tga" if _is_tga(data) else ""


def _is_tga(data: bytes) -> bool:
    """TGA has no magic: every field of the header must make sense."""
    if len(data) < 18 or data[1] > 1 or data[2] not in (1, 2, 3, 9, 10, 11):
        return False
    if data[1] == 0 and data[2] in (1, 9):
        return False
    width, height = int.from_bytes(data[12:14], "little"), int.from_bytes(data[14:16], "little")
    return bool(width and height) and data[16] in (1, 8, 15, 16, 24, 32) and data[17] < 64


def looks_like(data: bytes) -> str:
    """What bytes that are no picture seem to be, for messages.

    Returns:
        A noun with its article, such as "a PDF document".
    """
    if not data:
        return "an empty file"
    for magic, noun in _OTHER_MAGIC:
        if data.startswith(magic):
            return noun
    if data[4:8] == b"ftyp":
        return "an MP4 or QuickTime video"
    if not data[:4096].strip(b"\0"):
        return "a file of zeros"
    start = data[:4096].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start and start.startswith(b"<"):
        return "an SVG drawing (turn it into a PNG first)"
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start[:1024]:
        return "an HTML page"
    if start.startswith(b"<?xml"):
        return "an XML document"
    return "a text file" if _is_text(data[:4096]) else "data of an unknown format"


def _is_text(start: bytes) -> bool:
    try:
        text = start.decode("utf-8")
    except UnicodeDecodeError as exc:
        if exc.start < len(start) - 3:  # a character cut at the end is no sign of binary data
            return False
        text = start[: exc.start].decode("utf-8")
    return all(letter.isprintable() or letter in "\t\r\n\f" for letter in text)
