"""Runs decoders token by token: what was calculated of a picture and of earlier tokens is kept."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError, ModelError
from ambience.models.decoder_graphs import (
    EMBEDDED,
    HIDDEN,
    KEPT,
    LOGITS,
    MASK,
    OF_PICTURE,
    PAST,
    PRESENT,
    TOKENS,
    NamedGraph,
    split_decoder,
)
from ambience.models.engine import RUNTIME_ERRORS, brief
from ambience.models.processor import Requests, compiled
from ambience.settings import ModelSettings

Arrays = dict[str, NDArray[Any]]
Embed = Callable[[NDArray[np.int64]], NDArray[np.float32]]
"""From tokens (R, T) to what a decoder takes in their place, (R, T, D)."""


class Runner:
    """One graph ready to run on the processor, fed by name; called from many threads at a time.

    Args:
        named: the graph.
        place: of its file, for errors.
        settings: precision and threads.

    Raises:
        ModelError: the runtime cannot compile it.
    """

    def __init__(self, named: NamedGraph, place: Path, settings: ModelSettings) -> None:
        self.inputs, self.outputs = named.inputs, named.outputs
        self._place = place
        try:
            self._compiled = compiled(named.graph, settings, settings.precision)
        except RUNTIME_ERRORS as exc:
            raise ModelError(f"OpenVINO cannot compile {place}: {brief(exc)}") from exc
        self._types = [each.get_element_type().to_dtype() for each in self._compiled.inputs]
        self._requests = Requests(self._compiled)

    def shape(self, name: str) -> list[int]:
        """Sizes of an input's sides; -1 where they are open."""
        sides = self._compiled.inputs[self.inputs.index(name)].get_partial_shape()
        return [side.get_length() if side.is_static else -1 for side in sides]

    def run(self, fed: Mapping[str, NDArray[Any]]) -> Arrays:
        """What the graph makes of its inputs.

        Args:
            fed: by name, each with the same number of rows; what the graph does not take is passed over.

        Returns:
            Outputs by name.

        Raises:
            ModelError: the runtime could not.
        """
        with self._requests.one() as request:
            try:
                arrays = [
                    np.ascontiguousarray(fed[name], kind)
                    for name, kind in zip(self.inputs, self._types, strict=True)
                ]
                # OpenVINO 2026.4.1 answers arrays of different numbers of rows by what it made before.
                assert len({len(each) for each in arrays}) == 1
                request.infer(arrays, share_inputs=True, share_outputs=True)
            except RUNTIME_ERRORS as exc:
                raise ModelError(f"OpenVINO cannot run {self._place}: {brief(exc)}") from exc
            return {
                name: np.array(request.get_output_tensor(number).data)
                for number, name in enumerate(self.outputs)
            }


class TextDecoder:
    """A decoder, ready to run.

    Args:
        place: of its ONNX file.
        settings: precision and threads.
        embed: makes what it takes in place of tokens, where it takes no tokens.

    Raises:
        CorruptModelError: the file is no decoder of the known form.
        ModelError: the runtime cannot compile it.
    """

    def __init__(self, place: Path, settings: ModelSettings, embed: Embed | None = None) -> None:
        graphs = split_decoder(place)
        self._embed = embed
        self._place = place
        if (EMBEDDED in graphs.later.inputs) != (embed is not None):
            takes = EMBEDDED if embed is None else TOKENS
            raise CorruptModelError(f"{place} is not used: it takes {takes}, which the model does not have")
        self._later = Runner(graphs.later, place, settings)
        self._first = Runner(graphs.first, place, settings) if graphs.first is not None else None
        self._once = Runner(graphs.once, place, settings) if graphs.once is not None else None

    def begin(self, hidden: NDArray[np.float32], mask: NDArray[np.int64]) -> "Reading":
        """Begins sentences about pictures.

        Args:
            hidden: (P, S, D) what the encoder made of each picture.
            mask: (P, S) 1 where there is something of a picture.

        Returns:
            What the network says of the next tokens, to be called in turn.

        Raises:
            ModelError: the runtime could not.
        """
        of_picture: Arrays = {HIDDEN: hidden, MASK: mask}
        if self._once is not None:
            of_picture |= self._once.run(of_picture)
        return Reading(self, of_picture)

    def first(self, tokens: NDArray[np.int64], of_picture: Arrays) -> Arrays:
        """Reads the first token of every picture.

        Returns:
            Scores and all keys and values, by name.
        """
        fed = self._token(tokens) | of_picture
        if self._first is not None:
            return self._first.run(fed)
        for name in self._later.inputs:
            if name.startswith(PAST):
                fed[name] = np.zeros(self._nothing(name, len(tokens)), np.float32)
        return self._later.run(fed)

    def later(self, tokens: NDArray[np.int64], of_picture: Arrays, before: Arrays) -> Arrays:
        """Reads one more token of every sentence.

        Returns:
            Scores and keys and values, by name.
        """
        return self._later.run(self._token(tokens) | of_picture | before)

    @property
    def kept(self) -> int:
        """How many arrays, each about as large as what the encoder made, are kept of a picture for a beam."""
        return sum(name.startswith(KEPT) or OF_PICTURE in name for name in self._later.inputs)

    def takes(self, name: str) -> bool:
        """Whether every token after the first needs an input."""
        return name in self._later.inputs

    def _token(self, tokens: NDArray[np.int64]) -> Arrays:
        newest = tokens[:, None]
        return {TOKENS: newest} if self._embed is None else {EMBEDDED: self._embed(newest)}

    def _nothing(self, name: str, rows: int) -> tuple[int, ...]:
        """The shape of keys or values of no token."""
        sides = self._later.shape(name)
        if len(sides) != 4 or min(sides[1], sides[3]) < 1:
            raise CorruptModelError(
                f"{self._place} is not used: {name} has the sides {sides}, where rows, heads, tokens and "
                "numbers are expected, heads and numbers fixed"
            )
        return rows, sides[1], 0, sides[3]


class Reading:
    """What a decoder has read of some sentences: a `NextTokens` of `decoding`.

    Args:
        decoder: that reads.
        of_picture: arrays of one row a picture.
    """

    def __init__(self, decoder: TextDecoder, of_picture: Arrays) -> None:
        self._decoder = decoder
        self._of_picture = of_picture
        self._spread: Arrays = {}
        self._before: Arrays | None = None
        self._pictures: NDArray[np.int64] = np.empty(0, np.int64)

    def __call__(self, tokens: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Scores of the next token; see `NextTokens`.

        Raises:
            ModelError: the runtime could not, or what it made are no numbers.
        """
        if self._before is None:
            made = self._decoder.first(tokens, self._of_picture)
            self._pictures = np.asarray(rows)
            self._of_picture |= _as_past(made, of_picture=True)
            self._spread = {
                name: each for name, each in self._of_picture.items() if self._decoder.takes(name)
            }
        else:
            pictures = self._pictures[rows]
            if not np.array_equal(pictures, self._pictures):
                for name in self._spread:  # one by one, since all of them twice may be a gigabyte
                    self._spread[name] = self._of_picture[name][pictures]
                self._pictures = pictures
            before = {name: each[rows] for name, each in self._before.items()}
            made = self._decoder.later(tokens, self._spread, before)
        self._before = _as_past(made, of_picture=False)
        logits = made[LOGITS]
        if logits.ndim != 3 or logits.shape[:2] != (len(tokens), 1) or not np.isfinite(logits).all():
            raise ModelError(
                f"the decoder makes {LOGITS} of shape {logits.shape} for {len(tokens)} sentences, or what is "
                "no number"
            )
        return np.asarray(logits[:, 0], np.float32)


def _as_past(made: Arrays, *, of_picture: bool) -> Arrays:
    """Keys and values that were made, under the names by which they are taken."""
    return {
        PAST + name.removeprefix(PRESENT): each
        for name, each in made.items()
        if name.startswith(PRESENT) and (OF_PICTURE in name) == of_picture
    }
