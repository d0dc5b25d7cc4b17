"""Words sound as they are said, and sounds are near and far as ears have it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.phonetics import ipa, keys, script_of
from ambience.phonetics.features import SOUNDS, gap_costs, substitution_costs
from ambience.phonetics.letter_to_sound import read_english
from ambience.phonetics.skeleton import skeleton
from ambience.phonetics.sound_distance import sound_distances

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", max_size=20)
PRONUNCIATIONS = st.text(st.sampled_from(SOUNDS), max_size=12)


@pytest.mark.parametrize(
    ("word", "sounds"),
    [
        ("night", "naɪt"),
        ("phone", "fon"),
        ("quick", "kwɪk"),
        ("enough", "ɛnʌf"),
        ("through", "θɹu"),
        ("nation", "neʃən"),
        ("knight", "naɪt"),
        ("laugh", "læf"),
        ("city", "sɪti"),
        ("giant", "ʤiænt"),
        ("walk", "wɔk"),
        ("psychology", "saɪkɑloʤi"),
    ],
)
def test_english_by_rules(word: str, sounds: str) -> None:
    assert read_english(word) == sounds


@pytest.mark.parametrize(
    ("one", "other"),
    [("nite", "night"), ("fone", "phone"), ("kwik", "quick"), ("rite", "write"), ("enuff", "enough"),
     ("skool", "school"), ("sity", "city"), ("kemist", "chemist")],
)  # fmt: skip
def test_spelled_otherwise_but_said_alike(one: str, other: str) -> None:
    assert read_english(one) == read_english(other)


@given(LETTERS)
def test_english_says_known_sounds_alone(word: str) -> None:
    assert set(read_english(word)) <= set(SOUNDS)


@pytest.mark.parametrize("word", ["Москва", "दिल्ली", "서울", "محمد", "さくら", "東京", "Երևան", "กรุงเทพ"])
def test_other_scripts_have_a_pronunciation(word: str) -> None:
    heard = ipa(word, script_of(word))

    assert heard
    assert set(heard) <= set(SOUNDS)


def test_costs_are_a_distance_of_sounds() -> None:
    costs, gaps = substitution_costs(), gap_costs()

    assert costs.shape == (len(SOUNDS) + 1, len(SOUNDS) + 1)
    np.testing.assert_array_equal(costs, costs.T)
    np.testing.assert_array_equal(np.diag(costs), 0)
    assert costs.max() <= 1
    assert gaps.min() > 0
    row = {sound: i for i, sound in enumerate(SOUNDS)}
    assert costs[row["p"], row["b"]] < costs[row["p"], row["k"]] <= costs[row["p"], row["a"]]
    assert costs[row["i"], row["ɪ"]] < costs[row["i"], row["ɑ"]]


def test_distances_by_hand() -> None:
    gaps, costs = gap_costs(), substitution_costs()
    row = {sound: i for i, sound in enumerate(SOUNDS)}

    found = sound_distances("pat", ["pat", "bat", "at", "patʃ", ""])

    expected = [
        0,
        costs[row["p"], row["b"]],
        gaps[row["p"]],
        gaps[row["ʃ"]],
        gaps[row["p"]] + gaps[row["a"]] + gaps[row["t"]],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@given(PRONUNCIATIONS, st.lists(PRONUNCIATIONS, max_size=6))
def test_distances_agree_with_the_plain_recursion_and_both_ways(asked: str, found: list[str]) -> None:
    distances = sound_distances(asked, found)

    np.testing.assert_allclose(distances, [_plainly(asked, other) for other in found], atol=1e-4)
    np.testing.assert_allclose(distances, [sound_distances(o, [asked])[0] for o in found], atol=1e-4)


def _plainly(asked: str, found: str) -> float:
    row = {sound: i for i, sound in enumerate(SOUNDS)}
    costs, gaps = substitution_costs(), gap_costs()
    table = np.zeros((len(asked) + 1, len(found) + 1))
    for i in range(len(asked) + 1):
        for j in range(len(found) + 1):
            options = []
            if i:
                options.append(table[i - 1, j] + gaps[row[asked[i - 1]]])
            if j:
                options.append(table[i, j - 1] + gaps[row[found[j - 1]]])
            if i and j:
                options.append(table[i - 1, j - 1] + costs[row[asked[i - 1]], row[found[j - 1]]])
            table[i, j] = min(options, default=0.0)
    return float(table[-1, -1])


def test_unwritten_vowels_cost_next_to_nothing() -> None:
    with_vowels = sound_distances("muhamad", ["mhmd"])
    unwritten = sound_distances("muhamad", ["mhmd"], vowels_left_out=np.array([True]))
    back = sound_distances("mhmd", ["muhamad"], vowels_put_in=np.array([True]))

    assert unwritten[0] < 0.5 < with_vowels[0]
    np.testing.assert_allclose(back, unwritten, atol=1e-6)


def test_signs_that_are_no_sounds_are_compared_too() -> None:
    assert sound_distances("p\ud800", ["p\ud800", "pt"]).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [("nite", "night"), ("Moskva", "Москва"), ("Muhammad", "محمد"), ("tokyo", "東京"), ("sakura", "サクラ"),
     ("Shakespeer", "Shakespeare"), ("resturant", "restaurant"), ("Yusuf", "يوسف"), ("Delhi", "दिल्ली")],
)  # fmt: skip
def test_heard_alike_words_meet(one: str, other: str) -> None:
    assert set(keys(one).skeleton) & set(keys(other).skeleton)


def test_skeletons_are_short_and_without_vowels() -> None:
    assert skeleton("ɹɛstɔɹənt") == "LSTLNT"
    assert skeleton("ost") == "AST"
    assert skeleton("") == ""
    assert len(skeleton("patakana" * 20)) == 6
