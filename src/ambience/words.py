"""What is said of a picture in words: text read in it, tags, a caption. Nouns, without behaviour."""

from dataclasses import dataclass, field
from typing import NamedTuple

USER = "user"
"""Source of tags and captions that people gave; machines never write under it, nor overwrite it."""


IMPORT = "import"
"""Source of tags and captions that a file of another system said; machines never overwrite them either."""


class Corner(NamedTuple):
    """A place of a picture, upright, as fractions of its width and height: 0, 0 is the upper left corner."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text in a picture.

    Attributes:
        text: as it was read, NFC, without line breaks; never empty.
        quad: its four corners, clockwise from the upper left one of the text itself.
        confidence: 0–1, by the engine that read it.
        script: ISO 15924 code of most of its letters ("Latn", "Cyrl", "Hani" …); "Zyyy" where it has none.
        language: BCP 47 code, where the engine was asked for one; "" where not known.
    """

    text: str
    quad: tuple[Corner, Corner, Corner, Corner]
    confidence: float
    script: str = "Zyyy"
    language: str = ""


@dataclass(frozen=True, slots=True)
class Tag:
    """A word for what a picture shows.

    Attributes:
        text: the tag.
        source: who says so: `USER`, or the name of the model or vocabulary.
        score: 0–1; 1 for tags that people gave.
    """

    text: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class Caption:
    """A sentence that describes a picture.

    Attributes:
        text: the sentence.
        source: who says so: `USER`, or the name of the model.
        score: mean log probability of its tokens, ≤ 0; 0 for captions that people gave.
    """

    text: str
    source: str
    score: float


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one annotator says of one picture; all of it empty where it has nothing to say.

    Attributes:
        lines: in reading order.
        tags: of this annotator's sources.
        caption: one sentence.
    """

    lines: tuple[TextLine, ...] = ()
    tags: tuple[Tag, ...] = ()
    caption: Caption | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it says nothing."""
        return not (self.lines or self.tags or self.caption)


@dataclass(frozen=True, slots=True)
class ImageWords:
    """All that is said of one image.

    Attributes:
        lines: text in it, in reading order.
        tags: of all sources, those of people first, then by falling score.
        captions: of all sources, that of people first.
        states: by annotator, how far it is (a value of `FeatureState`), with the reason where it failed.
        source_url: where the picture was found, as an imported file says; "" where none does.
    """

    lines: tuple[TextLine, ...] = ()
    tags: tuple[Tag, ...] = ()
    captions: tuple[Caption, ...] = ()
    states: dict[str, tuple[str, str]] = field(default_factory=dict)
    source_url: str = ""


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A word or phrase of a question, found in a picture.

    Attributes:
        asked: as it was asked.
        found: as it stands in the picture.
        score: likeness, 0–1; 1 where both are written alike.
        how: by what: "exact", "spelling", "sound" or "romanized".
        line: that holds it.
    """

    asked: str
    found: str
    score: float
    how: str
    line: TextLine


@dataclass(frozen=True, slots=True)
class WordHit:
    """An image in which words of a question stand.

    Attributes:
        image_id: which.
        score: 0–1; 1 where all that was asked stands in it as it was written.
        matches: what was found, in the order of the question.
    """

    image_id: int
    score: float
    matches: tuple[WordMatch, ...]
