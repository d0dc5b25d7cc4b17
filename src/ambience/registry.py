"""Name → class found in a folder: the only lookup mechanism.

A module of such a folder exports exactly one name in `__all__`: the class that it is about.
Modules named `base` and modules that begin with an underscore hold contracts and are passed over.
A class kept outside our tree registers through an entry point whose group is the folder's import path.
"""

import importlib
import pkgutil
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ambience.errors import SettingsError


@cache
def names(folder: str) -> tuple[str, ...]:
    """Names of what a folder holds, sorted, without importing any of it.

    Args:
        folder: import path of a package, such as "ambience.extract".

    Returns:
        File names without ending, and entry-point names of the group `folder`.
    """
    package = importlib.import_module(folder)
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    found |= {point.name for point in entry_points(group=folder)}
    return tuple(sorted(name for name in found if name != "base" and not name.startswith("_")))


def load(folder: str, name: str) -> type[Any]:
    """The class that a file of a folder is about.

    Args:
        folder: import path of a package, such as "ambience.index".
        name: of the file, without its ending.

    Returns:
        The one class named in the module's `__all__`, or the entry point's object.

    Raises:
        SettingsError: the folder holds no such name; the message lists what it holds.
    """
    if name not in names(folder):
        raise SettingsError(f"no {name!r} in {folder}; have {', '.join(names(folder))}")
    for point in entry_points(group=folder, name=name):
        found: type[Any] = point.load()
        return found
    module = importlib.import_module(f"{folder}.{name}")
    exported = module.__all__
    if len(exported) != 1:
        raise SettingsError(f"{folder}.{name} exports {exported}; it must export the one class it is about")
    (only,) = exported
    found = getattr(module, only)
    return found
