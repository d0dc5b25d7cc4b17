"""Lines fall into words, also where no spaces are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ambience.phonetics import pieces, script_of, tokens


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("Don't stop!", ["Don't", "stop"]),
        ("'quoted' words'", ["quoted", "words"]),
        ("state-of-the-art", ["state", "of", "the", "art"]),
        ("A4 mp3 1,299.00 EUR.", ["A4", "mp3", "1,299.00", "EUR"]),
        ("東京タワーに行く", ["東京", "タワー", "に", "行", "く"]),
        ("佐々木さん", ["佐々木", "さん"]),
        ("JR東日本", ["JR", "東日本"]),
        ("서울에서 만나요", ["서울에서", "만나요"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("مرحبا، بالعالم", ["مرحبا", "بالعالم"]),
        ("", []),
        ("… — !?", []),
    ],
)
def test_words_of_a_line(line: str, words: list[str]) -> None:
    assert tokens(line) == words


@given(st.text(st.characters(exclude_categories=()), max_size=200))
def test_words_stand_in_the_line_in_their_order(line: str) -> None:
    end = 0
    for word in tokens(line):
        assert word
        end = line.index(word, end) + len(word)


def test_pieces_of_words_without_spaces() -> None:
    assert pieces("東京都庁") == ["東京", "京都", "都庁"]
    assert pieces("서울에서") == ["서울"]
    assert pieces("東京") == pieces("tokyo") == pieces("") == []
    assert len(pieces("東京" * 5000)) == 2


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("night", "Latn"),
        ("Москва!", "Cyrl"),
        ("Γιώργος", "Grek"),
        ("東京", "Hani"),
        ("さくら", "Hira"),
        ("ｻｸﾗ", "Kana"),
        ("서울", "Hang"),
        ("दिल्ली", "Deva"),
        ("محمد", "Arab"),
        ("שלום", "Hebr"),
        ("თბილისი", "Geor"),
        ("Երևան", "Armn"),
        ("กรุงเทพ", "Thai"),
        ("1234 …", "Zyyy"),
        ("", "Zyyy"),
        ("ab Москва", "Cyrl"),
    ],
)
def test_script_of_most_letters(text: str, script: str) -> None:
    assert script_of(text) == script
