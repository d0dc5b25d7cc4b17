"""What `/v1` says of words: those that stand in a picture, and those that describe it."""

from pydantic import BaseModel, Field

from ambience.datatypes import FeatureState
from ambience.serve.http.errors import shown
from ambience.words import Caption, ImageWords, Tag, TextLine, WordMatch

Place = tuple[float, float]


class TextLineSchema(BaseModel):
    """A line of text in a picture."""

    text: str
    quad: list[Place] = Field(
        description="Its four corners, clockwise from the upper left one of the text itself, as fractions of "
        "the upright picture's width and height."
    )
    confidence: float = Field(description="0–1, by the engine that read it.")
    script: str = Field(description='ISO 15924: "Latn", "Cyrl" …; "Zyyy" where it has no letters.')
    language: str = Field("", description="BCP 47, where it is known.")

    @classmethod
    def of(cls, line: TextLine) -> "TextLineSchema":
        """From our own."""
        return cls(
            text=shown(line.text),
            quad=[(corner.x, corner.y) for corner in line.quad],
            confidence=line.confidence,
            script=line.script,
            language=line.language,
        )


class TagSchema(BaseModel):
    """A word for what a picture shows."""

    tag: str
    source: str = Field(description='"user", or the model or vocabulary that says so.')
    score: float = Field(description="0–1; 1 for tags that people gave.")

    @classmethod
    def of(cls, tag: Tag) -> "TagSchema":
        """From our own."""
        return cls(tag=shown(tag.text), source=tag.source, score=tag.score)


class CaptionSchema(BaseModel):
    """A sentence that describes a picture."""

    text: str
    source: str = Field(description='"user", or the model that says so.')
    score: float = Field(description="Mean log probability of its tokens; 0 for captions that people gave.")

    @classmethod
    def of(cls, caption: Caption) -> "CaptionSchema":
        """From our own."""
        return cls(text=shown(caption.text), source=caption.source, score=caption.score)


class AnnotatorStateSchema(BaseModel):
    """How far one annotator is with a picture."""

    state: FeatureState
    reason: str = Field("", description="Why there is nothing.")


class WordsSchema(BaseModel):
    """All that is said of one picture in words."""

    lines: list[TextLineSchema] = Field(description="Text in it, in reading order.")
    tags: list[TagSchema] = Field(description="Those of people first, then by falling score.")
    captions: list[CaptionSchema] = Field(description="That of people first.")
    annotators: dict[str, AnnotatorStateSchema] = Field(description="By name: text, tags, caption.")
    source_url: str = Field("", description="Where the picture was found, as an imported file says.")

    @classmethod
    def of(cls, words: ImageWords) -> "WordsSchema":
        """From our own."""
        return cls(
            lines=[TextLineSchema.of(line) for line in words.lines],
            tags=[TagSchema.of(tag) for tag in words.tags],
            captions=[CaptionSchema.of(caption) for caption in words.captions],
            annotators={
                name: AnnotatorStateSchema(state=FeatureState(state), reason=shown(reason))
                for name, (state, reason) in words.states.items()
            },
            source_url=shown(words.source_url),
        )


class WordMatchSchema(BaseModel):
    """A word or phrase of the question that stands in the picture."""

    asked: str
    found: str = Field(description="As it stands in the picture.")
    score: float = Field(description="Likeness of both, 0–1; 1 where they are written alike.")
    how: str = Field(description='What is alike: "exact", "spelling", "sound" or "romanized".')
    line: TextLineSchema = Field(description="That holds it.")

    @classmethod
    def of(cls, match: WordMatch) -> "WordMatchSchema":
        """From our own."""
        return cls(
            asked=shown(match.asked),
            found=shown(match.found),
            score=match.score,
            how=match.how,
            line=TextLineSchema.of(match.line),
        )
