"""The score of a word: its formula by hand, and what it is for."""

import numpy as np
import pytest

from ambience.annotate._word_tags import word_scores


def units(*rows: list[float]) -> np.ndarray:
    made = np.array(rows, np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_the_formula() -> None:
    picture = units([1.0, 0.0])
    words = np.array([[0.9, 0], [0.8, 0]], np.float32)
    by_chance = np.array([[0.1, 0], [-0.1, 0]], np.float32)  # mean 0, standard deviation 0.1
    share = 1 / (1 + np.exp(-20 * 0.1))
    fits = 1 / (1 + np.exp(-2 * (0.9 / 0.1 - 4)))
    (found,) = word_scores(picture, words, by_chance, 20.0)
    assert found[0] == pytest.approx(share * fits, rel=1e-5)
    assert found.dtype == np.float32


def test_a_word_that_fits_no_better_than_chance_is_no_tag_even_alone() -> None:
    rng = np.random.default_rng(1)
    by_chance = rng.standard_normal((300, 64)).astype(np.float32)
    by_chance /= np.linalg.norm(by_chance, axis=1, keepdims=True)
    picture = units([1.0] + [0.0] * 63)
    other, same = by_chance[:1], picture
    assert word_scores(picture, other, by_chance, 20.0)[0, 0] < 0.1
    assert word_scores(picture, same, by_chance, 20.0)[0, 0] > 0.95
    of_two = word_scores(picture, np.concatenate([same, same]), by_chance, 20.0)
    assert of_two[0].max() < 0.5  # two that say the same share it


def test_pictures_of_nothing_and_stored_halves_make_no_trouble() -> None:
    words = units([1.0, 2.0], [2.0, 1.0])
    empty = np.zeros((1, 2), np.float16)
    found = word_scores(empty, words, words, 100.0)
    assert np.isfinite(found).all()
    assert found.max() < 0.01
    assert word_scores(np.empty((0, 2), np.float16), words, words, 100.0).shape == (0, 2)
