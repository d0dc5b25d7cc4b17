"""How far single sounds are from each other: weighted differences of phonological features."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

# Features that a sound has; it lacks the others. After the feature set of panphon (Mortensen et al.,
# "PanPhon: a resource for mapping IPA segments to articulatory feature vectors", COLING 2016), in its
# abbreviations; the vectors are two-valued and cover the sounds that this package writes.
_FEATURES = {
    "p": "cons ant lab", "b": "cons ant lab voi", "t": "cons ant cor", "d": "cons ant cor voi",
    "k": "cons hi back", "g": "cons hi back voi", "q": "cons back", "ʔ": "",
    "m": "son cons nas voi ant lab", "n": "son cons nas voi ant cor",
    "ɲ": "son cons nas voi cor distr hi", "ŋ": "son cons nas voi hi back", "f": "cons cont strid ant lab",
    "v": "cons cont strid ant lab voi", "θ": "cons cont ant cor distr",
    "ð": "cons cont ant cor distr voi", "s": "cons cont strid ant cor",
    "z": "cons cont strid ant cor voi", "ʃ": "cons cont strid cor distr",
    "ʒ": "cons cont strid cor distr voi", "x": "cons cont hi back", "ɣ": "cons cont hi back voi",
    "h": "cont", "ħ": "cont lo back", "ʧ": "cons delrel strid cor distr",
    "ʤ": "cons delrel strid cor distr voi", "ʦ": "cons delrel strid ant cor",
    "ʣ": "cons delrel strid ant cor voi", "r": "son cons cont voi ant cor", "ɹ": "son cont voi ant cor",
    "l": "son cons cont lat voi ant cor", "ʎ": "son cons cont lat voi cor distr hi",
    "j": "son cont voi hi", "w": "son cont voi hi back lab round", "i": "syl son cont voi hi tense",
    "ɪ": "syl son cont voi hi", "e": "syl son cont voi tense", "ɛ": "syl son cont voi",
    "æ": "syl son cont voi lo", "a": "syl son cont voi lo back", "ɑ": "syl son cont voi lo back",
    "ɔ": "syl son cont voi back round", "o": "syl son cont voi back round tense",
    "ʊ": "syl son cont voi hi back round", "u": "syl son cont voi hi back round tense",
    "ʌ": "syl son cont voi back", "ə": "syl son cont voi back", "ɜ": "syl son cont voi",
    "y": "syl son cont voi hi round tense", "ø": "syl son cont voi round tense",
}  # fmt: skip
_WEIGHTS = {
    "syl": 1.0, "son": 0.5, "cons": 0.5, "cont": 0.5, "lat": 0.4, "nas": 0.5, "delrel": 0.25, "strid": 0.25,
    "voi": 0.2, "ant": 0.25, "cor": 0.25, "lab": 0.25, "distr": 0.1, "hi": 0.3, "lo": 0.2, "back": 0.15,
    "round": 0.12, "tense": 0.08,
}  # fmt: skip
"""Weights of features that differ, ordered as panphon's: classes of sounds count most, qualities least."""

_HEARD_ALIKE = {
    "vw": 0.35, "ɹr": 0.05, "ij": 0.3, "ɪj": 0.3, "uw": 0.3, "ʊw": 0.3, "xh": 0.15, "ħh": 0.05, "xk": 0.3,
    "ʧʃ": 0.4, "ʦs": 0.35, "ʦʧ": 0.3, "ʣz": 0.2, "ʣʤ": 0.25, "ʤʒ": 0.2, "ʤj": 0.5, "bv": 0.35, "pf": 0.45,
    "θt": 0.3, "ðd": 0.3, "ðz": 0.3, "θf": 0.4, "ŋn": 0.25, "ɣg": 0.2, "ɣh": 0.4, "ɣx": 0.2, "qk": 0.1,
    "gh": 0.5, "fh": 0.4, "ɹl": 0.45, "rl": 0.4,
}  # fmt: skip
"""Pairs that languages and scripts take for each other more often than their features say."""

_LEFT_OUT = {"ʔ": 0.1, "ə": 0.35, "h": 0.45, "ħ": 0.45, "j": 0.5, "w": 0.6, "ɹ": 0.7}
"""What a sound costs that one word has and the other lacks."""
VOWEL_LEFT_OUT, CONSONANT_LEFT_OUT = 0.7, 1.0

SOUNDS = tuple(_FEATURES)
"""Sounds that are told apart, in the order of the rows of `substitution_costs`."""
VOWELS = frozenset(sound for sound, features in _FEATURES.items() if features.startswith("syl"))


@cache
def substitution_costs() -> NDArray[np.float32]:
    """Costs of hearing one sound for another.

    Returns:
        (S + 1, S + 1) float32, symmetric, 0–1, in the order of `SOUNDS`; the last row and column stand for
        signs that are no sound, which cost 1 against everything and nothing against themselves.
    """
    names = tuple(_WEIGHTS)
    has = np.array([[name in _FEATURES[sound].split() for name in names] for sound in SOUNDS])
    weights = np.array(list(_WEIGHTS.values()), np.float32)
    costs = np.ones((len(SOUNDS) + 1, len(SOUNDS) + 1), np.float32)
    costs[:-1, :-1] = np.minimum(1.0, ((has[:, None] != has[None]) * weights).sum(2))
    for pair, cost in _HEARD_ALIKE.items():
        one, other = SOUNDS.index(pair[0]), SOUNDS.index(pair[1])
        costs[one, other] = costs[other, one] = cost
    costs[-1, -1] = 0.0
    costs.setflags(write=False)
    return costs


@cache
def gap_costs() -> NDArray[np.float32]:
    """What each sound costs where the other word lacks it.

    Returns:
        (S + 1,) float32, in the order of `substitution_costs`.
    """
    costs = [
        _LEFT_OUT.get(sound, VOWEL_LEFT_OUT if sound in VOWELS else CONSONANT_LEFT_OUT) for sound in SOUNDS
    ]
    found = np.array([*costs, 1.0], np.float32)
    found.setflags(write=False)
    return found


@cache
def _places() -> NDArray[np.uint8]:
    """(code points,) uint8: place in `SOUNDS` of a character; of other characters the last row's."""
    table = np.full(max(map(ord, SOUNDS)) + 2, len(SOUNDS), np.uint8)
    table[[ord(sound) for sound in SOUNDS]] = np.arange(len(SOUNDS))
    return table


def encoded(words: list[str], longest: int) -> tuple[NDArray[np.uint8], NDArray[np.intp]]:
    """Pronunciations as rows of numbers.

    Args:
        words: N pronunciations.
        longest: sounds of each that are taken.

    Returns:
        (N, longest of them) uint8, places in `SOUNDS`, filled up with the number of signs that are no sound;
        and (N,) their lengths.
    """
    cut = [word[:longest] for word in words]
    lengths = np.fromiter(map(len, cut), np.intp, len(cut))
    points = np.frombuffer("".join(cut).encode("utf-32-le", "surrogatepass"), np.uint32)
    table = _places()
    rows = np.full((len(cut), int(lengths.max(initial=0))), len(SOUNDS), np.uint8)
    rows[np.arange(rows.shape[1]) < lengths[:, None]] = table[np.minimum(points, len(table) - 1)]
    return rows, lengths
