"""Runs a network that gives each picture one number for each of its classes or properties."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.datatypes import RgbImage
from ambience.errors import CorruptModelError
from ambience.models.batching import Arrays, Gathering
from ambience.models.checkpoint import read_checkpoint
from ambience.models.engine import Engine
from ambience.models.folder import ModelFolder
from ambience.models.idle import MadeWhenUsed
from ambience.models.preparation import prepared
from ambience.models.processor import ProcessorEngine
from ambience.models.row import ModelRow
from ambience.settings import ModelSettings, count_or_cores

BATCH = 8
"""Pictures of one call of a network at most."""


class Classifier:
    """One model; called from many threads at a time.

    Args:
        row: of the catalog, with `image` and `pixels`.
        folder: of the models.
        settings: precision, threads, and when memory is let go of.
    """

    def __init__(self, row: ModelRow, folder: ModelFolder, settings: ModelSettings) -> None:
        self.row = row
        self._folder = folder
        self._settings = settings
        self._engine = MadeWhenUsed(self._made_engine, idle_s=settings.idle_s)
        self._gathering = Gathering(self._batch, lanes=count_or_cores(settings.threads), limit=BATCH)

    def responses(self, pictures: Sequence[RgbImage]) -> NDArray[np.float32]:
        """What the network says of pictures, in their order, as it comes out of its last layer.

        Args:
            pictures: (H, W, 3) uint8 each, of any size.

        Returns:
            (N, dim) float32: logits of classes, or responses of properties, above 0 where they are there.

        Raises:
            ModelError: the model is missing or unusable.
        """
        assert self.row.pixels is not None
        made = [np.empty((0, self.row.dim), np.float32)]
        for start in range(0, len(pictures), BATCH):
            made.append(self._gathering.run([prepared(pictures[start : start + BATCH], self.row.pixels)]))
        return np.concatenate(made)

    def _batch(self, inputs: Arrays) -> NDArray[np.float32]:
        with self._engine.use() as engine:
            return engine.run(inputs)

    def _made_engine(self) -> Engine:
        tower, files = self.row.image, self.row.files
        assert tower is not None
        paths = dict(zip((file.name for file in files), self._folder.files(self.row), strict=True))
        (file,) = (each for each in files if each.name == tower.file)
        tensors = read_checkpoint(paths[tower.file], max_bytes=2 * file.size, sha256=file.sha256)
        if tower.matrix:
            tensors = tensors | {"matrix": _matrix(paths[tower.matrix])}
        family = import_module(f"ambience.models.graphs.{tower.graph}")
        try:
            graph = family.build(self.row, tensors)
        except CorruptModelError as exc:
            raise CorruptModelError(f"{paths[tower.file]} is not used: {exc}") from exc
        return ProcessorEngine(graph, self._settings)


def _matrix(path: Path) -> NDArray[Any]:
    """A tensor of a NumPy file, which may hold nothing that would have to be run."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as exc:
        raise CorruptModelError(f"{path} is not read: it holds no array of NumPy ({exc})") from exc
    if not isinstance(found, np.ndarray) or found.dtype.kind != "f":
        raise CorruptModelError(f"{path} is not used: it holds no array of numbers")
    return found
