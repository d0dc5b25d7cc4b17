"""A kind kept outside of our tree, whose model can be chosen: coarse colors, and their negative.

Its two spaces have the same form, so that a question asked in the wrong one is answered, and wrongly: a
picture is then not at distance 0 from itself.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ambience.datatypes import Feature, FeatureSpec, Picture, PixelNeed, QueryVariant
from ambience.errors import MissingModelError
from ambience.settings import setting

ONE, TWO = "efficientnet-lite0", "starter"
"""Rows of the catalog whose names its models bear, and nothing else of them."""


@dataclass(frozen=True, slots=True)
class ToyOptions:
    """Settings of the toy."""

    model: str = setting("", "", "One of two; empty leaves it to the library.")
    pause_s: float = setting(0.0, "seconds", "What the second one takes for each picture.", minimum=0)
    is_gone: bool = setting(False, "", "The files of the second one are gone.")


class Toy:
    """Colors of a grid of 4×4 cells; the second model takes their negative, backwards."""

    options_class: ClassVar[type[ToyOptions]] = ToyOptions
    model_tasks = ("image_embedding", "image_text_embedding")

    def __init__(self, options: ToyOptions, *, exact: bool = False) -> None:
        self.need = PixelNeed(longest_side=64)
        self._pause_s, self._is_gone = options.pause_s, options.is_gone
        self.spec = FeatureSpec(
            kind="toy",
            title="coarse colors",
            dim=48,
            dtype="float32",
            metric="l2",
            version=1,
            port=33399,
            model=options.model or ONE,
        )

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        if self.spec.model == TWO and self._pause_s:
            time.sleep(self._pause_s * len(pictures))
        return [Feature(self._vector(picture)) for picture in pictures]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        return [QueryVariant(Feature(self._vector(picture)))]

    def _vector(self, picture: Picture) -> "np.ndarray[tuple[int], np.dtype[np.float32]]":
        if self.spec.model == TWO and self._is_gone:
            raise MissingModelError(f"the model {TWO} is not installed")
        height, width = (side - side % 4 for side in picture.rgb.shape[:2])
        cells = picture.rgb[:height, :width].reshape(4, height // 4, 4, width // 4, 3)
        colors = (cells.mean(axis=(1, 3)) / 255).ravel().astype(np.float32)
        return colors if self.spec.model == ONE else np.ascontiguousarray(2 - colors[::-1])
