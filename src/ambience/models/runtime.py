"""Runs models: compiled once, shared by all threads of the process, given batches of any length."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError, ModelError, SettingsError
from ambience.models._openvino import imported_openvino
from ambience.models.catalog import CATALOG, ModelRow, model_row
from ambience.models.checkpoint import read_checkpoint
from ambience.models.embedder import Embedder
from ambience.models.folder import ModelFolder
from ambience.models.picture_network import PictureNetwork
from ambience.models.sentence_encoder import SentenceEncoder
from ambience.models.starter import Starter
from ambience.settings import ModelSettings, count_or_cores

BATCH = 32
"""Inputs of one call: a graph of one fixed size is prepared once, and the last batch is filled up."""

PRECISIONS = ("auto", "f32", "bf16")
"""What numbers are calculated in; "auto" is bf16 where the processor multiplies matrices of it, else f32."""


class Model:
    """One model, ready to run; called from many threads at a time."""

    def __init__(self, row: ModelRow, graph: ModuleType, compiled: Any) -> None:
        self.row = row
        self._graph = graph
        self._compiled = compiled
        self._requests = threading.local()

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the model makes of inputs, in their order.

        Args:
            inputs: (N, …) float32, as `prepared` of the row's graph takes them.

        Returns:
            (N, dim) float32.
        """
        inputs = self._graph.prepared(self.row, inputs)
        answers = np.empty((len(inputs), self.row.dim), np.float32)
        if not hasattr(self._requests, "request"):  # memory for one call, which threads cannot share
            self._requests.request = self._compiled.create_infer_request()
            self._requests.batch = np.zeros((BATCH, *inputs.shape[1:]), np.float32)
        request, batch = self._requests.request, self._requests.batch
        for start in range(0, len(inputs), BATCH):
            part = inputs[start : start + BATCH]
            batch[: len(part)] = part
            request.infer([batch], share_inputs=True, share_outputs=True)
            answers[start : start + len(part)] = request.get_output_tensor(0).data[: len(part)]
        return answers


class Models:
    """The models of this machine, by name; each is loaded at the first call for it.

    Raises:
        SettingsError: the precision is none that is known.
    """

    def __init__(
        self, settings: ModelSettings | None = None, catalog: Mapping[str, ModelRow] = CATALOG
    ) -> None:
        self._settings = settings or ModelSettings()
        self._catalog = catalog
        self._folder = ModelFolder.at(self._settings.folder)
        self._ready: dict[str, Model] = {}
        self._embedders: dict[str, Embedder] = {}
        self._lock = threading.RLock()  # the starter asks for the models that it is made of
        if self._settings.precision not in PRECISIONS:
            raise SettingsError(
                f"models.precision = {self._settings.precision!r}; it can be {', '.join(PRECISIONS)}"
            )

    def get(self, name: str) -> Model:
        """A model that is ready to run.

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
            if name not in self._ready:
                self._ready[name] = self._loaded(model_row(name, self._catalog))
            return self._ready[name]

    def embedder(self, name: str) -> Embedder:
        """A model that puts pictures, sentences, or both into a space of vectors.

        Args:
            name: of its row in the catalog.

        Returns:
            The model, the same for all who ask.

        Raises:
            ModelError: there is no such row, or what it makes are no embeddings.
            MissingModelError: its weights are not on this machine.
            CorruptModelError: its weights are not usable.
        """
        with self._lock:
            if name not in self._embedders:
                self._embedders[name] = self._loaded_embedder(model_row(name, self._catalog))
            return self._embedders[name]

    def _loaded_embedder(self, row: ModelRow) -> Embedder:
        if row.parts:
            pictures, sentences = row.parts
            network = self.embedder(pictures)
            assert isinstance(network, PictureNetwork)
            (names,) = self._folder.files(row)
            return Starter(
                row,
                network,
                partial(self.embedder, sentences),
                encoder_row=model_row(sentences, self._catalog),
                names=names,
                cache=self._folder.root / row.name,
            )
        compile_graph = partial(_compiled, settings=in_float32(self._settings))
        if row.task == "image_embedding":
            (place,) = self._folder.files(row)
            return PictureNetwork(row, place, compile_graph)
        if row.task == "text_embedding":
            (place,) = self._folder.files(row)
            return SentenceEncoder(row, place, compile_graph)
        raise ModelError(f"the model {row.name} describes patches; it embeds no pictures or sentences")

    def _loaded(self, row: ModelRow) -> Model:
        (place,) = self._folder.files(row)
        (file,) = row.files
        weights = read_checkpoint(place, max_bytes=2 * file.size, sha256=file.sha256)
        family = import_module(f"ambience.models.graphs.{row.graph}")
        try:
            graph = family.build(row, weights)
        except CorruptModelError as exc:
            raise CorruptModelError(f"{place} is not used: {exc}") from exc
        graph.reshape([BATCH, *list(graph.inputs[0].get_partial_shape())[1:]])
        return Model(row, family, _compiled(graph, self._settings))


def in_float32(settings: ModelSettings) -> ModelSettings:
    """Settings under which "auto" means float32, which is faster than bf16 for small graphs.

    Measured on a processor with AMX: EfficientNet-Lite0 14 ms a picture in float32, 25 in bf16, which rounds
    as well; sentences of a few words 2.5 and 3.3.

    Returns:
        A copy where the precision was left open.
    """
    return replace(settings, precision="f32") if settings.precision == "auto" else settings


def _compiled(graph: Any, settings: ModelSettings) -> Any:
    """The graph for this processor; as many calls run at a time as there are threads, each on one of them."""
    threads = count_or_cores(settings.threads)
    precision = settings.precision
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16() else "f32"
    options = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "INFERENCE_PRECISION_HINT": precision,
    }
    return imported_openvino().Core().compile_model(graph, "CPU", options)


def _multiplies_bf16() -> bool:
    """Whether the processor multiplies matrices of bf16 (AMX).

    Those that only have vector instructions for it gain 1.2 times at best, and lose on small models.
    """
    import llvmlite.binding

    return bool(llvmlite.binding.get_host_cpu_features().get("amx-bf16", False))
