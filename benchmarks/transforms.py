"""The 26 transforms and the 15 harder ones that robustness is measured under, to the parameter.

Pure functions of a picture, another photo and a random generator; `transformed` seeds the generator by (seed,
picture, transform), so that the same call gives the same bytes on the same library versions. Pictures are
(H, W, 3) uint8 RGB. Where a docstring names two values, the generator chooses. Lengths are rounded to whole
pixels and never below 1. Nothing here depends on what is being measured.
"""

import hashlib
import io
import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

RgbImage = NDArray[np.uint8]
Generator = np.random.Generator

FILE_QUALITY = 90
"""JPEG quality of every transformed file but those of the two `jpeg` rows (4:2:0, Pillow's defaults)."""

ASPECT_RANGE = (0.85, 1.18)
"""A random crop's aspect is the picture's own times this, drawn evenly on a logarithmic scale."""

WORDS = (
    "summer", "garden", "never", "holiday", "people", "morning", "little", "always", "window", "yellow",
    "market", "nobody", "friend", "waiting", "river", "coffee", "monday", "really", "winter", "happy",
)  # fmt: skip
"""What the bars of `text bars` are written with."""

WATERMARK = "SAMPLE PHOTO ARCHIVE"


@dataclass(frozen=True)
class Transform:
    """One row of the table.

    Attributes:
        name: of the row.
        is_hard: one of the 15 harder ones.
        change: (picture, other photo, generator) → picture.
        quality: JPEG quality of the transformed file.
    """

    name: str
    is_hard: bool
    change: Callable[[RgbImage, RgbImage, Generator], RgbImage]
    quality: int = FILE_QUALITY


# --- building blocks --------------------------------------------------------------------------------------


def resized(image: RgbImage, width: float, height: float) -> RgbImage:
    """The picture at another size: OpenCV INTER_AREA where it shrinks, INTER_CUBIC where it grows."""
    size = (max(1, round(width)), max(1, round(height)))
    shrinks = size[0] * size[1] <= image.shape[1] * image.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def scaled(image: RgbImage, factor: float) -> RgbImage:
    """Both sides times `factor`."""
    return resized(image, image.shape[1] * factor, image.shape[0] * factor)


def fitted(image: RgbImage, longest_side: int) -> RgbImage:
    """Longest side brought down to `longest_side` pixels; never enlarged."""
    return scaled(image, min(1.0, longest_side / max(image.shape[:2])))


def recompressed(image: RgbImage, quality: int) -> RgbImage:
    """The picture after one JPEG of that quality."""
    with Image.open(io.BytesIO(jpeg_bytes(image, quality))) as file:
        return np.asarray(file.convert("RGB"))


def jpeg_bytes(image: RgbImage, quality: int) -> bytes:
    """A baseline JPEG file (Pillow, 4:2:0)."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def random_crop(image: RgbImage, rng: Generator, keep: float, least_side: int) -> RgbImage:
    """A crop anywhere that keeps the share `keep` of the area.

    Its aspect is the picture's times 0.85–1.18; each side is at least `least_side` pixels and at most the
    picture's own.
    """
    height, width = image.shape[:2]
    aspect = math.exp(rng.uniform(*np.log(ASPECT_RANGE)))
    crop_width = min(width, max(least_side, round(width * math.sqrt(keep * aspect))))
    crop_height = min(height, max(least_side, round(height * math.sqrt(keep / aspect))))
    left = int(rng.integers(0, width - crop_width + 1))
    top = int(rng.integers(0, height - crop_height + 1))
    return image[top : top + crop_height, left : left + crop_width]


def mirrored(image: RgbImage) -> RgbImage:
    """Left and right swapped."""
    return np.ascontiguousarray(image[:, ::-1])


def rotated(image: RgbImage, degrees: float, *, grow: bool) -> RgbImage:
    """Turned counter-clockwise about the middle, bilinear, black where nothing is.

    Args:
        image: (H, W, 3) uint8.
        degrees: of rotation.
        grow: the frame grows to hold the whole picture; otherwise it keeps its size.

    Returns:
        (H', W', 3) uint8.
    """
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    if not grow:
        return np.asarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    new_width, new_height = math.ceil(width * cos + height * sin), math.ceil(width * sin + height * cos)
    matrix[:, 2] += ((new_width - width) / 2, (new_height - height) / 2)
    turned = cv2.warpAffine(image, matrix, (new_width, new_height), flags=cv2.INTER_LINEAR)
    return np.asarray(turned, np.uint8)


def inset(image: RgbImage, other: RgbImage, rng: Generator, share: float) -> RgbImage:
    """The picture pasted anywhere onto another photo, covering `share` of that photo's area.

    The picture keeps its aspect; one that would not fit that way is shrunk until it does.
    """
    height, width = other.shape[:2]
    factor = math.sqrt(share * width * height / (image.shape[0] * image.shape[1]))
    small = scaled(image, min(factor, width / image.shape[1], height / image.shape[0]))
    small = small[:height, :width]
    left = int(rng.integers(0, width - small.shape[1] + 1))
    top = int(rng.integers(0, height - small.shape[0] + 1))
    canvas = other.copy()
    canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
    return canvas


def perspective(image: RgbImage, rng: Generator, least: float, most: float) -> RgbImage:
    """The same frame with each corner of the picture moved inward, black where nothing is.

    Each corner moves by its own share of the width and of the height, drawn evenly from `least` to `most`.
    """
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    inward = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * rng.uniform(least, most, (4, 2))
    moved = corners + (inward * (width, height)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved)
    return np.asarray(cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_LINEAR), np.uint8)


def noisy(image: RgbImage, rng: Generator, sigma: float) -> RgbImage:
    """Independent Gaussian noise on every channel of every pixel, clipped to 0–255."""
    noise = rng.standard_normal(image.shape, dtype=np.float32) * sigma
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def blurred(image: RgbImage, sigma: float) -> RgbImage:
    """Gaussian blur of that standard deviation in pixels (OpenCV, kernel chosen by it)."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


# --- the 26 -----------------------------------------------------------------------------------------------


def brightness_contrast_saturation(image: RgbImage, rng: Generator) -> RgbImage:
    """Brightness × 0.55 or 1.5, then contrast × 0.5 or 1.7, then saturation × 0.3 or 2 (ImageEnhance)."""
    changed = ImageEnhance.Brightness(Image.fromarray(image)).enhance(float(rng.choice((0.55, 1.5))))
    changed = ImageEnhance.Contrast(changed).enhance(float(rng.choice((0.5, 1.7))))
    return np.asarray(ImageEnhance.Color(changed).enhance(float(rng.choice((0.3, 2.0)))))


def grey(image: RgbImage) -> RgbImage:
    """ITU-R 601 luma in all three channels."""
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def padded(image: RgbImage, share: float) -> RgbImage:
    """Black on each side, `share` of the width left and right and of the height above and below."""
    across, along = round(image.shape[1] * share), round(image.shape[0] * share)
    return np.pad(image, ((along, along), (across, across), (0, 0)))


def trimmed(image: RgbImage, share: float) -> RgbImage:
    """`share` of the width cut off left and right and of the height above and below."""
    across, along = round(image.shape[1] * share), round(image.shape[0] * share)
    return image[along : image.shape[0] - along, across : image.shape[1] - across]


def text_bars(image: RgbImage, rng: Generator) -> RgbImage:
    """White bars added above and below, each 15 % of the height, five black words centered in each.

    The words are drawn from `WORDS` in Pillow's own font at 45 % of the bar's height, or smaller where
    they would be wider than 96 % of the picture.
    """
    bar = max(1, round(image.shape[0] * 0.15))
    width, height = image.shape[1], image.shape[0] + 2 * bar
    canvas = np.full((height, width, 3), 255, np.uint8)
    canvas[bar : bar + image.shape[0]] = image
    page = Image.fromarray(canvas)
    draw = ImageDraw.Draw(page)
    for middle in (bar / 2, height - bar / 2):
        text = " ".join(rng.choice(WORDS, 5, replace=False))
        size = max(4.0, bar * 0.45)
        size *= min(1.0, 0.96 * width / draw.textlength(text, ImageFont.load_default(size)))
        draw.text((width / 2, middle), text, (0, 0, 0), ImageFont.load_default(size), anchor="mm")
    return np.asarray(page)


def watermark(image: RgbImage) -> RgbImage:
    """Three white lines of `WATERMARK` across 96 % of the width, at half opacity.

    Their middles are at 1/6, 1/2 and 5/6 of the height.
    """
    page = Image.fromarray(image).convert("RGBA")
    layer = Image.new("RGBA", page.size, (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    unit = draw.textlength(WATERMARK, ImageFont.load_default(100.0))
    font = ImageFont.load_default(max(4.0, 100.0 * 0.96 * page.width / unit))
    for line in (1, 3, 5):
        spot = (page.width / 2, page.height * line / 6)
        draw.text(spot, WATERMARK, (255, 255, 255, 128), font, anchor="mm")
    return np.asarray(Image.alpha_composite(page, layer).convert("RGB"))


def screenshot(image: RgbImage) -> RgbImage:
    """The picture × 0.7 in a light window: border 6 px, title bar 28 px with three buttons; JPEG q 60."""
    small = scaled(image, 0.7)
    border, bar = 6, 28
    height, width = small.shape[0] + bar + border, small.shape[1] + 2 * border
    canvas = np.full((height, width, 3), 236, np.uint8)
    canvas[:bar] = (210, 212, 216)
    canvas[bar : bar + small.shape[0], border : border + small.shape[1]] = small
    for place, color in enumerate(((237, 106, 94), (245, 191, 79), (98, 197, 84))):
        cv2.circle(canvas, (16 + 20 * place, bar // 2), 6, color, -1, cv2.LINE_AA)
    return recompressed(canvas, 60)


def stretched(image: RgbImage, rng: Generator, factor: float) -> RgbImage:
    """Width or height × `factor`, the other side kept."""
    height, width = image.shape[:2]
    return (
        resized(image, width * factor, height) if rng.integers(2) else resized(image, width, height * factor)
    )


def reposted(image: RgbImage, rng: Generator) -> RgbImage:
    """Random crop keeping 60 % (at least 96 px), × 0.6, mirrored, JPEG q 40."""
    return recompressed(mirrored(scaled(random_crop(image, rng, 0.60, 96), 0.6)), 40)


# --- the 15 harder ----------------------------------------------------------------------------------------


def covered(image: RgbImage, rng: Generator) -> RgbImage:
    """18 of 30 equal cells (6 along the longer side, 5 along the other) covered, each by one random color."""
    height, width = image.shape[:2]
    columns, rows = (6, 5) if width >= height else (5, 6)
    changed = image.copy()
    for cell in rng.choice(30, 18, replace=False):
        row, column = divmod(int(cell), columns)
        across = slice(column * width // columns, (column + 1) * width // columns)
        changed[row * height // rows : (row + 1) * height // rows, across] = rng.integers(0, 256, 3)
    return changed


def turned_middle(image: RgbImage, rng: Generator) -> RgbImage:
    """Rotated by 20–70°, then cropped to the middle 39 % of each of the picture's own sides."""
    height, width = image.shape[:2]
    turned = rotated(image, rng.uniform(20, 70), grow=True)
    crop_width, crop_height = max(1, round(width * 0.39)), max(1, round(height * 0.39))
    left, top = (turned.shape[1] - crop_width) // 2, (turned.shape[0] - crop_height) // 2
    return turned[top : top + crop_height, left : left + crop_width]


def thumbnail_of_part(image: RgbImage, rng: Generator) -> RgbImage:
    """Random crop keeping 30 % (at least 96 px), longest side 160, mirrored, JPEG q 30."""
    return recompressed(mirrored(fitted(random_crop(image, rng, 0.30, 96), 160)), 30)


def collage(image: RgbImage, other: RgbImage, rng: Generator) -> RgbImage:
    """Random crop keeping 70 % (at least 96 px), mirrored, inset at 15 %, rotated ± 15° (grown), q 40."""
    pasted = inset(mirrored(random_crop(image, rng, 0.70, 96)), other, rng, 0.15)
    return recompressed(rotated(pasted, 15.0 * float(rng.choice((-1, 1))), grow=True), 40)


def _sign(rng: Generator) -> float:
    return float(rng.choice((-1, 1)))


TRANSFORMS: tuple[Transform, ...] = (
    Transform("jpeg q 30", False, lambda i, o, r: i, 30),
    Transform("jpeg q 95", False, lambda i, o, r: i, 95),
    Transform("half size", False, lambda i, o, r: scaled(i, 0.5)),
    Transform("longest side 160", False, lambda i, o, r: fitted(i, 160)),
    Transform("longest side 96", False, lambda i, o, r: fitted(i, 96)),
    Transform("crop 5 % off each side", False, lambda i, o, r: trimmed(i, 0.05)),
    Transform("crop keeping 50 %", False, lambda i, o, r: random_crop(i, r, 0.50, 96)),
    Transform("crop keeping 30 %", False, lambda i, o, r: random_crop(i, r, 0.30, 96)),
    Transform("crop keeping 15 %", False, lambda i, o, r: random_crop(i, r, 0.15, 96)),
    Transform("pad 20 % black", False, lambda i, o, r: padded(i, 0.20)),
    Transform("mirror", False, lambda i, o, r: mirrored(i)),
    Transform("mirror + crop 50 %", False, lambda i, o, r: random_crop(mirrored(i), r, 0.50, 96)),
    Transform("rotation ± 4°", False, lambda i, o, r: rotated(i, 4 * _sign(r), grow=False)),
    Transform("rotation 90 or 270°", False, lambda i, o, r: np.rot90(i, int(r.choice((1, 3)))).copy()),
    Transform("rotation ± 30°", False, lambda i, o, r: rotated(i, 30 * _sign(r), grow=True)),
    Transform("brightness + contrast + color", False, lambda i, o, r: brightness_contrast_saturation(i, r)),
    Transform("grey", False, lambda i, o, r: grey(i)),
    Transform("noise σ 25.5", False, lambda i, o, r: noisy(i, r, 25.5)),
    Transform("blur σ 3", False, lambda i, o, r: blurred(i, 3)),
    Transform("text bars", False, lambda i, o, r: text_bars(i, r)),
    Transform("inset 30 %", False, lambda i, o, r: inset(i, o, r, 0.30)),
    Transform("perspective ≤ 14 %", False, lambda i, o, r: perspective(i, r, 0.0, 0.14)),
    Transform("watermark", False, lambda i, o, r: watermark(i)),
    Transform("screenshot", False, lambda i, o, r: screenshot(i)),
    Transform("aspect × 1.3", False, lambda i, o, r: stretched(i, r, 1.3)),
    Transform("crop 60 % × 0.6 mirror q 40", False, lambda i, o, r: reposted(i, r)),
    Transform("longest side 64", True, lambda i, o, r: fitted(i, 64)),
    Transform("longest side 48", True, lambda i, o, r: fitted(i, 48)),
    Transform("crop keeping 8 %", True, lambda i, o, r: random_crop(i, r, 0.08, 64)),
    Transform("crop keeping 4 %", True, lambda i, o, r: random_crop(i, r, 0.04, 48)),
    Transform("mirror + crop 15 %", True, lambda i, o, r: random_crop(mirrored(i), r, 0.15, 96)),
    Transform("inset 12 %", True, lambda i, o, r: inset(i, o, r, 0.12)),
    Transform("inset 6 %", True, lambda i, o, r: inset(i, o, r, 0.06)),
    Transform("blur σ 6", True, lambda i, o, r: blurred(i, 6)),
    Transform("noise σ 64", True, lambda i, o, r: noisy(i, r, 64)),
    Transform("perspective 10–28 %", True, lambda i, o, r: perspective(i, r, 0.10, 0.28)),
    Transform("aspect × 2", True, lambda i, o, r: stretched(i, r, 2.0)),
    Transform("18 of 30 cells covered", True, lambda i, o, r: covered(i, r)),
    Transform("rotation 20–70° middle 39 %", True, lambda i, o, r: turned_middle(i, r)),
    Transform("crop 30 % side 160 mirror q 30", True, lambda i, o, r: thumbnail_of_part(i, r)),
    Transform("crop 70 % mirror inset 15 % 15° q 40", True, lambda i, o, r: collage(i, o, r)),
)


def transformed(image: RgbImage, other: RgbImage, transform: Transform, *, seed: int, key: str) -> bytes:
    """The JPEG file of a picture under a transform.

    Args:
        image: (H, W, 3) uint8 RGB.
        other: the photo that an inset is pasted onto.
        transform: one of `TRANSFORMS`.
        seed: of the run.
        key: names the picture, whatever its path: the sha256 of its file.

    Returns:
        Bytes of a JPEG file: the same for the same arguments and library versions.
    """
    digest = hashlib.sha256(f"{seed}|{key}|{transform.name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    changed = transform.change(image, other, rng)
    return jpeg_bytes(np.ascontiguousarray(changed), transform.quality)
