"""Reading, by every engine that is here: words that were found, and what that costs on one core."""

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ambience.annotate._tesseract import installed_tesseract
from ambience.annotate.text import TextInPictures, TextOptions
from ambience.datatypes import Picture
from ambience.models.runtime import Models
from ambience.settings import ModelSettings
from ocr_inputs import Sample, text_counted
from ocr_samples import WRITINGS, Writing, fonts, pages
from ocr_words import Score, score, total
from report import Report, Table

SEED = 20260101
READS = "Ambience", "PP-OCR alone", "Tesseract alone"
RAPIDOCR = "rapidocr"


@dataclass(frozen=True)
class Outcome:
    """What one engine made of one picture: counts of words, and seconds of processor time."""

    score: Score
    cpu_s: float


Outcomes = dict[str, list[Outcome]]
"""By engine, in the order of the samples."""


def read_samples(samples: Sequence[Sample], folder: Path | None, peer: Path | None) -> Outcomes:
    """Reads all samples by every engine.

    Args:
        samples: pictures.
        folder: of models.
        peer: Python in which rapidocr is installed, or None.
    """
    models = Models(ModelSettings(folder=folder, threads=1))
    auto = TextInPictures(TextOptions(), models=models)
    alone = TextInPictures(TextOptions(engine="ppocr"), models=models)
    outcomes = {
        READS[0]: [_outcome(sample, auto) for sample in samples],
        READS[1]: [_outcome(sample, alone) for sample in samples],
    }
    if installed_tesseract() is not None:
        outcomes[READS[2]] = [_outcome(sample, _tesseract(sample, models)) for sample in samples]
    if peer is not None:
        outcomes[RAPIDOCR] = _by_peer(samples, peer)
    return outcomes


def _tesseract(sample: Sample, models: Models) -> TextInPictures:
    """Tesseract, told in which language the picture is."""
    reader = TextInPictures(TextOptions(engine="tesseract"), models=models)
    engine = installed_tesseract()
    assert engine is not None
    wanted = [name for name in sample.languages.split("+") if name in engine.models]
    reader._tesseract = replace(engine, models=tuple(wanted)) if wanted else engine
    return reader


def _outcome(sample: Sample, reader: TextInPictures) -> Outcome:
    start = _cpu_s()
    (annotation,) = reader.annotate([sample.picture])
    taken = _cpu_s() - start
    lines = []
    for line in annotation.lines:
        x, y = np.mean(line.quad, axis=0)
        lines.append((line.text, float(x), float(y)))
    return Outcome(score(sample.text, text_counted(sample, lines)), taken)


def _cpu_s() -> float:
    """Seconds of this process and of those that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _by_peer(samples: Sequence[Sample], peer: Path) -> list[Outcome]:
    """What rapidocr's own pipeline reads; its lines count wherever they stand."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{number}.npy" for number in range(len(samples))]
        for file, sample in zip(files, samples, strict=True):
            np.save(file, sample.picture.rgb)
        tasks, answers = Path(folder) / "tasks.json", Path(folder) / "read.json"
        tasks.write_text(json.dumps([str(file) for file in files]), encoding="utf-8")
        program = Path(__file__).with_name("rapidocr_peer.py")
        subprocess.run(
            [peer, program, tasks, answers], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        read = json.loads(answers.read_text(encoding="utf-8"))
    return [
        Outcome(score(sample.text, text), taken) for sample, (text, taken) in zip(samples, read, strict=True)
    ]


def rendered(quick: bool) -> tuple[list[Sample], dict[str, str]]:
    """Rendered pages of every script that fonts of this machine hold, and the fonts by writing."""
    samples, used = [], {}
    for writing in WRITINGS:
        faces = fonts(writing)
        title = title_of(writing)
        used[title] = ", ".join(Path(file).stem for file, _ in faces) or "none here"
        made = pages(writing, faces, SEED, 1 if quick else 4) if faces else []
        for number, page in enumerate(made):
            picture = Picture(page.rgb, page.rgb.shape[1], page.rgb.shape[0], "png")
            nothing = np.empty((0, 4, 2))
            samples.append(Sample(title, f"{title} {number}", picture, page.text, nothing, writing.language))
    return samples, used


def title_of(writing: Writing) -> str:
    """Script and language."""
    return f"{writing.script} ({writing.code})"


def is_read(writing: Writing) -> bool:
    """Whether an engine that is here reads a script."""
    engine = installed_tesseract()
    has = engine is not None and writing.script in engine.by_script()
    return writing.script in ("Latn", "Hani", "Jpan") or has


def table(title: str, samples: Sequence[Sample], outcomes: Outcomes) -> Table:
    """Recall, precision and time by set and engine."""
    rows: list[list[str | int | float]] = []
    for source in dict.fromkeys(sample.source for sample in samples):
        for engine, made in outcomes.items():
            of_it = [one for sample, one in zip(samples, made, strict=True) if sample.source == source]
            counts = total(one.score for one in of_it)
            taken = [one.cpu_s for one in of_it]
            row = [len(of_it), counts.truth, counts.recall, counts.precision]
            rows.append([source, engine, *row, float(np.median(taken)), float(np.mean(taken))])
    heads = ["set", "engine", "pictures", "words", "recall", "precision", "CPU s, median", "CPU s, mean"]
    return Table(title, heads, rows)


def recall_of(samples: Sequence[Sample], made: Sequence[Outcome], sources: Callable[[str], bool]) -> float:
    """Recall of words over some sets."""
    chosen = [one.score for sample, one in zip(samples, made, strict=True) if sources(sample.source)]
    return round(total(chosen).recall, 4)


def report_reading(
    report: Report, samples: Sequence[Sample], *, models: Path | None, peer: Path | None, quick: bool
) -> None:
    """Fills a report with all that concerns reading."""
    if samples:
        outcomes = read_samples(samples, models, peer)
        report.tables.append(table("Words read in given pictures", samples, outcomes))
        ours = outcomes[READS[0]]
        report.figures["word_recall_receipts"] = recall_of(
            samples, ours, lambda source: "sroie" in source.lower()
        )
        report.figures["word_recall_scenes"] = recall_of(
            samples, ours, lambda source: "icdar" in source.lower()
        )
    made, used = rendered(quick)
    outcomes = read_samples(made, models, None)
    report.tables.append(table("Words read in rendered pages", made, outcomes))
    known = {title_of(writing) for writing in WRITINGS if is_read(writing)}
    report.figures["word_recall_rendered"] = recall_of(made, outcomes[READS[0]], known.__contains__)
    report.details["fonts"] = used
    engine = installed_tesseract()
    report.parameters |= {
        "seed": SEED,
        "tesseract": f"{engine.version}: {', '.join(engine.models)}" if engine else "not installed",
    }
    report.notes += [
        "A word is a run of letters, marks and digits after NFKC and casefold (of Chinese, Japanese and Thai "
        "each letter); pictures are compared as bags of words. Lines in boxes that a set marks as unreadable "
        "do not count. One thread; the seconds are processor time, of Tesseract's process as well, with what "
        "the runtime prepares for sizes that it has not met.",
        "Tesseract alone is told the language of each picture; Ambience is told nothing.",
        "Scripts that no engine here reads, not in `word_recall_rendered`: "
        + (", ".join(title_of(each) for each in WRITINGS if not is_read(each)) or "none")
        + ".",
        "Fonts: " + "; ".join(f"{title}: {names}" for title, names in used.items()) + ".",
    ]
