"""Whether an LMDB environment can be read without harm, found out in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from ambience.store import probe

SHORTEST_S: Final = 60.0
BYTES_PER_S: Final = 10e6
"""Slower than any disk that a library is kept on; a walk that takes longer goes round in circles."""


def damage_of(path: Path, *, size: int, is_unnamed: bool = False) -> str:
    """What is wrong with an environment.

    A damaged memory map kills whoever reads it (SIGBUS, SIGSEGV), so another process does.

    Args:
        path: folder of the environment, or its single file.
        size: of its data, bytes: how long reading may take.
        is_unnamed: another system wrote it, without named databases; it is left as it is.

    Returns:
        "" where all of it was read.
    """
    timeout_s = SHORTEST_S + size / BYTES_PER_S
    command = [sys.executable, "-P", probe.__file__, str(path), *(["unnamed"] if is_unnamed else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return f"reading them did not end within {timeout_s:.0f} s"
    if done.returncode == 0:
        return ""
    if done.returncode < 0:
        return f"reading them ended with signal {-done.returncode}"
    return (done.stderr.strip().splitlines() or ["unreadable"])[-1]
