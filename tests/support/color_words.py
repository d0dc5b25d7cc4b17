"""A kind that knows the words for colors: pictures and sentences in one space of three numbers.

Small enough to be followed by hand, and deterministic. A picture is its mean color, a sentence the sum of its
color words; both are brought to unit length about the middle grey.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import Feature, FeatureSpec, Picture, PixelNeed, QueryVariant, Verdict
from ambience.errors import EmptyFeatureError, MissingModelError
from ambience.extract.base import TextFeature
from ambience.settings import setting

__all__ = ["ColorWords"]

WORDS = {
    "red": (1, -1, -1),
    "green": (-1, 1, -1),
    "blue": (-1, -1, 1),
    "yellow": (1, 1, -1),
    "white": (1, 1, 1),
    "black": (-1, -1, -1),
}
CONTEXT = 12
"""Words of a sentence that are read."""


@dataclass(frozen=True, slots=True)
class ColorWordsOptions:
    """Settings."""

    is_missing: bool = setting(False, "", "As if the model were not there.")


class ColorWords:
    """Mean color and color words."""

    options_class: ClassVar[type[ColorWordsOptions]] = ColorWordsOptions

    def __init__(self, options: ColorWordsOptions | None = None, *, exact: bool = False) -> None:
        self.spec = FeatureSpec(
            kind="color_words",
            title="mean color, by picture or by word",
            dim=3,
            dtype="float16",
            metric="cosine",
            version=1,
            port=33399,
            accepts_text=True,
            display_scale=2.0,
            verdicts=((Verdict.LOOK_ALIKE, 0.5),),
        )
        self.need = PixelNeed(longest_side=64)
        self._options = options or ColorWordsOptions()

    def extract(self, pictures: Sequence[Picture]) -> list[Feature]:
        self._check_model()
        return [Feature(_unit(each.rgb.mean(axis=(0, 1)) / 127.5 - 1)) for each in pictures]

    def query_variants(self, picture: Picture) -> list[QueryVariant]:
        return [QueryVariant(self.extract([picture])[0])]

    def text_features(self, texts: Sequence[str]) -> list[TextFeature]:
        self._check_model()
        made = []
        for text in texts:
            words = text.lower().split()
            known = [WORDS[word] for word in words[:CONTEXT] if word in WORDS]
            if not known:
                raise EmptyFeatureError(f"no color is named in {text!r}")
            note = f"only the first {CONTEXT} of {len(words)} words were read" if len(words) > CONTEXT else ""
            made.append(TextFeature(Feature(_unit(np.sum(known, axis=0))), note))
        return made

    def _check_model(self) -> None:
        if self._options.is_missing:
            raise MissingModelError(
                "the model colors (3 bytes) is not here; `ambience models install colors`"
            )


def _unit(vector: NDArray[np.floating]) -> NDArray[np.float16]:
    length = np.linalg.norm(vector)
    return (vector / length if length else vector).astype(np.float16)
