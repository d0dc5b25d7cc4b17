"""Runs models: compiled once, shared by all threads of the process, given batches of any length."""

import threading
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError, ModelError, SettingsError
from ambience.models.captioner import Captioner
from ambience.models.catalog import CATALOG, ModelRow, Task, model_row
from ambience.models.checkpoint import read_checkpoint
from ambience.models.classifier import Classifier
from ambience.models.embedder import Embedder
from ambience.models.folder import ModelFolder
from ambience.models.idle import MadeWhenUsed
from ambience.models.ocr.reader import TextReader
from ambience.models.picture_network import PictureNetwork
from ambience.models.processor import ProcessorEngine, compiled
from ambience.models.sentence_encoder import SentenceEncoder
from ambience.models.starter import Starter
from ambience.models.towers import TowerEmbedder
from ambience.settings import ModelSettings

BATCH = 32
"""Patches of one call: a graph of one fixed size is prepared once, and the last batch is filled up."""

PRECISIONS = ("auto", "f32", "bf16", "int8")
"""What numbers are calculated in; "auto" is bf16 where the processor multiplies matrices of it, else f32."""

DEVICES = ("auto", "cpu", "cuda")
"""What published networks run on."""


class Model:
    """One model of patches; called from many threads at a time."""

    def __init__(self, row: ModelRow, folder: ModelFolder, settings: ModelSettings) -> None:
        self.row = row
        self._folder = folder
        self._settings = settings
        self._graph: ModuleType = import_module(f"ambience.models.graphs.{row.graph}")
        self._engine = MadeWhenUsed(self._loaded, idle_s=settings.idle_s)

    def load(self) -> None:
        """Makes it ready to run, unless it is.

        Raises:
            MissingModelError: its weights are not on this machine.
            CorruptModelError: its weights are not usable.
        """
        with self._engine.use():
            pass

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the model makes of inputs, in their order.

        Args:
            inputs: (N, …) float32, as `prepared` of the row's graph takes them.

        Returns:
            (N, dim) float32.

        Raises:
            ModelError: its weights are gone or not usable.
        """
        inputs = self._graph.prepared(self.row, inputs)
        answers = np.empty((len(inputs), self.row.dim), np.float32)
        batch = np.zeros((BATCH, *inputs.shape[1:]), np.float32)
        with self._engine.use() as engine:
            for start in range(0, len(inputs), BATCH):
                part = inputs[start : start + BATCH]
                batch[: len(part)] = part
                answers[start : start + len(part)] = engine.run([batch])[: len(part)]
        return answers

    def _loaded(self) -> ProcessorEngine:
        (place,) = self._folder.files(self.row)
        (file,) = self.row.files
        weights = read_checkpoint(place, max_bytes=2 * file.size, sha256=file.sha256)
        try:
            graph = self._graph.build(self.row, weights)
        except CorruptModelError as exc:
            raise CorruptModelError(f"{place} is not used: {exc}") from exc
        graph.reshape([BATCH, *list(graph.inputs[0].get_partial_shape())[1:]])
        # Layers this small gain nothing from int8, and the distances of descriptors are looked at closely.
        precision = "auto" if self._settings.precision == "int8" else self._settings.precision
        return ProcessorEngine(graph, self._settings, precision)


class Models:
    """The models of this machine, by name; each is loaded at the first call for it.

    Raises:
        SettingsError: the precision or the device is none that is known.
    """

    def __init__(
        self, settings: ModelSettings | None = None, catalog: Mapping[str, ModelRow] = CATALOG
    ) -> None:
        self._settings = settings or ModelSettings()
        self._catalog = catalog
        self._folder = ModelFolder.at(self._settings.folder)
        self._models: dict[str, Model] = {}
        self._embedders: dict[str, Embedder] = {}
        self._classifiers: dict[str, Classifier] = {}
        self._readers: dict[str, TextReader] = {}
        self._captioners: dict[str, Captioner] = {}
        self._lock = threading.RLock()  # the starter asks for the models that it is made of
        for name, value, known in (
            ("precision", self._settings.precision, PRECISIONS),
            ("device", self._settings.device, DEVICES),
        ):
            if value not in known:
                raise SettingsError(f"models.{name} = {value!r}; it can be {', '.join(known)}")

    def get(self, name: str) -> Model:
        """A model of patches that is ready to run.

        Args:
            name: of its row in the catalog.

        Returns:
            The model, the same for all who ask.

        Raises:
            ModelError: there is no such row.
            MissingModelError: its weights are not on this machine.
            CorruptModelError: its weights are not usable.
        """
        with self._lock:
            if name not in self._models:
                row = model_row(name, self._catalog)
                self._models[name] = Model(row, self._folder, self._settings)
            model = self._models[name]
        model.load()
        return model

    def embedder(self, name: str) -> Embedder:
        """A model that puts pictures, sentences, or both into a space of vectors.

        Args:
            name: of its row in the catalog.

        Returns:
            The embedder, the same for all who ask; large ones are loaded when they are first used.

        Raises:
            ModelError: there is no such row, or what it makes are no embeddings.
            MissingModelError: its files are not on this machine.
            CorruptModelError: its files are not those of the row.
        """
        with self._lock:
            if name not in self._embedders:
                self._embedders[name] = self._made_embedder(model_row(name, self._catalog))
            return self._embedders[name]

    def captioner(self, name: str) -> Captioner:
        """A model that describes pictures in sentences.

        Args:
            name: of its row in the catalog.

        Returns:
            The captioner, the same for all who ask; it is loaded when it is first used.

        Raises:
            ModelError: there is no such row, or it describes no pictures.
        """
        with self._lock:
            if name not in self._captioners:
                row = model_row(name, self._catalog)
                self._captioners[name] = Captioner(row, self._folder, self._settings)
            return self._captioners[name]

    def named(self, task: Task) -> tuple[str, ...]:
        """Names of all models that do something, the better ones first, whether they are here or not."""
        return tuple(row.name for row in self._catalog.values() if row.task == task)

    def is_installed(self, name: str) -> bool:
        """Whether the files of a model, and of the models that it is made of, are there in their size.

        Raises:
            ModelError: there is no such row.
        """
        row = model_row(name, self._catalog)
        return self._folder.is_installed(row) and all(map(self.is_installed, row.parts))

    def kept_in(self, name: str) -> Path:
        """The folder of a model, in which what is calculated of its weights once may be kept as well."""
        return self._folder.folder(model_row(name, self._catalog))

    def classifier(self, name: str) -> Classifier:
        """A model that tells how much pictures look like each of some classes, or show some properties.

        Args:
            name: of its row in the catalog.

        Returns:
            The classifier, the same for all who ask; it is loaded when it is first used.

        Raises:
            ModelError: there is no such row, or it tells no classes.
            MissingModelError: its files are not on this machine.
            CorruptModelError: its files are not those of the row.
        """
        row = model_row(name, self._catalog)
        if row.task not in ("scene_classes", "scene_attributes"):
            raise ModelError(f"the model {row.name} is for {row.task}; it tells no classes of pictures")
        self._folder.files(row)
        with self._lock:
            if name not in self._classifiers:
                self._classifiers[name] = Classifier(row, self._folder, self._settings)
            return self._classifiers[name]

    def text_reader(self, name: str) -> TextReader:
        """A model that finds and reads text in pictures.

        Args:
            name: of its row in the catalog.

        Returns:
            The reader, the same for all who ask; its networks are loaded when they are first used.

        Raises:
            ModelError: there is no such row, or it reads no text.
            MissingModelError: its files are not on this machine.
            CorruptModelError: its files are not those of the row.
        """
        with self._lock:
            if name not in self._readers:
                row = model_row(name, self._catalog)
                if row.task != "ocr":
                    raise ModelError(f"the model {row.name} is for {row.task}; it reads no text in pictures")
                found, read = self._folder.files(row)
                self._readers[name] = TextReader(row, found, read, self._settings)
            return self._readers[name]

    def _made_embedder(self, row: ModelRow) -> Embedder:
        if not row.task.endswith("_embedding"):
            raise ModelError(f"the model {row.name} is for {row.task}; it embeds no pictures or sentences")
        files = self._folder.files(row)
        if row.pixels is not None and (row.image or row.text):
            return TowerEmbedder(row, self._folder, self._settings)
        if row.parts:
            pictures, sentences = row.parts
            network = self.embedder(pictures)
            assert isinstance(network, PictureNetwork)
            return Starter(
                row,
                network,
                partial(self.embedder, sentences),
                encoder_row=model_row(sentences, self._catalog),
                names=files,
                cache=self._folder.root / row.name,
            )
        compile_graph = partial(compiled, settings=self._settings, precision=self._of_small())
        if row.task == "image_embedding":
            return PictureNetwork(row, files[0], compile_graph)
        return SentenceEncoder(row, files[0], compile_graph)

    def _of_small(self) -> str:
        """The precision of the starter's small graphs, for which bf16 gains nothing, and int8 either.

        Measured on a processor with AMX: EfficientNet-Lite0 14 ms a picture in float32, 25 in bf16, which
        rounds as well; sentences of a few words 2.5 and 3.3.
        """
        return "bf16" if self._settings.precision == "bf16" else "f32"
