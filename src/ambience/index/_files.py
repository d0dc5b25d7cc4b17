"""Files of an index that two snapshots share."""

import os
import shutil
from pathlib import Path


def link(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, or a copy of it where the disk knows no hard links.

    Args:
        source: of an earlier snapshot; never changed by anybody.
        target: does not exist yet.

    Raises:
        OSError: neither could be made; the disk is full, or `source` is gone.
    """
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
