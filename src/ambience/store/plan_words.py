"""What a group of writes changes of the words that are said of images; a part of `plan.py`.

Which words are whose is settled by names: lines of text are of the annotator "text", captions of machines of
"caption", tags whose source is an annotator's own name are of that one, and all other tags of machines of
"tags".
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any, Final

import sqlalchemy as sa

from ambience.datatypes import FeatureState
from ambience.errors import OutdatedFeatureError, StoreError, UnknownImageError
from ambience.store import schema
from ambience.store.base import REMOVED, PutAnnotation, PutImported
from ambience.store.schema import encoded
from ambience.store.validation import stored_tag, stored_text
from ambience.words import IMPORT, USER, Annotation, Caption, Corner, Tag, TextLine

LONGEST_CAPTION: Final = 10_000
"""Characters of a caption."""

LONGEST_NAME: Final = 64
"""Characters of an annotator's name or of a source."""

LONGEST_URL: Final = 2_083
"""Characters of an address; no browser of the original's time took longer ones."""

LASTING: Final = (USER, IMPORT)
"""Sources of what no machine says, nor takes back."""

FARTHEST_CORNER: Final = 1_000.0
"""Text may reach beyond its picture; no corner lies that many pictures away."""

QUAD: Final = struct.Struct("<8f")
"""Corners of a line as they are stored: x, y of each."""

TEXT, TAGS, CAPTION = "text", "tags", "caption"


@dataclass(frozen=True, slots=True)
class AnnotationRow:
    """How far one annotator is with one image, and what it says anew."""

    fingerprint: str
    state: FeatureState
    reason: bytes = b""
    annotation: Annotation = field(default_factory=Annotation)


class WordPlan:
    """The effect of a group of writes on words.

    Args:
        annotators: name → fingerprint, of those that every new image waits for.
        before: annotators that the images concerned are enlisted for.
        known: images that are there already; of others there is nothing to delete.
    """

    def __init__(
        self, annotators: Mapping[str, str], before: Mapping[int, Set[str]], known: Set[int]
    ) -> None:
        self._annotators = annotators
        self.known = known
        self._names = {each: set(names) for each, names in before.items()}
        self.forgotten: set[int] = set()
        self.rows: dict[tuple[int, str], AnnotationRow | None] = {}
        self.captions: dict[int, bytes] = {}
        self.imported_tags: dict[int, dict[bytes, None]] = {}
        self.imported_captions: dict[int, bytes] = {}
        self.source_urls: dict[int, bytes] = {}

    def enlist(self, image_id: int) -> None:
        """Every annotator is to look at an image, whatever it said before."""
        self.forget(image_id)
        for name, fingerprint in self._annotators.items():
            self._put(image_id, name, AnnotationRow(fingerprint, FeatureState.PENDING))

    def forget(self, image_id: int) -> None:
        """Drops all that machines said of an image."""
        self.forgotten.add(image_id)
        self._names.pop(image_id, None)
        for key in [each for each in self.rows if each[0] == image_id]:
            del self.rows[key]

    def remove_image(self, image_id: int) -> None:
        """Drops all that anybody said of an image."""
        self.forget(image_id)
        self.imported_tags.pop(image_id, None)
        for said in (self.captions, self.imported_captions, self.source_urls):
            said.pop(image_id, None)

    def checked(self, write: PutAnnotation) -> AnnotationRow:
        """What an annotator says, fit to be stored; nothing changes yet.

        Returns:
            The row that `put` takes up.

        Raises:
            OutdatedFeatureError: it was said by the annotator as it was before.
            StoreError: it is not what such an annotator may say, no text, or no number.
        """
        _check_name(write.annotator, "annotator")
        current = self._annotators.get(write.annotator, write.fingerprint)
        if write.fingerprint != current:
            raise OutdatedFeatureError(
                f"{write.annotator!r} looked at image {write.image_id} as {write.fingerprint}, but {current} "
                "is in use by now; let it look again"
            )
        annotation = write.annotation
        if write.state is FeatureState.DONE:
            annotation = _checked(write.annotator, annotation)
        elif not annotation.is_empty:
            raise StoreError(f"an annotation that is {write.state} says nothing; leave out what it says")
        return AnnotationRow(write.fingerprint, write.state, stored_text(write.reason, "reason"), annotation)

    def put(self, image_id: int, annotator: str, row: AnnotationRow) -> None:
        """Takes up what `checked` gave."""
        self._put(image_id, annotator, row)

    def remove(self, image_id: int, annotator: str, *, has_file: bool) -> None:
        """Forgets what an annotator says of an image.

        Raises:
            UnknownImageError: it said nothing.
        """
        if annotator not in self._names.get(image_id, ()):
            raise UnknownImageError(f"nothing is known of image {image_id} by {annotator!r}")
        if has_file:  # without a row it would be looked at again
            fingerprint = self._annotators.get(annotator, "")
            self._put(image_id, annotator, AnnotationRow(fingerprint, FeatureState.FAILED, REMOVED.encode()))
        else:
            self.rows[image_id, annotator] = None
            self._names[image_id].discard(annotator)

    def is_silent(self, image_id: int) -> bool:
        """Whether no annotator has looked at an image."""
        return not self._names.get(image_id)

    def set_caption(self, image_id: int, text: str) -> None:
        """The caption that people gave.

        Raises:
            StoreError: it is no text, or too long.
        """
        self.captions[image_id] = _stored_caption(text).strip()

    def put_imported(self, write: PutImported) -> None:
        """What a file of another system says.

        Raises:
            StoreError: it is no text, or too long; nothing of it is taken up.
        """
        tags = dict.fromkeys(stored_tag(tag) for tag in write.tags)
        caption = None if write.caption is None else _stored_caption(write.caption).strip()
        url = None if write.source_url is None else _stored_url(write.source_url)
        self.imported_tags.setdefault(write.image_id, {}).update(tags)
        if caption is not None:
            self.imported_captions[write.image_id] = caption
        if url is not None:
            self.source_urls[write.image_id] = url

    def _put(self, image_id: int, annotator: str, row: AnnotationRow) -> None:
        self.rows[image_id, annotator] = row
        self._names.setdefault(image_id, set()).add(annotator)


def annotators_of(rows: Iterable[sa.Row[Any]]) -> dict[int, set[str]]:
    """Image → annotators that it is enlisted for, of rows of the table of annotations."""
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row.image_id, set()).add(row.annotator)
    return found


def deletions(plan: WordPlan, removed: Iterable[int]) -> Iterator[tuple[sa.Delete, list[dict[str, Any]]]]:
    """What goes, as statements with their parameters.

    Args:
        plan: of the words.
        removed: images that go as a whole.

    Returns:
        To be run before anything is inserted, and before images are deleted.
    """
    annotations, captions = schema.annotations, schema.captions
    lines, tags = schema.text_lines, schema.tags
    image: sa.BindParameter[int] = sa.bindparam("i")
    gone = [{"i": each} for each in removed]
    yield sa.delete(captions).where(captions.c.image_id == image), gone
    forgotten = [{"i": each} for each in plan.forgotten & plan.known]
    yield sa.delete(annotations).where(annotations.c.image_id == image), forgotten
    yield sa.delete(lines).where(lines.c.image_id == image), forgotten
    machine = (captions.c.image_id == image, _is_of_a_machine(captions.c.source))
    yield sa.delete(captions).where(*machine), forgotten
    yield sa.delete(tags).where(tags.c.image_id == image, _is_of_a_machine(tags.c.source)), forgotten
    renewed = [each for each in plan.rows if each[0] in plan.known]
    said = [{"i": image_id, "a": name} for image_id, name in renewed]
    here = (annotations.c.image_id == image, annotations.c.annotator == sa.bindparam("a"))
    yield sa.delete(annotations).where(*here), said
    of = {name: [{"i": each} for each, by in renewed if by == name] for _, name in renewed}
    yield sa.delete(lines).where(lines.c.image_id == image), of.pop(TEXT, [])
    yield sa.delete(captions).where(*machine), of.pop(CAPTION, [])
    own = sa.select(annotations.c.annotator).where(annotations.c.image_id == image)
    others = (tags.c.image_id == image, _is_of_a_machine(tags.c.source), tags.c.source.not_in(own))
    yield sa.delete(tags).where(*others), of.pop(TAGS, [])
    for name, images in of.items():
        yield sa.delete(tags).where(tags.c.image_id == image, tags.c.source == name), images
    by_user = (captions.c.image_id == image, captions.c.source == USER)
    yield sa.delete(captions).where(*by_user), [{"i": each} for each in plan.captions]
    yield from _imported_deletions(plan, gone)


def _is_of_a_machine(source: sa.Column[str]) -> sa.ColumnElement[bool]:
    """One condition a name: a list of them cannot stand in a statement that is run for many rows."""
    return sa.and_(*(source != each for each in LASTING))


def _imported_deletions(
    plan: WordPlan, gone: list[dict[str, Any]]
) -> Iterator[tuple[sa.Delete, list[dict[str, Any]]]]:
    captions, tags, urls = schema.captions, schema.tags, schema.source_urls
    image: sa.BindParameter[int] = sa.bindparam("i")
    named = (tags.c.image_id == image, tags.c.source == IMPORT, tags.c.tag == sa.bindparam("t"))
    again = [{"i": each, "t": tag} for each, said in plan.imported_tags.items() for tag in said]
    yield sa.delete(tags).where(*named), again
    by_import = (captions.c.image_id == image, captions.c.source == IMPORT)
    yield sa.delete(captions).where(*by_import), [{"i": each} for each in plan.imported_captions]
    renewed = [*gone, *({"i": each} for each in plan.source_urls)]
    yield sa.delete(urls).where(urls.c.image_id == image), renewed


def insertions(plan: WordPlan) -> Iterator[tuple[sa.Table, list[dict[str, Any]]]]:
    """What comes, as rows of tables.

    Returns:
        Table by table, in the order in which they are to be written.
    """
    rows = [(image_id, name, row) for (image_id, name), row in plan.rows.items() if row is not None]
    yield (
        schema.annotations,
        [
            {
                "image_id": image_id,
                "annotator": name,
                "fingerprint": row.fingerprint,
                "state": row.state.value,
                "reason": row.reason,
            }
            for image_id, name, row in rows
        ],
    )
    said = [(image_id, row.annotation) for image_id, _, row in rows]
    yield schema.text_lines, [line for image_id, each in said for line in _lines(image_id, each)]
    yield schema.tags, [tag for image_id, each in said for tag in _tags(image_id, each)]
    captions = [
        {"image_id": image_id, "source": each.caption.source, "text": encoded(each.caption.text),
         "score": each.caption.score}
        for image_id, each in said
        if each.caption is not None
    ]  # fmt: skip
    captions += [
        {"image_id": image_id, "source": USER, "text": text, "score": 0.0}
        for image_id, text in plan.captions.items()
        if text
    ]
    captions += [
        {"image_id": image_id, "source": IMPORT, "text": text, "score": 0.0}
        for image_id, text in plan.imported_captions.items()
        if text
    ]
    yield schema.captions, captions
    yield (
        schema.tags,
        [
            {"image_id": image_id, "source": IMPORT, "tag": tag, "score": 1.0}
            for image_id, tags in plan.imported_tags.items()
            for tag in tags
        ],
    )
    urls = [{"image_id": image_id, "url": url} for image_id, url in plan.source_urls.items() if url]
    yield schema.source_urls, urls


def _lines(image_id: int, annotation: Annotation) -> Iterator[dict[str, Any]]:
    for place, line in enumerate(annotation.lines):
        yield {
            "image_id": image_id,
            "place": place,
            "text": encoded(line.text),
            "quad": QUAD.pack(*(value for corner in line.quad for value in corner)),
            "confidence": line.confidence,
            "script": line.script,
            "language": line.language,
        }


def _tags(image_id: int, annotation: Annotation) -> Iterator[dict[str, Any]]:
    best: dict[tuple[str, bytes], float] = {}
    for tag in annotation.tags:
        key = (tag.source, stored_tag(tag.text))
        best[key] = max(best.get(key, 0.0), tag.score)
    for (source, text), score in best.items():
        yield {"image_id": image_id, "source": source, "tag": text, "score": score}


def _checked(annotator: str, annotation: Annotation) -> Annotation:
    """What an annotator says, its numbers as Python's own: SQLite would keep NumPy's as bytes.

    Raises:
        StoreError: an annotator of that name must not say it, or it is no text or no number.
    """
    if annotation.lines and annotator != TEXT:
        raise StoreError(f"{annotator!r} says lines of text; only {TEXT!r} does")
    if annotation.caption is not None and annotator != CAPTION:
        raise StoreError(f"{annotator!r} says a caption; only {CAPTION!r} does")
    return Annotation(
        tuple(_checked_line(line) for line in annotation.lines),
        tuple(_checked_tag(annotator, tag) for tag in annotation.tags),
        None if annotation.caption is None else _checked_caption(annotation.caption),
    )


def _checked_line(line: TextLine) -> TextLine:
    stored_text(line.text, "line")
    if len(line.text.splitlines()) != 1:
        raise StoreError(f"the line {line.text[:80]!r} is not one line of text")
    if len(line.quad) != 4 or len(line.script) != 4:
        raise StoreError(f"the line {line.text[:80]!r} has no four corners, or no script of four letters")
    _check_name(line.script, "script")
    _check_name(line.language or "und", "language", 35)
    x, y = (
        [_number(corner[axis], "corner of a line", FARTHEST_CORNER) for corner in line.quad]
        for axis in range(2)
    )
    corners = (Corner(x[0], y[0]), Corner(x[1], y[1]), Corner(x[2], y[2]), Corner(x[3], y[3]))
    return replace(line, quad=corners, confidence=_number(line.confidence, "confidence of a line"))


def _checked_tag(annotator: str, tag: Tag) -> Tag:
    stored_tag(tag.text)
    _check_name(tag.source, "source of a tag")
    if tag.source in LASTING or (annotator != TAGS and tag.source != annotator):
        raise StoreError(f"{annotator!r} says tags of the source {tag.source!r}, which is not its own")
    return replace(tag, score=_number(tag.score, "score of a tag"))


def _checked_caption(caption: Caption) -> Caption:
    _stored_caption(caption.text)
    _check_name(caption.source, "source of a caption")
    if caption.source in LASTING:
        raise StoreError(f"captions of the source {caption.source!r} are those that people give")
    return replace(caption, score=_number(caption.score, "score of a caption"))


def _stored_caption(text: str) -> bytes:
    raw = stored_text(text, "caption")
    if len(text) > LONGEST_CAPTION:
        raise StoreError(f"the caption has {len(text):,} characters; at most {LONGEST_CAPTION:,} are kept")
    return raw


def _stored_url(url: str) -> bytes:
    raw = stored_text(url, "address").strip()
    if len(url) > LONGEST_URL or not url.isprintable():
        raise StoreError(f"the address {url[:80]!r} is not usable; it has up to {LONGEST_URL:,} characters")
    return raw


def _check_name(name: str, what: str, longest: int = LONGEST_NAME) -> None:
    """Names stand in columns of text, which bytes that are no UTF-8 would break for a whole group."""
    if not isinstance(name, str) or not 0 < len(name) <= longest or not name.isprintable():
        raise StoreError(f"the {what} {name!r} is not usable; it has 1 to {longest} printable characters")


def _number(value: float, what: str, largest: float = math.inf) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise StoreError(f"the {what} is {value!r}; it is a number") from exc
    if not math.isfinite(number) or abs(number) > largest:
        limit = "" if largest == math.inf else f" from -{largest:g} to {largest:g}"
        raise StoreError(f"the {what} is {value!r}; it is a finite number{limit}")
    return number
