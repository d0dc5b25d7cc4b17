"""How words are misspelt for benchmarks: typing errors and spellings by ear, by stated rules from a seed.

A typing error is one of four, alike likely: a letter too many, a letter left out, a wrong letter, two
neighbors the wrong way round; letters too many and wrong ones are neighbors on a QWERTY keyboard of the
letter there. The first letter is kept, as nearly all misspellings keep it (Pollock & Zamora, "Automatic
spelling correction in scientific and scholarly text", CACM 27(4), 1984). Words of seven letters and more get
two errors in half of the cases, shorter ones one.

A spelling by ear is made by one or two replacements that leave the sound of English alone; see `BY_EAR`.
"""

import re
from collections.abc import Sequence

import numpy as np

TWO_ERRORS_FROM = 7
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")

BY_EAR = (
    (r"ight", "ite"), (r"ph", "f"), (r"ough$", "o"), (r"tion", "shun"), (r"^kn", "n"), (r"^wr", "r"),
    (r"ck", "k"), (r"c(?=[eiy])", "s"), (r"c(?=[aouklrt])", "k"), (r"qu", "kw"), (r"x", "ks"), (r"ea", "ee"),
    (r"ai", "ay"), (r"ou(?=[nd])", "ow"), (r"ew", "oo"), (r"wh", "w"), (r"mb$", "m"), (r"gu(?=[eia])", "g"),
    (r"ge$", "j"), (r"dge", "j"), (r"ll", "l"), (r"tt", "t"), (r"ss", "s"), (r"rr", "r"), (r"nn", "n"),
    (r"mm", "m"), (r"ff", "f"), (r"pp", "p"), (r"ei", "ee"), (r"ie", "ee"), (r"y$", "ie"), (r"er$", "ur"),
    (r"or$", "er"), (r"le$", "el"), (r"s(?=ure$)", "zh"), (r"ch(?=[rl])", "k"), (r"sch", "sk"), (r"oa", "o"),
)  # fmt: skip
"""Pattern and what is written instead of it."""


def mistyped(word: str, generator: np.random.Generator) -> str:
    """A word with one or two typing errors; never the word itself."""
    made = word
    errors = 1 + (len(word) >= TWO_ERRORS_FROM and generator.random() < 0.5)
    while made == word:
        for _ in range(errors):
            made = _one_error(made, generator)
    return made


def _one_error(word: str, generator: np.random.Generator) -> str:
    at = int(generator.integers(1, len(word)))
    near = _near(word[at], generator)
    match int(generator.integers(4)):
        case 0:
            return word[:at] + near + word[at:]
        case 1:
            return word[:at] + word[at + 1 :]
        case 2:
            return word[:at] + near + word[at + 1 :]
        case _:
            return word[:at] + word[at : at + 2][::-1] + word[at + 2 :]


def _near(letter: str, generator: np.random.Generator) -> str:
    for row in KEYBOARD:
        at = row.find(letter.lower())
        if at >= 0:
            return row[at - 1] if at and (at + 1 == len(row) or generator.random() < 0.5) else row[at + 1]
    return "e"


def heard(words: Sequence[str], count: int, generator: np.random.Generator) -> list[tuple[str, str]]:
    """Words, and how they might be written by ear.

    Args:
        words: lower case; those that no rule changes are passed over.
        count: pairs at most.
        generator: draws the order of the words and which rules are used.

    Returns:
        (word, spelling) pairs, each word once.
    """
    pairs: list[tuple[str, str]] = []
    for at in generator.permutation(len(words)):
        word = words[int(at)]
        fitting = [rule for rule in BY_EAR if re.search(rule[0], word)]
        if not fitting or len(pairs) == count:
            continue
        used = generator.permutation(len(fitting))[: 1 + int(generator.random() < 0.5)]
        spelling = word
        for each in sorted(int(rule) for rule in used):
            spelling = re.sub(fitting[each][0], fitting[each][1], spelling, count=1)
        if spelling != word:
            pairs.append((word, spelling))
    return pairs
