"""Makes the pictures of docs/kinds: real searches over photographs (CC0, public domain) of scikit-image.

Run it when a kind changes what it finds: `python tools/doc_pictures.py`.
"""

import io
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

import ambience
from ambience.datatypes import Match, Query
from ambience.library import Library
from ambience.serve.cli.searching import verdict_words

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

TILE, LABEL, GAP = 150, 46, 10
HITS = 5


def main() -> int:
    """Makes both pictures; the process's exit code."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        print("scikit-image is not installed: pip install 'ambience[demo]'", file=sys.stderr)
        return 1
    photographs = Path(package.origin).parent / "data"
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        pictures.mkdir()
        for name in PHOTOGRAPHS:
            (pictures / name).write_bytes((photographs / name).read_bytes())
        for name, edit in EDITS.items():
            with Image.open(photographs / "chelsea.png") as original:
                edit(original.convert("RGB")).save(pictures / name, quality=80)
        with ambience.open(Path(folder) / "library", writer=True) as library:
            library.add_paths([pictures])
            _draw(library, (photographs / "chelsea.png").read_bytes(), "phash")
            _draw(library, (photographs / "coffee.png").read_bytes(), "color")
    return 0


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "small.jpg": lambda picture: picture.resize((picture.width // 3, picture.height // 3)),
    "mirrored.jpg": lambda picture: picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned.jpg": lambda picture: picture.transpose(Image.Transpose.ROTATE_90),
    "darker.jpg": lambda picture: ImageEnhance.Brightness(picture).enhance(0.7),
    "part.jpg": lambda picture: picture.crop((130, 40, 370, 220)),
}
"""What was made of one photograph; the hash finds all but the part."""


def _draw(library: Library, data: bytes, kind: str) -> None:
    """A row of pictures: the one asked for, and the first hits of one kind, with what the answer says."""
    answer = library.search(Query(data=data), by=[kind], k=HITS)
    width = (HITS + 1) * (TILE + GAP) + 3 * GAP
    sheet = Image.new("RGB", (width, TILE + LABEL + 2 * GAP), "white")
    _place(sheet, GAP, data, "asked for", "")
    for place, match in enumerate(answer.matches):
        left = 3 * GAP + (place + 1) * (TILE + GAP)
        content, _ = library.file_bytes(match.image_id)
        _place(sheet, left, content, *_caption(match, kind))
    target = IMAGES / f"{kind}.jpg"
    sheet.save(target, quality=85, optimize=True)
    print(f"wrote {target.name}: {len(answer.matches)} hits")


def _caption(match: Match, kind: str) -> tuple[str, str]:
    distances = [each.distance for each in match.evidence if each.kind == kind]
    return verdict_words(
        match.verdict, match.orientation
    ), f"distance {distances[0]:.3g}" if distances else ""


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
