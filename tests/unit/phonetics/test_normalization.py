"""Words take one form in which they are looked up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.phonetics import normalized

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=300)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("Café", "cafe"),
        ("ＦＵＬＬ", "full"),
        ("Straße", "strasse"),
        ("ﬁne", "fine"),
        ("don't", "dont"),
        ("ЁЛКА", "елка"),
        ("Йод", "йод"),
        ("Γιώργος", "γιωργοσ"),
        ("مُحَمَّد", "محمد"),
        ("שָׁלוֹם", "שלומ"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("दिल्ली", "दिल्ली"),
        ("co\u00adop", "coop"),
        ("\u202eabc\u202c", "abc"),
        ("a\ud800b\x00c", "abc"),
    ],
)
def test_forms(written: str, form: str) -> None:
    assert normalized(written) == form


def test_kana_with_and_without_voicing_stay_apart() -> None:
    assert normalized("カキ") != normalized("ガギ")


@given(ANY_TEXT)
def test_normalizing_twice_changes_nothing(text: str) -> None:
    form = normalized(text)

    assert normalized(form) == form
    assert len(form) <= 64


@given(ANY_TEXT)
def test_case_never_matters(text: str) -> None:
    form = normalized(text)

    assert normalized(form.upper()) == normalized(form.upper().lower())
