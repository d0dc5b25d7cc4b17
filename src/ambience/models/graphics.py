"""Runs published networks on a graphics card, by ONNX Runtime with its CUDA provider; never needed.

It is looked for where the package `onnxruntime-gpu` (extra `cuda`) and the driver's device are there, and
nothing of it is imported otherwise.
"""

import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ambience.errors import CorruptModelError, ModelError
from ambience.models.engine import OnnxUse, brief

CUDA = "CUDAExecutionProvider"

DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))
"""What NVIDIA's driver shows on Linux, and in Linux on Windows."""

_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}

_import_lock = threading.Lock()


def has_cuda() -> bool:
    """Whether ONNX Runtime could run on a graphics card here."""
    if find_spec("onnxruntime") is None or not any(device.exists() for device in DEVICES):
        return False
    return CUDA in _imported().get_available_providers()


class OnnxRuntimeEngine:
    """One network in ONNX Runtime, which its own threads feed to the card one batch after the other.

    Args:
        place: of the ONNX file, looked through before.
        use: what is expected of it.
        provider: of ONNX Runtime that runs it, and without which it is not run.

    Raises:
        CorruptModelError: it cannot be read, or is another network than the one meant.
        ModelError: the provider does not start here.
    """

    def __init__(self, place: Path, use: OnnxUse, provider: str = CUDA) -> None:
        self._place = place
        runtime = _imported()
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(str(place), options, providers=[provider])
        except Exception as exc:
            raise CorruptModelError(f"{place} is not used: ONNX Runtime says {brief(exc)}") from exc
        if provider not in self._session.get_providers():
            raise ModelError(
                f"ONNX Runtime cannot use {provider} here: the libraries of CUDA that it was made for are "
                "not found. Install `ambience[cuda]`, or set models.device = cpu"
            )
        self._inputs = self._session.get_inputs()
        names = [each.name for each in self._session.get_outputs()]
        if len(self._inputs) != use.inputs or (use.output not in names if use.output else len(names) != 1):
            raise CorruptModelError(f"{place} is not used: {use.mismatch(len(self._inputs), names)}")
        self._output = use.output or names[0]
        self.is_of_one = self._inputs[0].shape[0] == 1

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """What the network makes of one batch.

        Returns:
            One row per example.

        Raises:
            ModelError: the runtime could not.
        """
        fed = {
            taken.name: np.ascontiguousarray(given, _TYPES.get(taken.type, np.float32))
            for taken, given in zip(self._inputs, inputs, strict=True)
        }
        try:
            (answer,) = self._session.run([self._output], fed)
        except Exception as exc:
            raise ModelError(f"ONNX Runtime cannot run {self._place}: {brief(exc)}") from exc
        return np.asarray(answer, np.float32)


def _imported() -> Any:
    with _import_lock:
        import onnxruntime

        if hasattr(onnxruntime, "preload_dlls") and any(device.exists() for device in DEVICES):
            onnxruntime.preload_dlls()  # of CUDA, where they came as Python packages
        return onnxruntime
