"""Words of pictures: kept with what said them, replaced by it alone, gone with their pictures' bytes."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from ambience.datatypes import FeatureState, ImageDraft
from ambience.errors import ImageIdTakenError, StoreError, UnknownImageError
from ambience.store import schema
from ambience.store.base import (
    MarkMissing,
    PutAnnotation,
    PutImage,
    RemoveAnnotation,
    RemoveImage,
    SetCaption,
    SetTags,
)
from ambience.store.commit import Store
from ambience.words import Annotation, Caption, Corner, Tag, TextLine
from support.store_writes import KINDS, draft_of, image_of

ANNOTATORS = {"text": "ocr-1", "tags": "net-1", "caption": "words-1"}
QUAD = (Corner(0, 0), Corner(0.5, 0), Corner(0.5, 0.25), Corner(0, 0.25))
"""Halves and quarters, which are exact as they are stored."""


def line(text: str) -> TextLine:
    return TextLine(text, QUAD, 0.75, "Latn", "en")


@pytest.fixture
def store(tmp_path: Path):
    with Store.open(tmp_path, KINDS, writer=True) as opened:
        opened.records.annotators = ANNOTATORS
        yield opened


def added(store: Store, *, draft: ImageDraft | None = None, number: int = 1) -> tuple[int, bytes]:
    write = image_of(number) if draft is None else PutImage(draft, {})
    return store.submit(write).image_id, write.draft.sha256


def said(
    image: tuple[int, bytes], name: str, annotation: Annotation | None = None, **more: object
) -> PutAnnotation:
    state = FeatureState.DONE if annotation else FeatureState.EMPTY
    values = {
        "state": state,
        "annotation": annotation or Annotation(),
        "fingerprint": ANNOTATORS.get(name, "x"),
    }
    return PutAnnotation(image[0], image[1], name, **(values | more))  # type: ignore[arg-type]


def pending(store: Store) -> dict[str, list[int]]:
    return {name: store.records.pending_annotations(name) for name in ANNOTATORS}


def test_a_new_image_waits_for_every_annotator(store: Store) -> None:
    first, second = added(store)[0], added(store, number=2)[0]
    assert pending(store) == {name: [first, second] for name in ANNOTATORS}
    assert store.records.pending_annotations("text", after=first) == [second]
    assert store.records.pending_annotations("text", limit=1) == [first]
    assert store.records.pending_annotation_count("text") == 2
    store.submit(MarkMissing(first))
    assert store.records.pending_annotations("text") == [second]
    assert store.records.annotation_counts("text") == {FeatureState.PENDING: 2}


def test_what_is_said_comes_back_as_it_was(store: Store) -> None:
    image = added(store)
    lines = (line("Größe 東京\tx"), line("second"))
    tags = (Tag("cat", "net", 0.5), Tag("dog", "net", 0.9), Tag("cat", "list", 0.1))
    caption = Caption("a cat", "model", -0.5)
    store.commit(
        [
            SetTags(image[0], ("mine",)),
            said(image, "text", Annotation(lines=lines)),
            said(image, "tags", Annotation(tags=tags)),
            said(image, "caption", Annotation(caption=caption)),
            SetCaption(image[0], "  our cat "),
        ]
    )
    words = store.records.words([image[0], 99])[image[0]]
    assert words.lines == lines
    assert words.tags == (Tag("mine", "user", 1.0), tags[1], tags[0], tags[2])
    assert words.captions == (Caption("our cat", "user", 0.0), caption)
    assert words.states == dict.fromkeys(ANNOTATORS, ("done", ""))
    assert pending(store) == {name: [] for name in ANNOTATORS}
    assert store.records.image(image[0]).tags == ("cat", "dog", "mine")


def test_an_annotator_replaces_what_it_said_and_nothing_else(store: Store) -> None:
    image, other = added(store), added(store, number=2)
    for each in (image, other):
        store.commit(
            [
                said(each, "text", Annotation(lines=(line("old"),))),
                said(each, "tags", Annotation(tags=(Tag("old", "net", 1.0),))),
                said(each, "caption", Annotation(caption=Caption("old", "model", 0.0))),
                said(each, "toy", Annotation(tags=(Tag("toy", "toy", 1.0),))),
                SetTags(each[0], ("mine",)),
                SetCaption(each[0], "mine"),
            ]
        )
    store.submit(said(image, "tags", Annotation(tags=(Tag("new", "other", 0.5),))))
    store.submit(said(image, "text"))
    store.submit(said(image, "caption", state=FeatureState.FAILED, reason="torn"))
    words, untouched = (store.records.words([each])[each] for each in (image[0], other[0]))
    assert [tag.text for tag in words.tags] == ["mine", "toy", "new"]
    assert words.lines == ()
    assert words.captions == (Caption("mine", "user", 0.0),)
    assert words.states["caption"] == ("failed", "torn")
    assert words.states["text"] == ("empty", "")
    assert (len(untouched.lines), len(untouched.tags), len(untouched.captions)) == (1, 3, 2)
    store.submit(said(image, "toy"))
    assert [tag.text for tag in store.records.words([image[0]])[image[0]].tags] == ["mine", "new"]


def test_other_bytes_are_looked_at_anew(store: Store) -> None:
    image = added(store)
    store.commit([said(image, "text", Annotation(lines=(line("old"),))), SetCaption(image[0], "mine")])
    changed = PutImage(draft_of(7), {}, image[0], replaces=True)
    store.submit(changed)
    words = store.records.words([image[0]])[image[0]]
    assert words.lines == ()
    assert [caption.text for caption in words.captions] == ["mine"]
    assert image[0] in store.records.pending_annotations("text")
    with pytest.raises(ImageIdTakenError, match="other bytes"):
        store.submit(said(image, "text", Annotation(lines=(line("late"),))))


def test_a_removed_image_leaves_no_words(store: Store) -> None:
    image = added(store)
    store.commit(
        [
            said(image, "text", Annotation(lines=(line("old"),))),
            said(image, "tags", Annotation(tags=(Tag("old", "net", 1.0),))),
            SetCaption(image[0], "mine"),
            RemoveImage(image[0]),
        ]
    )
    with store.records.database.reading() as connection:
        for table in (schema.annotations, schema.captions, schema.text_lines, schema.tags, schema.images):
            assert connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() == 0
    with pytest.raises(UnknownImageError):
        store.submit(said(image, "text"))


def test_numbers_of_lines_are_never_given_out_twice(store: Store) -> None:
    image = added(store)
    store.submit(said(image, "text", Annotation(lines=(line("a"), line("b")))))
    before = store.records.lines_after(0, 10)
    assert [(each.image_id, each.place, each.line.text) for each in before] == [
        (image[0], 0, "a"),
        (image[0], 1, "b"),
    ]
    store.submit(said(image, "text", Annotation(lines=(line("c"),))))
    (after,) = store.records.lines_after(before[-1].line_id, 10)
    assert after.line.text == "c"
    assert after.line_id > before[-1].line_id == store.records.last_line_id() - 1
    assert store.records.lines([each.line_id for each in before]) == {}
    assert store.records.lines_after(0, 1) == [after]
    assert store.records.line_count() == 1


def test_an_image_kept_for_its_words_alone_goes_with_the_last_of_them(store: Store) -> None:
    draft = draft_of(3)
    features_only = ImageDraft(draft.sha256, draft.size, "5.online")
    first = said((5, draft.sha256), "text", Annotation(lines=(line("a"),)), draft=features_only)
    assert store.submit(first).is_new
    assert store.records.pending_annotations("tags") == []
    store.submit(said((5, draft.sha256), "tags", Annotation(tags=(Tag("x", "net", 1.0),))))
    with pytest.raises(ImageIdTakenError, match="other bytes"):
        store.submit(said((5, b"\1" * 32), "text"))
    store.submit(RemoveAnnotation(5, "text"))
    with pytest.raises(UnknownImageError):
        store.submit(RemoveAnnotation(5, "text"))
    assert store.records.count() == 1
    store.submit(RemoveAnnotation(5, "tags"))
    assert store.records.count() == 0


def test_what_was_removed_on_request_is_not_said_again(store: Store) -> None:
    image = added(store)
    store.submit(said(image, "text", Annotation(lines=(line("a"),))))
    store.submit(RemoveAnnotation(image[0], "text"))
    assert store.records.words([image[0]])[image[0]].lines == ()
    assert store.records.pending_annotations("text") == []
    assert store.records.enlist("text", ANNOTATORS["text"])
    assert store.records.pending_annotations("text") == []


@pytest.mark.parametrize(
    ("name", "annotation", "why"),
    [
        ("tags", Annotation(lines=(line("a"),)), "lines of text"),
        ("text", Annotation(caption=Caption("a", "m", 0.0)), "a caption"),
        ("tags", Annotation(tags=(Tag("a", "user", 1.0),)), "source 'user'"),
        ("toy", Annotation(tags=(Tag("a", "net", 1.0),)), "not its own"),
        ("text", Annotation(lines=(line("\ud800"),)), "no valid text"),
    ],
)
def test_what_an_annotator_must_not_say_is_refused_and_changes_nothing(
    store: Store, name: str, annotation: Annotation, why: str
) -> None:
    image = added(store)
    with pytest.raises(StoreError, match=why):
        store.submit(said(image, name, annotation))
    assert store.records.words([image[0]])[image[0]].lines == ()
    assert "text" in {each for each, ids in pending(store).items() if ids}


def test_images_from_before_an_annotator_are_enlisted_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.records.annotators = {}
    ids: Sequence[int] = [added(store, number=number)[0] for number in range(1, 8)]
    assert store.records.pending_annotations("text") == []
    monkeypatch.setattr("ambience.store.annotated.ENLISTED_AT_ONCE", 3)
    assert [store.records.enlist("text", "ocr-1") for _ in range(3)] == [False, False, True]
    assert store.records.pending_annotations("text") == ids
    image = (ids[0], store.records.image(ids[0]).sha256)
    store.submit(said(image, "text", Annotation(lines=(line("a"),))))
    assert store.records.enlist("text", "ocr-1")
    assert store.records.pending_annotations("text") == ids[1:]
    while not store.records.enlist("text", "ocr-2"):
        continue
    assert store.records.pending_annotations("text") == ids
    assert store.records.words([ids[0]])[ids[0]].lines, "what was said stays until it is said anew"


def test_an_annotator_that_was_off_finds_what_came_meanwhile(store: Store) -> None:
    while not store.records.enlist("text", "ocr-1"):
        continue
    store.records.annotators = {}
    store.records.forget_other_annotators()
    image_id, _ = added(store)
    store.records.annotators = ANNOTATORS
    while not store.records.enlist("text", "ocr-1"):
        continue
    assert store.records.pending_annotations("text") == [image_id]
