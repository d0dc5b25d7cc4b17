"""What was written survives a loss of power."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Waits until a file's content, or the names in a folder, are safe on disk.

    Raises:
        OSError: they cannot be made so; some file systems sync no folders.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
