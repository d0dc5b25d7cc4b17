"""The contract of what runs one graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """One graph, ready to run; called from many threads at a time."""

    def run(self, inputs: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """What the graph makes of one batch.

        Args:
            inputs: one array an input, each with one row per example.

        Returns:
            One row per example.

        Raises:
            ModelError: the runtime could not.
        """


@dataclass(frozen=True, slots=True)
class OnnxUse:
    """What is expected of an ONNX file.

    Attributes:
        output: name of the output that is wanted; "": the only one.
        shape: of one example, the same for every input.
        inputs: how many it takes; a second one is the attention mask.
        batch: examples that run at a time at most.
    """

    output: str
    shape: tuple[int, ...]
    inputs: int
    batch: int

    def mismatch(self, inputs: int, outputs: Sequence[str]) -> str:
        """What is wrong with a graph of so many inputs and of these outputs."""
        wanted = f"an output {self.output!r}" if self.output else "one output"
        return (
            f"it takes {inputs} inputs and makes {', '.join(sorted(outputs)) or 'nothing'}, where "
            f"{self.inputs} inputs and {wanted} are expected: another model's?"
        )


RUNTIME_ERRORS = (RuntimeError, ValueError, MemoryError)
"""What OpenVINO's bindings raise; `ValueError` is that of names which are no UTF-8."""


def brief(error: Exception) -> str:
    """What a runtime says, without the places in its own source that it came from.

    Returns:
        One line.
    """
    lines = (line.strip() for line in str(error).splitlines())
    said = [line for line in lines if line and not line.startswith("Exception from ")]
    return " ".join(said)[:300]
