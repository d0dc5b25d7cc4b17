"""The contract of a model that puts pictures, or pictures and sentences, into one space of vectors."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.models.row import ModelRow


class EmbeddedTexts(NamedTuple):
    """Embeddings of sentences.

    Attributes:
        embeddings: (N, dim) float32 of unit length.
        notes: one a sentence: what was cut from it, for people; "" where it was taken whole.
    """

    embeddings: NDArray[np.float32]
    notes: tuple[str, ...]


class Embedder(Protocol):
    """One model, as kinds use it; called from many threads at a time.

    Attributes:
        row: of the catalog.
    """

    row: ModelRow

    def embed_pictures(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Embeddings of pictures, in their order.

        Args:
            pictures: (H, W, 3) uint8 each, of any size.

        Returns:
            (N, dim) float32 of unit length.

        Raises:
            ModelError: the model is missing or unusable.
        """

    def embed_texts(self, texts: Sequence[str]) -> EmbeddedTexts:
        """Embeddings of sentences, in their order.

        Raises:
            ModelError: the model is missing or unusable, or takes no sentences.
        """
