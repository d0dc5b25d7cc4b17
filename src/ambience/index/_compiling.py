"""Compiled loops, loaded beside the work once as much has been asked for as loading costs.

Until then, and where numba cannot be imported, callers do the same work in numpy: a single search never waits
for a compiler.
"""

import importlib
import threading
from collections.abc import Callable
from types import ModuleType


class Compiled:
    """A module of compiled functions, or None while numpy serves.

    Args:
        module: full name.
        warm: calls every function once, so that it is compiled.
    """

    def __init__(self, module: str, warm: Callable[[ModuleType], None]) -> None:
        self._name, self._warm = module, warm
        self._lock = threading.Lock()
        self._compared = 0
        self._loader: threading.Thread | None = None
        self._module: ModuleType | None = None

    def after(self, comparisons: int, compile_from: int) -> ModuleType | None:
        """Counts work, and loads the compiled functions beside it when it has grown enough.

        Args:
            comparisons: about to be made.
            compile_from: comparisons from which compiling pays; 0 waits for it.

        Returns:
            The module once it is ready; never, where numba cannot be imported.
        """
        if self._module is not None:
            return self._module
        with self._lock:
            self._compared += comparisons
            if self._loader is None and self._compared >= compile_from:
                self._loader = threading.Thread(target=self._load, name="index-compiler")
                self._loader.start()
        if compile_from == 0 and self._loader is not None:
            self._loader.join()
        return self._module

    def _load(self) -> None:
        try:
            module = importlib.import_module(self._name)
        except (
            ImportError
        ):  # numba supports new Pythons late; numpy does the same work at a third of the pace
            return
        self._warm(module)
        self._module = module
