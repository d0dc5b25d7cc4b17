"""Tags of pictures, with scores: kinds of place, the starter's classes, and words of any list.

What speaks is what is installed and switched on; the fingerprint says which it was, so that pictures are
tagged anew where a model or a list comes or goes.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from ambience.annotate._scene_tags import SceneTags, original_tags
from ambience.annotate._vocabularies import Vocabularies
from ambience.annotate._word_tags import STARTER, ClassTags, WordTags
from ambience.annotate.base import Stored
from ambience.datatypes import Picture, PixelNeed
from ambience.errors import EmptyFeatureError, ModelError, SettingsError
from ambience.models.catalog import model_row
from ambience.models.runtime import Models
from ambience.settings import setting
from ambience.words import Annotation, Tag

__all__ = ["Tags"]

VERSION = 1
SOURCES = ("places365", "starter", "vocabulary")
LONGEST_SIDE = 512
"""Pixels to which pictures are decoded at least, as for embeddings."""


@dataclass(frozen=True, slots=True)
class TagsOptions:
    """Settings of the tags."""

    sources: tuple[str, ...] = setting(
        SOURCES,
        "",
        "Who gives tags: places365 (networks for places, once they are installed), starter (the classes of "
        "the model that comes along), vocabulary (lists of words, by the embedding of pictures and words).",
    )
    places365_threshold: float = setting(
        0.2, "", "Probability that a kind of place must exceed to be a tag.", minimum=0
    )
    attribute_threshold: float = setting(
        0.0, "", "Response that a property of places must exceed to be a tag; they lie around 0."
    )
    starter_threshold: float = setting(
        0.45, "", "Probability that a class of the starter must exceed to be a tag.", minimum=0
    )
    vocabulary_threshold: float = setting(
        0.75, "", "Score, 0 to 1, that a word of a list must exceed to be a tag.", minimum=0
    )
    vocabularies: tuple[str, ...] = setting(
        (),
        "",
        "Lists whose words may be tags: general, places365, or your own (`ambience tags vocabulary add`); "
        "empty: general and all of your own.",
    )
    model: str = setting(
        "",
        "",
        "Model by whose embeddings lists of words give tags; empty: the one that image_text_features uses.",
    )


class _Source(Protocol):
    def needs_pixels(self, stored: Stored | None) -> bool: ...

    def signature(self) -> list[object]: ...

    def tags(self, pictures: Sequence[Picture], stored: Stored | None) -> list[list[Tag]]: ...


class Tags:
    """Annotator that tags.

    Attributes:
        stored_kind: kind whose stored features spare it looking at pictures for the words of lists.
        uses_folder: it is told the library's folder, in which lists of one's own lie.

    Args:
        options: its settings.
        models: of this machine.
        folder: of the library; None: no lists of one's own.

    Raises:
        SettingsError: a source, or the model, is none that is known.
    """

    options_class: ClassVar[type[TagsOptions]] = TagsOptions
    batch: ClassVar[int] = 8
    stored_kind: ClassVar[str] = "image_text_features"
    uses_folder: ClassVar[bool] = True

    def __init__(self, options: TagsOptions, *, models: Models, folder: Path | None = None) -> None:
        self.name = "tags"
        self.need = PixelNeed(LONGEST_SIDE)
        self._options, self._models = options, models
        if unknown := sorted(set(options.sources) - set(SOURCES)):
            raise SettingsError(f"annotate.tags.sources names {unknown[0]!r}; have {', '.join(SOURCES)}")
        self._followed: Callable[[], str] = lambda: STARTER
        _check_model(options.model or STARTER)
        made: dict[str, _Source] = {
            "places365": SceneTags(models, options.places365_threshold, options.attribute_threshold),
            "starter": ClassTags(models, options.starter_threshold),
            "vocabulary": WordTags(
                models,
                Vocabularies(folder),
                chosen=options.vocabularies,
                threshold=options.vocabulary_threshold,
                model=self._model,
            ),
        }
        self._sources = {name: made[name] for name in SOURCES if name in options.sources}

    @property
    def fingerprint(self) -> str:
        """Of the sources that speak now, their models, thresholds and words; to be asked for every batch."""
        said = {name: source.signature() for name, source in self._sources.items()}
        text = json.dumps([VERSION, {name: each for name, each in said.items() if each}])
        return f"tags-{VERSION}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def follow(self, model: Callable[[], str]) -> None:
        """Takes the embeddings of the library's model from now on, unless the settings name one.

        Args:
            model: answers which model the library's pictures are embedded by now; "" for none.
        """
        self._followed = model

    def annotate(self, pictures: Sequence[Picture], stored: Stored | None = None) -> list[Annotation]:
        """Tags of pictures, in their order; each word of a source once.

        Args:
            pictures: decoded as `need` says.
            stored: embeddings of the same pictures; used where they are of the model that gives tags, else
                made of the pictures.

        Returns:
            One annotation a picture: by source, in each the surest first.

        Raises:
            EmptyFeatureError: a picture has no pixels.
            ModelError: nothing that is switched on is installed, or it is unusable.
            VocabularyError: a list of words was damaged.
        """
        for picture in pictures:
            if picture.rgb.size == 0:
                raise EmptyFeatureError(
                    f"a picture of {picture.width}×{picture.height} pixels was decoded to nothing; tags need "
                    "one pixel"
                )
        if not pictures:
            return []
        if not self._sources:
            return [Annotation() for _ in pictures]
        return _joined([source.tags(pictures, stored) for source in self._speaking()])

    def annotate_stored(self, stored: Stored) -> list[Annotation] | None:
        """Tags of images by their embeddings alone, in their order, each word of a source once.

        Returns:
            One annotation an image; None where a source that speaks has to see pixels: those of places365 and
            of the starter's classes always, lists of words where the embeddings are of another model.

        Raises:
            ModelError: the model is missing or unusable.
            VocabularyError: a list of words was damaged.
        """
        speaking = self._speaking() if self._sources else []
        if not speaking or any(source.needs_pixels(stored) for source in speaking):
            return None
        return _joined([source.tags((), stored) for source in speaking])

    def original_tags(self, picture: Picture) -> list[str]:
        """What the original system's `/get_image_tags` answers for a picture, always in the same order.

        Returns:
            Properties with a response over 0, "indoor" or "outdoor", kinds of place with a probability over
            0.2, whatever the settings say.

        Raises:
            MissingModelError: one of the two networks is not installed; the message says how it is.
            ModelError: it is unusable.
        """
        return original_tags(self._models, picture.rgb)

    def _model(self) -> str:
        return self._options.model or self._followed() or STARTER

    def _speaking(self) -> list[_Source]:
        """Sources whose models are installed; all of them where none is, so that one says what is missing."""
        return [each for each in self._sources.values() if each.signature()] or list(self._sources.values())


def _joined(by_source: Sequence[Sequence[Sequence[Tag]]]) -> list[Annotation]:
    return [
        Annotation(tags=tuple(tag for tags in of_one for tag in tags))
        for of_one in zip(*by_source, strict=True)
    ]


def _check_model(name: str) -> None:
    try:
        task = model_row(name).task
    except ModelError as exc:
        raise SettingsError(f"annotate.tags.model: {exc}") from exc
    if task != "image_text_embedding":
        raise SettingsError(f"annotate.tags.model = {name!r} is for {task}; needed is image_text_embedding")
