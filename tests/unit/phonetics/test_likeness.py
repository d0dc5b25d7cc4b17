"""Likeness parts the same word, written or said otherwise, from other words."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.phonetics import RELEVANT, WordKeys, keys, likeness, likenesses
from ambience.phonetics.likeness import HOWS

WORDS = st.one_of(
    st.text("abcdeost", min_size=1, max_size=10),
    st.text(st.characters(exclude_categories=()), max_size=30),
    st.sampled_from(
        ["Москва", "Γιώργος", "서울", "محمد", "שלום", "さくら", "東京", "दिल्ली", "mp3", "1,299.00"]
    ),
)


def score(asked: str, found: str) -> float:
    return likeness(keys(asked), keys(found))[0]


@pytest.mark.parametrize(
    ("asked", "found", "how"),
    [
        ("night", "NIGHT", "exact"),
        ("cafe", "Café", "exact"),
        ("resturant", "restaurant", "spelling"),
        ("recieve", "receive", "sound"),
        ("nite", "night", "sound"),
        ("fone", "phone", "sound"),
        ("kwik", "quick", "sound"),
        ("Shakespeer", "Shakespeare", "sound"),
        ("Moskva", "Москва", "romanized"),
        ("Giorgos", "Γιώργος", "romanized"),
        ("seoul", "서울", "romanized"),
        ("Delhi", "दिल्ली", "romanized"),
        ("Dilli", "दिल्ली", "romanized"),
        ("Muhammad", "محمد", "romanized"),
        ("sakura", "さくら", "romanized"),
        ("sakura", "サクラ", "romanized"),
        ("さくら", "サクラ", "romanized"),
        ("tokyo", "東京", "romanized"),
        ("dongjing", "東京", "romanized"),
        ("David", "דוד", "romanized"),
        ("Чехов", "Τσέχωφ", "romanized"),
    ],
)
def test_the_same_word(asked: str, found: str, how: str) -> None:
    found_score, found_how = likeness(keys(asked), keys(found))

    assert found_score >= RELEVANT
    assert found_how == how
    assert (found_score == 1) == (how == "exact")


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("night", "window"),
        ("cat", "car"),
        ("cat", "dog"),
        ("garden", "hammer"),
        ("Moskva", "Минск"),
        ("tokyo", "大阪"),
        ("seoul", "부산"),
        ("Muhammad", "بغداد"),
        ("2019", "2018"),
        ("A4", "A5"),
        ("東京", "京都"),
        ("北京", "背景"),
        ("night", ""),
        ("", ""),
    ],
)
def test_other_words(asked: str, found: str) -> None:
    assert score(asked, found) < RELEVANT


def test_nearer_words_score_higher() -> None:
    one_error, two_errors = score("restaurent", "restaurant"), score("restrant", "restaurant")

    assert score("restaurant", "restaurant") > one_error > two_errors


@given(WORDS)
def test_a_word_is_exactly_itself(word: str) -> None:
    own = keys(word)

    found_score, how = likeness(own, own)

    assert (found_score, how) == ((1.0, "exact") if own.normalized else (0.0, "spelling"))


@given(WORDS, WORDS)
def test_likeness_goes_both_ways(one: str, other: str) -> None:
    there, back = score(one, other), score(other, one)

    assert 0 <= there <= 1
    assert there == pytest.approx(back, abs=1e-4)


@given(WORDS, st.lists(WORDS, max_size=6))
def test_many_at_once_are_as_one_by_one(asked: str, found: list[str]) -> None:
    asked_keys, found_keys = keys(asked), [keys(word) for word in found]

    many = likenesses(asked_keys, found_keys)

    single = [likeness(asked_keys, other) for other in found_keys]
    assert many.scores.dtype == np.float32
    np.testing.assert_allclose(many.scores, [s for s, _ in single], atol=1e-5)
    assert [HOWS[how] for how in many.hows] == [how for _, how in single]


@given(WORDS)
def test_keys_come_back_from_a_row(word: str) -> None:
    own = keys(word)

    assert WordKeys.from_row(*own.as_row()) == own


FLOODS = [
    "a" * 10_000,
    "\ud800" * 5000,
    "a" + "\u0301" * 10_000,
    "\u202e" * 9999,
    "😀" * 3000,
    "क्" * 5000,
    "ー" * 9999,
    "ﷺ" * 3000,
    "각" * 9999,
    "ough" * 3000,
    "1.2," * 5000,
    "เ" * 9999,
]


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: f"U+{ord(flood[0]):04X}")
def test_floods_take_bounded_time(flood: str) -> None:
    keys("warm")
    start = time.process_time()

    own = keys(flood)
    likeness(own, own)

    assert time.process_time() - start < 0.5
    assert all(len(form) <= 64 for form in (own.normalized, *own.romanized))


def test_typing_errors_are_found_again_among_many_words() -> None:
    rng = np.random.default_rng(7)
    syllables = ["ba", "do", "fi", "gu", "ke", "lo", "mi", "na", "po", "ru", "sa", "te", "vu", "wi", "zo"]
    words = sorted({"".join(rng.choice(syllables, 4)) for _ in range(400)})
    found = [keys(word) for word in words]

    right = 0
    for i in range(0, len(words), 8):
        place = int(rng.integers(len(words[i])))
        misspelt = words[i][:place] + words[i][place + 1 :]
        scores = likenesses(keys(misspelt), found).scores
        right += scores[i] >= RELEVANT and scores[i] == scores.max()

    assert right >= 0.95 * len(range(0, len(words), 8))


def test_threads_agree() -> None:
    words = ["night", "Москва", "서울", "محمد", "東京", "दिल्ली", "Γιώργος"]
    expected = [score("moskva", word) for word in words]
    results: list[list[float]] = []

    def ask() -> None:
        results.append([score("moskva", word) for word in words])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert results == [expected] * 4


def test_import_reads_no_tables() -> None:
    probe = "import sys, ambience.phonetics; print('anyascii' in sys.modules, 'rapidfuzz' in sys.modules)"

    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)

    assert out.stdout.split() == ["False", "False"]
