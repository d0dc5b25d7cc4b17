"""How good rankings are: expected values can be checked by hand."""

import numpy as np
import pytest

from ambience.evaluation import average_precision, mean_average_precision, ranked_relevance, recall_at_k


def test_recall_counts_what_is_among_the_first() -> None:
    ranked = [1, 0, 1, 0, 1]  # three relevant: at 1, 3 and 5
    assert recall_at_k(ranked, 1) == pytest.approx(1 / 3)
    assert recall_at_k(ranked, 2) == pytest.approx(1 / 3)
    assert recall_at_k(ranked, 3) == pytest.approx(2 / 3)
    assert recall_at_k(ranked, 99) == 1.0


def test_recall_of_one_relevant_thing_is_all_or_nothing() -> None:
    assert [recall_at_k([0, 0, 1, 0], k) for k in (1, 2, 3, 4)] == [0, 0, 1, 1]


def test_what_a_short_ranking_lacks_counts_as_not_found() -> None:
    assert recall_at_k([1, 0], 2, relevant=4) == 0.25
    assert average_precision([1, 0], relevant=4) == 0.25
    assert average_precision([0, 0], relevant=2) == 0.0


def test_average_precision_is_the_mean_of_precisions_at_relevant_places() -> None:
    # Places 1, 3 and 5: precisions 1/1, 2/3 and 3/5.
    assert average_precision([1, 0, 1, 0, 1]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    assert average_precision([1, 1, 0, 0]) == 1.0
    assert average_precision([0, 0, 0, 1]) == 0.25


def test_the_mean_gives_each_query_the_same_weight() -> None:
    # 1/2 for one relevant thing at place 2; 1 for three at places 1 to 3.
    assert mean_average_precision([[0, 1], [1, 1, 1, 0]]) == 0.75
    assert mean_average_precision(iter([np.array([True])])) == 1.0


def test_relevance_follows_the_scores_and_ties_count_against_us() -> None:
    assert ranked_relevance([0.1, 0.9, 0.5], [1, 0, 1]).tolist() == [False, True, True]
    assert ranked_relevance([0.5, 0.5, 0.5], [1, 0, 0]).tolist() == [False, False, True]
    assert ranked_relevance([1, 2, 2], [0, 1, 0]).tolist() == [False, True, False]
    assert ranked_relevance([-np.inf, 3.0], [1, 0]).tolist() == [False, True]


def test_a_random_order_earns_about_the_share_of_relevant_things() -> None:
    rng = np.random.default_rng(1)
    truth = np.arange(1000) < 100
    values = [average_precision(ranked_relevance(rng.random(1000), truth)) for _ in range(50)]
    assert np.mean(values) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: recall_at_k([1], 0), "k = 0"),
        (lambda: recall_at_k([0, 0], 1), "0 relevant things"),
        (lambda: average_precision([0, 0]), "at least one"),
        (lambda: average_precision([]), "at least one"),
        (lambda: average_precision([1, 1], relevant=1), "holds 2"),
        (lambda: average_precision([[1, 0]]), "one axis"),
        (lambda: mean_average_precision([]), "no ranking"),
        (lambda: ranked_relevance([1, 2], [1]), "as many"),
        (lambda: ranked_relevance([np.nan, 2], [1, 0]), "NaN"),
    ],
)
def test_what_has_no_answer_is_refused(call, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        call()
