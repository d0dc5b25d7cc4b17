"""Tesseract as a second engine, run as a program where it is installed: for scripts that the model lacks.

All lines of a picture that it is asked for are stacked into one picture and read by one call for a set of
languages, since starting it takes as long as reading ten lines. What it answers is a table of words.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.models.ocr.decoding import NOTHING, Reading

MAX_LINES = 300
"""Lines of one call."""

MAX_WIDTH = 4096
"""Pixels of a line; Tesseract itself refuses pictures above 32,767."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
MAX_ANSWER_BYTES = 16 * 2**20
MARGIN = 16
LONGEST_S, LONGEST_PER_LINE_S = 30.0, 2.0
"""Seconds after which a call is given up: for starting, and for each line."""


class Language(NamedTuple):
    """A language of Tesseract.

    Attributes:
        code: BCP 47; "" for models of a whole script.
        script: ISO 15924.
    """

    code: str
    script: str


LANGUAGES = {
    "ara": Language("ar", "Arab"),
    "bel": Language("be", "Cyrl"),
    "ben": Language("bn", "Beng"),
    "bul": Language("bg", "Cyrl"),
    "chi_sim": Language("zh-Hans", "Hani"),
    "chi_tra": Language("zh-Hant", "Hani"),
    "deu": Language("de", "Latn"),
    "ell": Language("el", "Grek"),
    "eng": Language("en", "Latn"),
    "fas": Language("fa", "Arab"),
    "fra": Language("fr", "Latn"),
    "guj": Language("gu", "Gujr"),
    "heb": Language("he", "Hebr"),
    "hin": Language("hi", "Deva"),
    "hye": Language("hy", "Armn"),
    "ita": Language("it", "Latn"),
    "jpn": Language("ja", "Jpan"),
    "kan": Language("kn", "Knda"),
    "kat": Language("ka", "Geor"),
    "khm": Language("km", "Khmr"),
    "kor": Language("ko", "Hang"),
    "mal": Language("ml", "Mlym"),
    "mar": Language("mr", "Deva"),
    "mkd": Language("mk", "Cyrl"),
    "nep": Language("ne", "Deva"),
    "pan": Language("pa", "Guru"),
    "por": Language("pt", "Latn"),
    "rus": Language("ru", "Cyrl"),
    "sin": Language("si", "Sinh"),
    "spa": Language("es", "Latn"),
    "srp": Language("sr", "Cyrl"),
    "tam": Language("ta", "Taml"),
    "tel": Language("te", "Telu"),
    "tha": Language("th", "Thai"),
    "tur": Language("tr", "Latn"),
    "ukr": Language("uk", "Cyrl"),
    "urd": Language("ur", "Arab"),
    "vie": Language("vi", "Latn"),
    "Arabic": Language("", "Arab"),
    "Armenian": Language("", "Armn"),
    "Bengali": Language("", "Beng"),
    "Cyrillic": Language("", "Cyrl"),
    "Devanagari": Language("", "Deva"),
    "Georgian": Language("", "Geor"),
    "Greek": Language("", "Grek"),
    "Gujarati": Language("", "Gujr"),
    "Hangul": Language("", "Hang"),
    "Hebrew": Language("", "Hebr"),
    "Khmer": Language("", "Khmr"),
    "Tamil": Language("", "Taml"),
    "Telugu": Language("", "Telu"),
    "Thai": Language("", "Thai"),
    "Vietnamese": Language("", "Latn"),
}
"""By Tesseract's own name, without the folder `script/`."""


@dataclass(frozen=True, slots=True)
class Tesseract:
    """The program, as it is installed here.

    Attributes:
        program: its path.
        version: such as "5.3.0".
        models: names of its languages that are known to us, as it lists them, sorted.
    """

    program: str
    version: str
    models: tuple[str, ...]

    def by_script(self, codes: Sequence[str] = ()) -> dict[str, str]:
        """What reads each script.

        Args:
            codes: BCP 47 codes; where any are given, only these languages, and models of their scripts.

        Returns:
            By ISO 15924 code, what `-l` is given: the model of the whole script where there is one, since it
            knows the letters of all its languages, else the languages of that script joined by "+".
        """
        asked = {code.split("-")[0].lower() for code in codes}
        scripts: dict[str, list[str]] = {}
        wholes: dict[str, str] = {}
        for name in self.models:
            code, script = LANGUAGES[name.rpartition("/")[2]]
            if not code:
                wholes[script] = name
            if code and (not asked or code.split("-")[0] in asked):
                scripts.setdefault(script, []).append(name)
        if not asked:
            scripts |= {script: [] for script in wholes if script not in scripts}
        return {script: wholes.get(script) or "+".join(names) for script, names in sorted(scripts.items())}

    def read(self, lines: Sequence[RgbImage], languages: str) -> list[Reading]:
        """What stands in lines.

        Args:
            lines: (48, W, 3) uint8 each; what is behind 4,096 pixels, or the 300th line, is not read.
            languages: as `by_script` names them.

        Returns:
            In their order; nothing of those that it reads nothing in, and of all where it fails.
        """
        shown = list(lines[:MAX_LINES])
        if not shown:
            return []
        page, tops = _stacked(shown)
        longest_s = LONGEST_S + LONGEST_PER_LINE_S * len(shown)
        table = self.table(page, languages, mode=6, longest_s=longest_s)
        return _by_line(table, tops) + [NOTHING] * (len(lines) - len(shown))

    def table(self, page: NDArray[np.uint8], languages: str, *, mode: int, longest_s: float) -> str:
        """Its answer on a picture, from one thread.

        Args:
            page: (H, W) uint8.
            languages: as `by_script` names them.
            mode: of segmentation, its `--psm`.
            longest_s: seconds after which it is given up.

        Returns:
            A table whose cells are parted by tabs, its names first; "" where it fails or takes too long.
        """
        header = f"P5 {page.shape[1]} {page.shape[0]} 255\n".encode()
        words = [
            "env",
            "OMP_THREAD_LIMIT=1",
            self.program,
            "-",
            "-",
            "-l",
            languages,
            "--psm",
            str(mode),
            "tsv",
        ]
        try:
            done = subprocess.run(
                words, input=header + page.tobytes(), capture_output=True, check=False, timeout=longest_s
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        if done.returncode or len(done.stdout) > MAX_ANSWER_BYTES:
            return ""
        return done.stdout.decode("utf-8", "replace")


def installed_tesseract() -> Tesseract | None:
    """Tesseract as it is installed here; None where it is not, or reads no language that is known."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    version = _said([program, "--version"]).split("\n")[0].rpartition(" ")[2]
    listed = [line.strip() for line in _said([program, "--list-langs"]).split("\n")[1:]]
    models = tuple(sorted(name for name in listed if name.rpartition("/")[2] in LANGUAGES))
    return Tesseract(program, version, models) if models else None


def _said(words: list[str]) -> str:
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).decode("utf-8", "replace")


def _stacked(lines: Sequence[RgbImage]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Lines below each other, dark on white, and where each begins."""
    import cv2

    heights = [line.shape[0] for line in lines]
    tops = np.cumsum([MARGIN, *(height + MARGIN for height in heights[:-1])])
    width = max(min(line.shape[1], MAX_WIDTH) for line in lines) + 2 * MARGIN
    page = np.full((sum(heights) + MARGIN * (len(lines) + 1), width), 255, np.uint8)
    for line, top in zip(lines, tops, strict=True):
        grey = cv2.cvtColor(line[:, :MAX_WIDTH], cv2.COLOR_RGB2GRAY)
        low, high = np.percentile(grey, (1, 99))
        spread = np.clip((grey.astype(np.float32) - low) * (255 / max(high - low, 1.0)), 0, 255)
        if np.median(spread) < 128:  # bright on dark
            spread = 255 - spread
        page[top : top + len(grey), MARGIN : MARGIN + grey.shape[1]] = spread.astype(np.uint8)
    return page, tops


def _by_line(table: str, tops: NDArray[np.int64]) -> list[Reading]:
    """Words of Tesseract's table, gathered by the line in which their middle stands.

    The confidence of a line is the mean of its words', weighted by their letters.
    """
    words: list[list[tuple[str, float]]] = [[] for _ in tops]
    for word in words_of(table):
        middle = int(word["top"]) + int(word["height"]) / 2
        line = int(np.searchsorted(tops - MARGIN // 2, middle, side="right")) - 1
        if 0 <= line < len(words):
            words[line].append((word["text"], min(max(float(word["conf"]) / 100, 0.0), 1.0)))
    return [_joined(each) for each in words]


def words_of(table: str) -> list[Mapping[str, str]]:
    """Words of Tesseract's table, as it names its columns; rows that are broken are passed over."""
    names, *rows = table.split("\n")
    columns = names.split("\t")
    words = [dict(zip(columns, row.split("\t"), strict=False)) for row in rows]
    return [
        word
        for word in words
        if word.get("level") == "5" and word.get("text", "").strip() and _is_whole(word)
    ]


def _is_whole(word: Mapping[str, str]) -> bool:
    numbers = [word.get(name, "") for name in ("left", "top", "width", "height")]
    return all(number.isdigit() for number in numbers) and _NUMBER.fullmatch(word.get("conf", "")) is not None


def _joined(words: list[tuple[str, float]]) -> Reading:
    if not words:
        return NOTHING
    letters = sum(len(text) for text, _ in words)
    confidence = sum(len(text) * sure for text, sure in words) / letters
    return Reading(" ".join(text for text, _ in words), confidence)
