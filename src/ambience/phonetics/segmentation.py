"""The words of a line of text, also of scripts that write no spaces."""

import unicodedata

from ambience.phonetics.scripts import COMMON, script_of_letter

_APOSTROPHES = frozenset("'’ʼ‘`")
_IN_NUMBERS = frozenset(".,")
_WITHOUT_SPACES = frozenset({"Hani", "Hira", "Kana"})
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff")
_CONTINUING = frozenset("ー々〆ゝゞヽヾｰ")
_PARTICLES = (
    "에서", "으로", "까지", "부터", "에게", "이다", "은", "는", "이", "가", "을", "를", "의", "에", "로",
    "와", "과", "도",
)  # fmt: skip
_LONGEST_RUN = 24
"""Signs of a run of Han from which pieces are made; 23 pieces are the most a word has."""


def tokens(text: str) -> list[str]:
    """Words of a line, in their order, as they are written.

    A word is a run of letters, marks and digits ("A4", "mp3", "नमस्ते"). An apostrophe between letters belongs
    to the word ("don't"); a point or comma between digits belongs to the number ("1,299.00"); a hyphen and
    any other sign parts words. Han, hiragana and katakana are parted from each other and from other scripts,
    since Japanese and Chinese write no spaces ("東京タワー" → 東京, タワー; "東京に" → 東京, に); inside a
    run `pieces` finds more. Thai, Lao, Khmer and Burmese, which write no spaces either, stay one run.

    Args:
        text: any string.

    Returns:
        its words; none is empty.
    """
    words: list[str] = []
    word: list[str] = []
    script = COMMON
    for position, character in enumerate(text):
        following = text[position + 1 : position + 2]
        if _belongs(character, word, following):
            new = script if character in _CONTINUING else script_of_letter(character)
            parts = new != script and new != COMMON and {new, script} & _WITHOUT_SPACES
            if parts and any(script_of_letter(c) != COMMON for c in word):
                words.append("".join(word))
                word = []
            word.append(character)
            script = new if new != COMMON else script
        elif word:
            words.append("".join(word))
            word, script = [], COMMON
    if word:
        words.append("".join(word))
    return words


def _belongs(character: str, word: list[str], following: str) -> bool:
    """Whether a character goes on with, or begins, the word so far."""
    if unicodedata.category(character)[0] in "LN":
        return True
    if not word:
        return False
    if unicodedata.category(character)[0] == "M" or character in _INVISIBLE:
        return True
    if character in _APOSTROPHES:
        return word[-1].isalpha() and following.isalpha()
    return character in _IN_NUMBERS and word[-1].isdigit() and following.isdigit()


def pieces(word: str) -> list[str]:
    """Shorter words under which a word is to be found as well, where its script writes no spaces between.

    A run of three or more Han signs holds each of its neighbouring pairs (東京都庁 → 東京, 京都, 都庁), of
    which some are no words; an index takes them all, a question asks for none of them. A Korean word that
    ends in a particle holds the word before it (서울에서 → 서울).

    Args:
        word: one of `tokens`.

    Returns:
        pieces without the word itself; empty for words of other scripts.
    """
    script = script_of_letter(word[0]) if word else COMMON
    if script == "Hani" and len(word) > 2:
        return list(dict.fromkeys(word[i : i + 2] for i in range(min(len(word), _LONGEST_RUN) - 1)))
    if script == "Hang" and len(word) > 2:
        for particle in _PARTICLES:
            if word.endswith(particle) and len(word) - len(particle) > 1:
                return [word.removesuffix(particle)]
    return []
