"""A sheet of pairs of photographs side by side, to be looked at by people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIDE = 220
COLUMNS = 3
LINE = 30


class ShownPair(Protocol):
    """What is written below two pictures."""

    @property
    def first(self) -> str:
        """Name of a file."""

    @property
    def second(self) -> str:
        """Name of a file."""

    @property
    def score(self) -> float:
        """Of the proof."""

    @property
    def correlation(self) -> float | None:
        """Of the pixels."""

    @property
    def is_copy(self) -> bool:
        """What it is called."""


def draw_pairs(pairs: Sequence[ShownPair], places: Mapping[str, Path], file: Path) -> None:
    """Writes a picture of all pairs, three in a row, in their order.

    Args:
        pairs: to be shown.
        places: name → file.
        file: to write.
    """
    rows = -(-len(pairs) // COLUMNS)
    width, height = 2 * SIDE + 10, SIDE + LINE
    sheet = Image.new("RGB", (COLUMNS * width, max(1, rows) * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10.0)
    for number, pair in enumerate(pairs):
        left, top = number % COLUMNS * width, number // COLUMNS * height
        for place, name in enumerate((pair.first, pair.second)):
            with Image.open(places[name]) as picture:
                small = ImageOps.contain(ImageOps.exif_transpose(picture).convert("RGB"), (SIDE, SIDE))
            sheet.paste(small, (left + place * SIDE, top))
        agree = "–" if pair.correlation is None else f"{pair.correlation:.3f}"
        called = "copy" if pair.is_copy else "scene"
        draw.text((left + 4, top + SIDE), f"{pair.first} – {pair.second}"[:80], (0, 0, 0), font)
        draw.text(
            (left + 4, top + SIDE + 13), f"{called}  score {pair.score:.0f}  pixels {agree}", (0, 0, 0), font
        )
    sheet.save(file)
