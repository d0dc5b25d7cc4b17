"""Ways to find pictures by words without a model trained on both: ours, and two that it is measured against.

All rank the same pictures by what the same two networks say of pictures and of words, so that nothing but the
way from one to the other differs.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.extract.base import TextExtractor
from ambience.models.catalog import CATALOG
from ambience.models.folder import ModelFolder
from ambience.models.runtime import Models

Array = NDArray[Any]
Vectors = NDArray[np.float32]

NAIVE_CLASSES = 10
"""Classes of a picture that count, as in the paper's best row."""

RECIPE_TEMPERATURE, RECIPE_CLASSES = 2.0, 50


@dataclass(frozen=True)
class WordMethod:
    """One way.

    Attributes:
        key: in the figures.
        title: for people.
        pictures: (N, D) of unit length.
        embed: sentences → (Q, D) of unit length.
    """

    key: str
    title: str
    pictures: Vectors
    embed: Callable[[Sequence[str]], Vectors]

    def scores(self, texts: Sequence[str], places: NDArray[np.int64]) -> Vectors:
        """Cosines of sentences and some of the pictures: (Q, N)."""
        found: Vectors = self.embed(texts) @ self.pictures[places].T
        return found


def starter(kind: TextExtractor, stored: Array) -> WordMethod:
    """What Ambience does: the features as they are stored, and sentences as the kind embeds them."""

    def embed(texts: Sequence[str]) -> Vectors:
        return _units(np.stack([each.feature.vector for each in kind.text_features(texts)]))

    return WordMethod("starter", "Ambience, starter", _units(stored), embed)


def naive_conse(models: Models, logits: Array) -> WordMethod:
    """ConSE as published: the ten likeliest classes of one view, their names and queries as they are.

    Source: Norouzi et al., "Zero-shot learning by convex combination of semantic embeddings", ICLR 2014.
    """
    encoder = models.embedder("minilm")
    classes = encoder.embed_texts(usual_names()).embeddings
    shares = _likeliest(_softmax(logits[:, :1], 1.0), NAIVE_CLASSES)
    return WordMethod(
        "naive", "ConSE, naive", _units(shares @ classes), lambda texts: encoder.embed_texts(texts).embeddings
    )


def recipe(models: Models, logits: Array) -> WordMethod:
    """What the starter grew from: two views, softened, 50 classes by one name each, less their mean."""
    encoder = models.embedder("minilm")
    classes = encoder.embed_texts([f"a photo of a {name}" for name in usual_names()]).embeddings
    mean = classes.mean(axis=0)
    shares = _likeliest(_softmax(logits, RECIPE_TEMPERATURE), RECIPE_CLASSES)

    def embed(texts: Sequence[str]) -> Vectors:
        plain = encoder.embed_texts(texts).embeddings
        prompted = encoder.embed_texts([f"a photo of {text}" for text in texts]).embeddings
        return _units(_units(plain + prompted) - mean)

    return WordMethod("recipe", "ConSE, two views, centered", _units(shares @ (classes - mean)), embed)


def usual_names() -> list[str]:
    """One name of each of ImageNet's classes."""
    names = ModelFolder.at(None).files(CATALOG["starter"])[0]
    found: list[str] = json.loads(names.read_text(encoding="utf-8"))
    return found


def _softmax(logits: Array, temperature: float) -> Vectors:
    """Probabilities (N, 1000), averaged over the views of (N, V, 1000) logits."""
    heights = np.exp((logits - logits.max(axis=-1, keepdims=True)) / temperature)
    found: Vectors = (heights / heights.sum(axis=-1, keepdims=True)).mean(axis=1)
    return found


def _likeliest(shares: Vectors, count: int) -> Vectors:
    """Shares with all but the `count` greatest of each row set to zero."""
    least = -np.partition(-shares, count - 1, axis=1)[:, count - 1 : count]
    return np.where(shares >= least, shares, np.float32(0))


def _units(vectors: Array) -> Vectors:
    wide = vectors.astype(np.float32)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12), np.float32)
