"""Embedding of the whole picture: look-alikes, of the same sort of thing seen in the same way.

Only upright queries: networks of this sort are trained on pictures and their mirror images alike, and a
mirrored photograph keeps a median cosine of 0.98 to itself; a turned one is another picture to them.
"""

from dataclasses import dataclass
from typing import ClassVar

from ambience.datatypes import FeatureSpec, PixelNeed, Verdict
from ambience.extract._embeddings import LONGEST_SIDE, PictureEmbedding, row_for
from ambience.models.catalog import Task
from ambience.models.runtime import Models
from ambience.settings import setting

__all__ = ["GlobalFeatures"]

DEFAULT = "efficientnet-lite0"
"""Row of the catalog of models that is at hand on every machine."""


@dataclass(frozen=True, slots=True)
class GlobalFeaturesOptions:
    """Settings of the embedding."""

    model: str = setting(
        "",
        "",
        "Model that embeds pictures, of those that `ambience models list` names; empty: the one chosen by "
        "`ambience models use`, else the default.",
    )


class GlobalFeatures(PictureEmbedding):
    """Extractor of a picture's embedding.

    Raises:
        SettingsError: there is no such model, or it takes no pictures.

    Source: Babenko et al., "Neural codes for image retrieval", ECCV 2014: features of a network made to name
    things, of unit length, find what looks alike. Others than the default are named in the catalog.
    """

    options_class: ClassVar[type[GlobalFeaturesOptions]] = GlobalFeaturesOptions
    uses_models: ClassVar[bool] = True
    model_tasks: ClassVar[tuple[Task, ...]] = ("image_embedding", "image_text_embedding")

    def __init__(
        self, options: GlobalFeaturesOptions, *, exact: bool = False, models: Models | None = None
    ) -> None:
        row = row_for("global_features", options.model or DEFAULT, self.model_tasks)
        spec = FeatureSpec(
            kind="global_features",
            title="Embedding of the whole picture: look-alikes",
            dim=row.dim,
            dtype="float16",
            metric="cosine",
            version=1,
            port=33334,
            preprocessing="exact" if exact else "scaled",
            model=row.name,
            display_scale=2.0,
            verdicts=((Verdict.LOOK_ALIKE, row.look_alike),),
        )
        super().__init__(spec, models or Models())
        self.need = PixelNeed(None if exact else LONGEST_SIDE)
