"""Search by words over a million lines of text: time of a question, memory, and what building costs.

Run alone: `python benchmarks/million_lines.py [--lines N]`. The lines are made, by these rules from a seed:
the whole English words of the starter's vocabulary in their order, then words that a second-order Markov
chain over their letters writes; drawn by Zipf's law with exponent 1.05; 1 to 11 words a line, 5 lines a
picture; 3 % of the words misread (a letter that looks alike; of those, 30 % lose another letter). Questions
are words of four letters and more, drawn likewise but for the commonest 200, a third of them with one or two
typing errors, and a third of them two such words.
"""

import argparse
import re
import resource
import shutil
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ambience.models
from ambience.search.words import WordSearch
from ambience.store.vocabulary import Vocabulary
from ambience.store.vocabulary_writer import VocabularyWriter
from ambience.words import Corner, ImageWords, TextLine
from report import Report, Table, cache_folder, finish
from word_errors import mistyped

LINES, QUESTIONS, SEED = 1_000_000, 300, 20
RARE_WORDS = 400_000
ZIPF_EXPONENT = 1.05
MISREAD, ALSO_LOST = 0.03, 0.3
LINES_OF_A_PICTURE = 5
COMMONEST = 200
LOOKS_LIKE = {
    "o": "0", "l": "1", "i": "l", "e": "c", "s": "5", "b": "6", "m": "rn", "g": "q", "h": "b", "n": "u",
    "u": "v", "t": "f", "a": "o", "c": "e", "r": "n",
}  # fmt: skip
QUAD = (Corner(0, 0), Corner(1, 0), Corner(1, 0.1), Corner(0, 0.1))


@dataclass(frozen=True)
class MadeLine:
    """A line as the records give it."""

    line_id: int
    image_id: int
    place: int
    line: TextLine


class MadeLines:
    """Many lines in a file of their own, so that they count neither as memory nor as speed of the records."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS text_lines (line_id INTEGER PRIMARY KEY, text TEXT)"
        )

    def fill(self, texts: Sequence[str]) -> None:
        """Writes all lines."""
        with self._connection:
            self._connection.execute("DELETE FROM text_lines")
            self._connection.executemany("INSERT INTO text_lines VALUES (?, ?)", enumerate(texts, 1))

    def line_count(self) -> int:
        """As the records answer."""
        return int(self._connection.execute("SELECT count(*) FROM text_lines").fetchone()[0])

    def lines_after(self, line_id: int, limit: int) -> list[MadeLine]:
        """As the records answer."""
        query = "SELECT line_id, text FROM text_lines WHERE line_id > ? ORDER BY line_id LIMIT ?"
        return [_made(*row) for row in self._connection.execute(query, (line_id, limit))]

    def lines(self, line_ids: Sequence[int]) -> dict[int, Any]:
        """As the records answer."""
        found: dict[int, Any] = {}
        for at in range(0, len(line_ids), 500):
            chunk = list(line_ids[at : at + 500])
            query = f"SELECT line_id, text FROM text_lines WHERE line_id IN ({', '.join('?' * len(chunk))})"
            found.update({row[0]: _made(*row) for row in self._connection.execute(query, chunk)})
        return found

    def words(self, image_ids: Sequence[int]) -> dict[int, ImageWords]:
        """As the records answer."""
        found = {}
        for image_id in image_ids:
            lines = self.lines_after(image_id * LINES_OF_A_PICTURE, LINES_OF_A_PICTURE)
            found[image_id] = ImageWords(lines=tuple(each.line for each in lines))
        return found


def _made(line_id: int, text: str) -> MadeLine:
    image_id, place = divmod(line_id - 1, LINES_OF_A_PICTURE)
    return MadeLine(line_id, image_id, place, TextLine(text, QUAD, 0.95, "Latn"))


def vocabulary(seed: int, rare: int) -> list[str]:
    """Words by falling frequency: real ones, then those of the Markov chain."""
    file = Path(ambience.models.__file__).parent / "data" / "bert_uncased.txt"
    real = [word for word in file.read_text(encoding="utf-8").split("\n") if re.fullmatch("[a-z]+", word)]
    generator = np.random.default_rng(seed)
    following: dict[str, list[str]] = defaultdict(list)
    for word in real:
        marked = f"^^{word}$"
        for at in range(2, len(marked)):
            following[marked[at - 2 : at]].append(marked[at])
    made: dict[str, None] = {}
    while len(made) < rare:
        word = "^^"
        while not word.endswith("$") and len(word) < 24:
            letters = following[word[-2:]]
            word += letters[int(generator.random() * len(letters))]
        if word.endswith("$") and len(word) > 6:
            made[word[2:-1]] = None
    return list(dict.fromkeys([*real, *made]))


def made_texts(words: Sequence[str], count: int, seed: int) -> list[str]:
    """Lines by the rules of the module."""
    generator = np.random.default_rng(seed)
    chances = 1 / (np.arange(len(words)) + 2.7) ** ZIPF_EXPONENT
    lengths = generator.integers(1, 12, count)
    drawn = generator.choice(len(words), int(lengths.sum()), p=chances / chances.sum())
    tokens = [words[each] for each in drawn]
    for at in np.flatnonzero(generator.random(len(tokens)) < MISREAD):
        tokens[at] = _misread(tokens[at], generator)
    ends = np.cumsum(lengths)
    return [" ".join(tokens[end - length : end]) for end, length in zip(ends, lengths, strict=True)]


def _misread(word: str, generator: np.random.Generator) -> str:
    at = int(generator.integers(len(word)))
    word = word[:at] + LOOKS_LIKE.get(word[at], word[at] * 2) + word[at + 1 :]
    if generator.random() < ALSO_LOST:
        at = int(generator.integers(len(word)))
        word = word[:at] + word[at + 1 :]
    return word


def questions(words: Sequence[str], count: int, seed: int) -> list[str]:
    """Questions by the rules of the module: plain ones, mistyped ones, and pairs, in turn."""
    generator = np.random.default_rng(seed)
    chances = 1 / (np.arange(len(words)) + 2.7) ** ZIPF_EXPONENT
    chances[:COMMONEST] = 0
    chances[[at for at, word in enumerate(words) if len(word) < 4]] = 0
    drawn = [words[each] for each in generator.choice(len(words), 2 * count, p=chances / chances.sum())]
    made = []
    for at in range(count):
        word, other = drawn[2 * at : 2 * at + 2]
        made.append((word, mistyped(word, generator), f"{word} {other}")[at % 3])
    return made


def measure(lines: int, folder: Path) -> dict[str, Any]:
    """Builds, asks, and says what each cost."""
    words = vocabulary(SEED, RARE_WORDS * lines // LINES)
    table = MadeLines(folder / f"lines-{lines}.sqlite")
    if table.line_count() != lines:
        table.fill(made_texts(words, lines, SEED + 1))
    asked = questions(words, QUESTIONS, SEED + 2)
    shutil.rmtree(folder / "index", ignore_errors=True)
    file = folder / "index" / "words.sqlite"
    writer = VocabularyWriter(file, table)
    started, cpu_started = time.perf_counter(), time.process_time()
    taken = writer.catch_up()
    built_s, built_cpu_s = time.perf_counter() - started, time.process_time() - cpu_started
    writer.close()
    return {
        "lines": taken,
        "build_s": round(built_s, 1),
        "build_cpu_s": round(built_cpu_s, 1),
        "lines_per_cpu_s": round(taken / built_cpu_s),
        "file_mb": round(file.stat().st_size / 1e6),
        **_asked_apart(folder, lines, asked),
    }


def _asked_apart(folder: Path, lines: int, asked: Sequence[str]) -> dict[str, Any]:
    """Asks in a process of its own, whose memory is that of a search alone."""
    import json
    import subprocess

    made = subprocess.run(
        [sys.executable, __file__, "--ask", str(folder), "--lines", str(lines)],
        input=json.dumps(list(asked)),
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    answer: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    return answer


def ask(folder: Path, lines: int, asked: Sequence[str]) -> dict[str, Any]:
    """Asks every question once, after ten that warm up."""
    base = _resident_mb()
    reader = Vocabulary(folder / "index" / "words.sqlite")
    search = WordSearch(reader, MadeLines(folder / f"lines-{lines}.sqlite"))
    started = time.perf_counter()
    state = reader.state()
    opened_s = time.perf_counter() - started
    for question in asked[:10]:
        search.by_text(question, k=20)
    wall, cpu = [], []
    for question in asked:
        started, cpu_started = time.perf_counter(), time.process_time()
        search.by_text(question, k=20)
        wall.append((time.perf_counter() - started) * 1e3)
        cpu.append((time.process_time() - cpu_started) * 1e3)
    started = time.process_time()
    for image_id in range(50):
        search.by_words_of(image_id, k=20)
    shared_ms = (time.process_time() - started) * 1e3 / 50
    return {
        "words": state.last_word_id if state else 0,
        "open_s": round(opened_s, 2),
        "p50_ms": round(float(np.percentile(wall, 50)), 1),
        "p95_ms": round(float(np.percentile(wall, 95)), 1),
        "p95_cpu_ms": round(float(np.percentile(cpu, 95)), 1),
        "by_words_of_cpu_ms": round(shared_ms, 1),
        "resident_mb": round(_most_resident_mb()),
        "resident_of_index_mb": round(_resident_mb() - base),
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def _most_resident_mb() -> float:
    """Of this program since it began: `ru_maxrss` would count what the process held that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = [each for each in status.splitlines() if each.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def fill_report(report: Report, lines: int = LINES) -> None:
    """Adds this part to a report."""
    found = measure(lines, cache_folder("million_lines"))
    report.figures["p95_ms_million_lines"] = found["p95_ms"]
    report.figures["resident_mb_million_lines"] = found["resident_mb"]
    report.details["million_lines"] = found
    report.parameters["lines"] = lines
    report.tables.append(
        Table(f"Search by words over {lines:,} lines", ("what", "value"), [[*row] for row in found.items()])
    )


def main() -> None:
    """Runs this part alone."""
    import json

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask is not None:
        print(json.dumps(ask(options.ask, options.lines, json.load(sys.stdin))))
        return
    report = Report("million_lines", f"python benchmarks/million_lines.py --lines {options.lines}")
    fill_report(report, options.lines)
    finish(report, update_docs=False)


if __name__ == "__main__":
    main()
