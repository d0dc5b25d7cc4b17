"""Imports OpenVINO without its reporting to its makers."""

import sys
import threading
from typing import Any

REPORTER = "openvino_telemetry"
"""The package that tells OpenVINO's makers, through Google, that it was imported."""

_lock = threading.Lock()


def imported_openvino() -> Any:
    """The module, loaded at the first call.

    As of 2026.4 `import openvino` itself writes an identifier of the user into their home and sends an event
    over the network. Where its reporting package cannot be imported it does neither, which is what Python is
    told while it is imported here. To be deleted when importing it reports no more.

    Returns:
        The module `openvino`.
    """
    with _lock:
        if "openvino" not in sys.modules:
            hidden = sys.modules.get(REPORTER)
            sys.modules[REPORTER] = None  # type: ignore[assignment]  # Python's way to say: not importable
            try:
                import openvino
            finally:
                del sys.modules[REPORTER]
                if hidden is not None:
                    sys.modules[REPORTER] = hidden
        import openvino

        return openvino
