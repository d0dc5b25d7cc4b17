"""The proof as a picture: both pictures, where each lies in the other, and which places match.

A pure function of a comparison: nothing is read, and nothing is written but the bytes that it returns. The
frame of each picture has one color, and so has its outline in the other one.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.answers import Comparison, Evidence, Geometry, PointMatch, Quadrilateral
from ambience.datatypes import STRENGTH, Picture, RgbImage, Verdict
from ambience.serve.placement import (
    alignment_words,
    chance_words,
    color_words,
    evidence_words,
    overlap_words,
    pixel_words,
    verdict_words,
)

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

ProofFormat = Literal["jpeg", "png"]
ProofLayout = Literal["auto", "beside", "below"]

WIDTH, MIN_WIDTH = 1600, 720
"""Of the whole drawing, in pixels."""

BESIDE = (760, 860)
"""Room of each picture where they stand side by side: width and height."""

BELOW = (1560, 560)
"""Room of each picture where the second stands below the first."""

ENLARGED = 480
"""Small pictures are enlarged until their longest side has so many pixels."""

LEAST = 16
"""Shortest side that a picture is drawn with, however thin it is."""

LINES, DOTS = 28, 400
"""Most matches drawn as lines, and as dots: more hide the pictures."""

GAP, FRAME = 20, 4

GROUND = (22, 25, 30)
TEXT, QUIET = (236, 239, 244), (160, 168, 180)
QUERY_COLOR, IMAGE_COLOR = (255, 166, 43), (72, 187, 255)
"""Of the frames: orange and sky blue differ for every kind of color vision."""

DIMMED = 0.42
"""What lies outside of the overlap keeps so much of its light."""

NO_LETTER = "\U0010fffe"
"""A code that no font has a glyph for."""

SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "Arial.ttf",
)
"""Fonts with more letters than Pillow's own, where this machine has them."""

_SUBPIXEL = 4
"""Bits after the point of OpenCV's coordinates."""


class Panel(NamedTuple):
    """One picture in the drawing.

    Attributes:
        x: of its left edge in the drawing.
        y: of its upper edge.
        width: drawn, in pixels.
        height: drawn.
        scale: (2,) drawn pixels per pixel of the file's picture, across and down.
    """

    x: int
    y: int
    width: int
    height: int
    scale: NDArray[np.float64]


def draw_proof(
    comparison: Comparison, *, format: ProofFormat = "jpeg", layout: ProofLayout = "auto"
) -> bytes:
    """A comparison as a picture that people can judge.

    Args:
        comparison: two pictures, and how they lie on each other.
        format: of the file.
        layout: where the second picture stands; "auto" is where both are seen largest.

    Returns:
        Bytes of a JPEG or PNG at most 1,600 pixels wide and about as high.
    """
    first, second, width, bottom = _layout(comparison.query, comparison.image, layout)
    caption = _Caption(comparison, width)
    canvas = np.full((bottom + caption.height, width, 3), GROUND, np.uint8)
    geometry = comparison.geometry
    of_query = geometry.query_in_image if geometry is not None else None
    of_image = geometry.image_in_query if geometry is not None else None
    _draw_panel(canvas, first, comparison.query.rgb, QUERY_COLOR, of_image, IMAGE_COLOR)
    _draw_panel(canvas, second, comparison.image.rgb, IMAGE_COLOR, of_query, QUERY_COLOR)
    if geometry is not None:
        _draw_matches(canvas, first, second, geometry)
    return _encoded(_with_text(canvas, comparison, (first, second), caption, bottom), format)


# --- where things stand -----------------------------------------------------------------------------------


def _layout(query: Picture, image: Picture, layout: ProofLayout) -> tuple[Panel, Panel, int, int]:
    """Both panels, and the width and height that they take."""
    sizes = ((query.width, query.height), (image.width, image.height))
    beside, below = ([_fitted(size, room) for size in sizes] for room in (BESIDE, BELOW))
    name_height = _line_height(_font(18)) + GAP // 2
    is_beside = _area(beside) >= _area(below) if layout == "auto" else layout == "beside"
    if is_beside:
        (w1, h1), (w2, h2) = beside
        width = max(w1 + w2 + 3 * GAP, MIN_WIDTH)
        height, left, top = max(h1, h2), (width - w1 - w2 - GAP) // 2, GAP + name_height
        places = ((left, top + (height - h1) // 2), (left + w1 + GAP, top + (height - h2) // 2))
        shown, bottom = beside, top + height + GAP
    else:
        (w1, h1), (w2, h2) = below
        width = max(w1, w2, MIN_WIDTH - 2 * GAP) + 2 * GAP
        tops = GAP + name_height, 2 * GAP + 2 * name_height + h1
        places = (((width - w1) // 2, tops[0]), ((width - w2) // 2, tops[1]))
        shown, bottom = below, tops[1] + h2 + GAP
    first, second = (
        Panel(*corner, *drawn, np.array(drawn) / np.maximum(size, 1))
        for corner, drawn, size in zip(places, shown, sizes, strict=True)
    )
    return first, second, width, bottom


def _fitted(size: tuple[int, int], room: tuple[int, int]) -> tuple[int, int]:
    factor = min(room[0] / size[0], room[1] / size[1], max(1.0, ENLARGED / max(size)))
    width, height = (
        min(max(LEAST, round(side * factor)), most) for side, most in zip(size, room, strict=True)
    )
    return width, height


def _area(sizes: Sequence[tuple[int, int]]) -> int:
    return sum(width * height for width, height in sizes)


# --- what is drawn ----------------------------------------------------------------------------------------


def _draw_panel(
    canvas: RgbImage,
    panel: Panel,
    rgb: RgbImage,
    own: tuple[int, int, int],
    outline: Quadrilateral | None,
    other: tuple[int, int, int],
) -> None:
    """A picture in its frame, dimmed where the other one shows nothing of it, and the other's outline."""
    import cv2

    is_smaller = panel.width < rgb.shape[1]
    method = cv2.INTER_AREA if is_smaller else cv2.INTER_CUBIC
    drawn = cv2.resize(rgb, (panel.width, panel.height), interpolation=method)
    polygon = _visible(outline, panel) if outline is not None else None
    if polygon is not None:
        inside = np.zeros(drawn.shape[:2], np.uint8)
        cv2.fillPoly(inside, [polygon], 255, cv2.LINE_AA, _SUBPIXEL)
        light = DIMMED + (1 - DIMMED) * (inside[:, :, np.newaxis] / np.float32(255))
        drawn = (drawn * light).astype(np.uint8)
        cv2.polylines(drawn, [polygon], True, (0, 0, 0), 5, cv2.LINE_AA, _SUBPIXEL)
        cv2.polylines(drawn, [polygon], True, other, 3, cv2.LINE_AA, _SUBPIXEL)
    x, y = panel.x, panel.y
    canvas[y - FRAME : y + panel.height + FRAME, x - FRAME : x + panel.width + FRAME] = own
    canvas[y : y + panel.height, x : x + panel.width] = drawn


def _visible(outline: Quadrilateral, panel: Panel) -> NDArray[np.int32] | None:
    """What of a quadrilateral lies in a panel or just beside it, in OpenCV's fixed point; None: nothing.

    Cut here because corners may lie anywhere, which would overflow; a little beside it, so that no edge is
    drawn where the picture ends and the quadrilateral does not.
    """
    import cv2

    corners = np.array(outline, np.float64) * panel.scale
    if corners.shape != (4, 2) or not np.isfinite(corners).all() or np.abs(corners).max() > 1e7:
        return None
    out = 12.0
    width, height = panel.width + out, panel.height + out
    room = np.array([(-out, -out), (width, -out), (width, height), (-out, height)], np.float32)
    area, polygon = cv2.intersectConvexConvex(corners.astype(np.float32), room, handleNested=True)
    if polygon is None or area <= 0:
        return None
    return np.asarray(np.rint((polygon.reshape(-1, 2) - 0.5) * 2**_SUBPIXEL), np.int32)


def _draw_matches(canvas: RgbImage, first: Panel, second: Panel, geometry: Geometry) -> None:
    """Dots on the places that match, and lines between some of them, spread over the query."""
    import cv2

    matches = geometry.matches[:DOTS]
    if not matches:
        return
    table = np.array(matches, np.float64)
    ends = [
        table[:, columns] * panel.scale + (panel.x - 0.5, panel.y - 0.5)
        for panel, columns in ((first, slice(0, 2)), (second, slice(2, 4)))
    ]
    fixed = [np.rint(end * 2**_SUBPIXEL).astype(np.int64).tolist() for end in ends]
    lines = spread_matches(matches, LINES)
    for start, end in zip(*fixed, strict=True):
        for place, color in ((start, QUERY_COLOR), (end, IMAGE_COLOR)):
            cv2.circle(canvas, place, 2 << _SUBPIXEL, color, -1, cv2.LINE_AA, _SUBPIXEL)
    for place, color in zip(lines, _line_colors(len(lines)), strict=True):
        start, end = fixed[0][place], fixed[1][place]
        cv2.line(canvas, start, end, color, 1, cv2.LINE_AA, _SUBPIXEL)
        for each in (start, end):
            cv2.circle(canvas, each, 5 << _SUBPIXEL, (0, 0, 0), 2, cv2.LINE_AA, _SUBPIXEL)
            cv2.circle(canvas, each, 4 << _SUBPIXEL, color, 2, cv2.LINE_AA, _SUBPIXEL)


def spread_matches(matches: Sequence[PointMatch], most: int) -> list[int]:
    """Matches that lie far from each other in the query, the best one first among them.

    Args:
        matches: best first.
        most: so many at most.

    Returns:
        Their numbers, from the top of the query to its bottom. Each is the one farthest from all before it
        (Gonzalez, 1985).
    """
    places = np.array([(match.query_x, match.query_y) for match in matches], np.float64).reshape(-1, 2)
    chosen: list[int] = []
    distances = np.full(len(places), np.inf)
    while len(chosen) < min(most, len(places)):
        following = int(np.argmax(distances))
        if distances[following] <= 0:  # what is left lies on places already chosen
            break
        chosen.append(following)
        distances = np.minimum(distances, np.square(places - places[following]).sum(axis=1))
    return sorted(chosen, key=lambda number: (matches[number].query_y, matches[number].query_x))


def _line_colors(count: int) -> list[tuple[int, int, int]]:
    """Colors around the circle, so that lines that cross can be told apart."""
    import cv2

    hues = np.linspace(0, 179, count, endpoint=False).astype(np.uint8)
    table = np.stack([hues, np.full_like(hues, 150), np.full_like(hues, 255)], axis=1)[np.newaxis]
    return [(int(r), int(g), int(b)) for r, g, b in cv2.cvtColor(table, cv2.COLOR_HSV2RGB)[0]]


# --- what is said -----------------------------------------------------------------------------------------


class _Caption:
    """Title and facts below the pictures, broken into lines that fit.

    Args:
        comparison: what is to be said.
        width: of the drawing.
    """

    def __init__(self, comparison: Comparison, width: int) -> None:
        title, *facts = caption_of(comparison)
        self.title_font, self.font = _font(26), _font(18)
        room = width - 2 * GAP
        self.title = _wrapped(title, self.title_font, room)
        self.facts = [line for fact in facts for line in _wrapped(fact, self.font, room)]
        title_height = len(self.title) * _line_height(self.title_font)
        self.height = title_height + len(self.facts) * _line_height(self.font) + 2 * GAP


def caption_of(comparison: Comparison) -> list[str]:
    """What a proof says: the verdict, then what supports it.

    Returns:
        One sentence a line, without full stops.
    """
    match, geometry = comparison.match, comparison.geometry
    if match is None:
        lines = ["Nothing shows that they have anything in common"]
    else:
        words = verdict_words(match.verdict, match.orientation, geometry)
        lines = [f"{words[:1].upper()}{words[1:]}   ·   score {match.score:.2f}"]
    if geometry is not None:
        said = (overlap_words(geometry, "the query", "the picture"), pixel_words(geometry))
        lines.append("   ·   ".join(part for part in said if part))
        lines.append(chance_words(geometry))
    elif comparison.alignment is not None:
        kinds = ", ".join(each.kind for each in comparison.evidence if _tells_a_copy(each)) or "all kinds"
        lines.append(f"Told by {kinds}; no places were matched: {alignment_words(comparison.alignment)}")
    if geometry is None:
        lines += evidence_words(comparison.evidence)
    if comparison.colors:
        lines.append(color_words(comparison.colors))
    lines += [f"{kind}: {note}" for kind, note in comparison.notes.items()]
    return lines


def _tells_a_copy(evidence: Evidence) -> bool:
    return evidence.verdict is not None and STRENGTH[evidence.verdict] < STRENGTH[Verdict.SAME_SCENE]


def _with_text(
    canvas: RgbImage, comparison: Comparison, panels: Sequence[Panel], caption: _Caption, top: int
) -> RgbImage:
    """The drawing with the pictures' names above them and the caption below."""
    from PIL import Image, ImageDraw

    drawing = Image.fromarray(canvas)
    pen = ImageDraw.Draw(drawing)
    said = (
        ("query", comparison.query_name, comparison.query, QUERY_COLOR),
        ("picture", comparison.image_name, comparison.image, IMAGE_COLOR),
    )
    for panel, (role, name, picture, color) in zip(panels, said, strict=True):
        room = max(panel.width, (canvas.shape[1] - 3 * GAP) // 2 if panel.width < 300 else 0)
        font = _font_of(name, 18)
        label = _shortened(
            f"{role}: {_drawable(name, font)}", f", {picture.width} x {picture.height}", font, room
        )
        corner = (panel.x, panel.y - FRAME - _line_height(font))
        left, upper, right, lower = pen.textbbox(corner, label, font=font)
        pen.rectangle((left - 3, upper - 3, right + 3, lower + 3), GROUND)  # lines may pass here
        pen.text(corner, label, fill=color, font=font)
    y = top
    for font, lines, color in (
        (caption.title_font, caption.title, TEXT),
        (caption.font, caption.facts, QUIET),
    ):
        for line in lines:
            pen.text((GAP, y), line, fill=color, font=font)
            y += _line_height(font)
        y += GAP // 4
    return np.asarray(drawing)


def _font(size: int) -> "Font":
    """The font that Pillow brings along: ASCII and a few signs more."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _font_of(name: str, size: int) -> "Font":
    """A font that has the letters of a name: the first of this machine's that does, or Pillow's own."""
    from PIL import ImageFont

    own = _font(size)
    if name.isascii() or _lacking(name, own) == 0:
        return own
    found = [own]
    for file in SYSTEM_FONTS:
        with contextlib.suppress(OSError):
            found.append(ImageFont.truetype(file, size))
    return min(found, key=lambda font: _lacking(name, font))


def _lacking(text: str, font: "Font") -> int:
    missing = bytes(font.getmask(NO_LETTER))
    return sum(bytes(font.getmask(letter)) == missing for letter in set(text) if not letter.isascii())


def _line_height(font: "Font") -> int:
    _, top, _, bottom = font.getbbox("Ag|")
    return round((bottom - top) * 1.35)


def _drawable(text: str, font: "Font") -> str:
    """Text on one line; a letter that the font does not have becomes a question mark, not an empty box."""
    lacks = {letter for letter in set(text) if not letter.isprintable() or _lacking(letter, font)}
    return "".join("?" if letter in lacks else letter for letter in text)


def _shortened(name: str, ending: str, font: "Font", room: int) -> str:
    """A name and an ending that fit; the name loses its middle."""
    kept = len(name)
    text = name + ending
    while font.getlength(text) > room and kept > 8:
        kept -= 1
        text = f"{name[: kept // 2]}…{name[len(name) - kept // 2 :]}{ending}"
    return text


def _wrapped(text: str, font: "Font", room: int) -> list[str]:
    lines = [""]
    for word in _drawable(text, font).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if font.getlength(longer) <= room or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _encoded(canvas: RgbImage, format: ProofFormat) -> bytes:
    from PIL import Image

    saved = io.BytesIO()
    if format == "png":
        Image.fromarray(canvas).save(saved, "PNG")
    else:
        Image.fromarray(canvas).save(saved, "JPEG", quality=88, subsampling=0)
    return saved.getvalue()
