"""Ambience finds pictures: copies, color-alikes and more, over your own files, without a cloud.

`ambience.open(folder)` opens a library; nothing heavy is imported before that.
"""

from typing import TYPE_CHECKING, Any

from ambience.version import __version__

if TYPE_CHECKING:
    from ambience.library import open as open

__all__ = ["__version__", "open"]


def __getattr__(name: str) -> Any:
    if name == "open":
        from ambience import library

        return library.open
    raise AttributeError(f"module 'ambience' has no attribute {name!r}")
