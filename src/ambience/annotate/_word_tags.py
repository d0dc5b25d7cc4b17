"""Tags of any words, by the embeddings that pictures and words share; and the starter's own classes.

Scores: with c the cosine of a picture and a word, m and s the mean and the standard deviation of its cosines
to the words of the list `general`, and V the list that the word is of,

    score = e^(t·c) / Σ over V of e^(t·c) · 1 / (1 + e^(−2·((c − m) / s − 4)))

The first factor says whether another word of the list fits better, the second one whether the word fits
better than words do by chance: without it, one word of a list of two would always be sure. t is 20 for the
starter, and 100, which such models are trained to, for others.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ambience.annotate._vocabularies import BUILT_IN, Vocabularies, Vocabulary, built_in
from ambience.annotate.base import Stored
from ambience.datatypes import Picture
from ambience.errors import QueryError, SettingsError, VocabularyError
from ambience.models.embedder import Embedder
from ambience.models.runtime import Models
from ambience.models.starter import Starter, keep, read_kept
from ambience.words import Tag

STARTER = "starter"

SCALES = {STARTER: 20.0}
USUAL_SCALE = 100.0
"""t of the models that are not in `SCALES`."""

STEEPNESS, MIDDLE = 2.0, 4.0
"""Of the second factor; both, and t of the starter, were chosen on one half of labelled photographs."""

PROMPT = "a photo of {}"
"""Around a word; the starter has prompts of its own."""

Vectors = NDArray[np.float32]


def word_scores(
    embeddings: NDArray[np.floating], words: Vectors, reference: Vectors, scale: float
) -> NDArray[np.float32]:
    """How surely pictures show what words say; the formula is that of the module.

    Args:
        embeddings: (N, D) of pictures, of unit length.
        words: (V, D) of a list, of unit length.
        reference: (R, D) of the words that tell what a cosine is by chance.
        scale: t.

    Returns:
        (N, V) float32, 0–1.
    """
    pictures = embeddings.astype(np.float32)
    cosines, by_chance = pictures @ words.T, pictures @ reference.T
    spread = np.maximum(by_chance.std(axis=1, keepdims=True), 1e-6)
    apart = (cosines - by_chance.mean(axis=1, keepdims=True)) / spread
    heights = np.exp(scale * (cosines - cosines.max(axis=1, keepdims=True)))
    shares = heights / heights.sum(axis=1, keepdims=True)
    fits = 1 / (1 + np.exp(np.clip(-STEEPNESS * (apart - MIDDLE), -60, 60)))
    return np.asarray(shares * fits, np.float32)


class WordTags:
    """Tags of the words of lists.

    Args:
        models: of this machine.
        vocabularies: of the library.
        chosen: names of lists; empty: `general` and the library's own.
        threshold: score that a word must exceed.
        model: answers the name of the model whose embeddings they are.
    """

    def __init__(
        self,
        models: Models,
        vocabularies: Vocabularies,
        *,
        chosen: Sequence[str],
        threshold: float,
        model: Callable[[], str],
    ) -> None:
        self._models, self._vocabularies, self._model = models, vocabularies, model
        self._chosen, self._threshold = chosen, threshold
        self._vectors: dict[str, Vectors] = {}
        self._lock = threading.Lock()

    def signature(self) -> list[object]:
        """What its answers depend on; empty where its model is not installed.

        A list that is damaged or gone is a part of it as well: a library opens with it, pictures fail with
        its reason, and they are tagged anew once it is mended.
        """
        if not self._models.is_installed(self._model()):
            return []
        try:
            said = [each.digest for each in self._lists()]
        except (SettingsError, VocabularyError) as exc:
            said = [str(exc)]
        return [self._model(), self._threshold, *said]

    def needs_pixels(self, stored: Stored | None) -> bool:
        """Whether embeddings are none, or of another model."""
        return stored is None or stored.model != self._model()

    def tags(self, pictures: Sequence[Picture], stored: Stored | None) -> list[list[Tag]]:
        """Tags of pictures, in their order.

        Args:
            pictures: looked at where there are no embeddings of the model.
            stored: embeddings of the pictures.

        Raises:
            ModelError: the model is missing or unusable.
        """
        model = self._model()
        if stored is not None and stored.model == model:
            embeddings = stored.vectors
        else:
            embeddings = self._models.embedder(model).embed_pictures([each.rgb for each in pictures])
        found: list[list[Tag]] = [[] for _ in embeddings]
        lists = self._lists()
        vectors = self._vectors_of(model, [built_in(BUILT_IN[0]), *lists])
        scale = SCALES.get(model, USUAL_SCALE)
        for each in lists:
            scores = word_scores(
                embeddings, vectors[each.digest], vectors[built_in(BUILT_IN[0]).digest], scale
            )
            for picture, word in zip(*np.nonzero(scores > self._threshold), strict=True):
                found[picture].append(Tag(each.words[word], each.name, float(scores[picture, word])))
        return [sorted(tags, key=lambda tag: -tag.score) for tags in found]

    def _lists(self) -> list[Vocabulary]:
        return self._vocabularies.chosen(self._chosen)

    def _vectors_of(self, model: str, lists: Sequence[Vocabulary]) -> dict[str, Vectors]:
        """Vectors of the words of lists by digest; those of lists that are gone are forgotten."""
        with self._lock:
            made = {}
            for each in lists:
                key = f"{model}/{each.digest}"
                made[key] = self._vectors[key] if key in self._vectors else self._embedded(model, each)
            self._vectors = made
        return {key.rpartition("/")[2]: vectors for key, vectors in made.items()}

    def _embedded(self, model: str, words: Vocabulary) -> Vectors:
        """Vectors of words, kept in a file beside the model, since reading them takes seconds."""
        embedder = self._models.embedder(model)
        prompt = "{}" if model == STARTER else PROMPT
        stamp = json.dumps([[file.sha256 or file.size for file in embedder.row.files], prompt, words.words])
        place = self._models.kept_in(model) / f"words-{hashlib.sha256(stamp.encode()).hexdigest()[:16]}.npy"
        vectors = read_kept(place, (len(words.words), embedder.row.dim))
        if vectors is None:
            sentences = [prompt.format(word) for word in words.words]
            try:
                vectors = embedder.embed_texts(sentences).embeddings
            except QueryError:  # of words in a script that the model does not know
                return np.concatenate([_known(embedder, sentence) for sentence in sentences])
            keep(place, vectors)
        return vectors


def _known(embedder: Embedder, sentence: str) -> Vectors:
    """The vector (1, D) of a sentence; zeros, which are near no picture, where the model knows none of it."""
    try:
        return embedder.embed_texts([sentence]).embeddings
    except QueryError:
        return np.zeros((1, embedder.row.dim), np.float32)


class ClassTags:
    """Tags by ImageNet's classes, which the starter's network tells.

    Args:
        models: of this machine.
        threshold: probability that a class must exceed.
    """

    def __init__(self, models: Models, threshold: float) -> None:
        self._models, self._threshold = models, threshold

    def needs_pixels(self, _stored: Stored | None) -> bool:
        """Always: embeddings do not say how likely classes are."""
        return True

    def signature(self) -> list[object]:
        """What its answers depend on; empty where its model is not installed."""
        return [self._threshold] if self._models.is_installed(STARTER) else []

    def tags(self, pictures: Sequence[Picture], _stored: Stored | None) -> list[list[Tag]]:
        """Tags of pictures, in their order, the likeliest first.

        Raises:
            ModelError: the model is missing or unusable.
        """
        starter = self._models.embedder(STARTER)
        assert isinstance(starter, Starter)
        titles = starter.class_titles()
        found = []
        for row in starter.class_shares([picture.rgb for picture in pictures]):
            sure = [place for place in np.argsort(-row, kind="stable") if row[place] > self._threshold]
            found.append([Tag(titles[place], STARTER, float(row[place])) for place in sure])
        return found
