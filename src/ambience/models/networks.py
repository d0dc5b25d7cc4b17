"""Chooses what runs a published network, and finds out how many examples it takes at a time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import ModelError
from ambience.models.engine import Engine, OnnxUse
from ambience.models.graphics import OnnxRuntimeEngine, has_cuda
from ambience.models.onnx_files import check_onnx, read_onnx
from ambience.models.processor import ProcessorEngine
from ambience.settings import ModelSettings

PROBES = 3
"""Examples by which it is tried whether a network that was published for one takes several."""

SAME = 1e-3
"""Largest difference between what it makes of several and of one, relative to the largest number."""


class OneByOne:
    """A network that takes one example at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """What it makes of each example, one after the other."""
        parts = [[each[row : row + 1] for each in inputs] for row in range(len(inputs[0]))]
        return np.concatenate([self._engine.run(part) for part in parts])


def onnx_engine(place: Path, use: OnnxUse, settings: ModelSettings) -> Engine:
    """A published network, ready to run: on a graphics card where there is one, else on the processor.

    Args:
        place: of the ONNX file.
        use: what is expected of it.
        settings: device, precision and threads.

    Returns:
        The engine.

    Raises:
        CorruptModelError: the file is broken, or is another network than the one meant.
        ModelError: the settings name a graphics card, and none can be used.
    """
    check_onnx(place)
    if settings.device == "cuda" or (settings.device == "auto" and has_cuda()):
        if not has_cuda():
            raise ModelError(
                "models.device = cuda, and there is no NVIDIA driver or no ONNX Runtime for CUDA here; "
                "install `ambience[cuda]`, or set models.device = auto"
            )
        on_card = OnnxRuntimeEngine(place, use)
        return OneByOne(on_card) if on_card.is_of_one else on_card
    return _on_processor(place, use, settings)


def _on_processor(place: Path, use: OnnxUse, settings: ModelSettings) -> Engine:
    graph, is_for_one = read_onnx(place, use)
    if not is_for_one:
        return ProcessorEngine(graph, settings)
    try:
        engine = ProcessorEngine(graph, settings)
        if _takes_several(engine, use):
            return engine
    except ModelError:
        pass  # what does not compile for several may do for one
    graph, _ = read_onnx(place, replace(use, batch=1))
    return OneByOne(ProcessorEngine(graph, settings))


def _takes_several(engine: Engine, use: OnnxUse) -> bool:
    """Whether a network that says it takes one example makes the same of several together.

    What it says is often only what its exporter was shown; but sizes for one may be written into it as well.
    """
    generator = np.random.default_rng(0)
    is_text = len(use.shape) == 1
    shape = (PROBES, *use.shape)
    shown = generator.integers(1, 99, shape) if is_text else generator.standard_normal(shape, np.float32)
    inputs = [shown, np.ones(shape, np.int64)][: use.inputs]
    alone = OneByOne(engine).run(inputs)
    try:
        together = engine.run(inputs)
    except ModelError:
        return False
    return together.shape == alone.shape and bool(
        np.abs(together - alone).max() <= SAME * max(float(np.abs(alone).max()), 1e-6)
    )
