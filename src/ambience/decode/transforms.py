"""Any pixels become 8-bit sRGB, right way up: pure functions on arrays and Pillow images.

The order is: 8 bits a channel, alpha onto white, reduction, ICC profile to sRGB, orientation. Reduction
comes before color because color conversion costs more per pixel than decoding does.
"""

import io
import math
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from ambience.answers import Region
from ambience.datatypes import Picture, RgbImage

MAX_PROFILE_BYTES = 4 * 2**20
"""Larger ICC profiles are passed over; those of printing presses have 0.5–3 MB."""

SRGB_TOLERANCE = 2
"""A profile that moves no color by more than this many levels of 255 is sRGB under another name."""

_SHARE_OF_A_PIXEL = 1e-3
"""A region that reaches into a pixel by less than this does not hold it: its shares were rounded."""

_WITH_ALPHA = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})


def oriented(rgb: RgbImage, orientation: int) -> RgbImage:
    """A picture turned upright.

    Args:
        rgb: (H, W, 3) uint8.
        orientation: EXIF's 1–8.

    Returns:
        (H, W, 3), or (W, H, 3) for 5–8; C-contiguous.

    Source: CIPA DC-008 (EXIF 2.32), tag 0x0112.
    """
    if orientation in (5, 6, 7, 8):
        rgb = rgb.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return np.ascontiguousarray(rgb)


def oriented_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height after `oriented`."""
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def cropped(picture: Picture, region: Region) -> Picture:
    """A region of a picture, as a picture of its own.

    Args:
        picture: decoded, upright.
        region: left, top, width and height as shares of the picture's sides; within it.

    Returns:
        Whole pixels, one at least each way, that hold the region; its width and height are those that it has
        in the file.
    """
    rows, columns = picture.rgb.shape[:2]
    left, top, width, height = region
    x, y = min(int(left * columns), columns - 1), min(int(top * rows), rows - 1)
    right = max(x + 1, min(columns, math.ceil((left + width) * columns - _SHARE_OF_A_PIXEL)))
    bottom = max(y + 1, min(rows, math.ceil((top + height) * rows - _SHARE_OF_A_PIXEL)))
    return replace(
        picture,
        rgb=np.ascontiguousarray(picture.rgb[y:bottom, x:right]),
        width=max(1, round(width * picture.width)),
        height=max(1, round(height * picture.height)),
    )


def power_of_two_factor(longest: int, need: int | None) -> int:
    """How far libjpeg may scale a JPEG down while it decodes.

    Factors between the powers of two are left out: their transforms have no SIMD code in libjpeg-turbo
    (3/8 takes longer than 1/2).

    Args:
        longest: of the stored sides, in pixels.
        need: smallest longest side that will do; None for full size.

    Returns:
        1, 2, 4 or 8.
    """
    return next((factor for factor in (8, 4, 2) if need and longest >= factor * need), 1)


def reduction_factor(longest: int, need: int | None) -> int:
    """By which whole number the sides of a decoded picture may be divided; 1 for full size."""
    return max(1, longest // need) if need else 1


def rgb_from_pillow(image: Image.Image, *, need: int | None) -> RgbImage:
    """Pixels of a loaded Pillow image of any mode.

    Args:
        image: loaded; its "icc_profile" is honored.
        need: smallest longest side that will do; None for full size.

    Returns:
        (H, W, 3) uint8 sRGB, alpha composited on white, not yet oriented.
    """
    profile = image.info.get("icc_profile", b"")
    image = _flattened(_eight_bits(image))
    factor = reduction_factor(max(image.size), need)
    if factor > 1:
        image = image.convert("L").reduce(factor) if image.mode == "1" else image.reduce(factor)
    image = to_srgb(image, profile if isinstance(profile, bytes) else b"")
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Colors of a profile as sRGB.

    Args:
        image: RGB, CMYK, L or LAB.
        profile: ICC profile, or b""; one that is broken, or made for another mode, is passed over.

    Returns:
        RGB where a conversion took place, else the image given.
    """
    transform = srgb_transform(profile, image.mode)
    return image if transform is None else transform.apply(image)


def srgb_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """A conversion to sRGB.

    Args:
        profile: ICC profile, or b"".
        mode: Pillow's name for what the pixels are in.

    Returns:
        None where none is needed (no profile, or one that is sRGB) or possible (broken, or for another mode).
    """
    usable = profile if len(profile) <= MAX_PROFILE_BYTES else b""
    transform = _cached_transform(usable, mode) if usable else None
    return _cached_transform(b"", mode) if transform is None and mode == "LAB" else transform


@lru_cache(maxsize=16)
def _cached_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """`srgb_transform`, remembered: profiles repeat within a collection. b"" stands for plain CIELAB."""
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile) if profile else ImageCms.createProfile("LAB"))
        transform = ImageCms.ImageCmsTransform(
            source,
            target,
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if _is_identity(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether a conversion leaves a spread of colors as they are."""
    if mode not in ("RGB", "L"):
        return False
    steps = np.arange(0, 256, 17, dtype=np.uint8)
    colors = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(16, 256, 3)
    probe = Image.fromarray(colors if mode == "RGB" else np.arange(256, dtype=np.uint8)[None])
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    after = np.asarray(transform.apply(probe), dtype=np.int16)
    return bool(np.abs(after - before).max() <= SRGB_TOLERANCE)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Modes of more than 8 bits a channel as "L"; others unchanged."""
    if not image.mode.startswith(("I", "F")):
        return image
    grey = Image.fromarray(scaled_to_eight_bits(np.asarray(image)))
    grey.info = {"icc_profile": image.info.get("icc_profile", b"")}
    return grey


def scaled_to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values of any type and range as 0–255, scaled and not clipped.

    Args:
        values: (H, W) of integers or floats. Floats within 0–1 span that range, floats within 0–255 and
            integers within 0–65,535 span those; anything else (elevations, measurements) spans its own
            smallest to largest value. What is not finite becomes 0.

    Returns:
        (H, W) uint8.
    """
    wide = np.nan_to_num(np.asarray(values, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = (float(wide.min()), float(wide.max())) if wide.size else (0.0, 0.0)
    tops = (1.0, 255.0) if np.issubdtype(values.dtype, np.floating) else (65_535.0,)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    if top is not None:
        low, high = 0.0, top
    wide -= np.float32(low)
    wide *= np.float32(255.0 / max(high - low, 1e-30))
    return np.rint(wide).astype(np.uint8)


def _flattened(image: Image.Image) -> Image.Image:
    """Palettes looked up and alpha composited on white; RGB, L, 1, CMYK and LAB stay as they are."""
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        return image.convert("RGB") if _is_opaque(image) else _on_white(image)
    return image if image.mode in ("RGB", "L", "1", "CMYK", "LAB") else image.convert("RGB")


def _is_opaque(image: Image.Image) -> bool:
    return image.getchannel("A").getextrema() == (255, 255)


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, (255, 255, 255))
    white.paste(image, mask=image.getchannel("A"))
    return white
