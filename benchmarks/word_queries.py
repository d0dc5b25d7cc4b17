"""Search by words over pictures whose text is known: asked as written, misspelt, heard, in other letters.

Run alone: `python benchmarks/word_queries.py --photos GALLERY --samples OCR [--split tuning]`. A word is
asked if it has four letters and more, letters alone, and stands in exactly one picture, by what is known and
by what was read. "Read right" means that it is among the words read in its picture. A false hit is a picture
at or above the default threshold that does not hold the word.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ambience import phonetics
from ambience.search.words import THRESHOLD, WordSearch
from ambience.store.vocabulary import Vocabulary
from ambience.store.vocabulary_writer import VocabularyWriter
from ambience.words import Corner, ImageWords, TextLine
from original_text import OriginalText
from report import Report, Table, finish
from word_errors import heard, mistyped
from word_names import NAMES
from word_pictures import SEEDS, KnownPicture, Split, has_layout, known_pictures, name_pictures
from word_reading import Readings

PICTURES, PADDING, QUESTIONS, HEARD = 200, 2_000, 300, 100
LETTERS = 4
K = 50
QUAD = (Corner(0, 0), Corner(1, 0), Corner(1, 0.1), Corner(0, 0.1))


@dataclass(frozen=True)
class ReadLine:
    """A line as the records give it."""

    line_id: int
    image_id: int
    place: int
    line: TextLine


class ReadLines:
    """The lines of some pictures, as the records answer."""

    def __init__(self, pictures: Sequence[Sequence[TextLine]]) -> None:
        self._lines = [
            (image_id, place, line)
            for image_id, lines in enumerate(pictures)
            for place, line in enumerate(lines)
        ]
        self._pictures = pictures

    def lines_after(self, line_id: int, limit: int) -> list[ReadLine]:
        """As the records answer."""
        return [self._line(at) for at in range(line_id + 1, min(line_id + limit, len(self._lines)) + 1)]

    def lines(self, line_ids: Sequence[int]) -> dict[int, Any]:
        """As the records answer."""
        return {each: self._line(each) for each in line_ids}

    def line_count(self) -> int:
        """As the records answer."""
        return len(self._lines)

    def words(self, image_ids: Sequence[int]) -> dict[int, ImageWords]:
        """As the records answer."""
        return {each: ImageWords(lines=tuple(self._pictures[each])) for each in image_ids}

    def _line(self, line_id: int) -> ReadLine:
        return ReadLine(line_id, *self._lines[line_id - 1])


@dataclass(frozen=True)
class Asked:
    """A question whose one right picture is known.

    Attributes:
        text: as it is asked.
        picture: that is to come first.
        word: that is meant.
    """

    text: str
    picture: int
    word: str


@dataclass(frozen=True)
class Found:
    """What came of some questions.

    Attributes:
        asked: how many.
        r1: share whose picture came first.
        r10: share whose picture was among the first ten.
        false_hits: pictures a question that do not hold the word, at the default threshold.
    """

    asked: int
    r1: float
    r10: float
    false_hits: float


def words_of(text: str) -> set[str]:
    """Normalized words of a text."""
    return {phonetics.normalized(token) for token in phonetics.tokens(text)} - {""}


def askable(pictures: Sequence[KnownPicture], read: Sequence[Sequence[TextLine]]) -> list[Asked]:
    """Words that stand in exactly one picture, by the rule of the module."""
    known = [words_of(picture.text) for picture in pictures]
    known += [set()] * (len(read) - len(known))
    owners: dict[str, set[int]] = defaultdict(set)
    for at, lines in enumerate(read):
        for word in known[at] | {word for line in lines for word in words_of(line.text)}:
            owners[word].add(at)
    return [
        Asked(word, at, word)
        for at, words in enumerate(known)
        for word in sorted(words)
        if owners[word] == {at} and len(word) >= LETTERS and word.isascii() and word.isalpha()
    ]


def ask(search: Callable[[str], Sequence[tuple[int, float]]], asked: Sequence[Asked]) -> Found:
    """Asks each question.

    Args:
        search: question → (picture, score), best first; scores of 1 and more count as hits.
        asked: questions.
    """
    first = ten = wrong = 0
    for each in asked:
        hits = search(each.text)
        ranked = [picture for picture, _ in hits]
        first += ranked[:1] == [each.picture]
        ten += each.picture in ranked[:10]
        wrong += sum(score >= 1 and picture != each.picture for picture, score in hits)
    count = max(len(asked), 1)
    return Found(len(asked), round(first / count, 4), round(ten / count, 4), round(wrong / count, 3))


class Searches:
    """Both searches over the same lines."""

    def __init__(self, read: Sequence[Sequence[TextLine]], folder: Path) -> None:
        lines = ReadLines(read)
        file = folder / "words.sqlite"
        writer = VocabularyWriter(file, lines)
        writer.catch_up()
        writer.close()
        self._search = WordSearch(Vocabulary(file), lines)
        self._original = OriginalText.of([[line.text for line in each] for each in read])

    def ours(self, question: str) -> list[tuple[int, float]]:
        """Hits, and their scores over the default threshold."""
        hits = self._search.by_text(question, k=K, threshold=0.3)
        return [(hit.image_id, hit.score / THRESHOLD) for hit in hits]

    def original(self, question: str) -> list[tuple[int, float]]:
        """All that score at all, which the original returned."""
        return [(picture, 1.0) for picture in self._original.ranked(question)]


def measure(
    read_pictures: Sequence[KnownPicture], read: Sequence[Sequence[TextLine]], seed: int
) -> dict[str, Any]:
    """All figures.

    Args:
        read_pictures: those whose text is known; further entries of `read` are of pictures that pad.
        read: lines of every picture.
        seed: of the errors.
    """
    generator = np.random.default_rng(seed)
    every = askable(read_pictures, read)
    right = [each for each in every if each.word in _read_words(read[each.picture])]
    drawn = [right[int(at)] for at in generator.permutation(len(right))[:QUESTIONS]]
    typos = [Asked(mistyped(each.word, generator), each.picture, each.word) for each in drawn]
    spoken = {each.word: each.picture for each in right}
    by_ear = [Asked(text, spoken[word], word) for word, text in heard(sorted(spoken), HEARD, generator)]
    names = [
        Asked(picture.asked, at, picture.text)
        for at, picture in enumerate(read_pictures)
        if picture.source == "name"
    ]
    sets = {"exact": drawn, "typo": typos, "heard_alike": by_ear, "other_script": names}
    for source in ("rendered", "scene", "receipt", "sample"):
        chosen = [each for each in every if read_pictures[each.picture].source == source]
        sets[f"end_to_end_{source}"] = chosen[:QUESTIONS]
    for script in dict.fromkeys(script for script, _, _ in NAMES):
        sets[f"other_script_{script}"] = [
            each for each in names if read_pictures[each.picture].script == script
        ]
    as_written = [
        (TextLine(picture.text, QUAD, 1.0, picture.script),) if picture.source == "name" else lines
        for picture, lines in zip(read_pictures, read, strict=False)
    ] + list(read[len(read_pictures) :])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other_folder:
        searches = Searches(read, Path(folder))
        found = {
            name: {"ours": ask(searches.ours, asked), "original": ask(searches.original, asked)}
            for name, asked in sets.items()
        }
        if names:
            perfect = Searches(as_written, Path(other_folder))
            found["other_script_if_read_right"] = {
                "ours": ask(perfect.ours, names),
                "original": ask(perfect.original, names),
            }
        missed = {
            name: [(each.text, each.word) for each in asked if ask(searches.ours, [each]).r1 < 1]
            for name, asked in sets.items()
        }
    read_right = {
        script: sum(phonetics.normalized(each.word) in _read_words(read[each.picture]) for each in asked)
        for script, asked in ((name.removeprefix("other_script_"), asked) for name, asked in sets.items())
        if script in {script for script, _, _ in NAMES}
    }
    return {"found": found, "missed": missed, "names_read_right": read_right}


def _read_words(lines: Sequence[TextLine]) -> set[str]:
    return {word for line in lines for word in words_of(line.text)}


def fill_report(
    report: Report,
    photos: Path,
    samples: Path,
    *,
    split: Split = "reported",
    padding: int = PADDING,
    models: Path | None = None,
) -> None:
    """Adds this part to a report."""
    gallery = sorted(path for path in photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
    pictures = known_pictures(samples, gallery, PICTURES if split == "reported" else 60, split)
    if split == "reported" and has_layout():
        pictures += name_pictures(gallery)
    readings = Readings(models)
    order = np.random.default_rng(SEEDS[split] + 2).permutation(len(gallery))[:padding]
    data = [picture.data for picture in pictures] + [gallery[int(at)].read_bytes() for at in order]
    read = readings.of(data)
    found = measure(pictures, [each.lines for each in read], SEEDS[split] + 3)
    add_tables(report, found)
    report.parameters |= {"pictures": len(pictures), "padding": len(order), "annotator": readings.fingerprint}
    report.details["reading_cpu_s"] = round(float(np.mean([each.cpu_s for each in read])), 2)


def add_tables(report: Report, found: dict[str, Any]) -> None:
    """Figures and tables of what was found."""
    rows = found["found"]
    for name in ("exact", "typo", "heard_alike", "other_script"):
        report.figures[f"{name}_r1"] = rows[name]["ours"].r1
    if "other_script_if_read_right" in rows:
        report.figures["other_script_r1_if_read_right"] = rows["other_script_if_read_right"]["ours"].r1
    report.figures["exact_r1_end_to_end"] = rows["end_to_end_rendered"]["ours"].r1
    asked = [rows[name]["ours"] for name in ("exact", "typo")]
    report.figures["false_hits_per_query"] = round(float(np.mean([each.false_hits for each in asked])), 3)
    report.tables.append(
        Table(
            "Pictures found by words",
            ("asked", "questions", "R@1", "R@10", "false hits", "original R@1", "R@10", "false hits"),
            [
                [name, row["ours"].asked]
                + [value for way in ("ours", "original") for value in _values(row[way])]
                for name, row in rows.items()
            ],
        )
    )
    report.details["missed"] = found["missed"]
    report.details["names_read_right"] = found["names_read_right"]


def _values(found: Found) -> list[float]:
    return [found.r1, found.r10, found.false_hits]


def main() -> None:
    """Runs this part alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--padding", type=int, default=PADDING)
    parser.add_argument("--split", choices=("reported", "tuning"), default="reported")
    parser.add_argument("--models", type=Path, help="folder of models; by default the usual one")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = Report("word_queries", f"python benchmarks/word_queries.py --photos {options.photos.name}")
    fill_report(
        report,
        options.photos,
        options.samples,
        split=options.split,
        padding=options.padding,
        models=options.models,
    )
    finish(report, update_docs=False, json_file=options.json)


if __name__ == "__main__":
    main()
