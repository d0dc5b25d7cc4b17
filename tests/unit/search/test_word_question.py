import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ambience.search.word_question import MAX_WORDS, asked_words


def _asked(text: str) -> list[tuple[str, bool, int]]:
    return [(unit.text, unit.is_phrase, len(unit.keys)) for unit in asked_words(text).units]


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("harbor light", [("harbor", False, 1), ("light", False, 1)]),
        ('"harbor light" house', [("harbor light", True, 2), ("house", False, 1)]),
        ("“harbor light”", [("harbor light", True, 2)]),
        ('harbor "light', [("harbor", False, 1), ("light", False, 1)]),
        ('a "b" c "', [("a", False, 1), ("b", True, 1), ("c", False, 1)]),
        ("harbor Harbor HARBOR", [("harbor", False, 1)]),
        ("Москва tokyo", [("Москва", False, 1), ("tokyo", False, 1)]),
        ("", []),
        ('"" "  " ?!', []),
        ("\ud800 \x00", []),
    ],
)
def test_words_and_phrases(text: str, units: list[tuple[str, bool, int]]) -> None:
    assert _asked(text) == units


@pytest.mark.parametrize(
    "text",
    ["' OR 1=1 --", "a* NEAR(b)", "^.*$", "%_%", "(((", "NOT harbor", "{col}: x", "\\d+", "`;DROP TABLE"],
)
def test_operators_of_other_languages_are_characters(text: str) -> None:
    assert all(not unit.is_phrase for unit in asked_words(text).units)
    assert "".join(unit.text for unit in asked_words(text).units).isalnum() or not asked_words(text).units


def test_long_questions_are_cut_with_a_note() -> None:
    question = asked_words(" ".join(f"word{at}" for at in range(1_000)))
    assert len(question.units) == MAX_WORDS
    (note,) = question.notes
    assert "968" in note
    assert asked_words("one two").notes == ()
    assert len(asked_words("x" * 10_000).units[0].keys[0].normalized) == 64


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=200))
def test_any_text_is_a_question(text: str) -> None:
    question = asked_words(text)
    assert sum(len(unit.keys) for unit in question.units) <= MAX_WORDS
    assert all(key.normalized for unit in question.units for key in unit.keys)
