"""How the system that Ambience follows scored text, as its description says: the other side of the tables.

Every word of every picture is compared with every word asked: there is no index. Words: lower case, parted at
spaces, and all of them joined; longer than three letters; each once. A pair is scored by Levenshtein
similarity ×100 with weights insert 2, delete 2, substitute 1, of the words and of their metaphone codes; it
is relevant from 70 in any, and scores half of what the codes score plus what the words score. Each word asked
adds the mean of a picture's relevant pairs. Words of different scripts are compared after transliteration.
The double metaphone codes of the package `Metaphone` stand in for those of abydos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from metaphone import doublemetaphone
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from ambience import phonetics

LONGER_THAN = 3
RELEVANT = 70.0
WEIGHTS = (2, 2, 1)


@dataclass(frozen=True)
class OriginalText:
    """Words of all pictures, held as the original held them, with codes computed once.

    Attributes:
        pictures: how many.
        words: of all pictures.
        codes: metaphone of each.
        owners: picture of each word.
    """

    pictures: int
    words: list[str]
    codes: list[str]
    owners: NDArray[np.intp]

    @classmethod
    def of(cls, texts: Sequence[Sequence[str]]) -> "OriginalText":
        """From the lines of every picture."""
        words: list[str] = []
        owners: list[int] = []
        for picture, lines in enumerate(texts):
            here = _words(" ".join(lines))
            words += here
            owners += [picture] * len(here)
        latin = [_latin(word) for word in words]
        return cls(len(texts), latin, [_code(word) for word in latin], np.array(owners, np.intp))

    def scores(self, question: str) -> NDArray[np.float64]:
        """(pictures,), greater is better, without an upper end."""
        total = np.zeros(self.pictures)
        for asked in map(_latin, _words(question)):
            spelled = _similarity(asked, self.words)
            heard = _similarity(_code(asked), self.codes)
            is_relevant = (spelled >= RELEVANT) | (heard >= RELEVANT)
            pair = np.where(is_relevant, heard / 2 + spelled, 0.0)
            counts = np.bincount(self.owners[is_relevant], minlength=self.pictures)
            total += np.bincount(self.owners, pair, minlength=self.pictures) / np.maximum(counts, 1)
        return total

    def ranked(self, question: str) -> list[int]:
        """Pictures that score above zero, best first."""
        found = self.scores(question)
        order = np.argsort(-found, kind="stable")
        return [int(at) for at in order if found[at] > 0]


def _words(text: str) -> list[str]:
    words = text.lower().split()
    return [word for word in dict.fromkeys([*words, "".join(words)]) if len(word) > LONGER_THAN]


def _latin(word: str) -> str:
    if word.isascii():
        return word
    return phonetics.romanized(word) or word


def _code(word: str) -> str:
    return str(doublemetaphone(word)[0])


def _similarity(asked: str, words: Sequence[str]) -> NDArray[np.float64]:
    if not words or not asked:
        return np.zeros(len(words))
    found = cdist(
        [asked], words, scorer=Levenshtein.normalized_similarity, scorer_kwargs={"weights": WEIGHTS}
    )
    return np.asarray(found[0], np.float64) * 100
