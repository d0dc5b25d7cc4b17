"""Runs graphs on the processor, by OpenVINO."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import ModelError
from ambience.models._openvino import imported_openvino
from ambience.models.engine import RUNTIME_ERRORS, brief
from ambience.settings import ModelSettings, count_or_cores

INT8_GROUP = 32
"""Neighbouring values that share one scale where what comes into a layer is made int8."""


class Requests:
    """Memory for calls of one compiled graph, which threads cannot share: as many as calls were at a time.

    Args:
        compiled: the graph, as `compiled` makes it.
    """

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._idle: list[Any] = []
        self._lock = threading.Lock()

    @contextmanager
    def one(self) -> Iterator[Any]:
        """An inference request of the caller's own.

        Yields:
            The request, for as long as this is entered.
        """
        with self._lock:
            request = self._idle.pop() if self._idle else None
        request = request or self._compiled.create_infer_request()
        try:
            yield request
        finally:
            with self._lock:
                self._idle.append(request)


class ProcessorEngine:
    """One graph on as many threads as the settings say, each of which runs one batch at a time.

    Args:
        graph: `openvino.Model`; its first output is what it makes.
        settings: precision and threads.
        precision: "f32", "bf16" or "int8", where it is not the settings'.

    Raises:
        ModelError: the runtime cannot compile it.
    """

    def __init__(self, graph: Any, settings: ModelSettings, precision: str = "") -> None:
        self._name = graph.get_friendly_name()
        try:
            self._compiled = compiled(graph, settings, precision or settings.precision)
        except RUNTIME_ERRORS as exc:
            raise ModelError(f"OpenVINO cannot compile {self._name}: {brief(exc)}") from exc
        self._types = [each.get_element_type().to_dtype() for each in self._compiled.inputs]
        self._requests = Requests(self._compiled)

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """What the graph makes of one batch.

        Returns:
            One row per example.

        Raises:
            ModelError: the runtime could not.
        """
        with self._requests.one() as request:
            try:
                fed = [
                    np.ascontiguousarray(each, kind) for each, kind in zip(inputs, self._types, strict=True)
                ]
                request.infer(fed, share_inputs=True, share_outputs=True)
            except RUNTIME_ERRORS as exc:
                raise ModelError(f"OpenVINO cannot run {self._name}: {brief(exc)}") from exc
            answer = np.array(request.get_output_tensor(0).data, np.float32)
        if len(answer) != len(inputs[0]):
            raise ModelError(f"{self._name} makes {len(answer)} rows of {len(inputs[0])} examples")
        return answer


def compiled(graph: Any, settings: ModelSettings, precision: str) -> Any:
    """The graph for this processor; as many calls run at a time as there are threads, each on one of them.

    Nothing compiled is kept on disk: OpenVINO's own cache would spare a search by words 0.25 of its 1.7 s of
    the processor, for 42 MB of files whose contents nobody checks.

    Args:
        graph: `openvino.Model`.
        settings: threads.
        precision: "auto", "f32", "bf16" or "int8".

    Returns:
        `openvino.CompiledModel`.
    """
    threads = count_or_cores(settings.threads)
    if precision == "auto":
        precision = "bf16" if _multiplies_bf16() else "f32"
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": threads,
        "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision,
    }
    if precision == "int8":
        from ambience.models.int8 import shrink_weights

        shrink_weights(graph)
        options["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = INT8_GROUP
    if _has_confused_attention(graph):
        options["SNIPPETS_MODE"] = "DISABLE"
    return imported_openvino().Core().compile_model(graph, "CPU", options)


def _has_confused_attention(graph: Any) -> bool:
    """Whether a graph of fixed sizes has an attention of as many tokens as heads.

    OpenVINO 2026.4.1 then takes one for the other where it fuses the whole of it into one kernel, and what
    comes out is another vector (cosine 0.4 to 0.8, in bf16 always, in float32 by how the inputs are laid
    out). No network of the catalog is of such sizes. To be deleted when `test_processor.py` passes without.
    """
    for node in graph.get_ordered_ops():
        if node.get_type_name() in ("Softmax", "ScaledDotProductAttention"):
            shape = node.input(0).get_partial_shape()
            if shape.is_static and len(shape) == 4 and shape[1] == shape[2]:
                return True
    return False


def _multiplies_bf16() -> bool:
    """Whether the processor multiplies matrices of bf16 (AMX).

    Those that only have vector instructions for it gain 1.2 times at best, and lose on small models.
    """
    import llvmlite.binding

    return bool(llvmlite.binding.get_host_cpu_features().get("amx-bf16", False))
