"""An annotator that another process has: it is shown the pixels, and what it says is kept here.

The document is shared by both sides, as that of rankings is; who asks checks it.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ambience.annotate.base import Annotator
from ambience.datatypes import Picture
from ambience.errors import BusyError, ModelError, ServiceError
from ambience.search.ranking_document import PROTOCOL, Share
from ambience.search.remote import checked_url
from ambience.search.service_client import ServiceClient
from ambience.words import Annotation, Caption, Corner, Tag, TextLine

TIMEOUT_S = 300.0
"""A page full of text takes long to read, and a caption to make."""

FAST = 1
"""Compression of PNG: a network of one's own is faster than a higher one."""

_Place = tuple[Share, Share]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)


class LineDocument(_Document):
    """One line of text."""

    text: str = Field(min_length=1, max_length=10_000)
    quad: tuple[_Place, _Place, _Place, _Place]
    confidence: Share
    script: str = Field("Zyyy", max_length=4)
    language: str = Field("", max_length=35)


class WordDocument(_Document):
    """A tag or a caption."""

    text: str = Field(min_length=1, max_length=10_000)
    source: str = Field(min_length=1, max_length=64)
    score: FiniteFloat


class AnnotationDocument(_Document):
    """What an annotator says of one picture."""

    name: str
    protocol: int
    lines: list[LineDocument] = Field([], max_length=100_000)
    tags: list[WordDocument] = Field([], max_length=100_000)
    caption: WordDocument | None = None

    @classmethod
    def of(cls, name: str, said: Annotation) -> "AnnotationDocument":
        """From our noun."""
        lines = [
            {
                "text": line.text,
                "quad": [(min(1.0, max(0.0, x)), min(1.0, max(0.0, y))) for x, y in line.quad],
                "confidence": line.confidence,
                "script": line.script,
                "language": line.language,
            }
            for line in said.lines
        ]
        tags, caption = [_word(tag) for tag in said.tags], said.caption
        return cls.model_validate(
            {
                "name": name,
                "protocol": PROTOCOL,
                "lines": lines,
                "tags": tags,
                "caption": None if caption is None else _word(caption),
            }
        )

    @property
    def annotation(self) -> Annotation:
        """Our noun."""
        caption = None
        if self.caption is not None:
            caption = Caption(self.caption.text, self.caption.source, self.caption.score)
        return Annotation(tuple(map(_line, self.lines)), tuple(map(_tag, self.tags)), caption)


class RemoteAnnotator:
    """An annotator of another process; threads may share it.

    What depends on that process' models is not known here: where they change there, pictures are annotated
    anew only where that is asked for.

    Args:
        like: the same annotator of this process, which is never asked: it says how large pictures shall be.
        url: address of the service.
        connections: most at a time.

    Raises:
        SettingsError: the address is none.
    """

    options_class: ClassVar[type[Any]] = object
    batch: ClassVar[int] = 1

    def __init__(self, like: Annotator, url: str, *, connections: int) -> None:
        self.name, self.need = like.name, like.need
        self.fingerprint = f"{like.name}-elsewhere"
        address = checked_url(url, f"annotate.{self.name}.url")
        self._client = ServiceClient(self.name, address, connections=connections)

    def annotate(self, pictures: Sequence[Picture]) -> list[Annotation]:
        """What it says of pictures, in their order.

        Returns:
            One annotation a picture.

        Raises:
            ModelError: the service cannot be used now, or lacks a model: pictures wait.
            AmbienceError: a picture cannot be annotated.
        """
        return [self._said(picture) for picture in pictures]

    def original_tags(self, picture: Picture) -> list[str]:
        """What the original's endpoint for tags answers there.

        Returns:
            Tags, best first.

        Raises:
            ModelError: the service cannot be used now, or lacks a model.
        """
        files = {"image": ("picture.png", _png(picture), "image/png")}
        answer = self._asked("/get_image_tags", files)
        if not isinstance(answer, list) or not all(isinstance(each, str) for each in answer):
            raise ModelError(str(self._client.failed("its tags are none")))
        return list(answer)

    def close(self) -> None:
        """Lets go of the connections."""
        self._client.close()

    def _said(self, picture: Picture) -> Annotation:
        files = {"image": ("picture.png", _png(picture), "image/png")}
        answer = self._asked(f"/v1/annotators/{self.name}", files)
        try:
            document = AnnotationDocument.model_validate(answer)
        except ValidationError as exc:
            raise ModelError(str(self._client.failed(str(exc.errors()[0]["msg"])))) from exc
        if (document.name, document.protocol) != (self.name, PROTOCOL):
            why = f"is {document.name[:40]}, protocol {document.protocol}; run one version of both processes"
            raise ModelError(str(self._client.mismatched(why)))
        return document.annotation

    def _asked(self, path: str, files: dict[str, tuple[str, bytes, str]]) -> Any:
        try:
            return self._client.call("POST", path, timeout_s=TIMEOUT_S, files=files)
        except (ServiceError, BusyError) as exc:  # no fault of the picture: it waits
            raise ModelError(str(exc)) from exc


def _word(said: Tag | Caption) -> dict[str, Any]:
    return {"text": said.text, "source": said.source, "score": said.score}


def _line(line: LineDocument) -> TextLine:
    one, two, three, four = (Corner(x, y) for x, y in line.quad)
    return TextLine(line.text, (one, two, three, four), line.confidence, line.script, line.language)


def _tag(tag: WordDocument) -> Tag:
    return Tag(tag.text, tag.source, tag.score)


def _png(picture: Picture) -> bytes:
    """The pixels of a picture, without loss."""
    import cv2

    done, data = cv2.imencode(".png", picture.rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, FAST])
    assert done
    return data.tobytes()
