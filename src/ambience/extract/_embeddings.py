"""What the kinds that embed whole pictures share."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, Picture, QueryVariant
from ambience.errors import EmptyFeatureError, ModelError, SettingsError
from ambience.models.catalog import ModelRow, Task, model_row
from ambience.models.runtime import Models

LONGEST_SIDE = 512
"""Pixels to which pictures are decoded at least: the short side then has the 256 that models look at, in all
but panoramas."""


def row_for(kind: str, name: str, tasks: Sequence[Task]) -> ModelRow:
    """The row of a kind's model.

    Args:
        kind: for messages.
        name: of the row.
        tasks: that the model may be for.

    Returns:
        The row.

    Raises:
        SettingsError: there is none, or it is for something else.
    """
    try:
        row = model_row(name)
    except ModelError as exc:
        raise SettingsError(f"kinds.{kind}.model: {exc}") from exc
    if row.task not in tasks:
        raise SettingsError(
            f"kinds.{kind}.model = {name!r}, which is for {row.task}; needed is {' or '.join(tasks)}"
        )
    return row


class PictureEmbedding:
    """What an extractor does whose feature is a model's embedding of the whole picture.

    Args:
        spec: names the model and the dtype.
        models: of this machine.
    """

    def __init__(self, spec: FeatureSpec, models: Models) -> None:
        self.spec = spec
        self._models = models

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        """Embeddings of pictures, in their order.

        Returns:
            Features of (dim,) float16 of unit length.

        Raises:
            EmptyFeatureError: a picture has no pixels.
            ModelError: the model is missing or unusable.
        """
        for picture in pictures:
            if picture.rgb.size == 0:
                raise EmptyFeatureError(
                    f"a picture of {picture.width}×{picture.height} pixels was decoded to nothing; "
                    f"{self.spec.kind} needs one pixel"
                )
        if not pictures:
            return []
        embedder = self._models.embedder(self.spec.model)
        embeddings = embedder.embed_pictures([picture.rgb for picture in pictures])
        return [Feature(vector) for vector in stored(embeddings, self.spec)]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        """The embedding of the picture as it is.

        Returns:
            One variant, upright.

        Raises:
            EmptyFeatureError: the picture has no pixels.
            ModelError: the model is missing or unusable.
        """
        return [QueryVariant(feature) for feature in self.extract([picture])]


def stored(embeddings: NDArray[np.float32], spec: FeatureSpec) -> NDArray[np.generic]:
    """Embeddings (N, dim) in the dtype that the spec stores."""
    return embeddings.astype(spec.dtype)
