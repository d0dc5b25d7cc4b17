"""One score for how alike two words are, and by what.

Everything is measured in errors: d, the typing errors between two written forms, and D, the costs of the
sounds in which two pronunciations differ. Both are set against n, the letters of the longer word:

    spelling   1 − (0.7 d + 0.19 min(D, d)) / n     for n ≥ 4
    sound      1 − (2.2 D + 0.35 d) / n
    romanized  1 − (1.5 D + 0.15 d) / n             for words of two scripts, on their readings
               1 − 2.0 D / m                        where one of them leaves vowels out; m letters on average

and the best counts. So one typing error is forgiven from 4 letters on, two from 6 on, three from 9 on (more
where they are hardly heard). The factors were fitted on typing errors, respellings and names made by rules;
docs/words.md has what they find and what they find wrongly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ambience.phonetics.keys import WordKeys
from ambience.phonetics.semitic import SCRIPTS as WITHOUT_VOWELS
from ambience.phonetics.sound_distance import sound_distances

RELEVANT = 0.7
"""Likeness from which two words count as the same word, spelled or read otherwise."""

HOWS = ("exact", "spelling", "sound", "romanized")
"""By what two words are alike, in the order of `Likenesses.hows`."""
_EXACT, _SPELLING, _SOUND, _ROMANIZED = range(4)

NEVER_ALIKE = 1e3
"""Distance between words of which one cannot be read."""
_BEST_INEXACT = 0.99
_SHORTEST_MISSPELT = 4
_BY_READING = frozenset({"Hang", "Hira", "Kana"})
"""Scripts of syllables, whose typing errors are errors in the letters of their readings."""
_OTHER_NUMBER = 0.5
"""What words are alike at most whose digits differ: another number is another thing, not a misspelt one."""
_WRITTEN_UNLIKE = 0.7
"""Share of wrong letters above which two words of one script are not heard: saves most of the time."""


@dataclass(frozen=True, slots=True)
class Likenesses:
    """Likeness of one asked word to B found words.

    Attributes:
        scores: (B,) float32, 0–1; 1 where the normalized forms are the same, less than 1 elsewhere.
        hows: (B,) uint8, places in `HOWS`: by what each score came about.
    """

    scores: NDArray[np.float32]
    hows: NDArray[np.uint8]


def likeness(asked: WordKeys, found: WordKeys) -> tuple[float, str]:
    """How alike two words are, and by what: `likenesses` for one found word.

    Returns:
        score 0–1, and one of "exact", "spelling", "sound", "romanized". Symmetric, up to rounding.
    """
    both = likenesses(asked, [found])
    return float(both.scores[0]), HOWS[int(both.hows[0])]


def likenesses(asked: WordKeys, found: Sequence[WordKeys]) -> Likenesses:
    """How alike one asked word is to each of many found words.

    Args:
        asked: keys of the word that is looked for.
        found: keys of B words.

    Returns:
        scores and by what, in the order of the found words; some ms for thousands.
    """
    count = len(found)
    scores, hows = np.zeros(count, np.float32), np.full(count, _SPELLING, np.uint8)
    if not count or not asked.normalized:
        return Likenesses(scores, hows)
    written = _typing_errors([asked.normalized], [(other.normalized,) for other in found])
    longer = _longer([asked.normalized], [other.normalized for other in found])
    worth_hearing = (written <= _WRITTEN_UNLIKE * longer) | _by_reading(asked, found)
    heard = _sound_errors(asked, found, np.flatnonzero(worth_hearing))
    spelled = 1 - (0.7 * written + 0.19 * np.minimum(heard, written)) / longer
    spelled[longer < _SHORTEST_MISSPELT] = 0
    sounded = 1 - (2.2 * heard + 0.35 * written) / longer
    if asked.script == "Hani":
        sounded[[other.script == "Hani" for other in found]] = 0
    np.copyto(scores, np.maximum(spelled, sounded))
    hows[sounded > spelled] = _SOUND
    _compare_readings(asked, found, heard, scores, hows)
    np.clip(scores, 0, _BEST_INEXACT, out=scores)
    scores[_numbers_differ(asked, found) & (scores > _OTHER_NUMBER)] = _OTHER_NUMBER
    scores[[not other.normalized for other in found]] = 0
    same = written == 0
    scores[same], hows[same] = 1.0, _EXACT
    return Likenesses(scores, hows)


def _by_reading(asked: WordKeys, found: Sequence[WordKeys]) -> NDArray[np.bool_]:
    """(B,) where words are compared by their readings: of two scripts, or one whose signs are syllables."""
    return np.array([asked.script in _BY_READING or other.script != asked.script for other in found])


def _compare_readings(
    asked: WordKeys,
    found: Sequence[WordKeys],
    heard: NDArray[np.float32],
    scores: NDArray[np.float32],
    hows: NDArray[np.uint8],
) -> None:
    """Raises the scores of words of other scripts to the likeness of their readings."""
    places = np.flatnonzero(_by_reading(asked, found))
    if not len(places) or not asked.romanized:
        return
    others = [found[i].romanized for i in places.tolist()]
    written = _typing_errors(list(asked.romanized), others)
    longer = _longer([asked.romanized[0]], [max(readings, key=len, default="") for readings in others])
    letters = (
        len(asked.romanized[0]) + np.array([len(readings[0]) if readings else 0 for readings in others])
    ) / 2
    whole = 1 - (1.5 * heard[places] + 0.15 * written) / longer
    without_vowels = 1 - 2.0 * heard[places] / letters
    unwritten = np.array(
        [asked.script in WITHOUT_VOWELS or other.script in WITHOUT_VOWELS for other in found]
    )
    read = np.where(unwritten[places], without_vowels, whole).astype(np.float32)
    better = read > scores[places]
    chosen = places[better]
    scores[chosen], hows[chosen] = read[better], _ROMANIZED


def _longer(asked: list[str], found: list[str]) -> NDArray[np.float32]:
    """(B,) letters of the longer word of each pair."""
    return np.maximum(np.fromiter(map(len, found), np.float32, len(found)), max(map(len, asked))).astype(
        np.float32
    )


def _typing_errors(asked: list[str], found: Sequence[tuple[str, ...]]) -> NDArray[np.float32]:
    """(B,) least optimal string alignment distance of any asked form to any form of each found word.

    Source: Damerau, "A technique for computer detection and correction of spelling errors", CACM 7(3), 1964;
    letters next to each other exchanged are one error, and no letter is touched twice.
    """
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import cdist

    forms = [form for other in found for form in other]
    least = np.full(len(found), NEVER_ALIKE, np.float32)
    if forms:
        distances = cdist(asked, forms, scorer=OSA.distance, dtype=np.uint16, workers=1).min(0)
        owners = np.repeat(np.arange(len(found)), [len(other) for other in found])
        np.minimum.at(least, owners, distances.astype(np.float32))
    return least


def _sound_errors(
    asked: WordKeys, found: Sequence[WordKeys], places: NDArray[np.intp]
) -> NDArray[np.float32]:
    """(B,) least feature edit distance of any pronunciation of the asked word to any of each found word.

    Only the words at `places` are heard; all others are never alike.
    """
    least = np.full(len(found), NEVER_ALIKE, np.float32)
    if not asked.ipa:
        return least
    owners = np.repeat(places, [len(found[i].ipa) for i in places])
    if not len(owners):
        return least
    sounds = [sound for i in places.tolist() for sound in found[i].ipa]
    unwritten = np.array([other.script in WITHOUT_VOWELS for other in found])[owners]
    asked_unwritten = asked.script in WITHOUT_VOWELS
    for pronunciation in asked.ipa:
        distances = sound_distances(
            pronunciation,
            sounds,
            vowels_left_out=unwritten if not asked_unwritten else None,
            vowels_put_in=~unwritten if asked_unwritten else None,
        )
        np.minimum.at(least, owners, distances)
    return least


def _numbers_differ(asked: WordKeys, found: Sequence[WordKeys]) -> NDArray[np.bool_]:
    own = _digits(asked.normalized)
    return np.array([_digits(other.normalized) != own for other in found])


def _digits(word: str) -> str:
    return "" if word.isalpha() else "".join(c for c in word if c.isdigit())
