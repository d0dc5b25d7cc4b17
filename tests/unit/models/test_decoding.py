"""Searches for sentences: against every possible sentence, by rules that a reader can check by hand."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ambience.models.decoding import DecodingRules, decoded, log_softmax, top

START, END = 0, 1
RULES = DecodingRules(start=START, end=END, beams=1, most=5, no_repeat=0)


class Told:
    """A network that says scores of the next token by all that it has read of a sentence."""

    def __init__(self, say: Callable[[int, tuple[int, ...]], Sequence[float]]) -> None:
        self._say = say
        self._read: list[tuple[int, tuple[int, ...]]] = []

    def __call__(self, tokens: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        before = self._read or [(int(row), ()) for row in rows]
        origin = [before[row] for row in rows] if self._read else before
        pairs = zip(origin, tokens, strict=True)
        self._read = [(picture, (*sentence, int(token))) for (picture, sentence), token in pairs]
        return np.array([self._say(*each) for each in self._read], np.float32)


def random_network(vocabulary: int, seed: int = 0) -> Callable[[int, tuple[int, ...]], Sequence[float]]:
    """Scores that depend on the picture and on every token so far."""

    def say(picture: int, sentence: tuple[int, ...]) -> Sequence[float]:
        generator = np.random.default_rng([seed, picture, *sentence])
        return list(2 * generator.standard_normal(vocabulary))

    return say


def all_sentences(
    say: Callable[..., Sequence[float]], vocabulary: int, most: int
) -> list[tuple[float, tuple[int, ...]]]:
    """Every sentence that ends, or is as long as it may be, with its mean log probability."""
    found = []
    for length in range(1, most + 1):
        for tokens in itertools.product(range(vocabulary), repeat=length):
            if END in tokens[:-1] or (length < most and tokens[-1] != END):
                continue
            total = 0.0
            for at, token in enumerate(tokens):
                scores = np.array([say(0, (START, *tokens[:at]))], np.float32)
                total += float(log_softmax(scores)[0, token])
            found.append((total / length, tokens))
    return sorted(found, reverse=True)


def test_the_greedy_search_takes_the_likeliest_token_each_time() -> None:
    say = random_network(6)
    (found,) = decoded(Told(say), 1, RULES)
    sentence: tuple[int, ...] = (START,)
    logs = []
    while len(sentence) <= 5 and END not in sentence[1:]:
        said = log_softmax(np.array([say(0, sentence)], np.float32))[0]
        sentence += (int(said.argmax()),)
        logs.append(float(said.max()))
    assert found.tokens == sentence[1:]
    assert found.score == pytest.approx(np.mean(logs), abs=1e-5)


@pytest.mark.parametrize("seed", range(8))
def test_as_many_beams_as_sentences_find_the_likeliest_of_all(seed: int) -> None:
    say = random_network(4, seed)
    best = all_sentences(say, 4, 4)[0]
    (found,) = decoded(Told(say), 1, replace(RULES, beams=64, most=4))
    assert found.score == pytest.approx(best[0], abs=1e-5)
    assert found.tokens == best[1]


def test_beams_find_what_greed_passes_by() -> None:
    likely = {(START,): [-9, -9, 0.2, 0.0], (START, 2): [0, 0, 0, 0], (START, 3): [-9, 5, -9, -9]}

    def say(_: int, sentence: tuple[int, ...]) -> Sequence[float]:
        return likely.get(sentence, [-9, 5, -9, -9])

    rules = replace(RULES, most=4)
    assert decoded(Told(say), 1, rules)[0].tokens[0] == 2
    assert decoded(Told(say), 1, replace(rules, beams=2))[0].tokens == (3, END)


@pytest.mark.parametrize("beams", [1, 3])
def test_pictures_do_not_heed_each_other(beams: int) -> None:
    say = random_network(7)
    rules = replace(RULES, beams=beams, most=9)
    together = decoded(Told(say), 20, rules)
    assert len({each.tokens for each in together}) > 10
    assert {len(each.tokens) for each in together} > {2, 3}  # some end early, and the others go on
    for picture, found in enumerate(together):
        (alone,) = decoded(Told(lambda _, sentence, which=picture: say(which, sentence)), 1, rules)  # type: ignore[misc]
        assert alone == found


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("run", [2, 3])
def test_runs_of_tokens_do_not_repeat(beams: int, run: int) -> None:
    def say(_: int, sentence: tuple[int, ...]) -> Sequence[float]:
        return [0, -50, 3, 2.5, 2, 1]

    rules = replace(RULES, beams=beams, most=12)
    (free,) = decoded(Told(say), 1, rules)
    assert free.tokens == (2,) * 12
    (found,) = decoded(Told(say), 1, replace(rules, no_repeat=run))
    sentence = (START, *found.tokens)
    runs = [sentence[at : at + run] for at in range(len(sentence) - run + 1)]
    assert len(set(runs)) == len(runs) == 14 - run


@pytest.mark.parametrize("beams", [1, 3])
def test_a_decoder_that_never_ends_is_cut(beams: int) -> None:
    def say(_: int, sentence: tuple[int, ...]) -> Sequence[float]:
        return [float(len(sentence)), -np.inf, 1.0, 0.5]

    (found,) = decoded(Told(say), 1, replace(RULES, beams=beams, most=16))
    assert len(found.tokens) == 16
    assert END not in found.tokens


@pytest.mark.parametrize("beams", [1, 3])
def test_sentences_are_at_least_as_long_as_asked(beams: int) -> None:
    def say(_: int, sentence: tuple[int, ...]) -> Sequence[float]:
        return [0, 9, 1, 0.5]

    rules = replace(RULES, beams=beams, most=8)
    assert decoded(Told(say), 1, rules)[0].tokens == (END,)
    (found,) = decoded(Told(say), 1, replace(rules, least=3))
    assert found.tokens == (2, 2, 2, END)


@pytest.mark.parametrize("beams", [1, 3])
def test_first_and_last_tokens_that_a_model_was_trained_with_are_certain(beams: int) -> None:
    def say(_: int, sentence: tuple[int, ...]) -> Sequence[float]:
        return [0, -9, 5, 0, -9]

    rules = replace(RULES, beams=beams, most=4, first=4, last=END)
    (found,) = decoded(Told(say), 1, rules)
    assert found.tokens == (4, 2, 2, END)
    expected = 2 * float(log_softmax(np.array([[0, -9, 5, 0, -9]], np.float32))[0, 2]) / 4
    assert found.score == pytest.approx(expected, abs=1e-6)


def test_nothing_is_said_of_no_pictures() -> None:
    def never(_: int, __: tuple[int, ...]) -> Sequence[float]:
        raise AssertionError

    assert decoded(Told(never), 0, RULES) == []


def test_the_largest_come_first_and_of_equal_ones_those_before() -> None:
    values = np.array([[1, 5, 3, 5, 5, 0], [2, 2, 2, 2, 2, 2]], np.float32)
    assert top(values, 3).tolist() == [[1, 3, 4], [0, 1, 2]]
    assert top(values[:1], 6).tolist() == [[1, 3, 4, 2, 0, 5]]
    wide = np.random.default_rng(1).standard_normal((3, 5000)).astype(np.float32)
    assert np.array_equal(top(wide, 10), np.argsort(-wide, axis=1)[:, :10])
