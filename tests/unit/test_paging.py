"""Pages follow each other: nothing twice, and nothing passed over, while the library changes."""

import base64
import random
import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.answers import Answer, Evidence, KindStatus, Match, Query
from ambience.datatypes import MAX_IMAGE_ID, Orientation, Verdict
from ambience.errors import QueryError
from ambience.fuse.folding import folded
from ambience.paging import DIGEST_BYTES, Cursor, Wanted, digest_of, page, told

DIGEST = bytes(range(DIGEST_BYTES))
UPRIGHT = Orientation()


def match(image_id: int, rank: int, verdict: Verdict, score: float, kind: str = "toy") -> Match:
    evidence = Evidence(kind, 1 - score, score, rank, verdict)
    return Match(image_id, verdict, score, UPRIGHT, (evidence,))


class Ranked:
    """One kind over images whose scores may change; the best come first."""

    def __init__(self, scores: dict[int, float], verdict: Verdict = Verdict.LOOK_ALIKE) -> None:
        self.scores, self.verdict = scores, verdict
        self.depths: list[int] = []

    def verdict_of(self, score: float) -> Verdict:
        return Verdict.SAME_PICTURE if score > 0.9 else self.verdict

    def ask(self, depth: int) -> Answer:
        self.depths.append(depth)
        order = sorted(self.scores, key=lambda image_id: (-self.scores[image_id], image_id))[:depth]
        found = [
            match(image_id, rank, self.verdict_of(self.scores[image_id]), self.scores[image_id])
            for rank, image_id in enumerate(order, 1)
        ]
        return Answer(tuple(found), (KindStatus("toy", "ok"),), 0.25)


def all_pages(ranked: Ranked, wanted: Wanted, change: object = lambda: None) -> list[list[int]]:
    pages, cursor = [], None
    while True:
        answer = page(ranked.ask, wanted, DIGEST, cursor)
        pages.append([each.image_id for each in answer.matches])
        cursor = answer.next
        if cursor is None:
            return pages
        assert len(pages) < 200
        change()  # type: ignore[operator]


def test_pages_are_the_whole_ranking_in_order() -> None:
    ranked = Ranked({image_id: 0.8 - image_id / 100 for image_id in range(7)})
    assert all_pages(ranked, Wanted(3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert all_pages(ranked, Wanted(7)) == [[0, 1, 2, 3, 4, 5, 6]]
    assert all_pages(Ranked({}), Wanted(3)) == [[]]


def test_the_first_page_asks_for_one_more_than_it_shows() -> None:
    ranked = Ranked(dict.fromkeys(range(50), 0.5))
    answer = page(ranked.ask, Wanted(20, left_out=frozenset({3})), DIGEST, None)
    assert (ranked.depths, len(answer.matches), answer.took_s) == ([22], 20, 0.25)


@given(st.integers(0, 10_000))
def test_nothing_comes_twice_or_is_passed_over_while_images_come_go_and_move(seed: int) -> None:
    draw = random.Random(seed)
    ranked = Ranked({image_id: draw.random() * 0.9 for image_id in range(40)})
    stays, newcomers = set(range(0, 40, 2)), iter(range(100, 130))

    def change() -> None:
        for image_id in draw.sample(range(1, 40, 2), 3):
            ranked.scores.pop(image_id, None)
        for image_id in draw.sample(sorted(stays), 5):
            ranked.scores[image_id] = draw.random() * 0.9
        for image_id in newcomers:
            ranked.scores[image_id] = draw.random() * 0.9
            break

    pages = all_pages(ranked, Wanted(draw.randrange(1, 9)), change)
    found = [image_id for each in pages for image_id in each]
    assert len(found) == len(set(found))
    assert stays <= set(found)


def test_wanted_verdicts_that_stand_deep_are_asked_for() -> None:
    scores = {image_id: 0.95 for image_id in range(30)} | {100: 0.5, 101: 0.4}
    ranked = Ranked(scores)
    answer = page(ranked.ask, Wanted(2, verdicts={Verdict.LOOK_ALIKE}), DIGEST, None)
    assert [each.image_id for each in answer.matches] == [100, 101]
    assert ranked.depths == [3, 12, 48]
    assert answer.next is None
    assert answer.took_s == 0.75
    weak = Ranked(scores)
    assert len(page(weak.ask, Wanted(2, verdicts={Verdict.SAME_FILE}), DIGEST, None).matches) == 0
    assert weak.depths == [3]  # what comes deeper is weaker still


def calibrated(image_id: int, place: int, *, score: float, raw: float) -> Match:
    """Named by one kind alone, whose own score is another than what all kinds together make of it."""
    return replace(
        match(image_id, place, Verdict.LOOK_ALIKE, score),
        evidence=(Evidence("toy", 1 - raw, raw, place, Verdict.LOOK_ALIKE, alike_llr=1.0),),
        odds=-3.0,
    )


def test_a_least_score_is_one_of_the_answer_and_not_of_a_kind() -> None:
    # Every second picture is surely alike by all kinds together; by its own measure the kind says little.
    found = [calibrated(n, n + 1, score=0.9 if n % 2 else 0.2, raw=0.3) for n in range(40)]
    asked = []

    def ask(depth: int) -> Answer:
        asked.append(depth)
        return Answer(tuple(sorted(found[:depth], key=lambda each: -each.score)), (KindStatus("toy", "ok"),))

    answer = page(ask, Wanted(10, min_score=0.5), DIGEST, None)
    assert [each.image_id for each in answer.matches] == list(range(1, 20, 2))
    assert (asked, answer.next is not None) == ([11, 44], True)


def test_look_alikes_of_several_kinds_may_score_above_each() -> None:
    # Named by one kind at depth 4, a picture scores .6; the other kind names it at 8, and both make .84.
    def ask(depth: int) -> Answer:
        found = []
        for image_id in range(12):
            ranks = {"one": image_id + 1, "other": 12 - image_id}
            evidence = tuple(
                Evidence(kind, 0.4, 0.6, rank, Verdict.LOOK_ALIKE)
                for kind, rank in ranks.items()
                if rank <= depth
            )
            if evidence:
                score = 1 - 0.4 ** len(evidence)
                found.append(Match(image_id, Verdict.LOOK_ALIKE, score, UPRIGHT, evidence))
        ordered = tuple(sorted(found, key=lambda each: -each.score))
        return Answer(ordered, (KindStatus("one", "ok"), KindStatus("other", "ok")))

    assert len(page(ask, Wanted(3, min_score=0.8), DIGEST, None).matches) == 3


def test_a_score_that_is_one_figure_alone_ends_pages_early() -> None:
    by_color = Ranked({image_id: 0.8 - image_id / 50 for image_id in range(40)}, Verdict.SAME_COLORS)
    assert len(page(by_color.ask, Wanted(10, min_score=0.7), DIGEST, None).matches) == 6
    assert by_color.depths == [11]


def test_what_is_folded_counts_once_and_comes_on_no_other_page() -> None:
    """Twelve images of four pictures: 0, 4 and 8 are one, 1, 5 and 9 another, and so on."""
    ranked = Ranked({image_id: 0.8 - image_id / 100 for image_id in range(12)})

    def fold(matches: Sequence[Match]) -> tuple[Match, ...]:
        return folded(matches, {each.image_id: bytes([each.image_id % 4]) for each in matches})

    first = page(ranked.ask, Wanted(2), DIGEST, None, fold=fold)
    assert [(each.image_id, each.copies) for each in first.matches] == [(0, ()), (1, ())]
    second = page(ranked.ask, Wanted(2), DIGEST, first.next, fold=fold)
    assert [each.image_id for each in second.matches] == [2, 3]
    assert second.next is None or not page(ranked.ask, Wanted(2), DIGEST, second.next, fold=fold).matches
    whole = page(ranked.ask, Wanted(4), DIGEST, None, fold=fold)
    assert [each.image_id for each in whole.matches] == [0, 1, 2, 3]
    assert whole.matches[0].copies in {(4,), (4, 8)}


def test_an_answer_on_its_way_is_folded_as_well() -> None:
    ranked = Ranked({image_id: 0.8 - image_id / 100 for image_id in range(4)})
    seen: list[Answer] = []
    told(
        ranked.ask(4),
        wanted=Wanted(3),
        tell=seen.append,
        fold=lambda matches: folded(matches, {0: b"a", 1: b"a", 2: b"b", 3: b"c"}),
    )
    assert [(each.image_id, each.copies) for each in seen[0].matches] == [(0, (1,)), (2, ()), (3, ())]


def test_pages_end_at_the_greatest_depth() -> None:
    ranked = Ranked({image_id: 0.8 - image_id / 1000 for image_id in range(50)})
    assert [len(each) for each in all_pages(ranked, Wanted(4, most=10))] == [4, 4, 2]
    assert [len(each) for each in all_pages(ranked, Wanted(20, most=10))] == [20]
    assert max(ranked.depths) == 21


@given(st.sets(st.integers(0, MAX_IMAGE_ID), max_size=50), st.integers(0, 10_000))
def test_cursors_travel_as_text(given_ids: set[int], depth: int) -> None:
    cursor = Cursor(DIGEST, depth, frozenset(given_ids))
    text = cursor.encoded()
    assert Cursor.decoded(text, most=50) == cursor
    assert text.isascii() and set("+/= ") & set(text) == set()


def test_five_thousand_neighboring_ids_fit_a_link() -> None:
    ids = random.Random(0).sample(range(1_000_000), 5000)
    assert len(Cursor(DIGEST, 5000, frozenset(ids)).encoded()) < 12_000


def _packed(body: bytes, checksum: int | None = None) -> str:
    check = zlib.crc32(body) if checksum is None else checksum
    head = b"\1" + DIGEST + (5).to_bytes(4, "big") + check.to_bytes(4, "big")
    return base64.urlsafe_b64encode(head + body).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "💥",
        "A" * 100,
        "A" * 70_000,
        Cursor(DIGEST, 1).encoded()[:-3],
        "B" + Cursor(DIGEST, 1).encoded()[1:],
        _packed(zlib.compress(b"\1"), checksum=7),
        _packed(b"no zlib"),
        _packed(zlib.compress(b"\x81")),
        _packed(zlib.compress(b"\xff" * 12)),
        _packed(zlib.compress(bytes(10**7))),
        _packed(zlib.compress(b"\xff\xff\xff\xff\xff\xff\xff\x7f")),
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match=r"the cursor .* is none; send `next`"):
        page(Ranked({}).ask, Wanted(3), DIGEST, text)


def test_a_cursor_past_the_depth_or_of_another_question_is_refused() -> None:
    deep = Cursor(DIGEST, 1, frozenset(range(11))).encoded()
    with pytest.raises(QueryError, match="past 10 matches"):
        page(Ranked({}).ask, Wanted(3, most=10), DIGEST, deep)
    other = Cursor(bytes(DIGEST_BYTES), 1).encoded()
    with pytest.raises(QueryError, match="another question"):
        page(Ranked({}).ask, Wanted(3), DIGEST, other)


def test_questions_are_told_apart_by_all_that_they_say() -> None:
    questions = [
        Query(data=b"a"),
        Query(data=b"b"),
        Query(data=b"a", region=(0, 0, 0.5, 1)),
        Query(image_id=1),
        Query(text="1"),
    ]
    digests = {digest_of(each, ["color"], 0.0) for each in questions}
    assert len(digests | {digest_of(questions[0], ["phash"], 0.0)}) == 6
    assert digest_of(Query(data=b"a", name="x"), 1) == digest_of(Query(data=b"a", name="y"), 1)
