"""Sentences become tokens whatever they hold; what is too long is cut, and said so."""

import json
import time
from pathlib import Path

import pytest

from ambience.errors import CorruptModelError
from ambience.models.row import Tokens
from ambience.models.tokenization import SentenceTokenizer
from support.tiny_networks import GOLDEN, TEXTS
from support.tiny_rows import clip_end

GEMMA = GOLDEN / "tokenizer_gemma.json"
CLIP = GOLDEN / "tokenizer_clip.json"
EOS = 1


@pytest.fixture(scope="module")
def gemma() -> SentenceTokenizer:
    return SentenceTokenizer(GEMMA, Tokens("", context=20, pad=0, is_lowercase=True, end=EOS))


def test_ends_are_kept_when_a_sentence_is_cut() -> None:
    clip = SentenceTokenizer(CLIP, Tokens("", context=12, pad=0))
    made = clip.tokenize(["a cat", "a cat " * 50])
    first, last = made.ids[1, 0], clip_end()
    assert made.ids[:, 0].tolist() == [first, first]
    assert made.ids[1, -1] == last
    assert made.ids[0].tolist().count(last) == 1
    assert made.mask[0].tolist() == (made.ids[0] != 0).astype(int).tolist()
    assert made.mask[1].all()
    assert made.notes[0] == ""
    count = len(clip._tokenizer.encode("a cat " * 50, add_special_tokens=False).ids)
    assert f"it read the first 10 of {count} tokens" in made.notes[1]


def test_case_does_not_matter_where_the_model_says_so(gemma: SentenceTokenizer) -> None:
    lower, upper = gemma.tokenize(["dog on the beach", "DOG on The BEACH"]).ids
    assert lower.tolist() == upper.tolist()


def test_the_end_is_added_once_whether_the_file_says_so_or_not(
    tmp_path: Path, gemma: SentenceTokenizer
) -> None:
    said = json.loads(GEMMA.read_text(encoding="utf-8"))
    assert said["post_processor"] is not None
    bare = tmp_path / "tokenizer.json"
    bare.write_text(json.dumps(said | {"post_processor": None}), encoding="utf-8")
    other = SentenceTokenizer(bare, gemma.tokens)
    for mine, theirs in zip(gemma.tokenize(TEXTS).ids, other.tokenize(TEXTS).ids, strict=True):
        assert mine.tolist() == theirs.tolist()
        assert mine.tolist().count(EOS) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\x00\x01\x7f\u200d\u202e",
        "\ud83d",  # half of a character
        "👩‍👩‍👧‍👦🏳️‍🌈" * 30,
        "дог 狗 كلب dog कुत्ता",
        "a\u0301" * 40,
        "<eos><pad><bos>",
    ],
)
@pytest.mark.parametrize("kind", ["gemma", "clip"])
def test_any_text_becomes_tokens(text: str, kind: str) -> None:
    tokens = Tokens("", context=20, pad=0, is_lowercase=True)
    made = SentenceTokenizer(GOLDEN / f"tokenizer_{kind}.json", tokens).tokenize([text])
    assert made.ids.shape == made.mask.shape == (1, 20)
    assert made.ids.min() >= 0


@pytest.mark.parametrize("piece", ["x", "a cat ", "狗", " ", "👩‍👩‍👧‍👦", "\u0301"])
def test_a_hundred_thousand_characters_take_no_longer_than_a_page(
    gemma: SentenceTokenizer, piece: str
) -> None:
    before = time.process_time()
    made = gemma.tokenize([piece * (100_000 // len(piece))])
    assert time.process_time() - before < 0.5
    assert made.ids.shape == (1, 20)
    assert "of more than" in made.notes[0]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"version": "1.0"}', '{"model": {"type": "BPE"}}', "\x00"]
)
def test_what_is_no_tokenizer_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    place = tmp_path / "tokenizer.json"
    place.write_text(damage, encoding="utf-8")
    with pytest.raises(CorruptModelError, match=r"tokenizer\.json is not used: it is no tokenizer"):
        SentenceTokenizer(place, Tokens("tokenizer.json", 20, 0))
    place.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorruptModelError, match=r"tokenizer\.json is not used"):
        SentenceTokenizer(place, Tokens("tokenizer.json", 20, 0))


def test_a_context_without_room_is_refused() -> None:
    with pytest.raises(CorruptModelError, match="adds 2 tokens to every sentence, and the model takes 2"):
        SentenceTokenizer(CLIP, Tokens("", context=2, pad=0))
