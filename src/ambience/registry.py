"""Name → class found in a folder: the only lookup mechanism.

A module of such a folder exports exactly one name in `__all__`: the class that it is about.
Modules named `base` and modules that begin with an underscore hold contracts and are passed over.
A class kept outside our tree registers through an entry point whose group is the folder's import path.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ambience.errors import SettingsError


@cache
def known(folder: str) -> Mapping[str, EntryPoint | None]:
    """What a folder holds, without importing any of it; looked up once, since each time reads every package.

    Args:
        folder: import path of a package, such as "ambience.extract".

    Returns:
        By name, sorted: the entry point of the group `folder`, or None for a file of the folder.
    """
    package = importlib.import_module(folder)
    found: dict[str, EntryPoint | None] = {
        module.name: None for module in pkgutil.iter_modules(package.__path__)
    }
    found |= {point.name: point for point in entry_points(group=folder)}
    return {name: found[name] for name in sorted(found) if name != "base" and not name.startswith("_")}


def names(folder: str) -> tuple[str, ...]:
    """Names of what a folder holds, sorted, without importing any of it.

    Args:
        folder: import path of a package, such as "ambience.extract".

    Returns:
        File names without ending, and entry-point names of the group `folder`.
    """
    return tuple(known(folder))


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
    if name not in known(folder):
        raise SettingsError(f"no {name!r} in {folder}; have {', '.join(names(folder))}")
    found: type[Any]
    point = known(folder)[name]
    if point is not None:
        found = point.load()
        return found
    module = importlib.import_module(f"{folder}.{name}")
    exported = module.__all__
    if len(exported) != 1:
        raise SettingsError(f"{folder}.{name} exports {exported}; it must export the one class it is about")
    (only,) = exported
    found = getattr(module, only)
    return found
