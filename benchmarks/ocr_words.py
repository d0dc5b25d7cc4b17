"""Words of what was read against words of what stands there: the rule by which reading is measured."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

ALONE = ("CJK", "HIRAGANA", "KATAKANA", "THAI")
"""First word of the Unicode name of letters that are counted one by one: these scripts part no words."""


@dataclass(frozen=True)
class Score:
    """Counts of words.

    Attributes:
        truth: that stand there.
        read: that were read.
        right: of both, each as often as it is in both.
    """

    truth: int
    read: int
    right: int

    @property
    def recall(self) -> float:
        """Share of what stands there that was read."""
        return self.right / self.truth if self.truth else 1.0

    @property
    def precision(self) -> float:
        """Share of what was read that stands there."""
        return self.right / self.read if self.read else 1.0


def words(text: str) -> list[str]:
    """Runs of letters, marks and digits, after NFKC and casefold; letters of `ALONE` one by one.

    Returns:
        In their order; signs and spaces only part them.
    """
    found, run = [], ""
    for sign in unicodedata.normalize("NFKC", text).casefold():
        if unicodedata.name(sign, "").split(" ")[0] in ALONE:
            found += [run, sign]
            run = ""
        elif unicodedata.category(sign)[0] in "LMN":
            run += sign
        else:
            found.append(run)
            run = ""
    return [word for word in (*found, run) if word]


def score(truth: str, read: str) -> Score:
    """Compares two texts as bags of words."""
    expected, found = Counter(words(truth)), Counter(words(read))
    return Score(expected.total(), found.total(), (expected & found).total())


def total(scores: Iterable[Score]) -> Score:
    """All pictures as one, so that long texts count more."""
    rows = list(scores)
    return Score(
        sum(row.truth for row in rows), sum(row.read for row in rows), sum(row.right for row in rows)
    )
