"""The starter: pictures and sentences in one space, without a model that was trained on both.

A picture is what an ImageNet network takes it for: its classes, each standing where the sentence encoder puts
the class's name. It finds objects and scenes that ImageNet names; it sees no people, actions or relations.
"""

import hashlib
import json
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError
from ambience.models.catalog import ModelRow
from ambience.models.embedder import EmbeddedTexts, Embedder
from ambience.models.graphs.efficientnet_lite import CLASSES
from ambience.models.picture_network import PictureNetwork, unit_length
from ambience.models.sentence_encoder import checked_bytes

TEMPERATURE = 2.0
"""By which logits are divided, so that the second and third guess count as well."""

KEPT = 50
"""Classes of a picture that count; the tail is noise."""

PROMPT = "a photo of "
"""What stands before a query, which is asked with and without it."""

CLASS_PROMPTS = ("", "a photo of a ")
"""What stands before the names of a class, each of which is read in both ways."""


class Starter:
    """Words and pictures by class semantics; called from many threads at a time.

    Args:
        row: of the catalog.
        network: sees pictures.
        encoder: answers the model that reads sentences, which pictures need only once in a lifetime.
        encoder_row: of that model.
        names: files of the names of ImageNet's classes, in the order of the row's.
        cache: folder in which the vectors of the class names are kept.

    Source: Norouzi et al., "Zero-shot learning by convex combination of semantic embeddings" (ConSE), ICLR
    2014; ours adds softened probabilities, two views, several names of each class, and vectors centered on
    the mean of all classes.
    """

    def __init__(
        self,
        row: ModelRow,
        network: PictureNetwork,
        encoder: Callable[[], Embedder],
        *,
        encoder_row: ModelRow,
        names: Sequence[Path],
        cache: Path,
    ) -> None:
        self.row = row
        self._network, self._encoder, self._encoder_row = network, encoder, encoder_row
        self._names, self._cache = names, cache
        self._lock = threading.Lock()
        self._semantics: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def embed_pictures(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Where pictures stand: l2(Σ p·(t − μ)).

        p are the probabilities softmax(logits / 2), averaged over both views, of the 50 likeliest classes; t
        the vectors of the classes, and μ the mean of all t. A class stands at
        t = l2(Σ over prompts of (E(prompt + its usual name) + l2(Σ over its names of E(prompt + name)))):
        people ask by other names than one list has, and a name says less in one sentence than in two.

        Args:
            pictures: (H, W, 3) uint8 each, at least one pixel.

        Returns:
            (N, 384) float32 of unit length.
        """
        centered, _ = self._classes()
        places = [_place(self._network.see(rgb).logits, centered) for rgb in pictures]
        return unit_length(np.array(places, np.float32).reshape(-1, self.row.dim))

    def embed_texts(self, texts: Sequence[str]) -> EmbeddedTexts:
        """Where sentences stand: l2(l2(E(q) + E("a photo of " + q)) − μ).

        Returns:
            (N, 384) float32 of unit length, and what the encoder notes.

        Raises:
            QueryError: a sentence holds nothing that the encoder knows.
        """
        _, mean = self._classes()
        read = self._encoder().embed_texts([*texts, *(PROMPT + text for text in texts)])
        both = unit_length(read.embeddings[: len(texts)] + read.embeddings[len(texts) :])
        return EmbeddedTexts(unit_length(both - mean), read.notes[: len(texts)])

    def class_shares(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """How likely the network takes pictures for each class: softmax(logits), averaged over both views.

        Args:
            pictures: (H, W, 3) uint8 each, at least one pixel.

        Returns:
            (N, 1000) float32, each row summing to 1.
        """
        logits = np.array([self._network.see(rgb).logits for rgb in pictures], np.float32)
        logits = logits.reshape(len(pictures), -1, CLASSES)
        heights = np.exp(logits - logits.max(axis=2, keepdims=True))
        return np.asarray((heights / heights.sum(axis=2, keepdims=True)).mean(axis=1), np.float32)

    def class_titles(self) -> list[str]:
        """The usual name of each class, in the order of `class_shares`."""
        return [names[0] for names in class_names(self.row, self._names)]

    def _classes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(1000, 384) vectors of the classes, less their mean; and the mean."""
        with self._lock:
            if self._semantics is None:
                vectors = self._class_vectors()
                mean = vectors.mean(axis=0)
                self._semantics = vectors - mean, mean
            return self._semantics

    def _class_vectors(self) -> NDArray[np.float32]:
        """Vectors of the classes, kept in a file, since reading thousands of sentences takes seconds."""
        names = class_names(self.row, self._names)
        sentences = list(dict.fromkeys(p + name for each in names for p in CLASS_PROMPTS for name in each))
        said = json.dumps([self._encoder_row.files[0].sha256, CLASS_PROMPTS, names])
        kept = self._cache / f"classes-{hashlib.sha256(said.encode()).hexdigest()[:16]}.npy"
        shape = (CLASSES, self._encoder_row.dim)
        vectors = read_kept(kept, shape)
        if vectors is None:
            read = dict(zip(sentences, self._encoder().embed_texts(sentences).embeddings, strict=True))
            vectors = unit_length(np.array([_class_vector(each, read) for each in names], np.float32))
            keep(kept, vectors)
        return vectors


def _class_vector(names: Sequence[str], read: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """A class's own vector, of any length: its usual name counts as much as all its names together."""
    usual, *others = names
    total = np.zeros_like(read[usual])
    for prompt in CLASS_PROMPTS:
        together = sum((read[prompt + name] for name in others), np.zeros_like(total))
        total += read[prompt + usual] + unit_length(together)
    return total


def _place(logits: NDArray[np.float32], centered: NDArray[np.float32]) -> NDArray[np.float32]:
    """Where one picture's likeliest classes put it: its own product, which no other picture's rounds."""
    heights = np.exp((logits - logits.max(axis=1, keepdims=True)) / TEMPERATURE)
    shares = (heights / heights.sum(axis=1, keepdims=True)).mean(axis=0)
    kept = np.argpartition(shares, -KEPT)[-KEPT:]
    return np.asarray(shares[kept] @ centered[kept], np.float32)


def class_names(row: ModelRow, paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """Names of ImageNet's classes, in the order of the network's logits.

    Args:
        row: whose files they are: one usual name a class, and all names of WordNet, with commas between them.
        paths: of these files.

    Returns:
        Of each of the 1,000 classes its usual name, and then its names of WordNet, of which it may be one.

    Raises:
        CorruptModelError: a file is another one.
    """
    usual, others = (
        json.loads(checked_bytes(path, file.sha256)) for path, file in zip(paths, row.files, strict=True)
    )
    if not isinstance(usual, list) or len(usual) != CLASSES:
        raise CorruptModelError(f"{paths[0]} holds no list of {CLASSES:,} names of classes")
    if not isinstance(others, dict) or set(others) != {str(number) for number in range(CLASSES)}:
        raise CorruptModelError(f"{paths[1]} holds no names of classes 0 to {CLASSES - 1}")
    return [(str(name), *str(others[str(number)]).split(", ")) for number, name in enumerate(usual)]


def read_kept(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """Unit vectors that `keep` wrote.

    Args:
        path: of the file.
        shape: that they must have.

    Returns:
        The vectors, or None where there are none, or where they are broken.
    """
    try:
        vectors = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    if vectors.shape != shape or vectors.dtype != np.float32:
        return None
    lengths = np.linalg.norm(vectors, axis=1)
    is_whole = bool((np.abs(lengths - 1) < 1e-3).all())  # false for what is no number, too
    return vectors if is_whole else None


def keep(path: Path, vectors: NDArray[np.float32]) -> None:
    """Writes vectors beside their place and renames them; where nothing can be written, nothing is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            np.save(part, vectors)
        Path(part.name).replace(path)
    except OSError:
        return
