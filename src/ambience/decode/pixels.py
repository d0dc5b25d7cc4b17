"""Bytes to pixels in this process: what threads do for plain JPEG and PNG, and workers for all else.

Nothing here guards against hangs, crashes or memory: that is what workers are for.
"""

import io
import re
import struct
import warnings
import zlib
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin, UnidentifiedImageError

from ambience.datatypes import Picture, RgbImage
from ambience.decode import headers, limits
from ambience.decode.exif import ExifFacts, read_exif
from ambience.decode.formats import PILLOW_NAMES, RAW, sniff
from ambience.decode.headers import Header
from ambience.decode.transforms import (
    oriented,
    oriented_size,
    power_of_two_factor,
    rgb_from_pillow,
    to_srgb,
)
from ambience.errors import CorruptImageError, ImageLimitError
from ambience.settings import DecodeSettings

PLUGIN_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    EOFError,
    SyntaxError,
    RuntimeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    BufferError,
    struct.error,
    zlib.error,
)
"""What Pillow and its plug-ins raise on broken files, as found by feeding them such files."""

_HARMLESS = re.compile(
    r"extraneous bytes before marker 0x(c[0-9a-f]|d[9-f]|e[0-9a-f]|fe)"
    r"|unknown JFIF revision|Unknown Adobe color transform|Invalid SOS parameters"
)
"""Complaints of libjpeg about what stands between the pixels' data, which leave the pixels whole."""


def read_header(data: bytes, settings: DecodeSettings, *, name: str) -> Header | None:
    """Checked header of the two formats that may decode in threads.

    Args:
        data: of the file.
        settings: limits.
        name: of the file, for messages.

    Returns:
        None for every other format: a worker reads those.

    Raises:
        UnsupportedFormatError: no picture format that is read.
        ImageLimitError: over a limit.
        CorruptImageError: the header is damaged.
    """
    limits.check_bytes(len(data), settings, name=name)
    form = sniff(data, name=name)
    if form == "jpeg":
        header = headers.jpeg_header(data, name=name)
    elif form == "png":
        header = headers.png_header(data, name=name)
    else:
        return None
    limits.check_size(header.width, header.height, settings, name=name)
    limits.check_frames(header.frames, settings, name=name)
    return header


def decode_jpeg(data: bytes, header: Header, *, need: int | None, name: str) -> Picture:
    """Pixels of a plain JPEG, scaled down by libjpeg as far as the need allows.

    Args:
        data: of the file.
        header: of `data`, with `is_plain`.
        need: smallest longest side that will do; None for full size, bit-identical to Pillow's.
        name: of the file, for messages.

    Returns:
        A picture.

    Raises:
        CorruptImageError: truncated or damaged.
    """
    factor = power_of_two_factor(max(header.width, header.height), need)
    rgb = _libjpeg(data, header, factor, name)
    if header.profile:
        planes = rgb if header.profile[16:20] != b"GRAY" else rgb[:, :, 0]
        image = Image.fromarray(planes)
        converted = to_srgb(image, header.profile)
        rgb = rgb if converted is image else np.asarray(converted)
    return _picture(rgb, header.width, header.height, "jpeg", header, need=need)


def _libjpeg(data: bytes, header: Header, factor: int, name: str) -> RgbImage:
    import simplejpeg

    try:
        rgb: RgbImage = simplejpeg.decode_jpeg(
            data,
            min_width=-(-header.width // factor),
            min_height=-(-header.height // factor),
            min_factor=factor,
        )
    except ValueError as exc:
        if not _HARMLESS.search(str(exc)):
            raise CorruptImageError(f"{name}: a damaged JPEG: {exc}") from exc
        return _tolerant_jpeg(data, header, factor, name)
    return rgb


def _tolerant_jpeg(data: bytes, header: Header, factor: int, name: str) -> RgbImage:
    """The same pixels by Pillow, which passes over complaints but still notices a file that ends early."""
    try:
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
        image.draft("RGB", (header.width // factor, header.height // factor))
        image.load()
        return np.asarray(image.convert("RGB"))
    except PLUGIN_ERRORS as exc:
        raise CorruptImageError(f"{name}: a damaged JPEG: {_reason(exc)}") from exc


def decode_png(data: bytes, settings: DecodeSettings, *, need: int | None, name: str) -> Picture:
    """Pixels of a PNG through Pillow, without touching Pillow's process-wide limits.

    Args:
        data: of the file, whose header was checked.
        settings: limits.
        need: smallest longest side that will do; None for full size.
        name: of the file, for messages.

    Returns:
        A picture.

    Raises:
        CorruptImageError: truncated or damaged.
    """
    try:
        # The class itself rather than `Image.open`, which compares with a global limit and warns.
        image = PngImagePlugin.PngImageFile(io.BytesIO(data))
        return _from_pillow(image, "png", settings, need=need, name=name, data=data)
    except PLUGIN_ERRORS as exc:
        raise CorruptImageError(f"{name}: a damaged PNG: {_reason(exc)}") from exc


def decode_any(data: bytes, settings: DecodeSettings, *, need: int | None, name: str) -> Picture:
    """Pixels of any format; to be called in a worker process, whose Pillow it configures.

    Args:
        data: of the file.
        settings: limits.
        need: smallest longest side that will do; None for full size.
        name: of the file, for messages.

    Returns:
        A picture.

    Raises:
        CorruptImageError: truncated or damaged, or a camera RAW file without a readable preview.
        ImageError: unsupported, or over a limit.
    """
    header = read_header(data, settings, name=name)
    if header is not None and header.format == "jpeg" and header.is_plain:
        return decode_jpeg(data, header, need=need, name=name)
    form = header.format if header is not None else sniff(data, name=name)
    if form == RAW or (form == "tiff" and _is_raw_tiff(data)):
        picture = _decode_raw(data, settings, need=need, name=name)
        if picture is not None:
            return picture
        if form == RAW:
            raise CorruptImageError(f"{name}: a camera RAW file without a readable preview")
    _check_before_opening(form, data, settings, name=name)
    return _decode_with_pillow(form, data, settings, need=need, name=name)


def _check_before_opening(form: str, data: bytes, settings: DecodeSettings, *, name: str) -> None:
    """Limits that Pillow would only know after much work, or never."""
    if form == "jxl":
        width, height = headers.jxl_size(data)
        limits.check_size(width, height, settings, name=name)
    elif form in ("gif", "tiff"):
        count = headers.gif_frames if form == "gif" else headers.tiff_pages
        frames = count(data, at_most=settings.max_frames)
        limits.check_frames(frames, settings, name=name, is_counted_whole=False)


def _decode_with_pillow(
    form: str, data: bytes, settings: DecodeSettings, *, need: int | None, name: str
) -> Picture:
    _load_plugin(form)
    # Pictures within pictures (icons, tiles) are only checked by Pillow itself.
    Image.MAX_IMAGE_PIXELS = settings.max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=PILLOW_NAMES[form])
            return _from_pillow(image, form, settings, need=need, name=name, data=data)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as exc:
        found = re.search(r"\((\d+) pixels\)", str(exc))
        pixels = f"{int(found[1]):,}" if found else "too many"
        raise ImageLimitError(
            f"{name}: {pixels} pixels; at most {settings.max_pixels:,} (decode.max_pixels)"
        ) from exc
    except PLUGIN_ERRORS as exc:
        raise CorruptImageError(f"{name}: a damaged {form.upper()}: {_reason(exc)}") from exc


@cache
def _load_plugin(form: str) -> None:
    if form in ("heic", "avif"):
        import pillow_heif

        pillow_heif.register_heif_opener()
    elif form == "jxl":
        import pillow_jxl  # noqa: F401 – importing registers it


def _from_pillow(
    image: Image.Image, form: str, settings: DecodeSettings, *, need: int | None, name: str, data: bytes
) -> Picture:
    """Pixels of an opened Pillow image, after its size was checked."""
    limits.check_size(*image.size, settings, name=name)
    if form in ("webp", "avif", "heic"):
        limits.check_frames(getattr(image, "n_frames", 1), settings, name=name)
    width, height = image.size
    if form == "jpeg" and need is not None:
        factor = power_of_two_factor(max(image.size), need)
        image.draft(None, (width // factor, height // factor))
    image.load()
    if form == "tiff":  # Pillow turns these itself while it loads
        width, height = image.size
    facts = _pillow_facts(image, form, data)
    return _picture(rgb_from_pillow(image, need=need), width, height, form, facts, need=need)


def _pillow_facts(image: Image.Image, form: str, data: bytes) -> ExifFacts:
    """EXIF of an opened image, with the orientation that is still to be applied."""
    block = data if form == "tiff" else image.info.get("exif", b"")
    facts = read_exif(block if isinstance(block, bytes) else b"")
    # libheif and libjxl turn the pixels by what their own container says, and EXIF's word does not count
    # there, except for a JPEG that JPEG XL keeps whole: that comes out as it was.
    is_turned = form in ("tiff", "heic") or (form == "jxl" and not getattr(image, "jpeg", False))
    is_turned = is_turned or (form == "avif" and image.format == "HEIF")
    return facts._replace(orientation=1) if is_turned else facts


def _is_raw_tiff(data: bytes) -> bool:
    """Whether a TIFF is rather a camera's RAW file (DNG, NEF, ARW, PEF …).

    Those carry the camera's make and either DNG's version or sub-directories for the sensor's data.
    """
    order = "<" if data[:2] == b"II" else ">"
    try:
        (first,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, first)
        tags = {struct.unpack_from(order + "H", data, first + 2 + 12 * i)[0] for i in range(min(count, 500))}
    except struct.error:
        return False
    return 50706 in tags or {271, 330} <= tags


def _decode_raw(data: bytes, settings: DecodeSettings, *, need: int | None, name: str) -> Picture | None:
    """The preview that a camera put into its RAW file; None where LibRaw finds none."""
    import rawpy

    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            sizes = raw.sizes
            limits.check_size(sizes.width, sizes.height, settings, name=name)
            preview = raw.extract_thumb()
    except (rawpy.LibRawError, *PLUGIN_ERRORS):
        return None
    turn = {0: 1, 3: 3, 5: 8, 6: 6}.get(sizes.flip, 1)
    width, height = oriented_size(sizes.width, sizes.height, turn)
    facts = read_exif(data)
    if isinstance(preview.data, bytes):
        header = read_header(preview.data, settings, name=f"{name} (preview)")
        if header is None or not header.is_plain:
            return None
        shown = decode_jpeg(preview.data, header, need=need, name=f"{name} (preview)")
        rgb = shown.rgb if header.orientation != 1 else oriented(shown.rgb, turn)
        return Picture(rgb, width, height, RAW, facts.taken_at or shown.taken_at, is_exact=need is None)
    rgb = oriented(rgb_from_pillow(Image.fromarray(preview.data), need=need), turn)
    return Picture(rgb, width, height, RAW, facts.taken_at, is_exact=need is None)


def _picture(
    rgb: RgbImage, width: int, height: int, form: str, facts: Header | ExifFacts, *, need: int | None
) -> Picture:
    if facts.orientation != 1:
        rgb = oriented(rgb, facts.orientation)
        width, height = oriented_size(width, height, facts.orientation)
    return Picture(rgb, width, height, form, facts.taken_at, is_exact=need is None)


def _reason(exc: BaseException) -> str:
    """First sentence of what a library said."""
    if isinstance(exc, UnidentifiedImageError):
        return "its header cannot be read"
    lines = str(exc).strip().splitlines() or [type(exc).__name__]
    return lines[0].split(". ")[0]


def picture_facts(picture: Picture) -> dict[str, Any]:
    """Everything of a picture but its pixels, as JSON can carry it."""
    return {
        "shape": picture.rgb.shape,
        "width": picture.width,
        "height": picture.height,
        "format": picture.format,
        "taken_at": picture.taken_at.isoformat() if picture.taken_at else None,
        "is_exact": picture.is_exact,
    }
