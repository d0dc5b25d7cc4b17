"""Pictures whose text is known: samples, scenes and receipts of a folder, and words rendered over photos.

The rest up to the number asked for is rendered: 2 to 4 lines of 1 to 3 words, drawn from the starter's
English vocabulary (ranks 1,500 to 20,000, four letters and more), each word in one picture only; in one of at
least 8 fonts, letters 28 to 56 pixels high, white with a dark edge or dark on a light box, turned by up to
10°, three in ten blurred by 0.5 to 1.2 pixels. The names of `NAMES` are rendered upright, one a picture.

Two splits share neither photographs, nor fonts, nor words: what is reported is drawn from "reported"; whoever
tunes anything uses "tuning".
"""

import hashlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import ambience.models
from word_names import NAMES

Split = Literal["reported", "tuning"]
Source = Literal["rendered", "scene", "receipt", "sample", "name"]

FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/Library/Fonts"))
FONTS: dict[str, tuple[str, ...]] = {
    "reported": (
        "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf",
        "LiberationSans-Regular.ttf", "LiberationSerif-Italic.ttf", "LiberationSerif-Bold.ttf",
        "LiberationMono-Bold.ttf", "LiberationSansNarrow-Regular.ttf",
    ),
    "tuning": ("NotoSans-Regular.ttf", "NotoSans-Bold.ttf", "NotoSerif-Regular.ttf", "NotoSerif-Italic.ttf"),
}  # fmt: skip
SCRIPT_FONTS = {
    "Cyrl": "DejaVuSans.ttf", "Grek": "DejaVuSerif.ttf", "Deva": "NotoSansDevanagari-Regular.ttf",
    "Arab": "NotoNaskhArabic-Bold.ttf", "Hang": "NotoSansCJK-Regular.ttc", "Kana": "NotoSansCJK-Regular.ttc",
}  # fmt: skip
SEEDS = {"reported": 31, "tuning": 77}
RANKS = (1_500, 20_000)
LONG_SIDE = 900
SOURCES: dict[str, Source] = {"icdar2015_scene": "scene", "sroie_receipts": "receipt"}


@dataclass(frozen=True)
class KnownPicture:
    """A picture, and what is written in it.

    Attributes:
        name: of it.
        data: its bytes.
        text: all that is written in it.
        source: where it comes from.
        script: ISO 15924 code, of rendered names.
        asked: how a name is asked in Latin letters.
    """

    name: str
    data: bytes
    text: str
    source: Source
    script: str = "Latn"
    asked: str = ""


def known_pictures(samples: Path, photos: Sequence[Path], count: int, split: Split) -> list[KnownPicture]:
    """Samples whose text is known, and rendered ones up to a number.

    Args:
        samples: folder with a `manifest.json` of path and text; none of them are taken for tuning.
        photos: to render over.
        count: pictures in all.
        split: see the module.
    """
    found = _samples(samples) if split == "reported" else []
    generator = np.random.default_rng(SEEDS[split])
    words = _words(split, {word.lower() for each in found for word in re.findall(r"\w+", each.text)})
    words = [words[int(at)] for at in generator.permutation(len(words))]
    backgrounds = _of_split(photos, split)
    used = 0
    for number in range(count - len(found)):
        lines = []
        for _ in range(int(generator.integers(2, 5))):
            length = int(generator.integers(1, 4))
            lines.append(" ".join(_cased(word, generator) for word in words[used : used + length]))
            used += length
        photo = backgrounds[int(generator.integers(len(backgrounds)))]
        font = FONTS[split][number % len(FONTS[split])]
        data = _rendered(photo, lines, font, generator)
        found.append(KnownPicture(f"rendered-{number:03}", data, "\n".join(lines), "rendered"))
    return found


def name_pictures(photos: Sequence[Path]) -> list[KnownPicture]:
    """The names of other scripts, each over a photograph."""
    generator = np.random.default_rng(SEEDS["reported"] + 1)
    backgrounds = _of_split(photos, "reported")
    found = []
    for number, (script, written, asked) in enumerate(NAMES):
        photo = backgrounds[int(generator.integers(len(backgrounds)))]
        data = _rendered(photo, [written], SCRIPT_FONTS[script], generator, is_plain=True)
        found.append(KnownPicture(f"name-{number:03}", data, written, "name", script, asked))
    return found


def has_layout() -> bool:
    """Whether Pillow shapes letters (raqm), without which Arabic and Devanagari are not written right."""
    from PIL import features

    return bool(features.check("raqm"))


def _samples(folder: Path) -> list[KnownPicture]:
    found = []
    for row in json.loads((folder / "manifest.json").read_text(encoding="utf-8")):
        if not row.get("text"):
            continue
        path = folder / row["path"]
        source = SOURCES.get(path.parent.name, "sample")
        found.append(KnownPicture(row["path"], path.read_bytes(), row["text"], source))
    return found


def _of_split(photos: Sequence[Path], split: Split) -> list[Path]:
    return [path for path in photos if _is_reported(path.name) == (split == "reported")]


def _is_reported(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def _words(split: Split, known: set[str]) -> list[str]:
    file = Path(ambience.models.__file__).parent / "data" / "bert_uncased.txt"
    ranked = [
        word for word in file.read_text(encoding="utf-8").split("\n") if re.fullmatch("[a-z]{4,}", word)
    ]
    words = ranked[RANKS[0] : RANKS[1]]
    return [word for word in words if _is_reported(word) == (split == "reported") and word not in known]


def _cased(word: str, generator: np.random.Generator) -> str:
    return (word, word.capitalize(), word.upper())[int(generator.integers(3))]


@cache
def _font_file(name: str) -> str:
    for folder in FONT_FOLDERS:
        for path in sorted(folder.rglob(name)) if folder.exists() else ():
            return str(path)
    raise SystemExit(
        f"the font {name} is not installed; on Debian: "
        "apt install fonts-dejavu fonts-liberation fonts-noto-core fonts-noto-cjk"
    )


def _rendered(
    photo: Path,
    lines: Sequence[str],
    font_name: str,
    generator: np.random.Generator,
    *,
    is_plain: bool = False,
) -> bytes:
    """A photograph with lines of text over it, as JPEG."""
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    scale = LONG_SIDE / max(picture.size)
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    size = 56 if is_plain else int(generator.integers(28, 57))
    layer = _text_layer(lines, font_name, size, (picture.width, picture.height), generator)
    if not is_plain:
        angle = float(generator.uniform(-10, 10))
        layer = layer.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    room = [max(0, have - need) for have, need in zip(picture.size, layer.size, strict=True)]
    at = (int(generator.integers(room[0] + 1)), int(generator.integers(room[1] + 1)))
    picture.paste(layer, at, layer)
    if not is_plain and generator.random() < 0.3:
        picture = picture.filter(ImageFilter.GaussianBlur(float(generator.uniform(0.5, 1.2))))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _text_layer(
    lines: Sequence[str], font_name: str, size: int, room: tuple[int, int], generator: np.random.Generator
) -> Image.Image:
    """Transparent but for the text; letters are made smaller until it fits."""
    is_boxed = bool(generator.random() < 0.5)
    text = "\n".join(lines)
    while True:
        font = ImageFont.truetype(_font_file(font_name), size)
        edge = 0 if is_boxed else 3
        probe = ImageDraw.Draw(Image.new("L", (8, 8)))
        box: Any = probe.multiline_textbbox((0, 0), text, font=font, spacing=size // 3, stroke_width=edge)
        width, height = int(box[2] - box[0]) + 24, int(box[3] - box[1]) + 24
        if (width < 0.92 * room[0] and height < 0.8 * room[1]) or size <= 16:
            break
        size -= 2
    layer = Image.new("RGBA", (width, height), (245, 240, 225, 255) if is_boxed else (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    place = (12 - box[0], 12 - box[1])
    ink = (25, 25, 40, 255) if is_boxed else (255, 255, 255, 255)
    draw.multiline_text(
        place, text, ink, font, spacing=size // 3, stroke_width=edge, stroke_fill=(10, 10, 10, 255)
    )
    return layer
