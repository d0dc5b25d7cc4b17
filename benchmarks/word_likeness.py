"""Words are told alike or not: found under one threshold, first of all, and how many others with them.

    python benchmarks/word_likeness.py [--fit] [--quick] [--json FILE] [--update-docs]

Each asked word is compared with all words of a vocabulary: the letters-only entries of the tokenizer's own
(some 21,000, with names and inflections), and names in other scripts. Beside it stands the original's
comparison (weighted Levenshtein over words and metaphone codes, relevant from 0.7 on). `--fit` takes the
lists that the factors were fitted on, in place of those held out.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jellyfish
import numpy as np
from anyascii import anyascii
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

import ambience.models
from ambience.phonetics import RELEVANT, keys, likenesses
from report import Report, Table, command_of, finish
from word_pairs import NAMES_HELD_OUT, NAMES_TO_FIT, half_of, misspelt, pairs_of, respelled

COUNT, COUNT_QUICK = 200, 40
SMALL_VOCABULARY = 3000
"""Words of a library of a few hundred pictures with text."""
SEED_TO_FIT, SEED_HELD_OUT = 20, 40
WEIGHTS = (2, 2, 1)
"""The original's costs of putting in, leaving out and changing a letter."""

Scores = Callable[[str], NDArray[np.float32]]


@dataclass(frozen=True)
class Row:
    """What one list of asked words came to."""

    found: float
    first: float
    first_of_few: float
    false_hits: float


def vocabulary() -> list[str]:
    """Entries of the tokenizer that are words of three letters or more."""
    file = Path(ambience.models.__file__).parent / "data" / "bert_uncased.txt"
    lines = file.read_text(encoding="utf-8").split("\n")
    return sorted({word for word in lines if word.isascii() and word.isalpha() and len(word) > 2})


def asked_lists(words: Sequence[str], *, held_out: bool, count: int) -> dict[str, list[tuple[str, str]]]:
    """Pairs (typed, meant) by the kind of their difference."""
    half = half_of([word for word in words if len(word) > 3], held_out=held_out)
    seed = SEED_HELD_OUT if held_out else SEED_TO_FIT
    rng = np.random.default_rng(seed)
    return {
        "as written": [(word, word) for word in rng.choice(half, count, replace=False).tolist()],
        "one typing error": misspelt(half, 1, count=count, seed=seed + 1),
        "two, of 6 letters on": misspelt([w for w in half if len(w) > 5], 2, count=count, seed=seed + 2),
        "heard alike": respelled(half, count=count, seed=seed + 3),
        "other script": pairs_of(NAMES_HELD_OUT if held_out else NAMES_TO_FIT),
    }


def measured(pairs: Sequence[tuple[str, str]], words: Sequence[str], scores_of: Scores) -> Row:
    """Shares of pairs, and false hits per query and 100,000 words.

    Where the typed word stands in the vocabulary beside the one that is meant ("Paris" for パリ), it is
    passed over.
    """
    places = {word: i for i, word in enumerate(words)}
    few = np.random.default_rng(1).permutation(len(words))[:SMALL_VOCABULARY]
    found = first = first_of_few = false_hits = 0
    for typed, meant in pairs:
        scores = scores_of(typed)
        own = scores[places[meant]]
        if typed != meant and typed.lower() in places:
            scores[places[typed.lower()]] = 0
        is_found = own >= RELEVANT
        found += is_found
        first += is_found and own == scores.max()
        first_of_few += is_found and own >= scores[few].max()
        false_hits += int((scores >= RELEVANT).sum() - is_found)
    count = len(pairs)
    return Row(found / count, first / count, first_of_few / count, false_hits / count / len(words) * 1e5)


def original_scores(words: Sequence[str]) -> Scores:
    """The original's comparison: the better of words and metaphone codes, other scripts letter by letter."""
    plain = [anyascii(word).lower() for word in words]
    codes = [jellyfish.metaphone(word) for word in plain]

    def scores_of(typed: str) -> NDArray[np.float32]:
        options = {"scorer": Levenshtein.normalized_similarity, "scorer_kwargs": {"weights": WEIGHTS}}
        written = cdist([typed.lower()], plain, **options)[0]
        heard = cdist([jellyfish.metaphone(typed)], codes, **options)[0]
        return np.maximum(written, heard)

    return scores_of


def main() -> None:
    """Compares, counts, reports."""
    parser = argparse.ArgumentParser(description="Words told alike, and other words with them.")
    parser.add_argument("--fit", action="store_true", help="the lists that the factors were fitted on")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--update-docs", action="store_true")
    options = parser.parse_args()
    count = COUNT_QUICK if options.quick else COUNT
    known = vocabulary()
    written = [meant for _, meant in pairs_of(NAMES_TO_FIT) + pairs_of(NAMES_HELD_OUT)]
    words = [*known, *dict.fromkeys(written)]
    start = time.process_time()
    all_keys = [keys(word) for word in words]
    us_a_word = (time.process_time() - start) / len(words) * 1e6
    spent: list[float] = []

    def ours(typed: str) -> NDArray[np.float32]:
        asked = keys(typed)
        begun = time.process_time()
        scores = likenesses(asked, all_keys).scores
        spent.append(time.process_time() - begun)
        return scores

    lists = asked_lists(known, held_out=not options.fit, count=count)
    methods = {"ambience": ours, "the original": original_scores(words)}
    rows = {
        (kind, name): measured(pairs, words, f)
        for kind, pairs in lists.items()
        for name, f in methods.items()
    }
    ms = float(np.median(spent)) * 1e3 * 5000 / len(words)
    report = Report("word_likeness", command_of("word_likeness", None, is_quick=options.quick))
    report.parameters = {
        "words": len(words),
        "asked of each": count,
        "threshold": RELEVANT,
        "held_out": not options.fit,
    }
    report.packages = ("ambience", "numpy", "rapidfuzz", "anyascii", "jellyfish")
    report.tables = [_table(rows)]
    report.notes = [
        f"Keys of a word take {us_a_word:.0f} µs, a comparison with 5,000 words {ms:.1f} ms of one core."
    ]
    report.figures = {kind: round(row.found, 3) for (kind, name), row in rows.items() if name == "ambience"}
    report.figures |= {"us_keys": round(us_a_word, 1), "ms_per_5000": round(ms, 2)}
    finish(report, update_docs=options.update_docs, json_file=options.json)


def _table(rows: dict[tuple[str, str], Row]) -> Table:
    columns = (
        "asked",
        "by",
        "found",
        "first of all",
        f"first of {SMALL_VOCABULARY:,}",
        "false hits per 100,000 words",
    )
    return Table(
        "One asked word against a vocabulary",
        columns,
        [
            (kind, name, f"{r.found:.3f}", f"{r.first:.3f}", f"{r.first_of_few:.3f}", f"{r.false_hits:.1f}")
            for (kind, name), r in rows.items()
        ],
    )


if __name__ == "__main__":
    main()
