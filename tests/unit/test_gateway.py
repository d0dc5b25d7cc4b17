"""Every kind is asked under one deadline; one that is late or fails is named, and never means "no match"."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from ambience.answers import Hit, Ranking
from ambience.datatypes import (
    Feature,
    FeatureSpec,
    FeatureState,
    Ids,
    ImageDraft,
    Neighbors,
    Orientation,
    QueryVariant,
    Verdict,
)
from ambience.errors import EmptyFeatureError, IndexFileError
from ambience.gateway import Gateway
from ambience.index.exact import ExactIndex
from ambience.search.question import Question
from ambience.search.vector import VectorSearch
from ambience.store.base import FeatureDraft, PutImage
from ambience.store.commit import Store
from ambience.words import Corner, TextLine, WordMatch

SPEC = FeatureSpec("toy", "Toy", 2, "float32", "l2", 1, 1, verdicts=((Verdict.LOOK_ALIKE, 5.0),))


class Following(ExactIndex):
    """An exact index that has seen everything."""

    pending = 0


class Late(Following):
    """Answers when it is told to."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.released = threading.Event()

    def search(self, queries: Any, k: int, *, allowed: Ids | None = None) -> Neighbors:
        self.released.wait(20)
        return super().search(queries, k, allowed=allowed)


class Broken(Following):
    """Never answers."""

    def __init__(self, *args: Any, fault: Exception) -> None:
        super().__init__(*args)
        self.fault = fault

    def search(self, queries: Any, k: int, *, allowed: Ids | None = None) -> Neighbors:
        raise self.fault


def vector(x: float) -> Feature:
    return Feature(np.array([x, 0], np.float32))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "library", {"toy": SPEC}, writer=True) as opened:
        for x in (0.0, 3.0, 40.0):
            made = FeatureDraft(SPEC.fingerprint, FeatureState.DONE, vector(x))
            draft = ImageDraft(sha256=bytes([int(x)] * 32), size=1, name=f"{x}", is_upload=True)
            opened.submit(PutImage(draft, {"toy": made}))
        yield opened


def search_over(store: Store, index: Following) -> VectorSearch:
    ids = store.records.all_feature_ids(SPEC.fingerprint)
    index.add(ids, store.features.get(SPEC, ids)[0])
    return VectorSearch(SPEC, index, store, lambda _exc: ids[:0])


def engine(kind: type[Following], **more: Any) -> Any:
    return kind(SPEC, kind.options_class(), **more)


def test_hits_come_nearest_first_once_each_with_their_orientation(store: Store) -> None:
    search = search_over(store, engine(Following))
    turned = Orientation(90, False)
    ranking = search.by_variants([QueryVariant(vector(30)), QueryVariant(vector(2), turned)], k=3)
    assert [(hit.image_id, hit.distance, hit.orientation) for hit in ranking.hits] == [
        (2, 1.0, turned),
        (1, 2.0, turned),
        (3, 10.0, Orientation()),
    ]
    within = search.by_variants([QueryVariant(vector(2))], radius=1)
    assert [hit.image_id for hit in within.hits] == [2]


def test_what_is_late_or_broken_is_named_and_the_rest_answers(store: Store) -> None:
    late, broken = engine(Late), Broken(SPEC, Broken.options_class(), fault=IndexFileError("torn"))
    crashed = Broken(SPEC, Broken.options_class(), fault=ZeroDivisionError("oops"))
    parts = {"good": engine(Following), "late": late, "broken": broken, "crashed": crashed}
    gateway = Gateway(
        {kind: search_over(store, index) for kind, index in parts.items()}, deadline_s=0.5, threads=4
    )
    variants = {kind: [QueryVariant(vector(0))] for kind in parts}
    answer = gateway.search(Question(variants), k=5, same_files=[3])
    assert [(match.image_id, match.verdict) for match in answer.matches] == [
        (3, Verdict.SAME_FILE),
        (1, Verdict.LOOK_ALIKE),
        (2, Verdict.LOOK_ALIKE),
    ]
    states = {status.kind: (status.state, status.message) for status in answer.kinds}
    assert states["good"] == ("ok", "")
    assert states["broken"] == ("failed", "torn")
    assert states["crashed"] == ("failed", "ZeroDivisionError: oops")
    assert states["late"][0] == "late"
    assert "search.deadline_s" in states["late"][1]
    late.released.set()
    gateway.close()


def test_a_kind_that_the_query_has_no_feature_for_says_why(store: Store) -> None:
    gateway = Gateway({"toy": search_over(store, engine(Following))}, deadline_s=5, threads=1)
    answer = gateway.search(Question({"toy": EmptyFeatureError("a blank page has no toys")}), k=5)
    assert answer.matches == ()
    assert [(status.state, status.message) for status in answer.kinds] == [
        ("empty", "a blank page has no toys")
    ]
    gateway.close()


class Signs:
    """Two pictures of signs, whose words are known."""

    spec = FeatureSpec("signs", "Signs", 0, "", "words", 1, 1, verdicts=((Verdict.SAME_WORDS, 1.0),))
    words: ClassVar = {1: "open", 3: "closed"}
    has_words = True

    def by_text(self, text: str, *, k: int, allowed_images: Ids | None = None) -> Ranking:
        line = TextLine(text, (Corner(0, 0), Corner(1, 0), Corner(1, 1), Corner(0, 1)), 0.9)
        found = [(each, WordMatch(text, word, 1.0, "exact", line)) for each, word in self.words.items()]
        hits = (Hit(each, 0.25, words=(match,)) for each, match in found if match.found == text)
        return Ranking("signs", tuple(hits)[:k])


def test_words_that_stand_in_pictures_are_asked_only_where_there_are_some(store: Store) -> None:
    gateway = Gateway(
        {"toy": search_over(store, engine(Following))}, texts={"signs": Signs()}, deadline_s=5, threads=1
    )
    near = {"toy": [QueryVariant(vector(38))]}
    answer = gateway.search(Question(near, text="closed"), k=1)
    (match,) = answer.matches
    assert (match.image_id, match.verdict) == (3, Verdict.LOOK_ALIKE)
    assert [each.kind for each in match.evidence] == ["toy", "signs"]
    assert match.evidence[1].words[0].found == "closed"
    assert [status.kind for status in answer.kinds] == ["toy", "signs"]
    only = gateway.search(Question({}, text="open"), k=5)
    assert [(match.image_id, match.verdict, match.score) for match in only.matches] == [
        (1, Verdict.SAME_WORDS, 0.75)
    ]
    assert [status.kind for status in gateway.search(Question(near), k=1).kinds] == ["toy"]
    gateway.close()


def test_a_kind_that_hangs_makes_no_other_late(store: Store) -> None:
    hanging = engine(Late)
    parts = {"good": engine(Following), "hanging": hanging}
    gateway = Gateway(
        {kind: search_over(store, index) for kind, index in parts.items()}, deadline_s=0.5, threads=1
    )
    variants = {kind: [QueryVariant(vector(0))] for kind in parts}
    for _ in range(2):
        states = {status.kind: status.state for status in gateway.search(Question(variants), k=1).kinds}
        assert states == {"good": "ok", "hanging": "late"}
    hanging.released.set()
    gateway.close()


def test_an_order_by_ranks_is_kept_by_those_who_ask_for_others(store: Store) -> None:
    """A picture that both kinds name goes before a nearer one that only the first does."""
    searches = {"toy": search_over(store, engine(Following))}
    texts = {"signs": Signs()}
    near = Question({"toy": [QueryVariant(vector(2))]}, text="open")
    answers = {}
    for order in ("evidence", "original"):
        first = Gateway({}, deadline_s=5, threads=1, order=order)
        gateway = first.over(searches, texts)
        answers[order] = [match.image_id for match in gateway.search(near, k=5).matches]
        first.close()
    assert sorted(answers["evidence"]) == sorted(answers["original"])
    assert answers["evidence"][0] == 2
    assert answers["original"][0] == 1
