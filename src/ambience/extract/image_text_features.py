"""Embedding in a space of pictures and sentences: what a picture means, asked by a picture or in words.

Only upright queries, as in `global_features`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ambience.datatypes import Feature, FeatureSpec, PixelNeed, Verdict
from ambience.extract._embeddings import LONGEST_SIDE, PictureEmbedding, row_for, stored
from ambience.extract.base import TextFeature
from ambience.models.catalog import Task
from ambience.models.runtime import Models
from ambience.settings import setting

__all__ = ["ImageTextFeatures"]

DEFAULT = "starter"
"""Row of the catalog of models that is at hand on every machine."""


@dataclass(frozen=True, slots=True)
class ImageTextFeaturesOptions:
    """Settings of the embedding."""

    model: str = setting(
        "",
        "",
        "Model that embeds pictures and sentences, of those that `ambience models list` names; empty: the "
        "one chosen by `ambience models use`, else the default.",
    )


class ImageTextFeatures(PictureEmbedding):
    """Extractor of embeddings of pictures and of sentences.

    Raises:
        SettingsError: there is no such model, or it does not take both.

    Source: Frome et al., "DeViSE", NIPS 2013, and Radford et al., "CLIP", ICML 2021: pictures and sentences
    in one space. `models/starter.py` names the source of the default.
    """

    options_class: ClassVar[type[ImageTextFeaturesOptions]] = ImageTextFeaturesOptions
    uses_models: ClassVar[bool] = True
    model_tasks: ClassVar[tuple[Task, ...]] = ("image_text_embedding",)

    def __init__(
        self, options: ImageTextFeaturesOptions, *, exact: bool = False, models: Models | None = None
    ) -> None:
        row = row_for("image_text_features", options.model or DEFAULT, self.model_tasks)
        spec = FeatureSpec(
            kind="image_text_features",
            title="Embedding of pictures and sentences: the same meaning, by a picture or by words",
            dim=row.dim,
            dtype="float16",
            metric="cosine",
            version=2,
            port=33338,
            preprocessing="exact" if exact else "scaled",
            model=row.name,
            accepts_text=True,
            display_scale=2.0,
            verdicts=((Verdict.LOOK_ALIKE, row.look_alike),),
        )
        super().__init__(spec, models or Models())
        self.need = PixelNeed(None if exact else LONGEST_SIDE)

    def text_features(self, texts: Sequence[str]) -> list[TextFeature]:
        """Embeddings of sentences, in their order.

        Args:
            texts: as people typed them; none empty.

        Returns:
            Features of (dim,) float16 of unit length, each with what was cut from the sentence.

        Raises:
            ModelError: the model is missing or unusable.
            QueryError: the model knows nothing of a sentence.
        """
        if not texts:
            return []
        embeddings, notes = self._models.embedder(self.spec.model).embed_texts(texts)
        vectors = stored(embeddings, self.spec)
        return [TextFeature(Feature(vector), note) for vector, note in zip(vectors, notes, strict=True)]
