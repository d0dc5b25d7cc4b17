"""Captions: a sentence that says what a picture shows, by a network of a picture's part and a telling part.

There is no model that every machine has: until one is installed pictures wait, and the error says which
command installs one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ambience.datatypes import Picture, PixelNeed
from ambience.errors import SettingsError
from ambience.models.caption_rows import DEFAULT_CAPTIONS
from ambience.models.captioner import BATCH, Captioner, Described, Search
from ambience.models.runtime import Models
from ambience.settings import setting
from ambience.words import Annotation, Caption

__all__ = ["CaptionAnnotator"]

VERSION = 1
"""Counted up where captions of the same model and settings become other ones."""

LONGEST_SIDE = 1024
"""Pixels to which pictures are decoded at least: the short side of most then has the 768 that the largest of
the models looks at."""

MOST_BEAMS, MOST_TOKENS = 20, 100


@dataclass(frozen=True, slots=True)
class CaptionOptions:
    """Settings of captions."""

    model: str = setting(
        "",
        "",
        "Model that describes pictures, of those that `ambience models list` names for captions; empty: the "
        "first of the list that is installed.",
    )
    beams: int = setting(
        5, "sentences", "Sentences that are followed at a time; 1 is faster and finds worse ones.", minimum=1
    )
    max_tokens: int = setting(16, "tokens", "Pieces of words of a caption at most.", minimum=1)
    min_tokens: int = setting(0, "tokens", "Pieces of words of a caption at least.", minimum=0)


class CaptionAnnotator:
    """Describes pictures in a sentence.

    Raises:
        SettingsError: there is no such model, or a setting is out of range.
    """

    options_class: ClassVar[type[CaptionOptions]] = CaptionOptions
    batch: ClassVar[int] = BATCH
    name = "caption"

    def __init__(self, options: CaptionOptions, *, models: Models) -> None:
        self.need = PixelNeed(LONGEST_SIDE)
        self._models = models
        self._options = options
        self._search = Search(options.beams, options.max_tokens, options.min_tokens)
        known = models.named("caption")
        if options.model and options.model not in known:
            raise SettingsError(
                f"annotate.caption.model = {options.model!r}, which describes no pictures; have "
                f"{', '.join(known)}"
            )
        for setting_name, value, most in (
            ("beams", options.beams, MOST_BEAMS),
            ("max_tokens", options.max_tokens, MOST_TOKENS),
            ("min_tokens", options.min_tokens, options.max_tokens - 1),
        ):
            if value > most:
                raise SettingsError(f"annotate.caption.{setting_name} = {value}; at most {most} is possible")

    @property
    def model(self) -> str:
        """Name of the model that is used: that of the settings, else the first one that is installed."""
        if self._options.model:
            return self._options.model
        here = (name for name in self._models.named("caption") if self._models.is_installed(name))
        return next(here, DEFAULT_CAPTIONS)

    @property
    def fingerprint(self) -> str:
        """Of what captions depend on; it changes when a better model is installed and none is named."""
        options = self._options
        tokens = f"{options.min_tokens}to{options.max_tokens}tokens"
        return f"caption-{VERSION}-{self.model}-{options.beams}beams-{tokens}"

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        """Captions of pictures, in their order; nothing where the model ends before its first word.

        Raises:
            MissingModelError: no model is installed; says which command installs one.
            ModelError: the model is unusable.
        """
        captioner = self._captioner()
        described = captioner.describe([picture.rgb for picture in pictures], self._search)
        return [_annotation(each, captioner.row.name) for each in described]

    def caption(self, picture: Picture) -> str:
        """The caption of one picture, now; "" where there is nothing to say.

        Raises:
            ModelError: as `annotate`.
        """
        (described,) = self._captioner().describe([picture.rgb], self._search)
        return described.text

    def _captioner(self) -> Captioner:
        return self._models.captioner(self.model)


def _annotation(described: Described, model: str) -> Annotation:
    if not described.text:
        return Annotation()
    return Annotation(caption=Caption(described.text, model, min(described.decoded.score, 0.0)))
