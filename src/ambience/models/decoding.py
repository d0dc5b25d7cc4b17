"""Sentences token by token: the likeliest one by a greedy search or a beam search, for many pictures at once.

Pure: what a network says of the next token comes in as a function. Token for token what `generate` of
transformers 5 finds by the same rules, `length_penalty` 1 and `early_stopping` False; its rules are told here
in our words, since they are a convention and not a formula (finished sentences compete by their mean log
probability, only those among the best beams may finish, and a picture is done when no running beam could
still beat its worst finished one).
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

NEVER = np.float32(-1e9)
"""Score of what is out of the race but still ordered, unlike -inf."""


@dataclass(frozen=True, slots=True)
class DecodingRules:
    """What sentences may be, and how they are searched for.

    Attributes:
        start: token that every sentence begins with; it is not part of the answer.
        end: token that ends a sentence.
        beams: sentences that are followed at a time for every picture; 1 is the greedy search.
        most: tokens of an answer at most, the end token included; a decoder that never ends is cut there.
        least: tokens of an answer at least, the end token not included.
        no_repeat: length of runs of tokens that may stand in a sentence once at most; 0: any may repeat.
        first: token that every answer begins with, where the model was trained so.
        last: token that an answer of full length ends with, where the model was trained so.
    """

    start: int
    end: int
    beams: int = 5
    most: int = 16
    least: int = 0
    no_repeat: int = 3
    first: int | None = None
    last: int | None = None


class Decoded(NamedTuple):
    """One sentence.

    Attributes:
        tokens: without the start token; the end token is the last one where it was reached.
        score: mean log probability of its tokens, ≤ 0; a token that the rules prescribe counts as certain.
    """

    tokens: tuple[int, ...]
    score: float


class NextTokens(Protocol):
    """What a network says of the token after each of some sentences, of which it keeps what it has read."""

    def __call__(self, tokens: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of all tokens.

        Args:
            tokens: (R,) the newest token of each sentence.
            rows: (R,) row of the call before that each sentence goes on from; at the first call, its picture.

        Returns:
            (R, V) float32 logits.
        """


def decoded(next_tokens: NextTokens, pictures: int, rules: DecodingRules) -> list[Decoded]:
    """The likeliest sentence that was found for each picture.

    Args:
        next_tokens: what the network says.
        pictures: how many there are, P.
        rules: of the search.

    Returns:
        P sentences.

    Source: Wu et al., "Google's Neural Machine Translation System", arXiv:1609.08144 (2016), §7, for scores
    by length, here tokens to the power of 1; Paulus et al., "A Deep Reinforced Model for Abstractive
    Summarization", ICLR 2018, §2.5, for runs that do not repeat.
    """
    if not pictures:
        return []
    return (_greedy if rules.beams == 1 else _beams)(next_tokens, pictures, rules)


def _greedy(next_tokens: NextTokens, pictures: int, rules: DecodingRules) -> list[Decoded]:
    sentences = np.full((pictures, rules.most + 1), rules.start, np.int64)
    scores = np.zeros(pictures, np.float32)
    lengths = np.zeros(pictures, np.int64)
    running = rows = np.arange(pictures)
    for length in range(1, rules.most + 1):
        said = _allowed(
            log_softmax(next_tokens(sentences[running, length - 1], rows)),
            sentences[running, :length],
            rules,
        )
        chosen = said.argmax(axis=1)
        sentences[running, length] = chosen
        scores[running] += np.take_along_axis(said, chosen[:, None], 1)[:, 0]
        lengths[running] = length
        rows = np.flatnonzero(chosen != rules.end)
        running = running[rows]
        if not len(running):
            break
    return [
        Decoded(tuple(map(int, sentence[1 : length + 1])), float(score / length))
        for sentence, length, score in zip(sentences, lengths, scores, strict=True)
    ]


class _Race:
    """Beams of the pictures that are not done; rows of all arrays are pictures (P), then beams (N).

    Attributes:
        who: (P,) which pictures these are.
        running: (P, N, T) sentences that go on, T one more than the longest answer.
        scores: (P, N) their summed log probabilities.
        finished: (P, N, T) the best sentences that have ended.
        means: (P, N) their mean log probabilities; about `NEVER` where there is none yet.
        lengths: (P, N) their tokens.
        has_ended: (P, N) whether there is one.
    """

    def __init__(self, pictures: int, rules: DecodingRules) -> None:
        shape = (pictures, rules.beams)
        self.rules = rules
        self.who = np.arange(pictures)
        self.running = np.full((*shape, rules.most + 1), rules.start, np.int64)
        self.scores = np.full(shape, NEVER)
        self.scores[:, 0] = 0  # all beams begin alike, so only one of them is followed at first
        self.finished = self.running.copy()
        self.means = np.full(shape, NEVER)
        self.lengths = np.zeros(shape, np.int64)
        self.has_ended = np.zeros(shape, bool)

    def go_on(self, said: NDArray[np.float32], length: int) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Takes every sentence one token further.

        Args:
            said: (P, N, V) log probabilities of the next token.
            length: tokens that answers then have.

        Returns:
            (P,) pictures that are done, and (P, N) the beam that each one now running came from.
        """
        beams, vocabulary = said.shape[1:]
        sums = (said + self.scores[:, :, None]).reshape(len(said), -1)
        chosen = top(sums, 2 * beams)
        sums = np.take_along_axis(sums, chosen, 1)
        parents = chosen // vocabulary
        sentences = np.take_along_axis(self.running, parents[:, :, None], 1)
        sentences[:, :, length] = chosen % vocabulary
        ends = (sentences[:, :, length] == self.rules.end) | (length == self.rules.most)

        self._finish(sentences, sums, ends, length)
        ahead = sums + np.where(ends, NEVER, np.float32(0))
        kept = top(ahead, beams)
        self.running = np.take_along_axis(sentences, kept[:, :, None], 1)
        self.scores = np.take_along_axis(ahead, kept, 1)
        worst = np.where(self.has_ended, self.means.min(axis=1, keepdims=True), NEVER)
        can_improve = (self.scores[:, :1] / np.float32(length) > worst).any(axis=1)
        return ~can_improve | ends.all(axis=1), np.take_along_axis(parents, kept, 1)

    def _finish(
        self,
        sentences: NDArray[np.int64],
        sums: NDArray[np.float32],
        ends: NDArray[np.bool_],
        length: int,
    ) -> None:
        """Sentences that end among the best beams take the places of worse ones that ended before."""
        beams = self.running.shape[1]
        ends = ends & (np.arange(2 * beams) < beams)
        means = sums / np.float32(length) + np.where(ends, np.float32(0), NEVER)
        means = np.concatenate([self.means, means], axis=1)
        best = top(means, beams)
        self.means = np.take_along_axis(means, best, 1)
        self.has_ended = np.take_along_axis(np.concatenate([self.has_ended, ends], axis=1), best, 1)
        lengths = np.concatenate([self.lengths, np.full(ends.shape, length)], axis=1)
        self.lengths = np.take_along_axis(lengths, best, 1)
        sentences = np.concatenate([self.finished, sentences], axis=1)
        self.finished = np.take_along_axis(sentences, best[:, :, None], 1)

    def keep(self, pictures: NDArray[np.bool_]) -> None:
        """Goes on with some of the pictures only."""
        for name in ("who", "running", "scores", "finished", "means", "lengths", "has_ended"):
            setattr(self, name, getattr(self, name)[pictures])

    def best(self, picture: int) -> Decoded:
        """The likeliest sentence of a picture that is done."""
        tokens = self.finished[picture, 0, 1 : self.lengths[picture, 0] + 1]
        return Decoded(tuple(map(int, tokens)), float(self.means[picture, 0]))


def _beams(next_tokens: NextTokens, pictures: int, rules: DecodingRules) -> list[Decoded]:
    race = _Race(pictures, rules)
    answers: dict[int, Decoded] = {}
    tokens, rows = np.full(pictures, rules.start, np.int64), np.arange(pictures)
    for length in range(1, rules.most + 1):
        said = log_softmax(next_tokens(tokens, rows))
        if length == 1:  # the network reads the start token once a picture; all beams go on from there
            said = said.repeat(rules.beams, axis=0)
        said = _allowed(said, race.running.reshape(len(said), -1)[:, :length], rules)
        is_done, parents = race.go_on(said.reshape(len(race.who), rules.beams, -1), length)
        for picture in np.flatnonzero(is_done):
            answers[int(race.who[picture])] = race.best(int(picture))
        if is_done.all():
            break
        of_picture = np.arange(len(is_done))[:, None]
        rows = of_picture + 0 * parents if length == 1 else of_picture * rules.beams + parents
        rows = rows[~is_done].ravel()
        race.keep(~is_done)
        tokens = race.running[:, :, length].ravel()
    return [answers[picture] for picture in range(pictures)]


def _allowed(
    said: NDArray[np.float32], sentences: NDArray[np.int64], rules: DecodingRules
) -> NDArray[np.float32]:
    """Log probabilities with those of tokens that the rules forbid at -inf.

    Args:
        said: (R, V), changed in place.
        sentences: (R, T) so far, the start token included.
        rules: of the search.

    Returns:
        (R, V).
    """
    length = sentences.shape[1]
    if 0 < rules.no_repeat <= length:
        runs = np.lib.stride_tricks.sliding_window_view(sentences, rules.no_repeat, axis=1)
        last = sentences[:, length + 1 - rules.no_repeat :]
        row, run = np.nonzero((runs[:, :, :-1] == last[:, None]).all(axis=2))
        said[row, runs[row, run, -1]] = -np.inf
    if length <= rules.least:
        said[:, rules.end] = -np.inf
    for prescribed, at in ((rules.first, 1), (rules.last, rules.most)):
        if prescribed is not None and length == at:
            said[:] = -np.inf
            said[:, prescribed] = 0
    return said


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithms of what `softmax` makes of each row of (R, V)."""
    shifted: NDArray[np.float32] = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def top(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """Where the largest values of each row are, the largest first; of equal ones the first ones.

    Args:
        values: (P, M).
        count: how many, at most M.

    Returns:
        (P, count).
    """
    if values.shape[1] > count:
        least = np.partition(values, -count, axis=1)[:, -count, None]
        above, equal = values > least, values == least
        wanted = above | (equal & (equal.cumsum(axis=1) <= count - above.sum(axis=1, keepdims=True)))
        columns = np.nonzero(wanted)[1].reshape(len(values), count)
    else:
        columns = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    order = np.argsort(-np.take_along_axis(values, columns, 1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(columns, order, 1))
