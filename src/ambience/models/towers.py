"""Models of one or two towers: pictures, and sentences where there is a tower for them, in one space."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError, ModelError
from ambience.models.batching import Arrays, Gathering
from ambience.models.checkpoint import read_checkpoint
from ambience.models.embedder import EmbeddedTexts
from ambience.models.engine import Engine, OnnxUse
from ambience.models.folder import ModelFolder
from ambience.models.idle import MadeWhenUsed
from ambience.models.networks import onnx_engine
from ambience.models.picture_network import unit_length
from ambience.models.preparation import prepared
from ambience.models.processor import ProcessorEngine
from ambience.models.row import ModelRow, Tower
from ambience.models.tokenization import SentenceTokenizer
from ambience.settings import ModelSettings, count_or_cores

BATCH = 16
"""Examples of one call of a network at most: from 8 on, more of them make it no faster on a processor."""


class TowerEmbedder:
    """An `Embedder` of the towers of one row, each loaded when it is first used.

    Args:
        row: with `image`, `text`, or both.
        folder: of the models.
        settings: precision, threads, device, and when memory is let go of.
    """

    def __init__(self, row: ModelRow, folder: ModelFolder, settings: ModelSettings) -> None:
        self.row = row
        self._folder = folder
        self._settings = settings
        self._pictures = _Running(self._image_engine, settings)
        self._sentences = _Running(self._text_engine, settings)
        self._tokenizer = MadeWhenUsed(self._read_tokenizer, idle_s=settings.idle_s)

    def embed_pictures(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """Embeddings of pictures, in their order.

        Returns:
            (N, dim) float32 of unit length.

        Raises:
            ModelError: the model takes no pictures, or is missing or unusable.
        """
        if self.row.image is None or self.row.pixels is None:
            raise ModelError(f"the model {self.row.name} takes no pictures; it is for {self.row.task}")
        made = [np.empty((0, self.row.dim), np.float32)]
        for start in range(0, len(pictures), BATCH):
            inputs = prepared(pictures[start : start + BATCH], self.row.pixels)
            made.append(self._pooled(self._pictures.run([inputs]), self.row.image))
        return unit_length(np.concatenate(made))

    def embed_texts(self, texts: Sequence[str]) -> EmbeddedTexts:
        """Embeddings of sentences, in their order; those of a row's prompts are averaged.

        Returns:
            (N, dim) float32 of unit length, and what was cut from each sentence.

        Raises:
            ModelError: the model takes no sentences, or is missing or unusable.
        """
        if self.row.text is None or self.row.tokens is None:
            raise ModelError(f"the model {self.row.name} takes no sentences; it is for {self.row.task}")
        prompts = self.row.prompts
        sentences = [prompt.replace("{}", text) for text in texts for prompt in prompts]
        with self._tokenizer.use() as tokenizer:
            tokens = tokenizer.tokenize(sentences)
        made = [np.empty((0, self.row.dim), np.float32)]
        for start in range(0, len(sentences), BATCH):
            part = slice(start, start + BATCH)
            inputs = [tokens.ids[part], tokens.mask[part]][: 1 + self.row.tokens.has_mask]
            made.append(self._pooled(self._sentences.run(inputs), self.row.text))
        each = unit_length(np.concatenate(made)).reshape(len(texts), len(prompts), self.row.dim)
        notes = (tokens.notes[at : at + len(prompts)] for at in range(0, len(sentences), len(prompts)))
        return EmbeddedTexts(unit_length(each.mean(axis=1)), tuple(max(each, key=len) for each in notes))

    def _pooled(self, output: NDArray[np.float32], tower: Tower) -> NDArray[np.float32]:
        if output.ndim == 3 and tower.pooling == "first":
            output = output[:, 0]
        elif output.ndim == 3 and tower.pooling == "mean":
            output = output.mean(axis=1)
        if output.ndim != 2 or output.shape[1] != self.row.dim:
            raise CorruptModelError(
                f"{self._place(tower.file)} is not used: its output {tower.output!r} has shape "
                f"{output.shape} for {len(output)} inputs, not {self.row.dim} numbers each: another model's?"
            )
        return output

    def _place(self, name: str) -> Path:
        (file,) = (each for each in self.row.files if each.name == name)
        return self._folder.place(self.row, file)

    def _read_tokenizer(self) -> SentenceTokenizer:
        assert self.row.tokens is not None
        return SentenceTokenizer(self._place(self.row.tokens.file), self.row.tokens)

    def _image_engine(self) -> Engine:
        assert self.row.image is not None
        assert self.row.pixels is not None
        return self._engine(self.row.image, [3, self.row.pixels.size, self.row.pixels.size], 1)

    def _text_engine(self) -> Engine:
        assert self.row.text is not None
        assert self.row.tokens is not None
        return self._engine(self.row.text, [self.row.tokens.context], 1 + self.row.tokens.has_mask)

    def _engine(self, tower: Tower, shape: list[int], inputs: int) -> Engine:
        """The graph of a tower, ready to run: read where it is ONNX, built where it is weights."""
        place = self._place(tower.file)
        self._folder.files(self.row)
        if not tower.graph:
            return onnx_engine(place, OnnxUse(tower.output, tuple(shape), inputs, BATCH), self._settings)
        (file,) = (each for each in self.row.files if each.name == tower.file)
        weights = read_checkpoint(place, max_bytes=2 * file.size)
        family = import_module(f"ambience.models.graphs.{tower.graph}")
        try:
            graph = family.build(self.row, weights)
        except CorruptModelError as exc:
            raise CorruptModelError(f"{place} is not used: {exc}") from exc
        return ProcessorEngine(graph, self._settings)


class _Running:
    """One tower: made when it is used, fed with batches of what all threads ask for."""

    def __init__(self, make: Callable[[], Engine], settings: ModelSettings) -> None:
        self._engine = MadeWhenUsed(make, idle_s=settings.idle_s)
        self._gathering = Gathering(self._batch, lanes=count_or_cores(settings.threads), limit=BATCH)

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """What the tower makes of inputs, in their order."""
        return self._gathering.run(inputs)

    def _batch(self, inputs: Arrays) -> NDArray[np.float32]:
        with self._engine.use() as engine:
            return engine.run(inputs)
