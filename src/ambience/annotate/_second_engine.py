"""Lines that the model cannot read, given to Tesseract in every script that it knows here.

Each is shown to it as it is, and as its bright and its dark ink alone (`_line_inks.py`); the surest reading
counts. A script that is not the line's own gives noise, or letters of a lower confidence than its own does;
so some lines are tried in all of them, and only scripts that made most sense of one are asked for the rest.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ambience.annotate._line_crops import cut_out
from ambience.annotate._line_inks import GreyLine, inks, plain
from ambience.annotate._line_reading import SURE, ReadLine, letters, tidy
from ambience.annotate._tesseract import LANGUAGES, Tesseract
from ambience.datatypes import RgbImage
from ambience.models.ocr.decoding import Reading
from ambience.models.sentence_encoder import known_words
from ambience.phonetics.scripts import script_of

TRIED = 6
"""Lines that are tried in every script: those that are text most surely, and the longest ones."""

LEAST = 0.7
"""Confidence of Tesseract from which it is believed, of a line of four letters and more."""

LEAST_SHORT = {2: 0.9, 3: 0.8}
"""The same of shorter lines, by their letters; one letter alone is never believed."""

LONG = 1.3
"""Length over height of lines that are given to it: two syllables of Korean have 1.5, and what is square is
rarely text."""

CERTAIN, LONG_ENOUGH = 0.6, 6.0
"""How sure it is at least that the lines which are tried are text; or how long they are, as no thing in a
photograph is."""

MANY = 3
"""Lines that are tried turned as well, where upright none makes sense: a page may stand on its head."""

WORDS = 10.0
"""Length over height of lines beyond which they are not shown as ink: words that stand alone over photographs
are shorter, and lines of a page need no such help and cost far more."""

LETTERS = 0.7
"""Least share of letters among the signs of a line; noise is full of digits, strokes and dots."""

_MIXED = re.compile(r"(?<=[а-яёіά-ώ])[А-ЯЁΑ-Ω]")
"""A capital behind a small letter: Cyrillic read as Greek, or Greek as Cyrillic."""

_READS = {"Hani": {"Hani", "Hira", "Kana"}, "Jpan": {"Hani", "Hira", "Kana"}}
_LOOKALIKE = frozenset("ABEKMHOPCTXYaekmopcrxyiuvtbZINnj0369.,:;!?-'\"()& ")
"""Latin letters and signs as which the model may read words of Cyrillic and Greek, but for their accents."""


def read_doubtful(
    rgb: RgbImage, lines: Sequence[ReadLine], engine: Tesseract, by_script: Mapping[str, str]
) -> list[ReadLine]:
    """Lines of which Tesseract makes more than the model did, in its words.

    Some doubtful lines are tried upright; where no script makes sense of any of several, they are tried
    turned by 180°. Tesseract's reading counts from a confidence of 0.7, of short lines more, where it is of
    the script that was asked for, and above what the model's is worth. Once a script is known to stand in the
    picture, words that the model read as Latin letters which that script has as well are read in it, too; and
    in a picture without any other Latin, words of such letters alone that are no known words are tried, too.

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
    if not any(map(_is_plain_latin, lines)):
        telling += [place for place, line in enumerate(lines) if _may_be_another(line)]
    if not telling or not by_script:
        return chosen
    for is_turned in (False, True)[: 2 if len(telling) >= MANY else 1]:
        tried = [_turned(lines[place], is_turned) for place in _most_telling(lines, telling)]
        scripts = _making_sense(rgb, tried, engine, by_script)
        if not scripts:
            continue
        places = doubtful + [
            place
            for place, line in enumerate(lines)
            if not line.is_doubtful and line.aspect >= LONG and _looks_alike(line.reading.text)
        ]
        asked = [_turned(lines[place], is_turned) for place in places]
        made = [_read(rgb, asked, engine, by_script, script) for script in scripts]
        for place, *read in zip(places, *made, strict=True):
            best = max(read, key=_sureness)
            if best is not None and best.worth > _bar(chosen[place]):
                chosen[place] = best
        break
    return chosen


def _is_plain_latin(line: ReadLine) -> bool:
    """Whether a line was surely read and holds letters that Latin alone has."""
    text = line.reading.text
    return not line.is_doubtful and script_of(text) == "Latn" and not _looks_alike(text)


def _looks_alike(text: str) -> bool:
    signs = unicodedata.normalize("NFD", text)
    return _LOOKALIKE.issuperset(sign for sign in signs if not unicodedata.combining(sign))


def _may_be_another(line: ReadLine) -> bool:
    """Whether a line that was surely read as Latin may be of another script: POCTOB is no word, РОСТОВ is."""
    text = line.reading.text
    is_lookalike = not line.is_doubtful and line.aspect >= LONG and _looks_alike(text)
    words = re.findall(r"[^\W\d_]{3,}", text)
    return is_lookalike and bool(words) and not known_words().issuperset(map(str.lower, words))


def _tells(line: ReadLine) -> bool:
    """Whether a line is worth to be tried in every script."""
    return line.score >= CERTAIN or line.aspect >= LONG_ENOUGH


def _most_telling(lines: Sequence[ReadLine], places: Sequence[int]) -> list[int]:
    """Half of them what is text most surely, the others the longest."""
    surest = sorted(places, key=lambda place: -lines[place].score)[: TRIED // 2]
    rest = [place for place in places if place not in surest]
    return surest + sorted(rest, key=lambda place: -lines[place].aspect)[: TRIED - len(surest)]


def _bar(line: ReadLine) -> float:
    """What a reading must be worth to take a line's place: a sure one gives way to a nearly sure one."""
    return min(line.worth, 0.85)


def _turned(line: ReadLine, is_turned: bool) -> ReadLine:
    return replace(line, quad=line.quad[[2, 3, 0, 1]]) if is_turned else line


def _making_sense(
    rgb: RgbImage, tried: Sequence[ReadLine], engine: Tesseract, by_script: Mapping[str, str]
) -> list[str]:
    """Scripts that make more sense of a line than all others do.

    Lines that one of them is sure of as they are, as on pages, are not shown as ink.
    """
    crops = [cut_out(rgb, line.quad) for line in tried]
    best: list[tuple[float, str]] = [(0.0, "")] * len(tried)
    for show in (_whole, _inks):
        places = [place for place, (sure, _) in enumerate(best) if sure < SURE]
        lines, shown = [tried[place] for place in places], [show(crops[place]) for place in places]
        for script in by_script if places else ():
            made = _as_shown(lines, shown, engine, by_script, script)
            for place, line in zip(places, made, strict=True):
                best[place] = max(best[place], (_sureness(line), script))
    found = {script for sure, script in best if sure > 0}
    return [script for script in by_script if script in found]


def _sureness(line: ReadLine | None) -> float:
    return 0.0 if line is None else line.worth


def _whole(crop: RgbImage) -> list[GreyLine]:
    return [plain(crop)]


def _inks(crop: RgbImage) -> list[GreyLine]:
    return inks(crop) if crop.shape[1] <= WORDS * crop.shape[0] else []


def _read(
    rgb: RgbImage, lines: Sequence[ReadLine], engine: Tesseract, by_script: Mapping[str, str], script: str
) -> list[ReadLine | None]:
    """Lines in one script, those that it is not sure of also by their inks; None where they make no sense."""
    crops = [cut_out(rgb, line.quad) for line in lines]
    found = _as_shown(lines, list(map(_whole, crops)), engine, by_script, script)
    unsure = [place for place, line in enumerate(found) if _sureness(line) < SURE]
    shown = [_inks(crops[place]) for place in unsure]
    again = _as_shown([lines[place] for place in unsure], shown, engine, by_script, script)
    for place, line in zip(unsure, again, strict=True):
        found[place] = max(found[place], line, key=_sureness)
    return found


def _as_shown(
    lines: Sequence[ReadLine],
    shown: Sequence[Sequence[GreyLine]],
    engine: Tesseract,
    by_script: Mapping[str, str],
    script: str,
) -> list[ReadLine | None]:
    """Lines in one script, by the surest reading of the pictures of each; None where they make no sense."""
    asked = by_script[script]
    language = LANGUAGES[asked.rpartition("/")[2]].code if "+" not in asked else ""
    readings = iter(engine.read([each for pictures in shown for each in pictures], asked))
    found: list[ReadLine | None] = []
    for line, pictures in zip(lines, shown, strict=True):
        made = [
            replace(line, reading=Reading(tidy(reading.text), reading.confidence), language=language)
            for _, reading in zip(pictures, readings, strict=False)
        ]
        sensible = [each for each in made if _makes_sense(each.reading, script)]
        found.append(max(sensible, key=_sureness) if sensible else None)
    return found


def _makes_sense(reading: Reading, script: str) -> bool:
    """Whether a reading is of the script that was asked for, a word by its looks, and sure enough."""
    text = reading.text
    count = sum(unicodedata.category(sign)[0] in "LM" for sign in text)
    is_of_it = script_of(text) in _READS.get(script, {script})
    is_word = count > 1 and count >= LETTERS * letters(text) and not _MIXED.search(text)
    return is_of_it and is_word and reading.confidence >= LEAST_SHORT.get(count, LEAST)
