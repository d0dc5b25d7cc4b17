"""Words of all scripts are read in Latin letters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.phonetics import readings, romanized


@pytest.mark.parametrize(
    ("word", "reading"),
    [
        ("Москва", "moskva"),
        ("Γιώργος", "giorgos"),
        ("Μπάμπης", "babis"),
        ("Ευαγγελία", "evangelia"),
        ("Ельцин", "yeltsin"),
        ("दिल्ली", "dilli"),
        ("राजधानी", "rajdhani"),
        ("भारत", "bharat"),
        ("नमस्ते", "namaste"),
        ("சென்னை", "chennai"),
        ("서울", "seoul"),
        ("독립문", "dongnimmun"),
        ("신라", "silla"),
        ("부산", "pusan"),
        ("김치", "kimchi"),
        ("محمد", "mhmd"),
        ("القاهرة", "qahra"),
        ("يوسف", "yusf"),
        ("דוד", "dvd"),
        ("さくら", "sakura"),
        ("とうきょう", "tokyo"),
        ("とうきょう", "toukyou"),
        ("しゅっぱつ", "shuppatsu"),
        ("コーヒー", "kohi"),
        ("ヴァイオリン", "vaiorin"),
        ("東京", "tokyo"),
        ("東京", "dongjing"),
        ("北京", "beijing"),
        ("თბილისი", "tbilisi"),
        ("Երևան", "erewan"),
        ("กรุงเทพ", "krungthep"),
        ("Müller", "muller"),
        ("Müller", "mueller"),
    ],
)
def test_readings(word: str, reading: str) -> None:
    assert reading in readings(word)


def test_the_most_likely_reading_comes_first() -> None:
    assert romanized("さくら") == "sakura"
    assert romanized("…") == ""


@given(st.text(st.characters(exclude_categories=()), max_size=120))
def test_readings_are_few_short_and_plain(word: str) -> None:
    found = readings(word)

    assert len(found) <= 4
    assert all(0 < len(r) <= 64 and r.isascii() and r.isalnum() and r == r.lower() for r in found)
