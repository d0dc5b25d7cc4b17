"""Words and several terms become features, of kinds that have them; the rest says why it has none."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ambience.answers import Answer, Query, QueryPart
from ambience.datatypes import Picture, Verdict
from ambience.errors import (
    CorruptImageError,
    EmptyFeatureError,
    MissingModelError,
    QueryError,
    UnknownImageError,
    UnsupportedFormatError,
)
from ambience.gateway import Gateway
from ambience.search.base import KindSearch
from ambience.search.combination import combined, settled
from ambience.search.embedding import EmbeddingSearch
from ambience.search.originals import Originals
from ambience.search.question import Question, Questions
from ambience.search.vector import VectorSearch
from ambience.store.files import KeptFiles
from support.color_words import ColorWords, ColorWordsOptions
from support.workshop import Workshop, made_extractors

KINDS = ("color", "color_words")
PAINTS = {"red": (230, 20, 20), "yellow": (230, 220, 20), "blue": (20, 30, 230), "white": (250, 250, 250)}
RED, YELLOW, BLUE, WHITE = 1, 2, 3, 4


def painted(color: tuple[int, int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), color).save(out, "PNG")
    return out.getvalue()


@dataclass
class Asked:
    """A library of four paints, put together from its parts."""

    questions: Questions
    gateway: Gateway
    extractor: ColorWords
    photos: Path

    def answer(self, query: Query, kinds: tuple[str, ...] = KINDS, k: int = 4) -> Answer:
        question, _ = self.questions.of(settled(query), kinds=kinds)
        return self.gateway.search(question, k=k)

    def words(self, query: Query) -> list[int]:
        return [match.image_id for match in self.answer(query, ("color_words",)).matches]


def asked_over(folder: Path, options: ColorWordsOptions | None = None) -> Iterator[Asked]:
    extractor = ColorWords(options)
    workshop = Workshop(
        folder / "library", extractors={**made_extractors(("color",)), "color_words": extractor}
    )
    photos = folder / "photos"
    photos.mkdir()
    for place, (name, color) in enumerate(PAINTS.items()):
        (photos / f"{place}-{name}.png").write_bytes(painted(color))
    live = {kind: workshop.live_index(kind) for kind in KINDS}
    for index in live.values():
        index.open()
    workshop.ingest.add_paths([photos])
    none = np.empty(0, np.int64)
    searches: dict[str, KindSearch] = {
        "color": VectorSearch(workshop.specs["color"], live["color"], workshop.store, lambda _exc: none),
        "color_words": EmbeddingSearch(
            extractor.spec, live["color_words"], workshop.store, lambda _exc: none
        ),
    }
    originals = Originals(workshop.store.records, KeptFiles(workshop.folder), workshop.decoder)
    questions = Questions(workshop.decoder, workshop.extractors, searches, originals)
    gateway = Gateway(searches, deadline_s=20, threads=1)
    yield Asked(questions, gateway, extractor, photos)
    gateway.close()
    workshop.close()


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    yield from asked_over(tmp_path)


def test_words_find_what_fits_and_never_a_copy(asked: Asked) -> None:
    answer = asked.answer(Query(text="something blue"), ("color_words",))
    assert answer.matches[0].image_id == BLUE
    assert {match.verdict for match in answer.matches} == {Verdict.SAME_WORDS}
    best = answer.matches[0]
    assert best.score == pytest.approx(1 - best.evidence[0].distance)
    assert best.score > 0.99
    assert YELLOW not in [match.image_id for match in answer.matches]  # at more than a right angle


def test_a_picture_of_the_same_kind_keeps_its_own_verdicts(asked: Asked) -> None:
    answer = asked.answer(Query(image_id=BLUE), ("color_words",))
    assert answer.matches[0].verdict is Verdict.LOOK_ALIKE


def test_a_minus_takes_away_and_several_words_add(asked: Asked) -> None:
    assert asked.words(Query(text="yellow"))[0] == YELLOW
    less = (QueryPart(text="green", weight=-1), QueryPart(text="white", weight=-1))
    with_minus = Query(parts=(QueryPart(text="yellow"), *less))
    assert asked.words(with_minus)[0] == RED
    both = Query(parts=(QueryPart(text="yellow"), QueryPart(text="blue"), QueryPart(text="white", weight=2)))
    assert asked.words(both)[0] == WHITE


def test_pictures_and_words_go_together(asked: Asked) -> None:
    by_id = QueryPart(image_id=RED)
    by_bytes = QueryPart(data=painted(PAINTS["red"]))
    green = QueryPart(text="green", weight=1.2)
    assert asked.words(Query(parts=(by_id, green)))[0] == YELLOW
    assert asked.words(Query(parts=(by_bytes, green)))[0] == YELLOW

    (variant,) = variants_of(asked, Query(parts=(by_bytes, green)))
    red = asked.extractor.extract([Picture(np.full((2, 2, 3), PAINTS["red"], np.uint8), 2, 2, "png")])[0]
    word = asked.extractor.text_features(["green"])[0].feature
    np.testing.assert_allclose(variant, combined(np.stack([red.vector, word.vector]), [1, 1.2]), atol=2e-3)


def variants_of(asked: Asked, query: Query) -> list[np.ndarray]:
    found = asked.questions.of(settled(query), kinds=["color_words"])[0].variants["color_words"]
    assert not isinstance(found, Exception)
    return [each.feature.vector for each in found]


def test_several_pictures_without_words_have_the_verdicts_of_pictures(asked: Asked) -> None:
    answer = asked.answer(
        Query(parts=(QueryPart(image_id=RED), QueryPart(image_id=YELLOW))), ("color_words",)
    )
    assert {match.image_id for match in answer.matches[:2]} == {RED, YELLOW}
    assert {match.verdict for match in answer.matches} == {Verdict.LOOK_ALIKE}


def test_kinds_without_words_are_named_as_such(asked: Asked) -> None:
    statuses = {status.kind: status for status in asked.answer(Query(text="red")).kinds}
    assert (statuses["color"].state, statuses["color"].message) == ("empty", "it takes no words")
    assert statuses["color_words"].state == "ok"
    with pytest.raises(QueryError, match=r"\(color\) none takes words; image_text_features does"):
        asked.answer(Query(text="red"), ("color",))


def test_what_was_cut_is_told_beside_the_answer(asked: Asked) -> None:
    long = "red " * 20
    (status,) = asked.answer(Query(text=long), ("color_words",)).kinds
    assert (status.state, status.message) == ("ok", "only the first 12 of 20 words were read")
    twice = Query(parts=(QueryPart(text=long), QueryPart(text="yellow " * 20)))
    assert asked.answer(twice, ("color_words",)).kinds[0].message == status.message


def test_what_was_stored_serves_where_the_file_is_gone(asked: Asked) -> None:
    (asked.photos / "0-red.png").unlink()
    assert asked.words(Query(parts=(QueryPart(image_id=RED), QueryPart(text="green"))))[0] == YELLOW


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        ((QueryPart(image_id=99), QueryPart(text="red")), UnknownImageError),
        ((QueryPart(data=b"notes"), QueryPart(text="red")), UnsupportedFormatError),
        ((QueryPart(data=painted((1, 2, 3))[:60]), QueryPart(text="red")), CorruptImageError),
        ((QueryPart(text="nothing"), QueryPart(text="red")), EmptyFeatureError),
        ((QueryPart(text="red"), QueryPart(text="red", weight=-1)), QueryError),
        ((QueryPart(image_id=RED), QueryPart(data=painted(PAINTS["red"]), weight=-1)), QueryError),
    ],
)
def test_a_term_that_is_none_is_an_error(asked: Asked, parts: tuple[QueryPart, ...], error: type) -> None:
    with pytest.raises(error):
        asked.answer(Query(parts=parts))


def test_a_missing_model_is_the_answer_to_words_and_a_note_to_pictures(tmp_path: Path) -> None:
    for asked in asked_over(tmp_path, ColorWordsOptions(is_missing=True)):
        with pytest.raises(MissingModelError, match="ambience models install colors"):
            asked.answer(Query(text="red"))
        answer = asked.answer(Query(image_id=RED))
        assert answer.matches[0].image_id == RED
        states = {status.kind: status.state for status in answer.kinds}
        assert states == {"color": "ok", "color_words": "failed"}


def test_a_question_without_words_says_so() -> None:
    question = Question({})
    assert (question.has_words, question.notes, question.expansion) == (False, {}, None)
