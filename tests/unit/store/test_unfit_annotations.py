"""What is no text or no number is refused alone, so that one annotator's fault never spoils a group."""

import math

import numpy as np
import pytest

from ambience.datatypes import FeatureState
from ambience.errors import OutdatedFeatureError, StoreError
from ambience.store.base import PutAnnotation, SetCaption
from ambience.store.commit import Store
from ambience.words import Annotation, Caption, Corner, Tag, TextLine
from support.store_writes import draft_of, image_of

CORNER = Corner(0.25, 0.5)


def _said(number: int, annotator: str, annotation: Annotation, **more: object) -> PutAnnotation:
    sha256 = draft_of(number).sha256
    return PutAnnotation(number, sha256, annotator, "v1", FeatureState.DONE, annotation, **more)  # type: ignore[arg-type]


def _line(
    text: str = "hello", *, corner: Corner = CORNER, confidence: float = 0.5, script: str = "Latn"
) -> Annotation:
    return Annotation(lines=(TextLine(text, (corner,) * 4, confidence, script),))


def _tag(source: str, score: float) -> Annotation:
    return Annotation(tags=(Tag("cat", source, score),))


UNFIT = {
    "confidence": ("text", _line(confidence=math.nan)),
    "far corner": ("text", _line(corner=Corner(1e39, 0))),
    "no corner": ("text", _line(corner=Corner(math.nan, 0))),
    "empty line": ("text", _line("")),
    "two lines": ("text", _line("a\nb")),
    "script": ("text", _line(script="La\udcfft")),
    "tag score": ("tags", _tag("ram", math.inf)),
    "tag source": ("tags", _tag("my list \udcff", 0.5)),
    "long source": ("tags", _tag("l" * 65, 0.5)),
    "caption score": ("caption", Annotation(caption=Caption("a cat", "model", math.nan))),
    "caption length": ("caption", Annotation(caption=Caption("a" * 10_001, "model", -1.0))),
    "annotator": ("x\udcff", Annotation()),
}


@pytest.mark.parametrize("case", UNFIT)
def test_the_unfit_is_refused_and_its_neighbor_is_kept(store: Store, case: str) -> None:
    store.commit([image_of(n, image_id=n) for n in (1, 2)])
    refused, kept = store.commit([_said(1, *UNFIT[case]), _said(2, "text", _line())])
    assert isinstance(refused, StoreError)
    assert not isinstance(kept, StoreError)
    words = store.records.words([1, 2])
    assert (words[1].lines, words[1].tags, words[1].captions) == ((), (), ())
    assert [line.text for line in words[2].lines] == ["hello"]


def test_numbers_of_numpy_come_back_as_numbers(store: Store) -> None:
    store.commit([image_of(1, image_id=1)])
    score: float = np.float32(0.25)  # type: ignore[assignment]
    store.commit([_said(1, "text", _line(confidence=score)), _said(1, "tags", _tag("ram", score))])
    words = store.records.words([1])[1]
    assert [line.confidence for line in words.lines] == [0.25]
    assert [tag.score for tag in words.tags] == [0.25]


def test_a_refused_annotation_makes_no_image(store: Store) -> None:
    draft = draft_of(9, path=None)
    refused, _ = store.commit([_said(9, "caption", _line(), draft=draft), image_of(1, image_id=1)])
    assert isinstance(refused, StoreError)
    assert list(store.records.images([1, 9])) == [1]


def test_a_caption_that_is_no_text_is_refused_alone(store: Store) -> None:
    store.commit([image_of(1, image_id=1)])
    refused, _ = store.commit([SetCaption(1, None), SetCaption(1, " a cat ")])  # type: ignore[arg-type]
    assert isinstance(refused, StoreError)
    assert [caption.text for caption in store.records.words([1])[1].captions] == ["a cat"]


def test_what_an_annotator_said_as_it_was_before_is_refused(store: Store) -> None:
    store.commit([image_of(1, image_id=1)])
    store.records.annotators = {"text": "v2"}
    assert store.records.enlist("text", "v2")
    (refused,) = store.commit([_said(1, "text", _line())])
    assert isinstance(refused, OutdatedFeatureError)
    assert store.records.pending_annotations("text") == [1]


def test_what_is_kept_without_a_file_is_not_asked_for_again(store: Store) -> None:
    draft = draft_of(9, path=None)
    store.commit([_said(9, "caption", Annotation(caption=Caption("a cat", "model", -1.0)), draft=draft)])
    assert store.records.enlist("caption", "v2")
    assert store.records.words([9])[9].states == {"caption": ("done", "")}
