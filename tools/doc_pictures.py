"""Makes the pictures and the table of docs/kinds from photographs of scikit-image (CC0, public domain).

Run it when a kind changes what it finds: `python tools/doc_pictures.py [KIND…]`. The table goes to standard
output.
"""

import io
import random
import statistics
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

import ambience
from ambience.answers import Hit, Match, Query
from ambience.fuse.verdict import supported_verdict
from ambience.library import Library
from ambience.serve.placement import verdict_words

IMAGES = Path(__file__).parents[1] / "docs" / "images"

PHOTOGRAPHS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "clock_motion.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "retina.jpg",
    "rocket.jpg",
)

TILE, LABEL, GAP, HITS = 150, 64, 10, 6

Edit = Callable[[Image.Image], Image.Image]


def main() -> int:
    """Makes both pictures and prints the table; the process's exit code."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        print("scikit-image is not installed: pip install 'ambience[demo]'", file=sys.stderr)
        return 1
    kinds = sys.argv[1:] or list(SHOWN)
    photographs = [Path(package.origin).parent / "data" / name for name in PHOTOGRAPHS]
    with tempfile.TemporaryDirectory() as folder:
        with ambience.open(Path(folder) / "originals", writer=True) as library:
            library.add_paths(photographs)
            for name, edit in EDITS.items():
                print(_row(library, kinds, photographs, name, edit), flush=True)
        for kind in kinds:
            asked, edits = SHOWN[kind]
            _make_picture(Path(folder) / kind, kind, photographs, asked, edits)
    return 0


def _shuffled(picture: Image.Image) -> Image.Image:
    """Cut into squares that are laid out anew."""
    side = 50
    corners = [
        (x, y) for x in range(0, picture.width - side, side) for y in range(0, picture.height - side, side)
    ]
    laid = random.Random(7).sample(corners, len(corners))
    result = picture.copy()
    for (x, y), corner in zip(corners, laid, strict=True):
        result.paste(picture.crop((x, y, x + side, y + side)), corner)
    return result


def _noisy(picture: Image.Image) -> Image.Image:
    noise = np.random.default_rng(7).normal(0, 25.5, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(np.asarray(picture) + noise, 0, 255).astype(np.uint8))


def _without_edges(share: float) -> Edit:
    def crop(picture: Image.Image) -> Image.Image:
        x, y = round(picture.width * share), round(picture.height * share)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return crop


def _middle(picture: Image.Image, share: float) -> Image.Image:
    """The middle of a picture, a share of its area."""
    width, height = (round(side * share**0.5) for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))


def _page(picture: Image.Image) -> tuple[int, int]:
    """Of a page of three times the area."""
    longest, shortest = max(picture.size), min(picture.size)
    return (3 * shortest, longest) if picture.width < picture.height else (longest, 3 * shortest)


EDITS: dict[str, Edit] = {
    "re-saved (quality 30)": lambda picture: _saved(picture, 30),
    "half size": lambda picture: ImageOps.scale(picture, 0.5),
    "longest side 96": lambda picture: ImageOps.contain(picture, (96, 96)),
    "mirrored": ImageOps.mirror,
    "turned by 90°": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "brightness × 0.7": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "noise σ 25.5": _noisy,
    "blur σ 3": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "turned by 4°": lambda picture: picture.rotate(4, Image.Resampling.BICUBIC),
    "2 % cut off each side": _without_edges(0.02),
    "10 % cut off each side": _without_edges(0.10),
    "shuffled squares": _shuffled,
    "turned by 30°": lambda picture: picture.rotate(30, Image.Resampling.BICUBIC, expand=True),
    "15 % of it": lambda picture: _middle(picture, 0.15),
    "15 % of it, mirrored": lambda picture: ImageOps.mirror(_middle(picture, 0.15)),
    "on a third of a page": lambda picture: ImageOps.pad(picture, _page(picture), color="white"),
}

SHOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "phash": (
        "chelsea.png",
        ("longest side 96", "mirrored", "turned by 90°", "brightness × 0.7", "noise σ 25.5"),
    ),
    "local_features": (
        "coffee.png",
        ("longest side 96", "turned by 30°", "15 % of it, mirrored", "on a third of a page", "noise σ 25.5"),
    ),
    "color": ("coffee.png", ("half size", "shuffled squares", "10 % cut off each side", "turned by 4°")),
}
"""For each kind: the photograph asked for, and what the library holds of it beside the photographs."""


def _saved(picture: Image.Image, quality: int) -> Image.Image:
    saved = io.BytesIO()
    picture.save(saved, "JPEG", quality=quality)
    return Image.open(saved).convert("RGB")


def _edited(path: Path, edit: Edit) -> bytes:
    """The bytes of an edited copy as JPEG; the color profile stays, as editors leave it."""
    saved = io.BytesIO()
    with Image.open(path) as original:
        profile = original.info.get("icc_profile") if original.mode == "RGB" else None
        edit(original.convert("RGB")).save(saved, "JPEG", quality=90, icc_profile=profile)
    return saved.getvalue()


def _row(library: Library, kinds: list[str], photographs: list[Path], name: str, edit: Edit) -> str:
    """A line of the table: for each kind, median and worst figure, and how many originals are found first.

    The figure is the distance to the original; of kinds with proof, how many places agree.
    """
    cells = [name]
    for kind in kinds:
        figures, found = [], 0
        for path in photographs:
            question = Query(data=_edited(path, edit))
            hits = library.search_kind(kind, question, k=len(photographs)).hits
            mine = next((hit for hit in hits if library.image(hit.image_id).path == str(path)), None)
            figures.append(_figure(mine) if mine is not None else 0)
            is_first = mine is not None and hits[0] is mine
            found += is_first and supported_verdict(hits[0], library.kinds[kind].spec) is not None
        worst = min(figures) if kind == "local_features" else max(figures)
        cells += [f"{statistics.median(figures):.3g}", f"{worst:.3g}", f"{found} of {len(photographs)}"]
    return f"| {' | '.join(cells)} |"


def _figure(hit: Hit) -> float:
    return hit.distance if hit.geometry is None else hit.geometry.inliers


def _make_picture(
    folder: Path, kind: str, photographs: list[Path], asked: str, edits: tuple[str, ...]
) -> None:
    (question,) = [path for path in photographs if path.name == asked]
    folder.mkdir()
    made = []
    for number, name in enumerate(edits):
        made.append(folder / f"{number}.jpg")
        made[-1].write_bytes(_edited(question, EDITS[name]))
    with ambience.open(folder / "library", writer=True) as library:
        library.add_paths([*photographs, *made])
        _draw(library, question.read_bytes(), kind)


def _draw(library: Library, data: bytes, kind: str) -> None:
    """A row of pictures: the one asked for, then the nearest of one kind, with what is said of them."""
    hits = library.search_kind(kind, Query(data=data), k=HITS + 1).hits[1:]
    matches = {match.image_id: match for match in library.search(Query(data=data), by=[kind]).matches}
    width = (len(hits) + 1) * (TILE + GAP) + 3 * GAP
    sheet = Image.new("RGB", (width, TILE + LABEL + 2 * GAP), "white")
    _place(sheet, GAP, data, "asked for", "")
    for place, hit in enumerate(hits):
        left = 3 * GAP + (place + 1) * (TILE + GAP)
        content, _ = library.file_bytes(hit.image_id)
        _place(sheet, left, content, *_caption(hit, matches.get(hit.image_id)))
    target = IMAGES / f"{kind}.jpg"
    target.parent.mkdir(exist_ok=True)
    sheet.save(target, quality=85, optimize=True)
    print(f"wrote {target.name}", file=sys.stderr)


def _caption(hit: Hit, match: Match | None) -> tuple[str, ...]:
    if hit.geometry is not None:
        what, _, turned = verdict_words(hit.verdict or "", hit.orientation, hit.geometry).partition(", ")
        turned = turned.replace(" counter-clockwise", "").replace(" clockwise", "")  # the tile shows which
        return what, *([turned] if turned else []), f"{hit.geometry.inliers} places agree"
    words = verdict_words(match.verdict, match.orientation) if match is not None else "not answered"
    return words.replace("same picture, ", "same, "), f"distance {hit.distance:.3g}"


def _place(sheet: Image.Image, left: int, content: bytes, *lines: str) -> None:
    with Image.open(io.BytesIO(content)) as picture:
        tile = picture.convert("RGB")
    tile.thumbnail((TILE, TILE), Image.Resampling.LANCZOS)
    sheet.paste(tile, (left + (TILE - tile.width) // 2, GAP + (TILE - tile.height) // 2))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, line in enumerate(lines):
        draw.text((left, GAP + TILE + 6 + 18 * number), line, fill="black", font=font)


if __name__ == "__main__":
    sys.exit(main())
