import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambience.store.word_grams import END, START, WordGrams, grams_of, merged_grams

WORDS = st.lists(st.text(alphabet="abcdeяж東", min_size=1, max_size=9), min_size=1, max_size=40, unique=True)


def _share(left: str, right: str) -> float:
    """2·shared / (pairs of both), counted by hand."""
    pairs = [{f"{START}{word}{END}"[at : at + 2] for at in range(len(word) + 1)} for word in (left, right)]
    return 2 * len(pairs[0] & pairs[1]) / (len(pairs[0]) + len(pairs[1]))


def _all_alike(grams: WordGrams, form: str, at_least: float) -> dict[int, float]:
    ids, shares = grams.alike(form, at_least=at_least, most=1000)
    return dict(zip(ids.tolist(), shares.tolist(), strict=True))


@settings(deadline=None)
@given(WORDS, st.text(alphabet="abcdeяж東", max_size=9), st.integers(1, 39))
def test_shares_are_those_counted_by_hand(words: list[str], asked: str, cut: int) -> None:
    expected = {at: _share(word, asked) for at, word in enumerate(words)}
    expected = {at: share for at, share in expected.items() if share >= 0.3}
    whole = grams_of(words, range(len(words)))
    assert _all_alike(whole, asked, 0.3) == pytest.approx(expected)
    parts = [grams_of(words[:cut], range(cut)[: len(words)])]
    if words[cut:]:
        parts.append(grams_of(words[cut:], range(cut, len(words))))
    merged = merged_grams(parts)
    for left, right in zip(merged.packed(), whole.packed(), strict=True):
        assert left == right


def test_the_nearest_are_kept_where_there_are_many() -> None:
    grams = grams_of(["harbor", "harbour", "arbor", "hammer", "zebra"], [10, 11, 12, 13, 14])
    ids, shares = grams.alike("harbor", at_least=0.1, most=2)
    assert set(ids.tolist()) == {10, 11}
    assert shares.max() == 1
    ids, _ = grams.alike("qqq", at_least=0.1, most=2)
    assert len(ids) == 0


def test_one_word_may_have_two_forms() -> None:
    grams = grams_of(["москва", "moskva"], [7, 7])
    assert _all_alike(grams, "moskva", 0.9) == {7: 1.0}
    assert _all_alike(grams, "москва", 0.9) == {7: 1.0}


def test_packed_parts_are_checked() -> None:
    grams = grams_of(["harbor", "house"], [1, 2])
    again = WordGrams.unpacked(grams.packed())
    assert _all_alike(again, "harbor", 0.5) == {1: 1.0}
    packed = grams.packed()
    with pytest.raises(ValueError, match="letter pairs"):
        WordGrams.unpacked([*packed[:2], packed[2][:-4], *packed[3:]])
    beyond = np.full(len(grams.forms), 9, np.uint32).tobytes()
    with pytest.raises(ValueError, match="letter pairs"):
        WordGrams.unpacked([*packed[:2], beyond, *packed[3:]])
