"""Lines that the model cannot read, given to Tesseract in every script that it knows here.

A script that is not the line's own gives noise of a confidence below a half, the right one 0.9 and more; so
some lines are tried in all of them, and only scripts that made sense of one are asked for the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ambience.annotate._line_crops import cut_out
from ambience.annotate._line_reading import ReadLine, letters, tidy
from ambience.annotate._tesseract import LANGUAGES, Tesseract
from ambience.datatypes import RgbImage
from ambience.models.ocr.decoding import Reading
from ambience.phonetics.scripts import script_of

TRIED = 4
"""Lines that are tried in every script, the longest ones."""

LEAST = 0.7
"""Confidence of Tesseract from which it is believed: the wrong script reaches 0.72 on a line of three
letters, and 0.6 on longer ones."""

LEAST_LETTERS = 3
"""Of a line that says by itself which script a picture is in."""

LONG = 1.5
"""Length over height of lines that are given to it: what is nearly square is rarely text."""

TELLING = 2.5
"""Length over height of lines that are tried in every script: things in photographs that look like letters
are shorter, mostly."""

CERTAIN, LONG_ENOUGH = 0.6, 6.0
"""How sure it is at least that these lines are text; or how long they are, as no thing in a photograph is."""

MANY = 3
"""Lines that are tried turned as well, where upright none makes sense: a page may stand on its head."""

_READS = {"Hani": {"Hani", "Hira", "Kana"}, "Jpan": {"Hani", "Hira", "Kana"}}
_LOOKALIKE = frozenset("ABEKMHOPCTXYaekmopcxyiuvtbZINnj0369.,:;!?-'\"()& ")
"""Latin letters and signs as which the model may read words of Cyrillic and Greek capitals."""


def read_doubtful(
    rgb: RgbImage, lines: Sequence[ReadLine], engine: Tesseract, by_script: Mapping[str, str]
) -> list[ReadLine]:
    """Lines of which Tesseract makes more than the model did, in its words.

    The longest doubtful lines are tried upright; where no script makes sense of any of several, they are
    tried turned by 180°. Tesseract's reading counts from a confidence of 0.7, where it is of the script that
    was asked for, and above what the model's is worth. Once a script is known to stand in the picture, words
    that the model read as Latin letters which that script has as well are read in it, too.

    Args:
        rgb: (H, W, 3) uint8.
        lines: as the model read them.
        engine: as it is installed.
        by_script: what it is asked for, by ISO 15924 code.

    Returns:
        As many lines, in their order.
    """
    chosen = list(lines)
    doubtful = [place for place, line in enumerate(lines) if line.is_doubtful and line.aspect >= LONG]
    telling = [place for place in doubtful if _tells(lines[place])]
    telling.sort(key=lambda place: -lines[place].aspect)
    if not telling or not by_script:
        return chosen
    for is_turned in (False, True)[: 2 if len(telling) >= MANY else 1]:
        tried = [_turned(lines[place], is_turned) for place in telling[:TRIED]]
        scripts = _making_sense(rgb, tried, engine, by_script)
        if not scripts:
            continue
        places = doubtful + [
            place
            for place, line in enumerate(lines)
            if not line.is_doubtful and line.aspect >= LONG and _LOOKALIKE.issuperset(line.reading.text)
        ]
        asked = [_turned(lines[place], is_turned) for place in places]
        for script in scripts:
            for place, line in zip(places, _read(rgb, asked, engine, by_script, script), strict=True):
                if line is not None and line.worth > _bar(chosen[place]):
                    chosen[place] = line
        break
    return chosen


def _tells(line: ReadLine) -> bool:
    """Whether a line is worth to be tried in every script."""
    return line.aspect >= TELLING and (line.score >= CERTAIN or line.aspect >= LONG_ENOUGH)


def _bar(line: ReadLine) -> float:
    """What a reading must be worth to take a line's place: a sure one gives way to a nearly sure one."""
    return min(line.worth, 0.85)


def _turned(line: ReadLine, is_turned: bool) -> ReadLine:
    return replace(line, quad=line.quad[[2, 3, 0, 1]]) if is_turned else line


def _making_sense(
    rgb: RgbImage, tried: Sequence[ReadLine], engine: Tesseract, by_script: Mapping[str, str]
) -> list[str]:
    """Scripts in which a line of some length makes sense."""
    return [
        script
        for script in by_script
        if any(
            line is not None and letters(line.reading.text) >= LEAST_LETTERS
            for line in _read(rgb, tried, engine, by_script, script)
        )
    ]


def _read(
    rgb: RgbImage, lines: Sequence[ReadLine], engine: Tesseract, by_script: Mapping[str, str], script: str
) -> list[ReadLine | None]:
    """Lines in one script; None where they make no sense in it."""
    asked = by_script[script]
    language = LANGUAGES[asked.rpartition("/")[2]].code if "+" not in asked else ""
    readings = engine.read([cut_out(rgb, line.quad) for line in lines], asked)
    found: list[ReadLine | None] = []
    for line, reading in zip(lines, readings, strict=True):
        text = tidy(reading.text)
        is_of_it = script_of(text) in _READS.get(script, {script})
        makes_sense = reading.confidence >= LEAST and is_of_it
        made = replace(line, reading=Reading(text, reading.confidence), language=language)
        found.append(made if makes_sense else None)
    return found
