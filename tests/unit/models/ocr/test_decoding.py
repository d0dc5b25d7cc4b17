"""The best path of CTC: repetitions are one, blanks part two alike, what is kept is what counts."""

import numpy as np
import pytest

from ambience.models.ocr.decoding import NOTHING, decoded

CHARACTERS = ("", "a", "b", " ")


def test_repetitions_blanks_and_spaces() -> None:
    best = [0, 1, 1, 0, 1, 2, 2, 3, 2, 0]
    chances = np.full((len(best), 4), 0.1, np.float32)
    chances[np.arange(len(best)), best] = 0.6
    chances[4, 1] = 0.9
    reading = decoded(chances, CHARACTERS)
    assert reading.text == "aab b"
    assert reading.confidence == pytest.approx((0.6 * 4 + 0.9) / 5)


def test_nothing_but_blanks() -> None:
    chances = np.zeros((5, 4), np.float32)
    chances[:, 0] = 1
    assert decoded(chances, CHARACTERS) == NOTHING
