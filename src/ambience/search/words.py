"""Pictures by the words that stand in them: typed ones, or those of another picture.

Each word of a question is looked up in the vocabulary by letters and by sound, the words like it are weighed
by likeness and rarity, and pictures are scored by the best place of each. Lines that are gone from the
records are found out when pictures are about to be answered, so an index that lags behind never shows them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from ambience import phonetics
from ambience.datatypes import Ids
from ambience.errors import QueryError
from ambience.phonetics import WordKeys
from ambience.phonetics.likeness import HOWS
from ambience.search.word_question import (
    EXACT_FIRST_LETTERS,
    EXACT_LETTERS,
    NO_WORD,
    Unit,
    WordQuestion,
    asked_words,
    words_of_lines,
)
from ambience.search.word_scores import APART_COSTS, UnitPlaces, phrase, rarity, scores
from ambience.store.vocabulary import FoundWord, Vocabulary
from ambience.store.vocabulary_writer import PlacedLine
from ambience.words import ImageWords, TextLine, WordHit, WordMatch

THRESHOLD: Final = 0.7
"""Score from which a picture is a hit for a typed question."""

SHARED_THRESHOLD: Final = 0.3
"""Score from which a picture shares another one's text: three words of ten, rare ones counting more."""

WORD_THRESHOLD: Final = 0.7
"""Likeness from which a word counts as found."""

MOST_LIKE: Final = 256
"""Words like one asked for, best first, of which places are read."""

MAX_PLACES: Final = 1_000_000
"""Places read for one question; words asked for that are too common are left out then, the rarest never."""

_SHORT_WORDS = frozenset({"Hani", "Hira", "Kana", "Hang"})

SHARED_WORDS: Final = 48
"""Words of another picture's text that are looked for: the rarest, of a length that tells texts apart."""


class WordRecords(Protocol):
    """The part of the records that a search by words needs."""

    def lines(self, line_ids: Sequence[int]) -> Mapping[int, PlacedLine]:
        """Line id → line; those that are gone are left out."""

    def words(self, image_ids: Sequence[int]) -> Mapping[int, ImageWords]:
        """Image id → what is said of it."""


@dataclass(frozen=True, slots=True)
class _Like:
    """A word found for one asked for."""

    word: FoundWord
    likeness: float
    how: str


@dataclass(frozen=True, slots=True)
class _Standing:
    """All places of a question's units.

    Attributes:
        image_ids: of the ordinals in `units`.
        units: places of each.
        likes: of each unit, what `UnitPlaces.found` numbers.
        weights: of each.
    """

    image_ids: Ids
    units: list[UnitPlaces]
    likes: list[list[_Like]]
    weights: list[float]


class WordSearch:
    """Finds pictures by words; called from many threads at a time."""

    def __init__(self, vocabulary: Vocabulary, records: WordRecords) -> None:
        """Reads from an index and from the records that it follows."""
        self._vocabulary = vocabulary
        self._records = records

    def by_text(
        self,
        question: str | WordQuestion,
        *,
        k: int,
        allowed_images: Ids | None = None,
        threshold: float = THRESHOLD,
    ) -> list[WordHit]:
        """Pictures in which typed words stand, also misspelt, spelled by ear, or in another script.

        Args:
            question: words, phrases in double quotes; or what `asked_words` made of them.
            k: hits at most.
            allowed_images: only these, chosen before ranking.
            threshold: least score of a hit, 0–1.

        Returns:
            Best first, ties by image id; a match for each unit of the question that was found.

        Raises:
            QueryError: no word is asked for, or k is below 1, or the threshold is no score.
            IndexFileError: the index is broken; it is made anew in the background.
        """
        _must_be_possible(k, threshold)
        asked = asked_words(question) if isinstance(question, str) else question
        if not asked.units:
            raise QueryError(NO_WORD)
        found = [self._alike(unit) for unit in asked.units]
        return self._hits(asked.units, found, k, allowed_images, threshold, APART_COSTS)

    def by_words_of(
        self,
        image_id: int,
        *,
        k: int,
        allowed_images: Ids | None = None,
        threshold: float = SHARED_THRESHOLD,
    ) -> list[WordHit]:
        """Other pictures that share the text of a picture; arguments and answer as of `by_lines`.

        Raises:
            QueryError: k is below 1, or the threshold is no score.
            IndexFileError: the index is broken; it is made anew in the background.
        """
        words = self._records.words([image_id]).get(image_id)
        hits = self.by_lines(
            words.lines if words else (), k=k + 1, allowed_images=allowed_images, threshold=threshold
        )
        return [hit for hit in hits if hit.image_id != image_id][:k]

    def by_lines(
        self,
        lines: Sequence[TextLine],
        *,
        k: int,
        allowed_images: Ids | None = None,
        threshold: float = SHARED_THRESHOLD,
    ) -> list[WordHit]:
        """Pictures that share the text of some lines, whatever its order.

        Of the words of four letters and more (two, where words are as short as in Chinese, Japanese and
        Korean), the `SHARED_WORDS` that stand in fewest pictures are looked for; those that stand
        nowhere as they are written come last, since most of them were misread.

        Args:
            lines: of another picture; may be empty.
            k: hits at most.
            allowed_images: only these, chosen before ranking.
            threshold: least share of the weight of those words, 0–1.

        Returns:
            Best first, ties by image id, at most k; none where the lines hold no such word.

        Raises:
            QueryError: k is below 1, or the threshold is no score.
            IndexFileError: the index is broken; it is made anew in the background.
        """
        _must_be_possible(k, threshold)
        written = {form: word for form, word in words_of_lines(lines).items() if _tells(form)}
        known = self._vocabulary.words(list(written))
        rarest = sorted(
            written, key=lambda form: (form not in known, _images(known.get(form)), -len(form), form)
        )
        units = [Unit(written[form], (phonetics.keys(form),)) for form in rarest[:SHARED_WORDS]]
        if not units:
            return []
        found = [self._alike(unit) for unit in units]
        return self._hits(units, found, k, allowed_images, threshold, 0.0)

    def _alike(self, unit: Unit) -> list[list[_Like]]:
        """The words that are like each word of a unit, best first."""
        if unit.is_phrase:
            known = self._vocabulary.words([keys.normalized for keys in unit.keys])
            of_each = [known.get(keys.normalized) for keys in unit.keys]
            return [[_Like(word, 1.0, "exact")] if word else [] for word in of_each]
        asked = unit.keys[0]
        found = self._vocabulary.candidates(asked)
        if unit.letters <= EXACT_FIRST_LETTERS:
            same = [each for each in found if _is_same(asked, each.keys)]
            found = same if same or unit.letters <= EXACT_LETTERS else found
        if not found:
            return [[]]
        alike = phonetics.likenesses(asked, [each.keys for each in found])
        best = np.argsort(-alike.scores, kind="stable")[:MOST_LIKE]
        best = best[alike.scores[best] >= WORD_THRESHOLD]
        return [[_Like(found[at], float(alike.scores[at]), HOWS[alike.hows[at]]) for at in best]]

    def _hits(
        self,
        units: Sequence[Unit],
        found: Sequence[list[list[_Like]]],
        k: int,
        allowed_images: Ids | None,
        threshold: float,
        apart_costs: float,
    ) -> list[WordHit]:
        standing = self._standing(units, found, allowed_images)
        required = [unit.is_phrase for unit in units]
        known: dict[int, PlacedLine | None] = {}
        while True:
            score = scores(
                standing.units,
                standing.weights,
                len(standing.image_ids),
                required=required,
                apart_costs=apart_costs,
            )
            best = np.flatnonzero(score >= max(threshold, 1e-6))
            # Ordinals rise with the image ids, so a stable sort keeps ties in their order.
            best = best[np.argsort(-score[best], kind="stable")][:k]
            alive = self._alive(standing, best, known)
            if alive is None:
                break
            standing = replace(
                standing,
                units=[unit.only(np.isin(unit.lines, alive, invert=True)) for unit in standing.units],
            )
        return [
            WordHit(
                int(standing.image_ids[at]),
                float(score[at]),
                tuple(_matches(units, standing, int(at), known)),
            )
            for at in best
        ]

    def _alive(
        self, standing: _Standing, best: NDArray[np.intp], known: dict[int, PlacedLine | None]
    ) -> NDArray[np.int64] | None:
        """Reads the lines of the best pictures.

        Returns:
            Line ids, of those pictures, that are gone from the records; None where all are there.
        """
        of_best = [unit.lines[np.isin(unit.pictures, best)] for unit in standing.units]
        line_ids = np.unique(np.concatenate(of_best)) if of_best else np.empty(0, np.int64)
        unread = [each for each in line_ids.tolist() if each not in known]
        there = self._records.lines(unread)
        known.update({each: there.get(each) for each in unread})
        gone = np.array([each for each in line_ids.tolist() if known[each] is None], np.int64)
        return gone if len(gone) else None

    def _standing(
        self, units: Sequence[Unit], found: Sequence[list[list[_Like]]], allowed_images: Ids | None
    ) -> _Standing:
        """Reads the places of all words found, those of rare units first, until there are too many."""
        state = self._vocabulary.state()
        images = state.images if state else 0
        weights = _weights(images, found)
        allowed = None if allowed_images is None else np.unique(allowed_images)
        left = MAX_PLACES
        rows_of: dict[int, list[tuple[NDArray[np.void], NDArray[np.intp]]]] = {}
        for at in sorted(range(len(units)), key=lambda at: -weights[at]):
            rows_of[at] = []
            for likes in found[at]:
                places, owners = self._vocabulary.places([each.word for each in likes], most=max(left, 0))
                left -= len(places)
                if allowed is not None:
                    is_allowed = np.isin(places["image_id"], allowed)
                    places, owners = places[is_allowed], owners[is_allowed]
                rows_of[at].append((places, owners))
        image_ids = np.unique(
            np.concatenate([places["image_id"] for rows in rows_of.values() for places, _ in rows])
        )
        standing = [_unit_places(unit, rows_of[at], found[at], image_ids) for at, unit in enumerate(units)]
        return _Standing(image_ids, standing, [of_words[0] for of_words in found], weights)


def _unit_places(
    unit: Unit,
    rows: Sequence[tuple[NDArray[np.void], NDArray[np.intp]]],
    found: Sequence[Sequence[_Like]],
    image_ids: Ids,
) -> UnitPlaces:
    of_words = []
    for (places, owners), likes in zip(rows, found, strict=True):
        likeness = np.array([each.likeness for each in likes], np.float32)
        of_words.append(
            UnitPlaces(
                np.searchsorted(image_ids, places["image_id"]),
                places["line_id"].astype(np.int64),
                places["at"].astype(np.int64),
                1,
                likeness[owners] if len(likes) else np.empty(0, np.float32),
                owners,
            )
        )
    return phrase(of_words) if unit.is_phrase else of_words[0]


def _matches(
    units: Sequence[Unit], standing: _Standing, picture: int, known: dict[int, PlacedLine | None]
) -> list[WordMatch]:
    """The best place of each unit in one picture."""
    matches = []
    for unit, places, likes in zip(units, standing.units, standing.likes, strict=True):
        rows = np.flatnonzero(places.pictures == picture)
        if not len(rows):
            continue
        row = rows[np.argmax(places.likeness[rows])]
        like = likes[places.found[row]]
        placed = known[int(places.lines[row])]
        assert placed is not None
        written = _as_written(placed.line.text, [like.word.keys] if not unit.is_phrase else unit.keys)
        matches.append(WordMatch(unit.text, written, float(places.likeness[row]), like.how, placed.line))
    return matches


def _as_written(text: str, keys: Sequence[WordKeys]) -> str:
    """The words of a line whose normalized forms are given, as they stand there; as many as this line has."""
    tokens = phonetics.tokens(text)
    forms = [phonetics.normalized(token) for token in tokens]
    wanted = [each.normalized for each in keys]
    for count in range(len(wanted), 0, -1):
        for at in range(len(forms) - count + 1):
            if forms[at : at + count] == wanted[:count]:
                return " ".join(tokens[at : at + count])
    return wanted[0]


def _is_same(asked: WordKeys, found: WordKeys) -> bool:
    """Whether two short words are one: as they are written, or as they are read in another script."""
    if asked.script == found.script:
        return asked.normalized == found.normalized
    return not {asked.normalized, *asked.romanized}.isdisjoint((found.normalized, *found.romanized))


def _weights(images: int, found: Sequence[Sequence[Sequence[_Like]]]) -> list[float]:
    """Rarity of each unit: of the best word found for each of its words, summed.

    A word that stands nowhere tells no picture from another: it weighs as little as the commonest.
    """
    sums = [
        sum(rarity(images, likes[0].word.images) for likes in of_words) if all(of_words) else 0.0
        for of_words in found
    ]
    least = min((each for each in sums if each), default=1.0)
    return [each or least for each in sums]


def _tells(form: str) -> bool:
    """Whether a word is long enough to tell one text from another."""
    return len(form) > EXACT_FIRST_LETTERS or (len(form) > 1 and phonetics.script_of(form) in _SHORT_WORDS)


def _images(word: FoundWord | None) -> int:
    return word.images if word else 0


def _must_be_possible(k: int, threshold: float) -> None:
    if k < 1:
        raise QueryError(f"k is {k}; at least 1 hit must be asked for")
    if not 0 <= threshold <= 1:
        raise QueryError(f"the threshold is {threshold}; a score is 0 to 1")
