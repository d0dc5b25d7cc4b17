"""Models that describe pictures: a network that looks, and one that tells, token by token."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError, ModelError
from ambience.models.decoder_graphs import EMBEDDED, TOKENS, read_graph
from ambience.models.decoding import Decoded, DecodingRules, decoded
from ambience.models.engine import Engine, OnnxUse
from ambience.models.folder import ModelFolder
from ambience.models.idle import MadeWhenUsed
from ambience.models.networks import onnx_engine
from ambience.models.preparation import prepared
from ambience.models.row import Captioning, ModelRow, Pixels, Tower
from ambience.models.text_decoder import Runner, TextDecoder
from ambience.models.tokenization import read_tokenizer
from ambience.settings import ModelSettings

BATCH = 4
"""Pictures that are looked at in one call."""

KEPT_BYTES = 512 * 2**20
"""What may be kept of pictures while sentences about them are made; fewer are done at a time beyond that."""

ENCODED = "last_hidden_state"
"""Output of the graph that reads picture and question together."""


class Described(NamedTuple):
    """What a model says of a picture.

    Attributes:
        text: one line without surrounding space; "" where it says nothing.
        decoded: the tokens, and how likely they are.
    """

    text: str
    decoded: Decoded


@dataclass(frozen=True, slots=True)
class Search:
    """How sentences are searched for; see `DecodingRules`.

    Attributes:
        beams: sentences that are followed at a time.
        most: tokens of a sentence at most.
        least: tokens of a sentence at least.
    """

    beams: int = 5
    most: int = 16
    least: int = 0


class Captioner:
    """One model that describes pictures; called from many threads at a time.

    Args:
        row: of the catalog, with `captioning`.
        folder: of the models.
        settings: precision, threads, device, and when memory is let go of.
    """

    def __init__(self, row: ModelRow, folder: ModelFolder, settings: ModelSettings) -> None:
        if row.captioning is None or row.image is None or row.pixels is None:
            raise ModelError(f"the model {row.name} describes no pictures in words; it is for {row.task}")
        self.row = row
        self._captioning: Captioning = row.captioning
        self._tower: Tower = row.image
        self._pixels: Pixels = row.pixels
        self._folder = folder
        self._settings = settings
        self._parts = MadeWhenUsed(self._load, idle_s=settings.idle_s)

    @property
    def is_loaded(self) -> bool:
        """Whether it takes memory now."""
        return self._parts.is_made

    def describe(self, pictures: Sequence[RgbImage], search: Search | None = None) -> list[Described]:
        """A sentence for each picture, in their order.

        Args:
            pictures: (H, W, 3) uint8 each, of any size.
            search: how sentences are searched for.

        Returns:
            One for each picture, the same however they are put together.

        Raises:
            ModelError: the model is missing (`MissingModelError`) or unusable.
        """
        rules = self._rules(search or Search())
        made: list[Described] = []
        for start in range(0, len(pictures), BATCH):
            with self._parts.use() as parts:
                made += parts.describe(prepared(pictures[start : start + BATCH], self._pixels), rules)
        return made

    def _rules(self, search: Search) -> DecodingRules:
        said = self._captioning
        return DecodingRules(
            start=said.start,
            end=said.end,
            beams=search.beams,
            most=search.most,
            least=search.least,
            first=said.first,
            last=said.last,
        )

    def _load(self) -> "_Parts":
        self._folder.files(self.row)
        return _Parts(self.row.name, self._captioning, self._looking(), self._place, self._settings)

    def _looking(self) -> Engine:
        side = self._pixels.size
        use = OnnxUse(self._tower.output, (3, side, side), 1, BATCH)
        return onnx_engine(self._place(self._tower.file), use, self._settings)

    def _place(self, name: str) -> Path:
        (file,) = (each for each in self.row.files if each.name == name)
        return self._folder.place(self.row, file)


class _Parts:
    """All graphs of a model in memory, and its tokenizer."""

    def __init__(
        self, name: str, said: Captioning, looking: Engine, place: Any, settings: ModelSettings
    ) -> None:
        self._name = name
        self._looking = looking
        self._embedding: Runner | None = None
        self._encoder: Runner | None = None
        self._question: NDArray[np.float32] | None = None
        self._tokenizer = read_tokenizer(place(said.tokenizer))
        self._check_tokenizer(place(said.tokenizer), said)
        if said.embedding:
            named = read_graph(place(said.embedding), {TOKENS}, {EMBEDDED})
            self._embedding = Runner(named, place(said.embedding), settings)
        if said.encoder:
            named = read_graph(place(said.encoder), {EMBEDDED, "attention_mask"}, {ENCODED})
            self._encoder = Runner(named, place(said.encoder), settings)
        if said.prompt:
            self._question = self._embedded(np.array([self._tokenizer.encode(said.prompt).ids], np.int64))
        embed = self._embedded if said.embedding else None
        self._decoder = TextDecoder(place(said.decoder), settings, embed)

    def _check_tokenizer(self, place: Path, said: Captioning) -> None:
        """The tokens of the row are those of the file."""
        most = max(said.start, said.end, said.first or 0, said.last or 0)
        if self._tokenizer.get_vocab_size() <= most:
            raise CorruptModelError(
                f"{place} is not used: it knows {self._tokenizer.get_vocab_size():,} tokens, and the model "
                f"uses token {most:,}: another model's?"
            )

    def describe(self, pixels: NDArray[np.float32], rules: DecodingRules) -> list[Described]:
        """Sentences of prepared pictures (P, 3, side, side)."""
        hidden = self._looking.run([pixels])
        if hidden.ndim != 3:
            raise ModelError(
                f"{self._name} makes arrays of shape {hidden.shape} of pictures; three sides are needed"
            )
        if self._question is not None:
            hidden = np.concatenate([hidden, self._question.repeat(len(hidden), axis=0)], axis=1)
        mask = np.ones(hidden.shape[:2], np.int64)
        if self._encoder is not None:
            hidden = self._encoder.run({EMBEDDED: hidden, "attention_mask": mask})[ENCODED]
        most = max(1, KEPT_BYTES // (rules.beams * max(1, self._decoder.kept) * hidden[0].nbytes))
        found: list[Decoded] = []
        for start in range(0, len(hidden), most):
            part = slice(start, start + most)
            found += decoded(self._decoder.begin(hidden[part], mask[part]), len(hidden[part]), rules)
        return [Described(self._text(each), each) for each in found]

    def _embedded(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        assert self._embedding is not None
        return np.asarray(self._embedding.run({TOKENS: tokens})[EMBEDDED], np.float32)

    def _text(self, found: Decoded) -> str:
        """The tokens as people read them: on one line, without control characters."""
        text = unicodedata.normalize(
            "NFC", self._tokenizer.decode(list(found.tokens), skip_special_tokens=True)
        )
        text = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
        return " ".join(text.split())
