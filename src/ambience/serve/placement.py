"""Where one picture lies in the other, in figures and in words: what a proof says to people.

Pure functions; the command line, the drawing and HTTP all say it with these.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ambience.answers import Alignment, Evidence, Geometry, Match, SharedColor
from ambience.datatypes import Orientation, Verdict

WHOLE = 0.9
"""Share of a picture's area from which on it counts as all of it."""

LEAST_TURN_DEG = 2.0
"""Smaller turns are not worth a word."""

RULED_OUT = 30
"""Chances of one in ten to this and less have no figure of their own."""

VERDICT_WORDS = {
    "same_file": "same file",
    "same_picture": "same picture",
    "edited": "edited copy",
    "part": "part of it",
    "same_scene": "same scene",
    "look_alike": "looks alike",
    "same_colors": "same colors",
    "same_words": "fits the words",
}

Relation = Literal["whole", "within", "around", "across"]
"""The query against the image: all of it, a part of it, it and more, or some of it and more."""


class Box(NamedTuple):
    """An upright rectangle in whole pixels: its upper left corner, and its size."""

    x: int
    y: int
    width: int
    height: int


def relation(geometry: Geometry) -> Relation:
    """Which of the two pictures holds the other.

    Returns:
        "within" where the query is a crop of the image; "around" where the image is a part of the query.
    """
    is_query_inside, is_image_inside = geometry.query_overlap >= WHOLE, geometry.image_overlap >= WHOLE
    if is_query_inside:
        return "whole" if is_image_inside else "within"
    return "around" if is_image_inside else "across"


def place(geometry: Geometry, width: int, height: int) -> Box:
    """The upright rectangle of the image that the query covers.

    Args:
        geometry: how both lie on each other.
        width: of the image in pixels.
        height: of the image in pixels.

    Returns:
        Within the image; without area where they do not overlap.
    """
    corners = np.clip(np.nan_to_num(np.array(geometry.query_in_image, np.float64)), 0, [width, height])
    (left, top), (right, bottom) = np.rint(corners.min(axis=0)), np.rint(corners.max(axis=0))
    return Box(int(left), int(top), int(right - left), int(bottom - top))


def turn_deg(geometry: Geometry) -> float:
    """By how much the query, mirrored first where it is, has to be turned to lie as it does in the image.

    Returns:
        Degrees counter-clockwise, above -180 and up to 180; of the middle of the query where a perspective
        turns its parts differently.
    """
    transform = np.array(geometry.transform, np.float64)
    corners = np.array([(*corner, 1.0) for corner in geometry.query_in_image], np.float64)
    back = corners @ np.linalg.inv(transform).T
    middle = np.append(np.mean(back[:, :2] / back[:, 2:], axis=0), 1.0)
    u, v, w = transform @ middle
    linear = transform[:2, :2] - np.outer([u / w, v / w], transform[2, :2])
    linear *= np.sign(w)
    if geometry.is_mirrored:
        linear[:, 0] *= -1
    clockwise = math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1]))
    return 180.0 if clockwise == -180.0 else -clockwise + 0.0


def geometry_of(match: Match) -> Geometry | None:
    """The proof of a match, from whichever kind has one."""
    return next((each.geometry for each in match.evidence if each.geometry is not None), None)


def percent(share: float) -> str:
    """A share in words: "15 %", "0.4 %"."""
    value = 100 * share
    return f"{value:.1g} %" if 0 < value < 1 else f"{value:.0f} %"


def verdict_words(verdict: str, orientation: Orientation, geometry: Geometry | None = None) -> str:
    """What a match is, in words: "part of it (15 %), mirrored, rotated 30° clockwise".

    Args:
        verdict: by its name; that of a newer server is shown as it is.
        orientation: how the query had to be turned.
        geometry: the proof, where there is one.

    Returns:
        Words for people, on one line.
    """
    parts = [VERDICT_WORDS.get(verdict, verdict.replace("_", " "))]
    if geometry is not None and verdict == Verdict.PART:
        parts = [_part_words(geometry)]
    if verdict not in ("same_file", "same_colors", "same_words"):
        parts += turn_words(orientation, geometry)
    return ", ".join(parts)


def turn_words(orientation: Orientation, geometry: Geometry | None) -> list[str]:
    """Whether the query has to be mirrored, and how it has to be turned, to lie as it does in the image.

    Returns:
        No, one or two phrases; to the degree where a geometry tells it.
    """
    if geometry is None:
        words = ["mirrored"] if orientation.mirrored else []
        return words + ([f"rotated {orientation.rotation}°"] if orientation.rotation else [])
    words = ["mirrored"] if geometry.is_mirrored else []
    turn = turn_deg(geometry)
    if abs(turn) >= LEAST_TURN_DEG:
        sense = "" if round(abs(turn)) == 180 else " counter-clockwise" if turn > 0 else " clockwise"
        words.append(f"rotated {abs(turn):.0f}°{sense}")
    return words


def _part_words(geometry: Geometry) -> str:
    match relation(geometry):
        case "whole":
            return "all of it"
        case "within":
            return f"part of it ({percent(geometry.image_overlap)})"
        case "around":
            return f"within the query ({percent(geometry.query_overlap)})"
        case "across":
            return f"shares {percent(geometry.image_overlap)} of it"


def overlap_words(geometry: Geometry, query: str, image: str) -> str:
    """How much of each lies in the other, as a sentence.

    Args:
        geometry: how both lie on each other.
        query: what to call the query.
        image: what to call the image.

    Returns:
        One sentence without a full stop.
    """
    match relation(geometry):
        case "whole":
            return f"{query} shows all of {image}"
        case "within":
            return f"{query} shows {percent(geometry.image_overlap)} of {image}"
        case "around":
            return f"{image} fills {percent(geometry.query_overlap)} of {query}"
        case "across":
            share, other = percent(geometry.query_overlap), percent(geometry.image_overlap)
            return f"{share} of {query} shows {other} of {image}"


def pixel_words(geometry: Geometry) -> str:
    """Whether the pixels agree where both overlap; "" where they were not compared."""
    if geometry.correlation is None or geometry.is_copy is None:
        return ""
    said = "pixels agree: a copy" if geometry.is_copy else "pixels differ: the same scene, or heavily edited"
    return f"{said} (correlation {geometry.correlation:.2f})"


def chance_words(geometry: Geometry) -> str:
    """How sure the geometry is: how many places agree, and how rarely they do by chance."""
    rarity = round(-geometry.log10_chance)
    if rarity > RULED_OUT:
        return f"{geometry.inliers} places agree: chance is ruled out"
    return f"{geometry.inliers} places agree: chance does as well in 1 of 10^{rarity} pictures"


def alignment_words(alignment: Alignment) -> str:
    """How copies of the whole lie on each other that no points prove, in words."""
    if alignment.basis == "bytes":
        return "each is all of the other, byte by byte"
    return "each is taken to be all of the other, corner on corner"


def evidence_words(evidence: Sequence[Evidence]) -> list[str]:
    """What kinds say by their distance alone, one phrase each, the greatest score first.

    Returns:
        Such as "color: 0.62, distance 0.76"; nothing of what is proven by bytes or by points.
    """
    told = sorted(
        (each for each in evidence if each.kind != "sha256" and each.geometry is None),
        key=lambda each: (-each.score, each.kind),
    )
    return [f"{each.kind}: {each.score:.2f}, distance {each.distance:.3g}" for each in told]


def color_words(colors: Sequence[SharedColor]) -> str:
    """Which colors two pictures share, and how much of each has them: "#2040e0 31 % and 28 %"."""
    each = (
        f"#{''.join(f'{value:02x}' for value in color.rgb)} {percent(color.query_share)} and "
        f"{percent(color.image_share)}"
        for color in colors
    )
    return f"Shared colors: {', '.join(each)}"
