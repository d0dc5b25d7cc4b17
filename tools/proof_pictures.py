"""Draws docs/proofs.md: ten difficult pairs made of photographs of scikit-image (CC0, public domain).

Run it when the search or the drawing changes: `python tools/proof_pictures.py`. Every copy is made with a
known transform, so each line of the table says how far the found one is off. The table goes to standard
output; the exit code is 1 where a pair is not found, or off by more than 2 % of the picture's longest side.
"""

import io
import math
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import ambience
from ambience.answers import Comparison, Query
from ambience.serve.placement import geometry_of, verdict_words
from ambience.serve.proof import draw_proof

IMAGES = Path(__file__).parents[1] / "docs" / "images" / "proofs"
WIDTH = 880
MOST_OFF = 0.02

Transform = NDArray[np.float64]
"""(3, 3): takes pixels of the copy to pixels of the photograph."""


class Copy(NamedTuple):
    """An altered photograph, and where its pixels came from."""

    picture: Image.Image
    origin: Transform


Edit = Callable[[Image.Image], Copy]


def main() -> int:
    """Draws all pairs and prints the table; the process's exit code."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        print("scikit-image is not installed: pip install 'ambience[demo]'", file=sys.stderr)
        return 1
    data = Path(package.origin).parent / "data"
    IMAGES.mkdir(parents=True, exist_ok=True)
    is_right = True
    with tempfile.TemporaryDirectory() as folder, ambience.open(folder, writer=True) as library:
        for number, (title, (name, edit)) in enumerate(PAIRS.items(), 1):
            with Image.open(data / name) as original:
                copy = edit(original.convert("RGB"))
            asked = Query(data=_saved(copy.picture, 90), name=title)
            found = library.match(asked, Query(data=(data / name).read_bytes(), name=name))
            target = IMAGES / f"{number:02}.jpg"
            target.write_bytes(_reduced(draw_proof(found)))
            off = _off_by(found, copy)
            is_right &= off <= MOST_OFF
            print(_row(number, title, found, off))
    return 0 if is_right else 1


def _row(number: int, title: str, found: Comparison, off: float) -> str:
    if found.match is None or found.geometry is None:
        return f"| {number} | {title} | not found | – | – | – |"
    words = verdict_words(found.match.verdict, found.match.orientation, geometry_of(found.match))
    geometry = found.geometry
    pixels = "–" if geometry.correlation is None else f"{geometry.correlation:.2f}"
    return f"| {number} | {title} | {words} | {geometry.inliers} | {pixels} | {100 * off:.2f} % |"


def _off_by(found: Comparison, copy: Copy) -> float:
    """How far the found transform is off within the overlap, at worst: a share of the longest side."""
    if found.geometry is None:
        return math.inf
    width, height = copy.picture.size
    x, y = np.meshgrid(np.linspace(0, width, 41), np.linspace(0, height, 41))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    true, ours = (
        cv2.perspectiveTransform(grid[np.newaxis], np.asarray(matrix, np.float64))[0]
        for matrix in (copy.origin, found.geometry.transform)
    )
    size = np.array([found.image.width, found.image.height])
    shared = ((true >= 0) & (true <= size)).all(axis=1)
    return float(np.linalg.norm(true - ours, axis=1)[shared].max() / size.max())


# --- ten ways to alter a photograph -----------------------------------------------------------------------


def _scaled(x: float, y: float) -> Transform:
    return np.diag([x, y, 1.0])


def _shifted(x: float, y: float) -> Transform:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


def _mirror(width: float) -> Transform:
    return np.array([[-1, 0, width], [0, 1, 0], [0, 0, 1.0]])


def _crop(share: float, x: float, y: float, *, mirrored: bool = False) -> Edit:
    """A cut-out of a share of the area, its upper left corner at a share of width and height."""

    def edit(picture: Image.Image) -> Copy:
        width, height = (round(side * math.sqrt(share)) for side in picture.size)
        left, top = round(picture.width * x), round(picture.height * y)
        cut, origin = picture.crop((left, top, left + width, top + height)), _shifted(left, top)
        if mirrored:
            return Copy(cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT), origin @ _mirror(width))
        return Copy(cut, origin)

    return edit


def _inset(picture: Image.Image) -> Copy:
    """The picture on 12 % of another one."""
    with Image.open(_photograph("chelsea.png")) as other:
        page = other.convert("RGB").resize((902, 600), Image.Resampling.LANCZOS)
    factor = math.sqrt(0.12 * page.width * page.height / (picture.width * picture.height))
    size = (round(picture.width * factor), round(picture.height * factor))
    page.paste(picture.resize(size, Image.Resampling.LANCZOS), (560, 340))
    back = _scaled(picture.width / size[0], picture.height / size[1])
    return Copy(page, back @ _shifted(-560, -340))


def _rotated(picture: Image.Image) -> Copy:
    turned = picture.rotate(30, Image.Resampling.BICUBIC, expand=True)
    angle = math.radians(30)
    turn = np.array(
        [[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]]
    )
    to_middle = _shifted(picture.width / 2, picture.height / 2)
    return Copy(turned, to_middle @ turn @ _shifted(-turned.width / 2, -turned.height / 2))


def _quarter_turned(picture: Image.Image) -> Copy:
    turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).transpose(Image.Transpose.ROTATE_90)
    back = np.array([[0, -1, picture.width], [1, 0, 0], [0, 0, 1.0]])
    return Copy(turned, _mirror(picture.width) @ back)


def _resized(picture: Image.Image, width: int, height: int) -> Copy:
    small = picture.resize((width, height), Image.Resampling.LANCZOS)
    return Copy(small, _scaled(picture.width / width, picture.height / height))


def _thumbnail(picture: Image.Image) -> Copy:
    factor = 64 / max(picture.size)
    return _resized(picture, round(picture.width * factor), round(picture.height * factor))


def _text_bars(picture: Image.Image) -> Copy:
    bar = round(picture.height * 0.15)
    page = Image.new("RGB", (picture.width, picture.height + 2 * bar), "white")
    page.paste(picture, (0, bar))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(round(bar * 0.5))
    pen.text((bar / 3, bar / 5), "when nobody feeds the cat", fill="black", font=font)
    pen.text((bar / 3, page.height - bar * 0.8), "before seven in the morning", fill="black", font=font)
    return Copy(page, _shifted(0, -bar))


def _perspective(picture: Image.Image) -> Copy:
    width, height = picture.size
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    inward = np.array([[0.16, 0.05], [-0.04, 0.14], [-0.2, -0.03], [0.05, -0.18]], np.float32)
    corners = frame + inward * (width, height)
    seen = cv2.getPerspectiveTransform(frame, corners.astype(np.float32))
    # Places count from the outer edge of the first pixel here, OpenCV's from its middle.
    of_middles = _shifted(-0.5, -0.5) @ seen @ _shifted(0.5, 0.5)
    drawn = cv2.warpPerspective(np.asarray(picture), of_middles, (width, height), flags=cv2.INTER_AREA)
    return Copy(Image.fromarray(drawn), np.linalg.inv(seen))


def _stretched(picture: Image.Image) -> Copy:
    return _resized(picture, round(picture.width * 1.3), picture.height)


def _noisy(picture: Image.Image) -> Copy:
    noise = np.random.default_rng(7).normal(0, 64, (picture.height, picture.width, 3))
    pixels = np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8)
    return Copy(Image.fromarray(pixels), np.eye(3))


PAIRS: dict[str, tuple[str, Edit]] = {
    "crop to 4 %": ("astronaut.png", _crop(0.04, 0.32, 0.12)),
    "crop to 15 %, mirrored": ("rocket.jpg", _crop(0.15, 0.36, 0.45, mirrored=True)),
    "inset of 12 %": ("coffee.png", _inset),
    "rotated by 30°": ("camera.png", _rotated),
    "mirrored, turned by 90°": ("coffee.png", _quarter_turned),
    "longest side 64": ("astronaut.png", _thumbnail),
    "bars with text": ("chelsea.png", _text_bars),
    "perspective": ("coffee.png", _perspective),
    "1.3 times as wide": ("rocket.jpg", _stretched),
    "noise, sigma 64": ("astronaut.png", _noisy),
}
"""What was done → the photograph, and how."""


def _photograph(name: str) -> Path:
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data" / name


def _saved(picture: Image.Image, quality: int) -> bytes:
    saved = io.BytesIO()
    picture.save(saved, "JPEG", quality=quality)
    return saved.getvalue()


def _reduced(drawing: bytes) -> bytes:
    """The drawing as small as the page shows it."""
    with Image.open(io.BytesIO(drawing)) as drawn:
        drawn.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
        return _saved(drawn, 76)


if __name__ == "__main__":
    sys.exit(main())
