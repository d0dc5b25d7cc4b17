"""What a search is said to have missed, and what it took."""

from pathlib import Path

import numpy as np

from answers import Answered
from cases import Case
from photos import Photo
from rule import Outcome, Row
from searches import SearchResult, missed, mistaken, search_figures, times_of
from transforms import TRANSFORMS

ROWS = len(TRANSFORMS)


def photo(key: str) -> Photo:
    return Photo(Path("x") / f"{key}.jpg", key, "", 300, 300)


GALLERY = [photo("a"), photo("b"), photo("c")]
CASES = [Case(photo(key), photo("z"), 1, Path("none.npz")) for key in "ab"]


def outcome(threshold: float, recalls: dict[str, float] | None = None) -> Outcome:
    rows = tuple(
        Row(each.name, each.is_hard, 1.0, (recalls or {}).get(each.name, 1.0), 1.0, 0.9, 1.0, 0, 10)
        for each in TRANSFORMS
    )
    return Outcome("local", "local", threshold, rows, 0, 0, None)


def test_a_query_is_missed_below_the_threshold_and_behind_another_picture():
    scores = np.zeros((2, ROWS, 3), np.float32)
    scores[0, :, 0] = scores[1, :, 1] = 50
    scores[0, 3, 0] = 11
    scores[1, 5, 2] = 60
    found = missed(outcome(12.0), scores, CASES, GALLERY)
    assert [(each["transform"], each["query"], each["score"], each["other"]) for each in found] == [
        (TRANSFORMS[3].name, "x/a.jpg", 11.0, None),
        (TRANSFORMS[5].name, "x/b.jpg", 50.0, "x/c.jpg"),
    ]


def test_a_query_that_nothing_answers_is_missed():
    scores = np.zeros((2, ROWS, 3), np.float32)
    assert len(missed(outcome(0.0), scores, CASES, GALLERY)) == 2 * ROWS


def test_the_highest_wrong_answers_come_first():
    negative = np.zeros((2, ROWS, 3), np.float32)
    negative[0, 0, 2], negative[1, 7, 0], negative[1, 8, 0] = 20.0, 30.0, 10.0
    found = mistaken(outcome(20.0), negative, CASES, GALLERY)
    assert [(each["negative"], each["other"], each["other_score"]) for each in found] == [
        ("x/b.jpg", "x/a.jpg", 30.0),
        ("x/a.jpg", "x/c.jpg", 20.0),
    ]


def test_no_wrong_answer_where_nothing_is_answered():
    assert mistaken(outcome(0.0), np.zeros((2, ROWS, 3), np.float32), CASES, GALLERY) == []


def test_times_are_milliseconds_of_the_processor():
    rows = [[Answered((), (), seconds, 9.0) for seconds in (0.1, 0.2, 0.3)]]
    assert times_of(rows) == {"p50": 200.0, "p95": 290.0}


def test_figures_name_the_weakest_rows_and_the_crops():
    recalls = {"mirror": 0.97, "crop keeping 15 %": 0.98, "crop keeping 8 %": 0.9, "crop keeping 4 %": 0.7}
    result = SearchResult(outcome(12.0, recalls), 200, 60, True, {"p50": 123.4, "p95": 456.7}, [])
    assert search_figures(result) == {
        "recall_min_row_local": 0.97,
        "recall_min_row_hard_local": 0.7,
        "recall_crop_15_local": 0.98,
        "recall_crop_8_local": 0.9,
        "recall_crop_4_local": 0.7,
        "query_p50_cpu_ms_local": 123.4,
        "query_p95_cpu_ms_local": 456.7,
    }
