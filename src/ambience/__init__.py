"""Ambience finds pictures: copies, color-alikes and more, over your own files, without a cloud."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("ambience")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
