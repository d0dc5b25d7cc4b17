"""Tesseract as a second engine, run as a program where it is installed: for scripts that the model lacks.

All lines of a picture that it is asked for are read by one call for a set of languages, as pages of one file,
since starting it takes as long as reading ten lines. What it answers is a table of words.
"""

import io
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.models.ocr.decoding import NOTHING, Reading

MAX_LINES = 1500
"""Lines of one call."""

MAX_WIDTH = 4096
"""Pixels of a line; Tesseract itself refuses pictures above 32,767."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
MAX_ANSWER_BYTES = 16 * 2**20
MARGIN = 12
"""Pixels of white around a line: letters that touch a border are misread (Tesseract's manual, "Improving the
quality of the output")."""

ONE_LINE = 7
"""Its mode of segmentation for a picture of one line."""

LONGEST_S, LONGEST_PER_LINE_S = 30.0, 0.7
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

    def read(self, lines: Sequence[NDArray[np.uint8]], languages: str) -> list[Reading]:
        """What stands in lines.

        Args:
            lines: (H, W) uint8 each, dark on bright; what is behind 4,096 pixels, or the 1,500th line, is not
                read.
            languages: as `by_script` names them.

        Returns:
            In their order; nothing of those that it reads nothing in, and of all where it fails.
        """
        shown = list(lines[:MAX_LINES])
        if not shown:
            return []
        longest_s = LONGEST_S + LONGEST_PER_LINE_S * len(shown)
        table = self._answer(_pages(shown), languages, mode=ONE_LINE, longest_s=longest_s)
        return _by_page(table, len(shown)) + [NOTHING] * (len(lines) - len(shown))

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
        return self._answer(header + page.tobytes(), languages, mode=mode, longest_s=longest_s)

    def _answer(self, file: bytes, languages: str, *, mode: int, longest_s: float) -> str:
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
            done = subprocess.run(words, input=file, capture_output=True, check=False, timeout=longest_s)
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


def _pages(lines: Sequence[NDArray[np.uint8]]) -> bytes:
    """Lines as the pages of a TIFF file, each with a white margin."""
    from PIL import Image

    pages = [Image.fromarray(np.pad(line[:, :MAX_WIDTH], MARGIN, constant_values=255)) for line in lines]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    return buffer.getvalue()


def _by_page(table: str, count: int) -> list[Reading]:
    """Words of Tesseract's table, gathered by the page that they stand on.

    The confidence of a line is the mean of its words', weighted by their letters.
    """
    words: list[list[tuple[str, float]]] = [[] for _ in range(count)]
    for word in words_of(table):
        page = int(word["page_num"]) - 1
        if 0 <= page < count:
            words[page].append((word["text"], min(max(float(word["conf"]) / 100, 0.0), 1.0)))
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
    numbers = [word.get(name, "") for name in ("page_num", "left", "top", "width", "height")]
    return all(number.isdigit() for number in numbers) and _NUMBER.fullmatch(word.get("conf", "")) is not None


def _joined(words: list[tuple[str, float]]) -> Reading:
    if not words:
        return NOTHING
    letters = sum(len(text) for text, _ in words)
    confidence = sum(len(text) * sure for text, sure in words) / letters
    return Reading(" ".join(text for text, _ in words), confidence)
