"""Makes the pictures and the table of docs/kinds from photographs of scikit-image (CC0, public domain).

Run it when a kind changes what it finds: `python tools/doc_pictures.py`. The table goes to standard output.
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
from ambience.datatypes import Hit, Match, Query
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

TILE, LABEL, GAP, HITS = 150, 46, 10, 6

Edit = Callable[[Image.Image], Image.Image]


def main() -> int:
    """Makes both pictures and prints the table; the process's exit code."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        print("scikit-image is not installed: pip install 'ambience[demo]'", file=sys.stderr)
        return 1
    photographs = [Path(package.origin).parent / "data" / name for name in PHOTOGRAPHS]
    with tempfile.TemporaryDirectory() as folder:
        with ambience.open(Path(folder) / "originals", writer=True) as library:
            library.add_paths(photographs)
            for name, edit in EDITS.items():
                print(_row(library, photographs, name, edit))
        for kind, (asked, edits) in SHOWN.items():
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
}

SHOWN: dict[str, tuple[str, tuple[str, ...]]] = {
    "phash": (
        "chelsea.png",
        ("longest side 96", "mirrored", "turned by 90°", "brightness × 0.7", "noise σ 25.5"),
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


def _row(library: Library, photographs: list[Path], name: str, edit: Edit) -> str:
    """A line of the table: median and largest distance to the original, and how many are found first."""
    cells = [name]
    for kind in SHOWN:
        distances, found = [], 0
        for path in photographs:
            question = Query(data=_edited(path, edit))
            hits = library.search_kind(kind, question, k=len(photographs)).hits
            mine = next(hit for hit in hits if library.image(hit.image_id).path == str(path))
            distances.append(mine.distance)
            matches = library.search(question, by=[kind], k=1).matches
            found += bool(matches) and matches[0].image_id == mine.image_id
        cells += [
            f"{statistics.median(distances):.3g}",
            f"{max(distances):.3g}",
            f"{found} of {len(photographs)}",
        ]
    return f"| {' | '.join(cells)} |"


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
    width = (HITS + 1) * (TILE + GAP) + 3 * GAP
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


def _caption(hit: Hit, match: Match | None) -> tuple[str, str]:
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
